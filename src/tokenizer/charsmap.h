// SentencePiece's precompiled character map: a list of rules "these bytes become those", such as NFKC with changes.
//
// Files carry it as a length, a double array of that many bytes (Darts-clone's layout) and the replacements, each
// ended by a NUL. The readers of such files differ in which rule applies where; both ways to look are here.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "array.h"

namespace weft::tokenizer {

/// What is wrong with the bytes of a map.
struct CharsmapError {
  std::string message;
};

class Charsmap {
 public:
  /// Rules with more bytes than this are not found; real ones have a few characters.
  static constexpr std::size_t kMaxRuleBytes = 1024;

  /// A map without rules.
  Charsmap() = default;
  /// @throws CharsmapError
  explicit Charsmap(std::string_view bytes);

  [[nodiscard]] bool empty() const { return units_.empty(); }

  template <typename Archive, typename Self>
  static void fields(Archive& archive, Self& self) {
    archive(self.units_, self.replacements_, self.plain_);
    if constexpr (Archive::kReads) {
      if (!self.empty()) {
        try {
          self.check();
        } catch (const CharsmapError& error) {
          archive.fail(error.message);
        }
      }
    }
  }

  struct Match {
    std::size_t length;  ///< Bytes of text that the rule takes; 0: no rule applies.
    std::string_view replacement;
  };
  /// The rule with the most bytes at `text[pos]`: SentencePiece's and llama.cpp's way.
  [[nodiscard]] Match longest(std::string_view text, std::size_t pos) const;
  /// What the rule with the fewest bytes at the start of `chunk` makes of all of it: the way of Hugging Face's
  /// Precompiled, which asks for whole grapheme clusters of at most 5 bytes, then for characters.
  [[nodiscard]] std::optional<std::string_view> shortest(std::string_view chunk) const;

  /// Whether a rule may start with this byte; ASCII with something else behind it aside.
  [[nodiscard]] bool may_start_with(char first) const {
    const auto byte = static_cast<unsigned char>(first);
    return !empty() && (byte >= plain_.size() || plain_[byte] == 0);
  }
  /// Behind the bytes from `pos` on that are ASCII and that no rule touches: where a quick copy may go to.
  [[nodiscard]] std::size_t skip_plain(std::string_view text, std::size_t pos) const;

 private:
  template <typename Found>
  void walk(std::string_view text, Found&& found) const;
  [[nodiscard]] std::string_view replacement(std::uint32_t place) const;
  void check() const;

  Array<std::uint32_t> units_;
  Array<char> replacements_;
  // Of each ASCII character: 1 where no rule is that character alone, or that and another ASCII character.
  std::array<std::uint8_t, 128> plain_ = [] {
    std::array<std::uint8_t, 128> all{};
    all.fill(1);
    return all;
  }();
};

}  // namespace weft::tokenizer
