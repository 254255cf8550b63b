// All pieces that a text has at one place, found in one walk: a double array of the pieces' bytes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "array.h"

namespace weft::tokenizer {

class PieceTrie {
 public:
  struct Entry {
    std::string_view piece;
    std::uint32_t value;
  };
  /// One more than the largest value.
  static constexpr std::uint32_t kValues = (1u << 24) - 1;

  PieceTrie() = default;
  /// @param entries  In any order, no piece empty, values below kValues. Of several for one piece, the last one counts.
  /// Costs O(b log b) for b bytes of pieces, and 8 to 16 bytes of memory for each different prefix of a piece.
  explicit PieceTrie(std::vector<Entry> entries);

  /// Calls `found(value, end)` for every piece that `text` has at `pos`, shortest first.
  template <typename Found>
  void walk(std::string_view text, std::size_t pos, Found&& found) const {
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    const Unit* const units = units_.data();
    std::size_t base = root_;
    for (; pos < text.size(); ++pos) {
      const Unit unit = units[base ^ bytes[pos]];
      if (label(unit) != bytes[pos]) return;
      if (value(unit) != kValues) found(value(unit), pos + 1);
      base = base_of(unit);
    }
  }
  /// The value of `piece` as a whole, or kValues.
  [[nodiscard]] std::uint32_t find(std::string_view piece) const {
    std::uint32_t result = kValues;
    walk(piece, 0, [&](std::uint32_t value, std::size_t end) {
      if (end == piece.size()) result = value;
    });
    return result;
  }
  /// The value of the longest piece that `text` has at `pos`, and where it ends; kValues if there is none.
  struct Longest {
    std::uint32_t value;
    std::size_t end;
  };
  [[nodiscard]] Longest longest(std::string_view text, std::size_t pos) const {
    Longest result{kValues, pos};
    walk(text, pos, [&](std::uint32_t value, std::size_t end) { result = {value, end}; });
    return result;
  }
  template <typename Archive, typename Self>
  static void fields(Archive& archive, Self& self) {
    archive(self.units_, self.root_);
    if constexpr (Archive::kReads) self.check(archive);
  }
  /// Whether all values are below `limit`, without the bits of `mask`.
  [[nodiscard]] bool values_below(std::size_t limit, std::uint32_t mask = 0) const {
    if (mask != 0) {
      return std::all_of(units_.begin(), units_.end(),
                         [&](Unit unit) { return value(unit) == kValues || (value(unit) & ~mask) < limit; });
    }
    // kValues plus one is 0 in its bits.
    return none_exceeds(std::min<std::uint64_t>(limit, kValues), [](Unit unit) { return ((unit >> 9) + 1) & kValues; });
  }
  [[nodiscard]] bool may_start_with(char first) const {
    const auto byte = static_cast<unsigned char>(first);
    return label(units_[root_ ^ byte]) == byte;
  }

 private:
  class Builder;
  // A node, at the place (its parent's base) ^ (its byte): its own base in the upper 31 bits, the value of the piece
  // that ends here, and its byte in the lower 9. No two nodes have one base, so the byte tells whose child it is.
  using Unit = std::uint64_t;
  static constexpr Unit kFree = Unit{kValues} << 9 | 256;
  static constexpr std::uint32_t label(Unit unit) { return static_cast<std::uint32_t>(unit & 511); }
  static constexpr std::uint32_t value(Unit unit) { return static_cast<std::uint32_t>(unit >> 9) & kValues; }
  static constexpr std::size_t base_of(Unit unit) { return static_cast<std::size_t>(unit >> 33); }

  // Once this holds, no walk leaves the array.
  template <typename Reader>
  void check(const Reader& reader) const {
    const bool inside = units_.size() >= 256 && units_.size() % 256 == 0 && root_ < units_.size() &&
                        none_exceeds(units_.size() - 1, [](Unit unit) { return unit >> 33; });
    reader.demand(inside, "has a trie that leads out of itself");
  }
  // Whether the number that `of` makes of a unit is at most `most` for each. Numbers are below 2^63: one that exceeds it leaves a
  // sign, and so nothing is asked of a million units one by one.
  template <typename Of>
  [[nodiscard]] bool none_exceeds(std::uint64_t most, Of&& of) const {
    std::uint64_t signs = 0;
    for (const Unit unit : units_) signs |= most - of(unit);
    return signs >> 63 == 0;
  }

  // The first block stays free: base 0 is that of a node without children.
  Array<Unit> units_ = Array<Unit>(std::vector<Unit>(256, kFree));
  std::size_t root_ = 0;
};

}  // namespace weft::tokenizer
