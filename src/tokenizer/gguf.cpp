#include "gguf.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <limits>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "bpe.h"
#include "bpe_alphabet.h"
#include "byte_level.h"
#include "gguf_pre_tokenizers.h"
#include "json.h"
#include "llama_cpp_normalizers.h"
#include "rwkv.h"
#include "score_bpe.h"
#include "sentencepiece_decoder.h"
#include "sentencepiece_model.h"
#include "split_patterns.h"
#include "staged_tokenizer.h"
#include "symbol_model.h"
#include "unigram_model.h"
#include "utf8.h"
#include "word_piece.h"

namespace weft::tokenizer {
namespace {

constexpr std::string_view kTokens = "tokenizer.ggml.tokens", kTypes = "tokenizer.ggml.token_type",
                           kScores = "tokenizer.ggml.scores", kMerges = "tokenizer.ggml.merges",
                           kPre = "tokenizer.ggml.pre", kUnknownId = "tokenizer.ggml.unknown_token_id",
                           kCharsmap = "tokenizer.ggml.precompiled_charsmap";
constexpr std::string_view kSpace = "\u2581";
constexpr double kUnknownPenalty = 10;

// llama.cpp's enum llama_token_type
enum class Type { kUndefined = 0, kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

// Tokens that llama.cpp takes for control tokens by their text, whatever type the file gives them (llama-vocab.cpp, "auto-detect
// special tokens by text"). Of each list, one token, and only if the file doesn't name one under a key of `keys`.
struct ControlTexts {
  std::vector<std::string_view> keys, texts;
};
const std::array<ControlTexts, 8>& control_texts() {
  static const std::array<ControlTexts, 8> all = {{
      {{"eot_token_id"},
       {"<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>", "<EOT>", "_<EOT>", "[EOT]",
        "<\uFF5Cend\u2581of\u2581sentence\uFF5C>", "<end_of_utterance>"}},
      {{"eom_token_id"}, {"<|eom_id|>"}},
      {{"fim_pre_token_id", "prefix_token_id"},
       {"<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<\uFF5Cfim\u2581begin\uFF5C>", "<PRE>", "\u2581<PRE>",
        "<|code_prefix|>", "<|prefix|>"}},
      {{"fim_suf_token_id", "suffix_token_id"},
       {"<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<\uFF5Cfim\u2581hole\uFF5C>", "<SUF>", "\u2581<SUF>",
        "<|code_suffix|>", "<|suffix|>"}},
      {{"fim_mid_token_id", "middle_token_id"},
       {"<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<\uFF5Cfim\u2581end\uFF5C>", "<MID>", "\u2581<MID>",
        "<|code_middle|>", "<|middle|>"}},
      {{"fim_pad_token_id"}, {"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"}},
      {{"fim_rep_token_id"}, {"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"}},
      {{"fim_sep_token_id"}, {"<|file_sep|>"}},
  }};
  return all;
}
// ... and those that end an answer, all of them.
constexpr std::string_view kEndTexts[] = {
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>",
    "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>", "<end_of_utterance>",
    "<eos>", "<turn|>", "<|tool_response>", "<\uFF5Cend\u2581of\u2581sentence\uFF5C>", "[e~["};
// gpt-oss's, which are text.
constexpr std::string_view kShownTexts[] = {"<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"};

class Reader {
 public:
  Reader(const GgufMetadata& metadata, const TokenizerLimits& limits) : metadata_(metadata), limits_(limits) {
    const auto tokens = metadata.texts(kTokens, limits.vocab_size);
    if (!tokens || tokens->empty()) metadata.fail(kTokens, "is missing: the file holds no vocabulary");
    tokens_ = *tokens;
    for (std::size_t id = 0; id < tokens_.size(); ++id) {
      if (tokens_[id].empty()) tokens_[id] = names_of_empty_.emplace_back("[EMPTY_" + std::to_string(id) + "]");
    }
    types_.resize(tokens_.size(), Type::kNormal);
    if (const auto types = metadata.integers(kTypes, limits.vocab_size)) {
      check_count(kTypes, types->size());
      for (std::size_t id = 0; id < types_.size(); ++id) {
        if ((*types)[id] < 0 || (*types)[id] > 6) metadata.fail(kTypes, "has the unknown type " + std::to_string((*types)[id]));
        types_[id] = static_cast<Type>((*types)[id]);
      }
    }
    stages_.pieces.resize(tokens_.size());
    stages_.pieces.reserve(tokens_.size());
    for (std::size_t id = 0; id < tokens_.size(); ++id) {
      const auto token = static_cast<Token>(id);
      stages_.pieces.set(token, tokens_[id]);
      if (!stages_.pieces.index(token)) {
        metadata.fail(kTokens, "has " + quoted(tokens_[id]) + " twice, as the ids " +
                                   std::to_string(stages_.pieces.find(tokens_[id])) + " and " + std::to_string(id));
      }
    }
    is_normal_.resize(tokens_.size());
    for (std::size_t id = 0; id < tokens_.size(); ++id) is_normal_[id] = types_[id] == Type::kNormal;
    change_types_by_text();
    add_tokens();
  }

