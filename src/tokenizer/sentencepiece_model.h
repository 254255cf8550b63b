// The content of a SentencePiece `.model`: sentencepiece_model.proto, read and checked.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "charsmap.h"
#include "piece_table.h"
#include "weft/tokenizer.h"

namespace weft::tokenizer {

/// How SentencePiece changes a text before (and, if the file says so, after) the model.
struct SentencePieceRules {
  Charsmap map;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;

  template <typename Archive, typename Self>
  static void fields(Archive& archive, Self& self) {
    archive(self.map, self.add_dummy_prefix, self.remove_extra_whitespaces, self.escape_whitespaces);
  }
};

struct SentencePieceModel {
  enum class Kind { kUnigram = 1, kBpe = 2, kWord = 3, kChar = 4 };
  enum class Type { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };
  struct Piece {
    std::string text;  ///< Not empty.
    float score = 0;
    Type type = Type::kNormal;
  };

  /// By id. No two that texts may become have one text; in a BPE, no two at all.
  std::vector<Piece> pieces;
  Token unknown = -1;  ///< -1: none, and there is byte fallback.
  Kind kind = Kind::kUnigram;
  bool byte_fallback = false;  ///< Then there is a byte piece for each byte.
  bool treat_whitespace_as_suffix = false;
  std::string unknown_surface = " \u2047 ";  ///< What the unknown piece decodes to.
  SentencePieceRules normalizer;
  SentencePieceRules denormalizer;
  bool has_denormalizer = false;
  std::string bos_piece = "<s>", eos_piece = "</s>";  ///< Control symbols, if there are pieces of that name.
};

/// Whether `bytes` start like such a file.
[[nodiscard]] bool is_sentencepiece_model(std::string_view bytes);

/// The byte that "<0x41>" stands for, or -1.
[[nodiscard]] int byte_of_piece(std::string_view piece);

/// Whether texts may become pieces of this type.
[[nodiscard]] bool is_text(SentencePieceModel::Type type);

/// Makes SentencePiece's own demands on a model, and fills in `unknown`.
/// @returns its pieces. Of two with one text, that which no text becomes is found.
/// @throws Error{kCorrupt}
[[nodiscard]] PieceTable check_sentencepiece_model(SentencePieceModel& model, std::string_view name);

/// Reads a file; what it holds isn't yet checked.
/// @throws Error{kCorrupt, kUnsupported, kTooLarge}
[[nodiscard]] SentencePieceModel parse_sentencepiece_model(std::string_view bytes, std::string_view name,
                                                           const TokenizerLimits& limits);

}  // namespace weft::tokenizer
