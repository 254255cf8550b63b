// UTF-8 to code points and back.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace weft::tokenizer {

struct CodePoint {
  char32_t value;
  unsigned length;  ///< Bytes of UTF-8, 1 to 4.
};

/// The character at `text[pos]`. `text` is well-formed and `pos` starts a character.
inline CodePoint decode_at(std::string_view text, std::size_t pos) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[pos + i]); };
  const unsigned char b = byte(0);
  if (b < 0x80) return {b, 1};
  if (b < 0xE0) return {(b & 0x1Fu) << 6 | (byte(1) & 0x3Fu), 2};
  if (b < 0xF0) return {(b & 0x0Fu) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu), 3};
  return {(b & 0x07u) << 18 | (byte(1) & 0x3Fu) << 12 | (byte(2) & 0x3Fu) << 6 | (byte(3) & 0x3Fu), 4};
}

/// Whether a character of well-formed `text` ends at `pos`. Tables of a file may say otherwise.
inline bool ends_character(std::string_view text, std::size_t pos) noexcept {
  return pos == text.size() || (static_cast<unsigned char>(text[pos]) & 0xC0) != 0x80;
}

/// The character that ends before `text[pos]`, pos > 0, under the same conditions.
inline CodePoint decode_before(std::string_view text, std::size_t pos) noexcept {
  do --pos;
  while ((static_cast<unsigned char>(text[pos]) & 0xC0) == 0x80);
  return decode_at(text, pos);
}

void append_utf8(std::string& out, char32_t c);

/// The length of the longest well-formed prefix of `bytes`.
std::size_t valid_utf8_prefix(std::string_view bytes) noexcept;

/// What stands at the start of `bytes`, which isn't empty: a whole character, or a maximal ill-formed subsequence
/// (Unicode 15, section 3.9), which is 1 to 3 bytes long.
struct Utf8Step {
  unsigned length;
  bool well_formed;
};
Utf8Step step_utf8(std::string_view bytes) noexcept;

/// Bytes [begin, end) of a text.
struct Range {
  std::size_t begin, end;
  [[nodiscard]] std::size_t size() const { return end - begin; }
};

/// Bytes that what a file's steps make of a text of `size` may have. No real file comes near; a hostile one would fill
/// all memory.
inline std::size_t most_bytes_after(std::size_t size) { return 64 * size + (std::size_t{1} << 20); }
/// @throws Error{kTooLarge}  `size` is beyond `most`.
void check_growth(std::size_t size, std::size_t most);

/// `bytes` with U+FFFD for each maximal ill-formed subsequence.
/// @param ranges  Ascending ranges of `bytes`, without overlap; each becomes the range of the result that holds the
///                characters that lie wholly inside of it.
std::string repair_utf8(std::string_view bytes, std::vector<Range>* ranges = nullptr);

}  // namespace weft::tokenizer
