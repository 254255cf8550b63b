#include "stretch_tokenizer.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "utf8.h"
#include "weft/error.h"

namespace weft::tokenizer {

StretchTokenizer::StretchTokenizer(Vocabulary vocabulary, const TokenizerLimits& limits)
    : vocabulary_(std::move(vocabulary)),
      text_bytes_(std::min<std::size_t>(limits.text_bytes, std::numeric_limits<std::int32_t>::max())) {
  vocabulary_.special.resize(vocabulary_.pieces.size());
}

std::vector<Token> StretchTokenizer::encode(std::span<const TextPart> parts) const {
  std::size_t size = 0;
  bool mixed = false;
  for (const TextPart& part : parts) {
    size += part.text.size();
    mixed = mixed || part.specials != parts[0].specials;
    if (size > text_bytes_) {
      throw Error(ErrorCode::kTooLarge,
                  "the text is longer than the bound of " + std::to_string(text_bytes_) + " bytes", "text",
                  "shorten it, or raise TokenizerLimits::text_bytes");
    }
  }
  std::vector<Token> out;
  if (size == 0) return out;

  std::string joined;
  std::vector<Range> trusted;
  std::string_view text = parts[0].text;
  if (parts.size() > 1) {
    joined.reserve(size);
    for (const TextPart& part : parts) {
      if (part.specials == Specials::kAsTokens && !part.text.empty()) {
        if (trusted.empty() || trusted.back().end != joined.size()) trusted.push_back({joined.size(), joined.size()});
        trusted.back().end += part.text.size();
      }
      joined += part.text;
    }
    text = joined;
  }
  if (valid_utf8_prefix(text) != text.size()) {
    joined = repair_utf8(text, &trusted);
    text = joined;
  }
  out.reserve(text.size() / 4 + 16);
  std::vector<Stretch> stretches;
  vocabulary_.added.find_raw(text, mixed ? Authors(trusted) : Authors(parts[0].specials), stretches);
  for (const Stretch& stretch : stretches) {
    if (stretch.token != nullptr) {
      out.push_back(stretch.token->id);
    } else {
      encode_stretch(text.substr(stretch.range.begin, stretch.range.size()), out);
    }
  }
  return out;
}

std::string StretchTokenizer::decode(std::span<const Token> tokens, Specials specials) const {
  for (const Token token : tokens) check(token);
  std::string text = decode_tokens(tokens, specials);
  return valid_utf8_prefix(text) == text.size() ? text : repair_utf8(text);
}

std::string StretchTokenizer::piece(Token token) const {
  check(token);
  return std::string(piece_of(token));
}

std::optional<Token> StretchTokenizer::find(std::string_view piece) const {
  const Token id = vocabulary_.pieces.find(piece);
  return id < 0 ? std::nullopt : std::optional(id);
}

bool StretchTokenizer::is_special(Token token) const {
  check(token);
  return special(token);
}

void StretchTokenizer::check(Token token) const {
  if (token >= 0 && static_cast<std::size_t>(token) < vocabulary_.pieces.size()) return;
  throw Error(ErrorCode::kInvalidArgument,
              "id " + std::to_string(token) + " is outside of the vocabulary, 0 to " +
                  std::to_string(static_cast<std::int64_t>(vocabulary_.pieces.size()) - 1),
              "tokens", "use the tokenizer that the model was trained with");
}

AddedToken control_token(Token id, std::string_view content) {
  AddedToken token;
  token.id = id;
  token.content = content;
  token.special = true;
  return token;
}

}  // namespace weft::tokenizer
