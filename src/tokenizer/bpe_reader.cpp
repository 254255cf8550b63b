#include "bpe_reader.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "byte_level.h"
#include "utf8.h"

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
  std::string joined;
  for (const auto& [key, merge] : merges) {
    if (merge.kind() == JsonKind::kString && merge.string().starts_with("#version")) continue;
    const Halves halves = read_halves(merge);
    const auto find = [&](std::string_view piece, const char* verb) {
      const Token id = vocabulary.find(piece);
      if (id < 0) merge.fail(std::string("merge ") + verb + " " + quoted(piece) + ", which is not in model.vocab");
      return id;
    };
    const Token left = find(halves.left, "uses"), right = find(halves.right, "uses");
    if (!halves.right.starts_with(prefix)) {
      merge.fail("the second piece lacks the continuing_subword_prefix " + quoted(prefix));
    }
    joined.assign(halves.left).append(halves.right.substr(prefix.size()));
    const Token merged = find(joined, "makes");
    if (!special.contains(merged)) result.push_back({left, right, merged});
  }
  return result;
}

}  // namespace

PieceTable read_vocabulary(const JsonValue& model, const TokenizerLimits& limits) {
  const JsonValue vocab = model.at("vocab");
  PieceTable pieces;
  pieces.reserve(vocab.expect_object().size());
  Token last = -1;
  for (const auto& [piece, value] : vocab) {
    const std::size_t number = value.integer(std::size_t{1} << 31);
    if (number >= limits.vocab_size) {
      value.fail(
          "id " + std::to_string(number) + " is beyond the bound of " + std::to_string(limits.vocab_size) + " ids",
          ErrorCode::kTooLarge, "raise TokenizerLimits::vocab_size if the file is right");
    }
    const auto id = static_cast<Token>(number);
    if (id > last) last = id, pieces.resize(number + 1);
    if (pieces.has(id)) value.fail("id " + std::to_string(id) + " is also that of " + quoted(pieces[id]));
    pieces.set(id, piece);
    if (!pieces.index(id)) value.fail("the piece is in the vocabulary twice");
  }
  return pieces;
}

Bpe read_bpe(const JsonValue& model, const PieceTable& vocabulary, const std::unordered_set<Token>& special) {
  if (const auto dropout = model.find("dropout"); dropout && dropout->number() != 0) {
    dropout->fail("dropout makes ids random and is not supported", ErrorCode::kUnsupported,
                  "set it to null: it is meant for training");
  }
  const std::string prefix = affix(model, "continuing_subword_prefix");
  const std::string suffix = affix(model, "end_of_word_suffix");

  Bpe::ByteIds byte_ids;
  bool complete = true;
  for (const bool first : {false, true}) {
    for (const bool last : {false, true}) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string piece = first ? std::string() : prefix;
        append_utf8(piece, kByteToChar[byte]);
        if (last) piece += suffix;
        byte_ids[first][last][byte] = vocabulary.find(piece);
        complete = complete && byte_ids[first][last][byte] >= 0;
      }
    }
  }

  Bpe::Options options;
  options.fuse_unknown = model.boolean_or("fuse_unk", false);
  options.whole_words = model.boolean_or("ignore_merges", false);
  if (!complete) {
    if (model.boolean_or("byte_fallback", false)) {
      model.at("byte_fallback")
          .fail("byte_fallback is not supported, and the vocabulary lacks bytes", ErrorCode::kUnsupported,
                "report the model");
    }
    if (const auto unknown = model.find("unk_token")) {
      options.unknown = vocabulary.find(unknown->string());
      if (options.unknown < 0) unknown->fail("the unk_token " + quoted(unknown->string()) + " is not in model.vocab");
    }
  }

  std::vector<Bpe::Merge> merges = read_merges(model.at("merges"), vocabulary, prefix, special);
  PieceTable words;
  words.resize(vocabulary.size());
  words.reserve(vocabulary.size());
  for (Token id = 0; id < static_cast<Token>(vocabulary.size()); ++id) {
    if (!vocabulary.has(id)) continue;
    // A piece with a character outside of the byte-level alphabet is one that no word is spelled like.
    const auto bytes = from_byte_level(vocabulary[id]);
    if (!bytes || bytes->empty() || (special.contains(id) && bytes->size() > 1)) continue;
    words.set(id, *bytes);
    words.index(id);
  }
  return Bpe(merges, byte_ids, std::move(words), !prefix.empty() || !suffix.empty(), options);
}

}  // namespace weft::tokenizer
