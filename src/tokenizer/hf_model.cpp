#include "hf_model.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bpe.h"
#include "byte_level.h"
#include "unigram_model.h"
#include "utf8.h"
#include "word_level.h"
#include "word_piece.h"

namespace weft::tokenizer {
namespace {

std::string affix(const JsonValue& model, std::string_view key) {
  const auto value = model.find(key);
  return value ? std::string(value->string()) : std::string();
}

struct Halves {
  std::string_view left, right;
};

// "a b", or ["a", "b"] in newer files.
Halves read_halves(const JsonValue& merge) {
  if (merge.kind() == JsonKind::kArray) {
    if (merge.size() != 2) merge.fail("a merge has two pieces, not " + std::to_string(merge.size()));
    const auto first = merge.begin();
    auto second = first;
    ++second;
    return {(*first).value.string(), (*second).value.string()};
  }
  const std::string_view text = merge.string();
  const std::size_t blank = text.find(' ');
  if (blank == std::string_view::npos || text.find(' ', blank + 1) != std::string_view::npos) {
    merge.fail("a merge is two pieces with one blank between them, not " + quoted(text));
  }
  return {text.substr(0, blank), text.substr(blank + 1)};
}

std::vector<Bpe::Merge> read_merges(const JsonValue& merges, const PieceTable& vocabulary, std::string_view prefix,
                                    const std::unordered_set<Token>& special) {
  std::vector<Bpe::Merge> result;
  result.reserve(merges.expect_array().size());
  std::vector<bool> is_special(vocabulary.size());
  for (const Token id : special) {
    if (static_cast<std::size_t>(id) < is_special.size()) is_special[static_cast<std::size_t>(id)] = true;
  }
  // A large table is in no cache: what is looked up in it is asked for some merges ahead.
  struct Asked {
    std::optional<JsonValue> merge;
    std::array<std::string_view, 2> halves;
    std::string joined;
    std::array<std::uint64_t, 3> hashes;
  };
  std::array<Asked, 8> waiting;
  const auto ask = [&](Asked& asked, const JsonValue& merge) {
    const Halves halves = read_halves(merge);
    if (!halves.right.starts_with(prefix)) {
      merge.fail("the second piece lacks the continuing_subword_prefix " + quoted(prefix));
    }
    asked.merge = merge;
    asked.halves = {halves.left, halves.right};
    asked.joined.assign(halves.left).append(halves.right.substr(prefix.size()));
    asked.hashes = {hash_of(halves.left), hash_of(halves.right), hash_of(asked.joined)};
    for (const std::uint64_t hash : asked.hashes) vocabulary.prefetch(hash);
  };
  const auto answer = [&](Asked& asked) {
    if (!asked.merge) return;
    const auto find = [&](std::string_view piece, std::uint64_t hash, const char* verb) {
      const Token id = vocabulary.find(piece, hash);
      if (id < 0) asked.merge->fail(std::string("merge ") + verb + " " + quoted(piece) + ", which is not in model.vocab");
      return id;
    };
    const Token left = find(asked.halves[0], asked.hashes[0], "uses"), right = find(asked.halves[1], asked.hashes[1], "uses");
    const Token merged = find(asked.joined, asked.hashes[2], "makes");
    if (!is_special[static_cast<std::size_t>(merged)]) result.push_back({left, right, merged});
    asked.merge.reset();
  };
  std::size_t next = 0;
  for (const auto& [key, merge] : merges) {
    if (merge.kind() == JsonKind::kString && merge.string().starts_with("#version")) continue;
    answer(waiting[next]);
    ask(waiting[next], merge);
    next = (next + 1) % waiting.size();
  }
  for (std::size_t i = 0; i < waiting.size(); ++i) answer(waiting[(next + i) % waiting.size()]);
  return result;
}

void check_id(const JsonValue& json, std::size_t id, const TokenizerLimits& limits) {
  if (id < limits.vocab_size) return;
  json.fail("id " + std::to_string(id) + " is beyond the bound of " + std::to_string(limits.vocab_size) + " ids",
            ErrorCode::kTooLarge, "raise TokenizerLimits::vocab_size if the file is right");
}

class PendingBpe : public PendingModel {
 public:
  PendingBpe(std::vector<Bpe::Merge> merges, BpeAlphabet alphabet, bool whole_words, bool of_bytes, const PieceTable& vocabulary,
             const std::unordered_set<Token>& special)
      : merges_(std::move(merges)),
        alphabet_(std::move(alphabet)),
        whole_words_(whole_words),
        of_bytes_(of_bytes),
        vocabulary_(vocabulary),
        special_(special) {}

