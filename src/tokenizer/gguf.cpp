#include "gguf.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bpe.h"
#include "bpe_alphabet.h"
#include "byte_level.h"
#include "gguf_pre_tokenizers.h"
#include "json.h"
#include "score_bpe.h"
#include "sentencepiece_decoder.h"
#include "sentencepiece_model.h"
#include "split_patterns.h"
#include "staged_tokenizer.h"
#include "symbol_model.h"
#include "utf8.h"

namespace weft::tokenizer {
namespace {

constexpr std::string_view kTokens = "tokenizer.ggml.tokens", kTypes = "tokenizer.ggml.token_type",
                           kScores = "tokenizer.ggml.scores", kMerges = "tokenizer.ggml.merges",
                           kPre = "tokenizer.ggml.pre";
constexpr std::string_view kSpace = "\u2581";

// llama.cpp's enum llama_token_type
enum class Type { kUndefined = 0, kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

class Reader {
 public:
  Reader(const GgufMetadata& metadata, const TokenizerLimits& limits) : metadata_(metadata), limits_(limits) {
    const auto tokens = metadata.texts(kTokens, limits.vocab_size);
    if (!tokens || tokens->empty()) metadata.fail(kTokens, "is missing: the file holds no vocabulary");
    tokens_ = *tokens;
    types_.resize(tokens_.size(), Type::kNormal);
    if (const auto types = metadata.integers(kTypes, limits.vocab_size)) {
      check_count(kTypes, types->size());
      for (std::size_t id = 0; id < types_.size(); ++id) {
        if ((*types)[id] < 0 || (*types)[id] > 6) metadata.fail(kTypes, "has the unknown type " + std::to_string((*types)[id]));
        types_[id] = static_cast<Type>((*types)[id]);
      }
    }
  }

  std::unique_ptr<const Tokenizer> read_bpe();
  std::unique_ptr<const Tokenizer> read_spm();

 private:
  void check_count(std::string_view key, std::size_t count) const {
    if (count == tokens_.size()) return;
    metadata_.fail(key, "has " + std::to_string(count) + " items for " + std::to_string(tokens_.size()) + " tokens");
  }
  // Whether the token is looked for in a text before anything else.
  [[nodiscard]] bool is_added(std::size_t id) const {
    return types_[id] == Type::kControl || types_[id] == Type::kUserDefined || types_[id] == Type::kUnknown;
  }
  [[nodiscard]] bool is_special(std::size_t id) const { return is_added(id) && types_[id] != Type::kUserDefined; }

  void add_tokens(Stages& stages) const {
    stages.pieces.resize(tokens_.size());
    stages.pieces.reserve(tokens_.size());
    for (std::size_t id = 0; id < tokens_.size(); ++id) {
      stages.pieces.set(static_cast<Token>(id), tokens_[id]);
      if (!tokens_[id].empty()) stages.pieces.index(static_cast<Token>(id));
    }
    std::vector<AddedToken> added;
    for (std::size_t id = 0; id < tokens_.size(); ++id) {
      if (!is_added(id) || tokens_[id].empty() || stages.pieces.find(tokens_[id]) != static_cast<Token>(id)) continue;
      if (tokens_[id].size() > kMostAddedBytes) metadata_.fail(kTokens, "a control token is too long");
      AddedToken token = control_token(static_cast<Token>(id), tokens_[id]);
      token.special = is_special(id);
      added.push_back(std::move(token));
    }
    stages.added = AddedTokens(std::move(added), Normalizer());
    stages.text_bytes = std::min<std::size_t>(limits_.text_bytes, std::numeric_limits<std::int32_t>::max());
  }

  [[nodiscard]] std::optional<Token> id_of(std::string_view key) const {
    const auto id = metadata_.integer(key);
    if (!id || *id == 0xFFFFFFFF || *id == -1) return std::nullopt;
    if (*id < 0 || static_cast<std::uint64_t>(*id) >= tokens_.size()) {
      metadata_.fail(key, "is " + std::to_string(*id) + ", but there are " + std::to_string(tokens_.size()) + " tokens");
    }
    return static_cast<Token>(*id);
  }