  std::unique_ptr<const Tokenizer> read_bpe(std::string_view model);
  std::unique_ptr<const Tokenizer> read_spm();
  std::unique_ptr<const Tokenizer> read_wpm();
  std::unique_ptr<const Tokenizer> read_ugm();
  std::unique_ptr<const Tokenizer> read_rwkv();

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

  void change_types_by_text() {
    const auto id_of_text = [&](std::string_view text) { return stages_.pieces.find(text); };
    const auto set = [&](Token id, Type type) { types_[static_cast<std::size_t>(id)] = type; };
    for (const ControlTexts& list : control_texts()) {
      if (std::any_of(list.keys.begin(), list.keys.end(), [&](std::string_view key) {
            return id_of("tokenizer.ggml." + std::string(key), std::nullopt).has_value();
          })) {
        continue;
      }
      for (const std::string_view text : list.texts) {
        const Token id = id_of_text(text);
        if (id < 0) continue;
        set(id, Type::kControl);
        break;
      }
    }
    for (const std::string_view text : kEndTexts) {
      if (const Token id = id_of_text(text); id >= 0) set(id, Type::kControl);
    }
    for (const std::string_view text : kShownTexts) {
      if (const Token id = id_of_text(text); id >= 0) set(id, Type::kUserDefined);
    }
    const auto has = [&](std::string_view text) { return id_of_text(text) >= 0; };
    if (const Token end = id_of_text("<|end|>"); end >= 0 && (has("<|call|>") || has("<|calls|>")) &&
                                                 (has("<|return|>") || has("<|flush|>"))) {
      set(end, Type::kUserDefined);
    }
    const Token eos = id_of("tokenizer.ggml.eos_token_id", std::nullopt).value_or(-1);
    if (const Token s = id_of_text("</s>");
        s >= 0 && (has("<|tool_response>") || (eos >= 0 && eos == id_of_text("<|plamo:eos|>")))) {
      set(s, Type::kNormal);
    }
  }

