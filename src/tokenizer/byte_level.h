// The byte-level alphabet of GPT-2: each byte has a printable character, so that any text can be spelled as a word.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weft::tokenizer {

/// The character that stands for each byte: itself if it is printable Latin-1, else one from U+0100 on.
inline constexpr std::array<char16_t, 256> kByteToChar = [] {
  std::array<char16_t, 256> table{};
  char16_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    table[byte] = printable ? static_cast<char16_t>(byte) : next++;
  }
  return table;
}();

/// Bytes as their characters, in UTF-8.
std::string to_byte_level(std::string_view bytes);

/// The bytes that `text` stands for, or nothing if a character of it stands for none.
std::optional<std::string> from_byte_level(std::string_view text);
/// The same, behind what `out` holds; false if there are none: `out` then ends with some.
[[nodiscard]] bool append_from_byte_level(std::string_view text, std::string& out);

}  // namespace weft::tokenizer
