// Characters as Python's str sees them: UTF-8 in and out, classes and case mappings of CPython.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace weft::unicode {

/// Whether `bytes` is well-formed UTF-8 (no surrogates, no overlong forms).
[[nodiscard]] bool is_well_formed(std::string_view bytes) noexcept;

/// The character at byte `pos` of well-formed `bytes`; moves `pos` behind it.
[[nodiscard]] char32_t next(std::string_view bytes, std::size_t& pos) noexcept;
/// The character that ends at byte `pos`; moves `pos` to its first byte.
[[nodiscard]] char32_t previous(std::string_view bytes, std::size_t& pos) noexcept;
void append(std::string& to, char32_t c);
[[nodiscard]] std::size_t count(std::string_view bytes) noexcept;

[[nodiscard]] bool is_space(char32_t c) noexcept;
[[nodiscard]] bool is_alpha(char32_t c) noexcept;
[[nodiscard]] bool is_decimal(char32_t c) noexcept;
/// 0 to 9 for the digits of any script; -1 for other characters.
[[nodiscard]] int decimal_value(char32_t c) noexcept;
[[nodiscard]] bool is_digit(char32_t c) noexcept;
[[nodiscard]] bool is_numeric(char32_t c) noexcept;
[[nodiscard]] bool is_printable(char32_t c) noexcept;
[[nodiscard]] bool is_upper(char32_t c) noexcept;
[[nodiscard]] bool is_lower(char32_t c) noexcept;
[[nodiscard]] bool is_title(char32_t c) noexcept;
[[nodiscard]] inline bool is_alnum(char32_t c) noexcept { return is_alpha(c) || is_numeric(c); }
[[nodiscard]] inline bool is_cased(char32_t c) noexcept { return is_upper(c) || is_lower(c) || is_title(c); }
/// What str.splitlines() splits at; "\r\n" is one end.
[[nodiscard]] bool is_line_end(char32_t c) noexcept;

/// Appends the mapping of one character, which may be several ("ß" becomes "SS").
void append_upper(std::string& to, char32_t c);
void append_lower(std::string& to, char32_t c);
void append_title(std::string& to, char32_t c);
void append_folded(std::string& to, char32_t c);
/// Whether a capital sigma at byte `pos` of `text` ends its word, where its small form differs.
[[nodiscard]] bool is_final_sigma(std::string_view text, std::size_t pos) noexcept;

}  // namespace weft::unicode
