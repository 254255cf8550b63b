#include "tiktoken.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <unordered_set>
#include <utility>

#include "base64.h"
#include "json.h"
#include "ranked_tokenizer.h"
#include "tiktoken_encodings.h"
#include "weft/error.h"

namespace weft::tokenizer {
namespace {

struct Line {
  std::string_view token, rank;
};

// "<base64> <rank>", or nothing.
std::optional<Line> split(std::string_view line) {
  const std::size_t blank = line.find(' ');
  if (blank == std::string_view::npos || blank == 0 || blank + 1 == line.size()) return std::nullopt;
  return Line{line.substr(0, blank), line.substr(blank + 1)};
}

std::vector<RankedToken> read_tokens(std::string_view bytes, const std::string& name, const TokenizerLimits& limits) {
  std::vector<RankedToken> tokens;
  std::unordered_set<std::string> known;
  std::size_t number = 0;
  for (std::size_t pos = 0; pos < bytes.size();) {
    const std::size_t end = std::min(bytes.find('\n', pos), bytes.size());
    std::string_view line = bytes.substr(pos, end - pos);
    pos = end + 1;
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const auto fail = [&](const std::string& message, ErrorCode code = ErrorCode::kCorrupt,
                          const std::string& fix = "the file is cut short or damaged; fetch it again") {
      throw Error(code, message, name + ": line " + std::to_string(number), fix);
    };
    const auto parts = split(line);
    if (!parts) fail("a line is a token in base64, a blank and its rank, not " + tokenizer::quoted(line));
    // Whisper's own file has a token of no bytes, as Python's b64decode reads it: nothing becomes it, but its rank is taken.
    auto token = parts->token == "=" ? std::string() : from_base64(parts->token);
    if (!token) fail(tokenizer::quoted(parts->token) + " is not base64");
    std::uint32_t rank = 0;
    const char* const last = parts->rank.data() + parts->rank.size();
    const auto [stop, error] = std::from_chars(parts->rank.data(), last, rank);
    if (error != std::errc() || stop != last) fail("the rank is a number, not " + tokenizer::quoted(parts->rank));
    if (rank >= limits.vocab_size) {
      fail("rank " + std::to_string(rank) + " is beyond the bound of " + std::to_string(limits.vocab_size) + " ids",
           ErrorCode::kTooLarge, "raise TokenizerLimits::vocab_size if the file is right");
    }
    if (!known.insert(*token).second) fail("the token " + tokenizer::quoted(*token) + " is there twice");
    tokens.push_back({*std::move(token), static_cast<Token>(rank)});
  }
  std::stable_sort(tokens.begin(), tokens.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  for (std::size_t i = 1; i < tokens.size(); ++i) {
    if (tokens[i].id != tokens[i - 1].id) continue;
    throw Error(ErrorCode::kCorrupt,
                "rank " + std::to_string(tokens[i].id) + " is that of " + tokenizer::quoted(tokens[i - 1].bytes) +
                    " and of " + tokenizer::quoted(tokens[i].bytes),
                name, "fetch the file again");
  }
  return tokens;
}

}  // namespace

bool is_tiktoken(std::string_view bytes) {
  const std::size_t start = bytes.find_first_not_of("\r\n");
  if (start == std::string_view::npos) return false;
  std::string_view line = bytes.substr(start, 4096);
  line = line.substr(0, line.find_first_of("\r\n"));
  const auto parts = split(line);
  return parts && from_base64(parts->token) &&
         std::all_of(parts->rank.begin(), parts->rank.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::unique_ptr<const Tokenizer> parse_tiktoken(std::string_view bytes, std::string_view name,
                                                const TokenizerOptions& options, const TokenizerLimits& limits) {
  RankedVocabulary vocabulary;
  vocabulary.name = name;
  vocabulary.tokens = read_tokens(bytes, vocabulary.name, limits);
  if (vocabulary.tokens.empty()) {
    throw Error(ErrorCode::kCorrupt, "has no tokens", vocabulary.name, "fetch the file again");
  }
  if (!options.pattern.empty()) {
    vocabulary.pattern = options.pattern;
    for (const auto& [content, id] : options.special_tokens) {
      if (content.empty() || id < 0 || static_cast<std::size_t>(id) >= limits.vocab_size) {
        throw Error(ErrorCode::kInvalidArgument,
                    "the control token " + tokenizer::quoted(content) + " can't have the id " + std::to_string(id),
                    "TokenizerOptions::special_tokens", "give a text and an id below TokenizerLimits::vocab_size");
      }
      vocabulary.control.push_back(control_token(id, content));
    }
    return make_ranked_tokenizer(std::move(vocabulary), limits);
  }
  const Token next_id = vocabulary.tokens.back().id + 1;
  const auto told = encoding_of_file(name, next_id);
  const std::string encoding = !options.encoding.empty() ? options.encoding : std::string(told.value_or(""));
  if (encoding.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                "a file of ranks says neither how texts are split nor which control tokens there are, and this one's name "
                "tells no encoding",
                vocabulary.name, "name its encoding: " + encoding_names());
  }
  auto known = find_encoding(encoding, next_id);
  if (!known) {
    throw Error(ErrorCode::kInvalidArgument, "the encoding " + tokenizer::quoted(encoding) + " is not known",
                vocabulary.name, "name one of these: " + encoding_names());
  }
  vocabulary.pattern = known->pattern;
  vocabulary.control = std::move(known->control);
  vocabulary.composes = known->composes;
  return make_ranked_tokenizer(std::move(vocabulary), limits);
}

}  // namespace weft::tokenizer
