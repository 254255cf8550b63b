// WordPiece: from a word's start on, always the longest piece that fits; a word that pieces don't fit is unknown.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "model.h"
#include "piece_trie.h"

namespace weft::tokenizer {

class WordPiece : public Model {
 public:
  struct Options {
    Token unknown = -1;  ///< -1: an unknown word is an Error.
    std::size_t max_characters = 100;  ///< A longer word is unknown.
  };
  /// @param first         Pieces that a word may start with.
  /// @param continuing    Pieces that may follow, without their prefix.
  WordPiece(std::vector<PieceTrie::Entry> first, std::vector<PieceTrie::Entry> continuing, const Options& options);

  [[nodiscard]] std::unique_ptr<Model::Encoder> start(std::size_t text_bytes) const override;

 private:
  class Encoder;
  /// Costs O(n) for n bytes, times the length of the longest piece.
  void encode(std::string_view word, std::vector<Token>& ids, std::vector<Range>* places) const;

  PieceTrie first_, continuing_;
  Options options_;
};

}  // namespace weft::tokenizer