  // BOS and EOS, where the file or llama.cpp says so.
  void add_ends(Stages& stages, bool bos_by_default, std::optional<Token> bos, std::optional<Token> eos) const {
    using Piece = PostProcessor::TemplatePiece;
    const bool add_bos = metadata_.boolean("tokenizer.ggml.add_bos_token").value_or(bos_by_default);
    const bool add_eos = metadata_.boolean("tokenizer.ggml.add_eos_token").value_or(false);
    if (const auto id = id_of("tokenizer.ggml.bos_token_id")) bos = id;
    if (const auto id = id_of("tokenizer.ggml.eos_token_id")) eos = id;
    const auto fits = [&](std::optional<Token> id) { return id && static_cast<std::size_t>(*id) < tokens_.size(); };
    if (!(add_bos && fits(bos)) && !(add_eos && fits(eos))) return;
    const auto ends = [&](bool pair) {
      PostProcessor::Template result;
      for (const auto kind : {Piece::Kind::kFirst, Piece::Kind::kSecond}) {
        if (kind == Piece::Kind::kSecond && !pair) break;
        if (add_bos && fits(bos)) result.push_back({Piece::Kind::kSpecial, 0, {*bos}});
        result.push_back({kind, 0, {}});
        if (add_eos && fits(eos)) result.push_back({Piece::Kind::kSpecial, 0, {*eos}});
      }
      return result;
    };
    stages.post_processor.add_template(ends(false), ends(true));
  }

  static constexpr std::size_t kMostAddedBytes = 1024;

