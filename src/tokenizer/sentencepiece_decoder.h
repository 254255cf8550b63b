// How SentencePiece makes text of pieces.
#pragma once

#include <memory>
#include <string>
#include <unordered_set>

#include "decoder.h"
#include "sentencepiece_normalizer.h"

namespace weft::tokenizer {

struct SentencePieceDecoding {
  bool strips_first_space = true;  ///< That of the first piece.
  bool strips_all_spaces = false;  ///< Those of more pieces at the start, too.
  bool has_bytes = false;          ///< "<0x41>" is a byte.
  std::string unknown{};           ///< The unknown piece, which becomes:
  std::string unknown_surface{};
  std::unordered_set<std::string> control{};  ///< Pieces that are no text: what follows is a text of its own.
  std::shared_ptr<const SentencePieceNormalizer> denormalizer{};  ///< May be null.
};

void add_sentencepiece_decoding(Decoder& decoder, SentencePieceDecoding decoding);

}  // namespace weft::tokenizer
