// What SentencePiece does to a text before its model sees it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "normalizer.h"
#include "piece_trie.h"
#include "sentencepiece_model.h"

namespace weft::tokenizer {

class SentencePieceNormalizer {
 public:
  /// @param user_defined  Pieces that are left as they are wherever a text has them.
  SentencePieceNormalizer(SentencePieceRules rules, bool treat_whitespace_as_suffix,
                          const std::vector<std::string_view>& user_defined);

  /// For a reader of compiled files.
  SentencePieceNormalizer() = default;
  template <typename Archive, typename Self>
  static void fields(Archive& archive, Self& self) {
    archive(self.rules_, self.suffix_, self.user_defined_, self.may_change_);
  }

  /// @param text     Well-formed.
  /// @param origins  If given: for each byte of the result, and for its end, where in `text` it comes from.
  [[nodiscard]] std::string apply(std::string_view text, std::vector<std::size_t>* origins = nullptr) const;

 private:
  struct Prefix {
    std::string_view replacement;
    std::size_t length;
  };
  [[nodiscard]] Prefix prefix(std::string_view text, std::size_t pos) const;
  [[nodiscard]] std::size_t skip_unchanged(std::string_view text, std::size_t pos) const;

  SentencePieceRules rules_;
  bool suffix_ = false;
  PieceTrie user_defined_;
  std::array<std::uint8_t, 256> may_change_{};  // bytes where a blank, a rule or a user-defined piece may start; 0 or 1
};

/// The same as a step of a normalizer. Offsets are SentencePiece's: what it drops belongs to what stands before.
[[nodiscard]] std::unique_ptr<NormalizerStep> make_sentencepiece_step(SentencePieceNormalizer normalizer);

}  // namespace weft::tokenizer
