// WordLevel: each word is a piece, or unknown.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "model.h"
#include "piece_table.h"

namespace weft::tokenizer {

class WordLevel : public Model {
 public:
  /// @param words    Each id's word, findable.
  /// @param unknown  -1: an unknown word is an Error.
  WordLevel(PieceTable words, Token unknown) : words_(std::move(words)), unknown_(unknown) {}

  [[nodiscard]] std::unique_ptr<Model::Encoder> start(std::size_t text_bytes) const override;

 private:
  class Encoder;
  [[nodiscard]] Token find(std::string_view word) const;

  PieceTable words_;
  Token unknown_;
};

}  // namespace weft::tokenizer
