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

    template <typename Archive, typename Self>
    static void fields(Archive& archive, Self& self) {
      archive(self.unknown, self.max_characters);
    }
  };
  /// @param first         Pieces that a word may start with.
  /// @param continuing    Pieces that may follow, without their prefix.
  WordPiece(std::vector<PieceTrie::Entry> first, std::vector<PieceTrie::Entry> continuing, const Options& options);

  /// For a reader of compiled files.
  WordPiece() = default;
  template <typename Archive, typename Self>
  static void fields(Archive& archive, Self& self) {
    archive(self.first_, self.continuing_, self.options_);
  }
  void save(CompiledWriter& writer) const override { writer(Kind::kWordPiece, *this); }
  [[nodiscard]] bool ids_below(std::size_t limit) const {
    return first_.values_below(limit) && continuing_.values_below(limit) && options_.unknown < static_cast<std::int64_t>(limit);
  }

  [[nodiscard]] std::unique_ptr<Model::Encoder> start() const override;
  /// For WordByWord. Costs O(n) for n bytes, times the length of the longest piece.
  void encode(std::string_view word, std::vector<Token>& ids, std::vector<Range>* places) const;

 private:
  PieceTrie first_, continuing_;
  Options options_;
};

}  // namespace weft::tokenizer