  void add_tokens() {
    const auto contains = [](std::string_view text, std::initializer_list<std::string_view> parts) {
      return std::any_of(parts.begin(), parts.end(), [&](auto part) { return text.find(part) != std::string_view::npos; });
    };
    // What blanks a token takes isn't in the file: llama.cpp tells it from names.
    std::string name(metadata_.text("general.name").value_or(""));
    std::transform(name.begin(), name.end(), name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    const bool mask_takes_blanks =
        contains(metadata_.text(kPre).value_or(""), {"jina-v2-de", "jina-v2-es", "jina-v2-code"}) ||
        contains(metadata_.text("general.architecture").value_or(""), {"nomic-bert-moe", "jina-bert-v3"});
    const bool all_take_blanks = !mask_takes_blanks && contains(name, {"phi-3", "phi3"});
    const bool bracketed_mask_takes_blanks = !mask_takes_blanks && !all_take_blanks && contains(name, {"modern-bert"});
    std::vector<AddedToken> added;
    for (std::size_t id = 0; id < tokens_.size(); ++id) {
      if (!is_added(id)) continue;
      if (tokens_[id].size() > kMostAddedBytes) metadata_.fail(kTokens, "a control token is too long");
      AddedToken token = control_token(static_cast<Token>(id), tokens_[id]);
      token.special = is_special(id);
      token.lstrip = (mask_takes_blanks && tokens_[id] == "<mask>") || (bracketed_mask_takes_blanks && tokens_[id] == "[MASK]");
      token.rstrip = all_take_blanks && tokens_[id] != "<unk>" && tokens_[id] != "<s>" && tokens_[id] != "<|endoftext|>";
      token.ascii_blanks = true;
      added.push_back(std::move(token));
    }
    stages_.added = AddedTokens(std::move(added), Normalizer());
    stages_.text_bytes = std::min<std::size_t>(limits_.text_bytes, std::numeric_limits<std::int32_t>::max());
  }

  // llama.cpp's default where the file has no id, or one that is none.
  [[nodiscard]] std::optional<Token> id_of(std::string_view key, std::optional<Token> otherwise) const {
    const auto fits = [&](std::int64_t id) { return id >= 0 && static_cast<std::uint64_t>(id) < tokens_.size(); };
    if (const auto id = metadata_.integer(key); id && fits(*id)) return static_cast<Token>(*id);
    return otherwise && fits(*otherwise) ? otherwise : std::nullopt;
  }

  struct Ends {
    std::optional<Token> bos{}, eos{};  // where the file names none
    bool adds_bos = false, adds_eos = false;
  };
  // BOS and EOS, where the file or llama.cpp says so.
  void add_ends(const Ends& ends) {
    const bool adds_bos = metadata_.boolean("tokenizer.ggml.add_bos_token").value_or(ends.adds_bos);
    const bool adds_eos = metadata_.boolean("tokenizer.ggml.add_eos_token").value_or(ends.adds_eos);
    put_ends(adds_bos ? id_of("tokenizer.ggml.bos_token_id", ends.bos) : std::nullopt,
             adds_eos ? id_of("tokenizer.ggml.eos_token_id", ends.eos) : std::nullopt);
  }
  void put_ends(std::optional<Token> before, std::optional<Token> behind) {
    using Piece = PostProcessor::TemplatePiece;
    if (!before && !behind) return;
    const auto ends = [&](bool pair) {
      PostProcessor::Template result;
      for (const auto kind : {Piece::Kind::kFirst, Piece::Kind::kSecond}) {
        if (kind == Piece::Kind::kSecond && !pair) break;
        if (before) result.push_back({Piece::Kind::kSpecial, 0, {*before}});
        result.push_back({kind, 0, {}});
        if (behind) result.push_back({Piece::Kind::kSpecial, 0, {*behind}});
      }
      return result;
    };
    stages_.post_processor.add_template(ends(false), ends(true));
  }

  template <class... Step>
  void set_normalizer(Step... step) {
    std::vector<std::unique_ptr<NormalizerStep>> steps;
    (steps.push_back(std::move(step)), ...);
    stages_.normalizer = Normalizer(std::move(steps));
  }
  // llama.cpp spells no token of these types, wherever it looks at them: not in RWKV.
  [[nodiscard]] bool is_unused(std::size_t id) const { return types_[id] == Type::kUnused || types_[id] == Type::kUndefined; }
  // Pieces as bytes in the byte-level alphabet.
  void add_byte_level_decoding() {
    stages_.decoder.add_byte_level();
    for (std::size_t id = 0; id < tokens_.size(); ++id) {
      if (is_added(id)) stages_.verbatim.push_back(static_cast<Token>(id));
      if (is_unused(id) || types_[id] == Type::kByte) stages_.silent.push_back(static_cast<Token>(id));
    }
  }
  // Pieces as SentencePiece spells them.
  void add_decoding(bool strips_first_space, bool has_bytes) {
    SentencePieceDecoding decoding;
    decoding.strips_first_space = strips_first_space;
    decoding.has_bytes = has_bytes;
    for (std::size_t id = 0; id < tokens_.size(); ++id) {
      if (is_special(id)) decoding.control.insert(std::string(tokens_[id]));
      if (is_unused(id)) stages_.silent.push_back(static_cast<Token>(id));
    }
    add_sentencepiece_decoding(stages_.decoder, std::move(decoding));
  }
  [[nodiscard]] std::vector<float> read_scores() const {
    auto scores = metadata_.reals(kScores, limits_.vocab_size);
    if (!scores) metadata_.fail(kScores, "is missing");
    check_count(kScores, scores->size());
    if (std::any_of(scores->begin(), scores->end(), [](float score) { return std::isnan(score); })) {
      metadata_.fail(kScores, "has an item that is not a number");
    }
    return *std::move(scores);
  }
  [[nodiscard]] std::vector<Bpe::Merge> read_merges(bool needed) const;

  static constexpr std::size_t kMostAddedBytes = 1024;

  const GgufMetadata& metadata_;
  const TokenizerLimits& limits_;
  std::vector<std::string_view> tokens_;
  std::deque<std::string> names_of_empty_;
  std::vector<Type> types_;
  std::vector<bool> is_normal_;  // by the file
  Stages stages_;
};

std::vector<Bpe::Merge> Reader::read_merges(bool needed) const {
  const auto texts = metadata_.texts(kMerges, 4 * limits_.vocab_size);
  if (!texts) {
    if (needed) metadata_.fail(kMerges, "is missing");
    return {};
  }
  std::vector<Bpe::Merge> merges;
  merges.reserve(texts->size());
  std::unordered_set<std::uint64_t> pairs;  // of several merges of one pair, the first one counts
  pairs.reserve(texts->size());
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
    const Token left = stages_.pieces.find(text.substr(0, blank)), right = stages_.pieces.find(text.substr(blank + 1));
    joined.assign(text.substr(0, blank)).append(text.substr(blank + 1));
    const Token result = stages_.pieces.find(joined);
    if (left < 0 || right < 0 || result < 0) wrong(quoted(text) + " has a piece that is no token");
    if (is_special(static_cast<std::size_t>(result))) continue;
    if (pairs.insert(static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint64_t>(right)).second) {
      merges.push_back({left, right, result});
    }
  }
  return merges;
}

std::unique_ptr<const Tokenizer> Reader::read_bpe(std::string_view model) {
  const bool is_gemma4 = model == "gemma4";
  std::string_view pre = is_gemma4 ? "gemma4" : metadata_.text(kPre).value_or("");
  if (pre.empty()) pre = "default";
  const GgufPreTokenizer* const splits = find_gguf_pre_tokenizer(pre);
  if (splits == nullptr) {
    metadata_.fail(kPre, quoted(pre) + " is not supported; these are: " + gguf_pre_tokenizer_names(),
                   ErrorCode::kUnsupported);
  }
  if (splits->escapes_blanks) {
    set_normalizer(make_replace(" ", std::string(kSpace)));
  } else if (model == "whitespace") {
    if (metadata_.boolean("tokenizer.ggml.normalizer.lowercase").value_or(pre != "whitespace")) {
      // One character becomes one, without the dot.
      set_normalizer(make_replace("\u0130", "i"), make_lowercase());
    }
    stages_.pre_tokenizer.add_whitespace_split();
  }
  for (const auto& split : splits->splits) {
    const auto* const regex = std::get_if<std::string_view>(&split);
    const auto known = regex == nullptr ? std::get<KnownPattern>(split) : find_known_pattern(*regex);
    if (known) {
      stages_.pre_tokenizer.add_split(*known, SplitBehavior::kIsolated, /*invert=*/false);
    } else {
      stages_.pre_tokenizer.add_split(Regex(*regex), SplitBehavior::kIsolated, /*invert=*/false);
    }
  }
  const std::vector<Bpe::Merge> merges = read_merges(pre != "kimi-k2");
  PieceTable words;
  words.resize(tokens_.size());
  words.reserve(tokens_.size());
  for (std::size_t id = 0; id < tokens_.size(); ++id) {
    const auto token = static_cast<Token>(id);
    std::optional<std::string> bytes;
    if (!splits->byte_level) {
      bytes = tokens_[id];
    } else if (valid_utf8_prefix(tokens_[id]) == tokens_[id].size()) {
      bytes = from_byte_level(tokens_[id]);
    }
    if (!bytes || bytes->empty() || (is_special(id) && bytes->size() > 1)) continue;
    words.set(token, *bytes);
    if (!splits->whole_line_ends || bytes->find_first_not_of('\n') == std::string::npos) words.index(token);
  }
  if (splits->byte_level) {
    stages_.pre_tokenizer.keep_bytes();
    add_byte_level_decoding();
  } else {
    add_decoding(/*strips_first_space=*/false, /*has_bytes=*/true);
  }
  auto alphabet = splits->byte_level ? BpeAlphabet::of_bytes(stages_.pieces, {.leaves_gaps = true})
                                     : BpeAlphabet::of_characters(stages_.pieces, {}, /*fallback=*/true);
  stages_.model = std::make_unique<Bpe>(merges, std::move(alphabet), std::move(words),
                                        splits->whole_words || splits->whole_line_ends);
  Ends ends{.adds_bos = splits->adds_bos};
  if (!is_gemma4) ends.eos = 11;
  if (!is_gemma4 && splits->has_bos) ends.bos = 11;
  if (splits->bos_always) {
    put_ends(id_of("tokenizer.ggml.bos_token_id", ends.bos),
             metadata_.boolean("tokenizer.ggml.add_eos_token").value_or(false) ? id_of("tokenizer.ggml.eos_token_id", ends.eos)
                                                                              : std::nullopt);
  } else {
    add_ends(ends);
  }
  return make_tokenizer(std::move(stages_));
}

std::unique_ptr<const Tokenizer> Reader::read_spm() {
  const std::vector<float> scores = read_scores();
  std::vector<ScoreBpe::Piece> pieces;
  for (std::size_t id = 0; id < tokens_.size(); ++id) {
    // Control tokens must not come out of a text that spells them: here llama.cpp is less strict.
    if (is_special(id)) continue;
    if (tokens_[id].size() > kMostAddedBytes) metadata_.fail(kTokens, "a token is too long");
    pieces.push_back({tokens_[id], static_cast<Token>(id), scores[id] == 0 ? 0.0F : scores[id]});
  }
  std::array<Token, 256> bytes;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    bytes[byte] = stages_.pieces.find(std::string("<0x") + kDigits[byte >> 4] + kDigits[byte & 15] + '>');
    if (bytes[byte] < 0 && byte < 128) bytes[byte] = stages_.pieces.find(std::string(1, static_cast<char>(byte)));
    if (bytes[byte] < 0) metadata_.fail(kTokens, "lacks the byte " + std::to_string(byte) + " as a token");
  }
  try {
    stages_.model = make_bpe_model(ScoreBpe(pieces), {-1, bytes});
  } catch (const MergesTooMany&) {
    metadata_.fail(kTokens, "the tokens have more merges than can be listed", ErrorCode::kTooLarge);
  }
  const bool prefix = metadata_.boolean("tokenizer.ggml.add_space_prefix").value_or(true);
  auto marks = make_replace(" ", std::string(kSpace));
  if (prefix) set_normalizer(make_prepend(std::string(kSpace)), std::move(marks));
  else set_normalizer(std::move(marks));
  add_decoding(prefix, /*has_bytes=*/true);
  add_ends({.bos = 1, .eos = 2, .adds_bos = true});
  return make_tokenizer(std::move(stages_));
}

std::unique_ptr<const Tokenizer> Reader::read_wpm() {
  LlamaCppWordRules rules;
  rules.lowercase = metadata_.boolean("tokenizer.ggml.normalizer.lowercase").value_or(true);
  rules.strip_accents = metadata_.boolean("tokenizer.ggml.normalizer.strip_accents").value_or(rules.lowercase);
  set_normalizer(make_llama_cpp_words(rules));
  stages_.pre_tokenizer.add_split(" ", SplitBehavior::kRemoved, /*invert=*/false);
  std::vector<PieceTrie::Entry> pieces;
  for (std::size_t id = 0; id < tokens_.size(); ++id) {
    if (!is_special(id)) pieces.push_back({tokens_[id], static_cast<std::uint32_t>(id)});
  }
  WordPiece::Options options;
  options.unknown = id_of(kUnknownId, 100).value_or(-1);
  options.max_characters = std::numeric_limits<std::size_t>::max();
  stages_.model = std::make_unique<WordPiece>(pieces, pieces, options);
  add_decoding(/*strips_first_space=*/false, /*has_bytes=*/false);
  put_ends(id_of("tokenizer.ggml.bos_token_id", 101), id_of("tokenizer.ggml.seperator_token_id", 102));
  return make_tokenizer(std::move(stages_));
}

std::unique_ptr<const Tokenizer> Reader::read_ugm() {
  const std::vector<float> scores = read_scores();
  LlamaCppUnigramRules rules;
  try {
    if (const auto bytes = metadata_.bytes(kCharsmap)) rules.map = Charsmap(*bytes);
  } catch (const CharsmapError& error) {
    metadata_.fail(kCharsmap, "the map of characters is damaged: " + error.message);
  }
  rules.add_space_prefix = metadata_.boolean("tokenizer.ggml.add_space_prefix").value_or(false);
  rules.remove_extra_whitespaces = metadata_.boolean("tokenizer.ggml.remove_extra_whitespaces").value_or(false);
  std::vector<std::string_view> user_defined;
  std::vector<Unigram::Piece> pieces;
  float lowest = std::numeric_limits<float>::max();
  for (std::size_t id = 0; id < tokens_.size(); ++id) {
    if (is_normal_[id]) lowest = std::min(lowest, scores[id]);
    if (types_[id] == Type::kUserDefined) user_defined.push_back(tokens_[id]);
    if (types_[id] == Type::kNormal || types_[id] == Type::kUnused || types_[id] == Type::kUserDefined) {
      pieces.push_back({tokens_[id], static_cast<Token>(id), types_[id] == Type::kUserDefined ? 0.0 : scores[id]});
    }
  }
  Unigram::Options options;
  options.unknown = id_of(kUnknownId, 2).value_or(-1);
  options.unknown_score = static_cast<float>(lowest - kUnknownPenalty);
  stages_.model = std::make_unique<UnigramModel>(Unigram(pieces, options));
  const bool prefix = rules.add_space_prefix;
  set_normalizer(make_llama_cpp_unigram(std::move(rules), user_defined));
  add_decoding(prefix, /*has_bytes=*/true);
  add_ends({.eos = 1, .adds_eos = true});
  return make_tokenizer(std::move(stages_));
}

std::unique_ptr<const Tokenizer> Reader::read_rwkv() {
  std::deque<std::string> bytes;
  std::vector<PieceTrie::Entry> pieces;
  for (std::size_t id = 0; id < tokens_.size(); ++id) {
    if (is_special(id)) continue;
    bytes.push_back(unescape_rwkv(tokens_[id]));
    if (!bytes.back().empty()) pieces.push_back({bytes.back(), static_cast<std::uint32_t>(id)});
  }
  stages_.model = make_rwkv_model(std::move(pieces), id_of(kUnknownId, std::nullopt).value_or(-1));
  stages_.decoder.add(make_rwkv_decoding());
  return make_tokenizer(std::move(stages_));
}

}  // namespace

std::unique_ptr<const Tokenizer> make_gguf_tokenizer(const GgufMetadata& metadata, const TokenizerLimits& limits) {
  constexpr std::string_view kModel = "tokenizer.ggml.model";
  const auto model = metadata.text(kModel);
  if (!model) metadata.fail(kModel, "is missing: the file holds no tokenizer");
  if (*model == "gpt2" || *model == "gemma4" || *model == "whitespace") return Reader(metadata, limits).read_bpe(*model);
  if (*model == "llama") return Reader(metadata, limits).read_spm();
  if (*model == "bert") return Reader(metadata, limits).read_wpm();
  if (*model == "t5") return Reader(metadata, limits).read_ugm();
  if (*model == "rwkv") return Reader(metadata, limits).read_rwkv();
  metadata.fail(kModel, quoted(*model) + " is not supported; these are: bert (WPM), gemma4, gpt2 and whitespace (BPE), "
                        "llama (SPM), rwkv, t5 (UGM)",
                ErrorCode::kUnsupported);
}

}  // namespace weft::tokenizer