  const GgufMetadata& metadata_;
  const TokenizerLimits& limits_;
  std::vector<std::string_view> tokens_;
  std::vector<Type> types_;
};

std::unique_ptr<const Tokenizer> Reader::read_bpe() {
  const auto pre = metadata_.text(kPre);
  if (!pre) metadata_.fail(kPre, "is missing: how the model splits texts can't be told", ErrorCode::kUnsupported);
  const GgufPreTokenizer* const splits = find_gguf_pre_tokenizer(*pre);
  if (splits == nullptr) {
    metadata_.fail(kPre, quoted(*pre) + " is not supported; these are: " + gguf_pre_tokenizer_names(),
                   ErrorCode::kUnsupported);
  }
  Stages stages;
  add_tokens(stages);
  for (const std::string_view pattern : splits->patterns) {
    if (const auto known = find_known_pattern(pattern)) {
      stages.pre_tokenizer.add_split(*known, SplitBehavior::kIsolated, /*invert=*/false);
    } else {
      stages.pre_tokenizer.add_split(Regex(pattern), SplitBehavior::kIsolated, /*invert=*/false);
    }
  }
  stages.pre_tokenizer.keep_bytes();
  stages.decoder.add_byte_level();

  const auto texts = metadata_.texts(kMerges, 4 * limits_.vocab_size);
  if (!texts) metadata_.fail(kMerges, "is missing");
  std::vector<Bpe::Merge> merges;
  merges.reserve(texts->size());
  std::string joined;
  for (std::size_t i = 0; i < texts->size(); ++i) {
    const std::string_view text = (*texts)[i];
    const std::size_t blank = text.find(' ', 1);
    const auto wrong = [&](const std::string& message) {
      metadata_.fail(std::string(kMerges) + "[" + std::to_string(i) + "]", message);
    };
    if (blank == std::string_view::npos || blank + 1 == text.size()) {
      wrong(quoted(text) + " is not two pieces with a blank between them");
    }
    const Token left = stages.pieces.find(text.substr(0, blank)), right = stages.pieces.find(text.substr(blank + 1));
    joined.assign(text.substr(0, blank)).append(text.substr(blank + 1));
    const Token result = stages.pieces.find(joined);
    if (left < 0 || right < 0 || result < 0) wrong(quoted(text) + " has a piece that is no token");
    if (!is_special(static_cast<std::size_t>(result))) merges.push_back({left, right, result});
  }
  PieceTable words;
  words.resize(tokens_.size());
  words.reserve(tokens_.size());
  for (std::size_t id = 0; id < tokens_.size(); ++id) {
    const auto bytes = from_byte_level(valid_utf8_prefix(tokens_[id]) == tokens_[id].size() ? tokens_[id] : " ");
    if (!bytes || bytes->empty() || (is_special(id) && bytes->size() > 1)) continue;
    words.set(static_cast<Token>(id), *bytes);
    words.index(static_cast<Token>(id));
  }
  stages.model = std::make_unique<Bpe>(merges, BpeAlphabet::of_bytes(stages.pieces, {}), std::move(words),
                                       splits->whole_words);
  add_ends(stages, splits->adds_bos, 11, 11);
  return make_tokenizer(std::move(stages));
}

std::unique_ptr<const Tokenizer> Reader::read_spm() {
  const auto scores = metadata_.reals(kScores, limits_.vocab_size);
  if (!scores) metadata_.fail(kScores, "is missing");
  check_count(kScores, scores->size());
  Stages stages;
  add_tokens(stages);
  std::vector<ScoreBpe::Piece> pieces;
  std::array<Token, 256> bytes;
  bytes.fill(-1);
  for (std::size_t id = 0; id < tokens_.size(); ++id) {
    const auto token = static_cast<Token>(id);
    const int byte = byte_of_piece(tokens_[id]);
    if (byte >= 0 && types_[id] == Type::kByte) bytes[static_cast<std::size_t>(byte)] = token;
    if (std::isnan((*scores)[id])) metadata_.fail(kScores, "has an item that is not a number");
    // Control tokens must not come out of a text that spells them: here llama.cpp is less strict.
    if (is_special(id) || tokens_[id].empty() || stages.pieces.find(tokens_[id]) != token) continue;
    if (tokens_[id].size() > kMostAddedBytes) metadata_.fail(kTokens, "a token is too long");
    pieces.push_back({tokens_[id], token, (*scores)[id] == 0 ? 0.0F : (*scores)[id]});
  }
  for (std::size_t byte = 0; byte < 256; ++byte) {
    if (bytes[byte] < 0) metadata_.fail(kTokens, "lacks the byte " + std::to_string(byte) + " as a token");
  }
  try {
    stages.model = make_bpe_model(ScoreBpe(pieces), {-1, bytes});
  } catch (const MergesTooMany&) {
    metadata_.fail(kTokens, "the tokens have more merges than can be listed", ErrorCode::kTooLarge);
  }
  const bool prefix = metadata_.boolean("tokenizer.ggml.add_space_prefix").value_or(true);
  std::vector<std::unique_ptr<NormalizerStep>> steps;
  if (prefix) steps.push_back(make_prepend(std::string(kSpace)));
  steps.push_back(make_replace(" ", std::string(kSpace)));
  stages.normalizer = Normalizer(std::move(steps));

  SentencePieceDecoding decoding;
  decoding.strips_first_space = prefix;
  decoding.has_bytes = true;
  for (std::size_t id = 0; id < tokens_.size(); ++id) {
    if (is_special(id)) decoding.control.insert(std::string(tokens_[id]));
  }
  add_sentencepiece_decoding(stages.decoder, std::move(decoding));
  add_ends(stages, true, 1, 2);
  return make_tokenizer(std::move(stages));
}

}  // namespace

std::unique_ptr<const Tokenizer> make_gguf_tokenizer(const GgufMetadata& metadata, const TokenizerLimits& limits) {
  constexpr std::string_view kModel = "tokenizer.ggml.model";
  const auto model = metadata.text(kModel);
  if (!model) metadata.fail(kModel, "is missing: the file holds no tokenizer");
  if (*model == "gpt2") return Reader(metadata, limits).read_bpe();
  if (*model == "llama") return Reader(metadata, limits).read_spm();
  metadata.fail(kModel, quoted(*model) + " is not supported; these are: gpt2 (BPE), llama (SPM)",
                ErrorCode::kUnsupported);
}

}  // namespace weft::tokenizer
