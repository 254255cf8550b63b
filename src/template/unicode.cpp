#include "unicode.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace weft::unicode {
namespace {

// Every `stride`-th character from `first` to `last`.
struct Class {
  char32_t first, last;
  std::uint8_t stride;
};
struct Mapping {
  char32_t first, last;
  std::uint8_t stride;
  std::int32_t delta;
};
struct SpecialMapping {
  char32_t from;
  char32_t to[3];  // ends early with 0
};

#include "unicode_tables.inc"

template <typename Row, std::size_t N>
const Row* find(const Row (&table)[N], char32_t c) {
  const Row* row = std::lower_bound(std::begin(table), std::end(table), c,
                                    [](const Row& r, char32_t wanted) { return r.last < wanted; });
  if (row == std::end(table) || c < row->first || (c - row->first) % row->stride != 0) return nullptr;
  return row;
}

template <std::size_t N, std::size_t M>
void append_mapped(std::string& to, char32_t c, const Mapping (&simple)[N], const SpecialMapping (&special)[M]) {
  if (const Mapping* row = find(simple, c)) {
    append(to, static_cast<char32_t>(static_cast<std::int32_t>(c) + row->delta));
    return;
  }
  const SpecialMapping* row = std::lower_bound(std::begin(special), std::end(special), c,
                                               [](const SpecialMapping& r, char32_t wanted) { return r.from < wanted; });
  if (row == std::end(special) || row->from != c) return append(to, c);
  for (const char32_t part : row->to) {
    if (part != 0) append(to, part);
  }
}

// Characters that Unicode's final-sigma rule looks through; the common ones of Case_Ignorable.
bool is_case_ignorable(char32_t c) {
  return c == '\'' || c == '.' || c == ':' || c == '^' || c == '`' || c == 0xA8 || c == 0xAD || c == 0xAF ||
         c == 0xB4 || c == 0xB7 || c == 0xB8 || (c >= 0x2B0 && c <= 0x36F) || c == 0x2018 || c == 0x2019;
}

}  // namespace

bool is_well_formed(std::string_view bytes) noexcept {
  for (std::size_t i = 0; i < bytes.size();) {
    const auto at = [&](std::size_t k) { return i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u; };
    const auto tail = [&](std::size_t k) { return (at(k) & 0xC0) == 0x80; };
    const unsigned lead = at(0);
    if (lead < 0x80) {
      i += 1;
    } else if (lead >= 0xC2 && lead <= 0xDF && tail(1)) {
      i += 2;
    } else if ((lead & 0xF0) == 0xE0 && tail(1) && tail(2) && !(lead == 0xE0 && at(1) < 0xA0) &&
               !(lead == 0xED && at(1) > 0x9F)) {
      i += 3;
    } else if (lead >= 0xF0 && lead <= 0xF4 && tail(1) && tail(2) && tail(3) && !(lead == 0xF0 && at(1) < 0x90) &&
               !(lead == 0xF4 && at(1) > 0x8F)) {
      i += 4;
    } else {
      return false;
    }
  }
  return true;
}

char32_t next(std::string_view bytes, std::size_t& pos) noexcept {
  const auto byte = [&](std::size_t k) { return static_cast<char32_t>(static_cast<unsigned char>(bytes[pos + k])); };
  const char32_t lead = byte(0);
  char32_t c = lead;
  std::size_t length = 1;
  if (lead >= 0xF0) {
    c = ((lead & 0x07) << 18) | ((byte(1) & 0x3F) << 12) | ((byte(2) & 0x3F) << 6) | (byte(3) & 0x3F);
    length = 4;
  } else if (lead >= 0xE0) {
    c = ((lead & 0x0F) << 12) | ((byte(1) & 0x3F) << 6) | (byte(2) & 0x3F);
    length = 3;
  } else if (lead >= 0xC0) {
    c = ((lead & 0x1F) << 6) | (byte(1) & 0x3F);
    length = 2;
  }
  pos += length;
  return c;
}

char32_t previous(std::string_view bytes, std::size_t& pos) noexcept {
  do {
    --pos;
  } while (pos > 0 && (static_cast<unsigned char>(bytes[pos]) & 0xC0) == 0x80);
  std::size_t at = pos;
  return next(bytes, at);
}

void append(std::string& to, char32_t c) {
  const auto put = [&](char32_t byte) { to.push_back(static_cast<char>(static_cast<unsigned char>(byte))); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | (c >> 6));
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3F));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

std::size_t count(std::string_view bytes) noexcept {
  return static_cast<std::size_t>(
      std::count_if(bytes.begin(), bytes.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

bool is_space(char32_t c) noexcept {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}
bool is_alpha(char32_t c) noexcept { return find(kAlpha, c) != nullptr; }
bool is_decimal(char32_t c) noexcept { return find(kDecimal, c) != nullptr; }
int decimal_value(char32_t c) noexcept {
  const Class* row = find(kDecimal, c);
  return row == nullptr ? -1 : static_cast<int>((c - row->first) % 10);  // each run begins with a zero
}
bool is_digit(char32_t c) noexcept { return is_decimal(c) || find(kDigitOnly, c) != nullptr; }
bool is_numeric(char32_t c) noexcept { return is_digit(c) || find(kNumericOnly, c) != nullptr; }
bool is_printable(char32_t c) noexcept { return find(kUnprintable, c) == nullptr; }
bool is_upper(char32_t c) noexcept { return find(kUpper, c) != nullptr; }
bool is_lower(char32_t c) noexcept { return find(kLower, c) != nullptr; }
bool is_title(char32_t c) noexcept { return find(kTitle, c) != nullptr; }

bool is_line_end(char32_t c) noexcept {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

void append_upper(std::string& to, char32_t c) { append_mapped(to, c, kToUpper, kToUpperSpecial); }
void append_lower(std::string& to, char32_t c) { append_mapped(to, c, kToLower, kToLowerSpecial); }
void append_title(std::string& to, char32_t c) { append_mapped(to, c, kToTitle, kToTitleSpecial); }
void append_folded(std::string& to, char32_t c) { append_mapped(to, c, kToFolded, kToFoldedSpecial); }

bool is_final_sigma(std::string_view text, std::size_t pos) noexcept {
  std::size_t before = pos;
  bool letter_before = false;
  while (before > 0) {
    const char32_t c = previous(text, before);
    if (is_case_ignorable(c)) continue;
    letter_before = is_cased(c);
    break;
  }
  std::size_t after = pos;
  (void)next(text, after);
  while (after < text.size()) {
    const char32_t c = next(text, after);
    if (is_case_ignorable(c)) continue;
    return letter_before && !is_cased(c);
  }
  return letter_before;
}

}  // namespace weft::unicode
