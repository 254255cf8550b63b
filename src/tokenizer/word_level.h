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

  /// For a reader of compiled files.
  WordLevel() = default;
  template <typename Archive, typename Self>
  static void fields(Archive& archive, Self& self) {
    archive(self.words_, self.unknown_);
  }
  void save(CompiledWriter& writer) const override { writer(Kind::kWordLevel, *this); }
  [[nodiscard]] bool ids_below(std::size_t limit) const {
    return words_.size() <= limit && unknown_ < static_cast<std::int64_t>(limit);
  }

  [[nodiscard]] std::unique_ptr<Model::Encoder> start() const override;

 private:
  class Encoder;
  [[nodiscard]] Token find(std::string_view word) const;

  PieceTable words_;
  Token unknown_ = -1;
};

}  // namespace weft::tokenizer
