// SentencePiece's models other than Unigram: a text becomes symbols, those that are no piece become bytes or the unknown
// token.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "model.h"
#include "piece_trie.h"
#include "score_bpe.h"
#include "weft/token.h"

namespace weft::tokenizer {

/// What becomes of characters that are no piece.
struct UnknownSymbols {
  Token unknown = -1;                            ///< -1: none; then there are `bytes`.
  std::optional<std::array<Token, 256>> bytes{};  ///< Of all bytes. Without: one `unknown` for neighbours.

  template <typename Archive, typename Self>
  static void fields(Archive& archive, Self& self) {
    archive(self.unknown, self.bytes);
  }
};

[[nodiscard]] std::unique_ptr<const Model> make_bpe_model(ScoreBpe bpe, UnknownSymbols unknown);
/// @param pieces  By id; words start at U+2581.
[[nodiscard]] std::unique_ptr<const Model> make_word_model(PieceTrie pieces, UnknownSymbols unknown);
/// @param pieces        By id: characters and `user_defined`.
/// @param user_defined  Symbols of several characters.
[[nodiscard]] std::unique_ptr<const Model> make_character_model(PieceTrie pieces, PieceTrie user_defined,
                                                                UnknownSymbols unknown);
/// Reads what such a model has saved of itself, behind its kind.
/// @throws Error{kCorrupt}
[[nodiscard]] std::unique_ptr<const Model> read_symbol_model(Model::Kind kind, CompiledReader& reader, std::size_t pieces);

}  // namespace weft::tokenizer
