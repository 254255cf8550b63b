// What Python's str can do, with each character keeping its author.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "meter.h"
#include "text.h"

namespace weft::jinja {

[[nodiscard]] Text to_upper(const Text& text, Meter& meter);
[[nodiscard]] Text to_lower(const Text& text, Meter& meter);
[[nodiscard]] Text to_folded(const Text& text, Meter& meter);
[[nodiscard]] Text to_title(const Text& text, Meter& meter);
[[nodiscard]] Text capitalized(const Text& text, Meter& meter);
[[nodiscard]] Text case_swapped(const Text& text, Meter& meter);
[[nodiscard]] Text reversed(const Text& text, Meter& meter);

enum class Side : std::uint8_t { kLeft, kRight, kBoth };
/// @param chars  The characters to strip; null: white space.
[[nodiscard]] Text stripped(const Text& text, const Text* chars, Side side, Meter& meter);

inline constexpr std::int64_t kAll = -1;
[[nodiscard]] Text replaced(const Text& text, const Text& from, const Text& to, std::int64_t count, Meter& meter);
/// @param separator  Not empty; null: runs of white space.
[[nodiscard]] std::vector<Text> split(const Text& text, const Text* separator, std::int64_t most, Meter& meter);
[[nodiscard]] std::vector<Text> split_right(const Text& text, const Text* separator, std::int64_t most, Meter& meter);
[[nodiscard]] std::vector<Text> split_lines(const Text& text, bool keep_ends, Meter& meter);
[[nodiscard]] Text joined(std::span<const Text> parts, const Text& separator, Meter& meter);
[[nodiscard]] std::size_t count_of(const Text& text, const Text& part, Meter& meter);

/// Filled up with `fill` to `width` characters; the sides are where `fill` goes. kBoth: centred, as CPython rounds.
[[nodiscard]] Text padded(const Text& text, std::int64_t width, const Text& fill, Side side, Meter& meter);
[[nodiscard]] Text zero_filled(const Text& text, std::int64_t width, Meter& meter);
[[nodiscard]] Text tabs_expanded(const Text& text, std::int64_t tab_size, Meter& meter);
/// textwrap.wrap() of one paragraph.
[[nodiscard]] std::vector<Text> wrapped(const Text& text, std::int64_t width, bool break_long_words,
                                        bool break_on_hyphens, Meter& meter);

/// Whether `holds` for every character, and there is one.
template <typename Holds>
[[nodiscard]] bool all_chars(const Text& text, Holds holds);
[[nodiscard]] bool is_upper_text(const Text& text, Meter& meter);
[[nodiscard]] bool is_lower_text(const Text& text, Meter& meter);
[[nodiscard]] bool is_title_text(const Text& text, Meter& meter);

/// int(text, base); nothing if it is no number. @throws Error{kTooLarge}  more than 64 bits.
[[nodiscard]] std::optional<std::int64_t> parse_integer(const Text& text, std::int64_t base, Meter& meter);
/// float(text).
[[nodiscard]] std::optional<double> parse_real(const Text& text, Meter& meter);

}  // namespace weft::jinja

#include "unicode.h"

namespace weft::jinja {

template <typename Holds>
bool all_chars(const Text& text, Holds holds) {
  if (text.empty()) return false;
  for (std::size_t pos = 0; pos < text.size();) {
    if (!holds(unicode::next(text.bytes(), pos))) return false;
  }
  return true;
}

}  // namespace weft::jinja
