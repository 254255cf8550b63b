// What SentencePiece does to a text before its model sees it.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "piece_trie.h"
#include "sentencepiece_model.h"

namespace weft::tokenizer {

class SentencePieceNormalizer {
 public:
  /// @param user_defined  Pieces that are left as they are wherever a text has them.
  SentencePieceNormalizer(SentencePieceRules rules, bool treat_whitespace_as_suffix,
                          const std::vector<std::string_view>& user_defined);

  /// @param text  Well-formed.
  [[nodiscard]] std::string apply(std::string_view text) const;

 private:
  struct Prefix {
    std::string_view replacement;
    std::size_t length;
  };
  [[nodiscard]] Prefix prefix(std::string_view text, std::size_t pos) const;
  [[nodiscard]] std::size_t skip_unchanged(std::string_view text, std::size_t pos) const;

  SentencePieceRules rules_;
  bool suffix_;
  PieceTrie user_defined_;
  std::array<bool, 256> may_change_{};  // bytes where a blank, a rule or a user-defined piece may start
};

}  // namespace weft::tokenizer