  [[nodiscard]] std::unique_ptr<const Model> make() override {
    PieceTable words;
    words.resize(vocabulary_.size());
    std::string bytes;
    for (Token id = 0; id < static_cast<Token>(vocabulary_.size()); ++id) {
      if (!vocabulary_.has(id)) continue;
      std::string_view piece = vocabulary_[id];
      if (of_bytes_) {
        // A piece with a character outside of the byte-level alphabet is one that no word is spelled like.
        bytes.clear();
        if (!append_from_byte_level(piece, bytes)) continue;
        piece = bytes;
      }
      const std::size_t one = of_bytes_ || piece.empty() ? 1 : decode_at(piece, 0).length;
      if (piece.empty() || (piece.size() > one && special_.contains(id))) continue;
      words.set(id, piece);
    }
    return std::make_unique<Bpe>(std::move(merges_), std::move(alphabet_), std::move(words), whole_words_);
  }

 private:
  std::vector<Bpe::Merge> merges_;
  BpeAlphabet alphabet_;
  bool whole_words_, of_bytes_;
  const PieceTable& vocabulary_;
  std::unordered_set<Token> special_;
};

class ReadyModel : public PendingModel {
 public:
  explicit ReadyModel(std::unique_ptr<const Model> model) : model_(std::move(model)) {}
  [[nodiscard]] std::unique_ptr<const Model> make() override { return std::move(model_); }

 private:
  std::unique_ptr<const Model> model_;
};

std::unique_ptr<PendingModel> read_bpe(const JsonValue& model, const PieceTable& vocabulary,
                                       const std::unordered_set<Token>& special, bool& keep_bytes) {
  if (const auto dropout = model.find("dropout"); dropout && dropout->number() != 0) {
    dropout->fail("dropout makes ids random and is not supported", ErrorCode::kUnsupported,
                  "set it to null: it is meant for training");
  }
  BpeAlphabet::Options options;
  options.prefix = affix(model, "continuing_subword_prefix");
  options.suffix = affix(model, "end_of_word_suffix");
  options.fuse_unknown = model.boolean_or("fuse_unk", false);
  const std::string prefix = options.prefix;
  const auto unknown = model.find("unk_token");
  if (unknown) {
    options.unknown = vocabulary.find(unknown->string());
    if (options.unknown < 0) options.unknown = BpeAlphabet::kMissing;
  }
  const bool fallback = model.boolean_or("byte_fallback", false);

  std::optional<BpeAlphabet> alphabet;
  if (keep_bytes) {
    alphabet = BpeAlphabet::of_bytes(vocabulary, options);
    // Byte fallback would spell the letters of the byte-level alphabet, not the bytes that they stand for. Letters that
    // are left out put the offsets behind them out of step, by the letters' length.
    keep_bytes = alphabet->is_complete() || (!fallback && options.unknown >= 0);
  }
  if (!keep_bytes) alphabet = BpeAlphabet::of_characters(vocabulary, options, fallback);

  std::vector<Bpe::Merge> merges = read_merges(model.at("merges"), vocabulary, prefix, special);
  return std::make_unique<PendingBpe>(std::move(merges), *std::move(alphabet), model.boolean_or("ignore_merges", false),
                                      keep_bytes, vocabulary, special);
}

std::unique_ptr<const Model> read_unigram(const JsonValue& model, const PieceTable& vocabulary,
                                          const std::unordered_set<Token>& special) {
  Unigram::Options options;
  options.unknown_runs_may_be_pieces = true;
  if (const auto unknown = model.find("unk_id")) {
    const std::size_t number = unknown->integer(std::size_t{1} << 31);
    if (number >= vocabulary.size()) {
      unknown->fail("the unk_id " + std::to_string(number) + " is beyond the " + std::to_string(vocabulary.size()) +
                    " pieces of model.vocab");
    }
    options.unknown = static_cast<Token>(number);
  }
  std::vector<Unigram::Piece> pieces;
  double lowest = std::numeric_limits<double>::infinity();
  Token id = 0;
  for (const auto& [key, item] : model.at("vocab")) {
    auto part = item.begin();
    ++part;
    const double score = (*part).value.number();
    lowest = std::min(lowest, score);
    const bool allowed = !special.contains(id) || id == options.unknown;
    if (allowed && !vocabulary[id].empty()) pieces.push_back({vocabulary[id], id, score});
    ++id;
  }
  options.unknown_score = lowest - 10;  // tokenizers' K_UNK_PENALTY
  if (model.boolean_or("byte_fallback", false)) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    auto& bytes = options.bytes.emplace();
    for (std::size_t byte = 0; byte < 256; ++byte) {
      bytes[byte] = vocabulary.find({std::string("<0x") + kDigits[byte >> 4] + kDigits[byte & 15] + '>'});
    }
  }
  return std::make_unique<UnigramModel>(Unigram(pieces, options));
}

std::unique_ptr<const Model> read_word_piece(const JsonValue& model, const PieceTable& vocabulary,
                                             const std::unordered_set<Token>& special) {
  const std::string_view prefix = model.at("continuing_subword_prefix").string();
  const Token unknown = vocabulary.find(model.at("unk_token").string());
  std::vector<PieceTrie::Entry> first, continuing;
  for (Token id = 0; id < static_cast<Token>(vocabulary.size()); ++id) {
    if (!vocabulary.has(id) || vocabulary[id].empty()) continue;
    const std::string_view piece = vocabulary[id];
    if (!special.contains(id) || id == unknown) first.push_back({piece, static_cast<std::uint32_t>(id)});
    // Also of a control token, which a text without the prefix doesn't spell.
    if (piece.size() > prefix.size() && piece.starts_with(prefix)) {
      continuing.push_back({piece.substr(prefix.size()), static_cast<std::uint32_t>(id)});
    }
  }
  WordPiece::Options options;
  options.unknown = unknown;
  options.max_characters = model.at("max_input_chars_per_word").integer(std::numeric_limits<std::int64_t>::max());
  return std::make_unique<WordPiece>(std::move(first), std::move(continuing), options);
}

std::unique_ptr<const Model> read_word_level(const JsonValue& model, const PieceTable& vocabulary,
                                             const std::unordered_set<Token>& special) {
  PieceTable words;
  words.resize(vocabulary.size());
  words.reserve(vocabulary.size());
  for (Token id = 0; id < static_cast<Token>(vocabulary.size()); ++id) {
    if (!vocabulary.has(id) || special.contains(id)) continue;
    words.set(id, vocabulary[id]);
    words.index(id);
  }
  return std::make_unique<WordLevel>(std::move(words), vocabulary.find(model.at("unk_token").string()));
}

}  // namespace

ModelKind read_model_kind(const JsonValue& model) {
  if (const auto type = model.find("type")) {
    const std::string_view name = type->string();
    if (name == "BPE") return ModelKind::kBpe;
    if (name == "Unigram") return ModelKind::kUnigram;
    if (name == "WordPiece") return ModelKind::kWordPiece;
    if (name == "WordLevel") return ModelKind::kWordLevel;
    type->fail("the model " + quoted(name) + " is not supported; these are: BPE, Unigram, WordLevel, WordPiece",
               ErrorCode::kUnsupported, "report the model");
  }
  if (model.find("merges")) return ModelKind::kBpe;
  if (model.at("vocab").kind() == JsonKind::kArray) return ModelKind::kUnigram;
  return model.find("continuing_subword_prefix") ? ModelKind::kWordPiece : ModelKind::kWordLevel;
}

PieceTable read_vocabulary(const JsonValue& model, ModelKind kind, const TokenizerLimits& limits) {
  const JsonValue vocab = model.at("vocab");
  PieceTable pieces;
  if (kind == ModelKind::kUnigram) {
    pieces.reserve(vocab.expect_array().size());
    std::size_t number = 0;
    for (const auto& [key, item] : vocab) {
      if (item.expect_array().size() != 2) item.fail("must be a piece and its score");
      check_id(item, number, limits);
      pieces.resize(++number);
      const auto id = static_cast<Token>(number - 1);
      pieces.set(id, (*item.begin()).value.string());
    }
    for (std::size_t id = number; id-- > 0;) pieces.index(static_cast<Token>(id));  // the last of several counts
    return pieces;
  }
  pieces.reserve(vocab.expect_object().size());
  Token last = -1;
  for (const auto& [piece, value] : vocab) {
    const std::size_t number = value.integer(std::size_t{1} << 31);
    check_id(value, number, limits);
    const auto id = static_cast<Token>(number);
    if (id > last) last = id, pieces.resize(number + 1);
    if (pieces.has(id)) {
      value.fail("id " + std::to_string(id) + " is also that of " + quoted(pieces[id]), ErrorCode::kCorrupt,
                 "give each piece an id of its own, or fetch the file again");
    }
    pieces.set(id, piece);
    if (!pieces.index(id)) value.fail("the piece is in the vocabulary twice");
  }
  return pieces;
}

std::unique_ptr<PendingModel> read_model(const JsonValue& model, ModelKind kind, const PieceTable& vocabulary,
                                         const std::unordered_set<Token>& special, bool& keep_bytes) {
  if (kind == ModelKind::kBpe) return read_bpe(model, vocabulary, special, keep_bytes);
  keep_bytes = false;
  return std::make_unique<ReadyModel>(kind == ModelKind::kUnigram     ? read_unigram(model, vocabulary, special)
                                      : kind == ModelKind::kWordPiece ? read_word_piece(model, vocabulary, special)
                                                                      : read_word_level(model, vocabulary, special));
}

}  // namespace weft::tokenizer
