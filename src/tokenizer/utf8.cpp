#include "utf8.h"

#include <cstdint>
#include <cstring>
#include <utility>

namespace weft::tokenizer {

void append_utf8(std::string& out, char32_t c) {
  const auto put = [&](char32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6), put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 0x3F)), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  }
}

Utf8Step step_utf8(std::string_view bytes) noexcept {
  const auto first = static_cast<unsigned char>(bytes[0]);
  if (first < 0x80) return {1, true};
  // Table 3-7 of the Unicode Standard: the second byte's range depends on the first, the others are 80..BF.
  unsigned length = 0;
  unsigned char low = 0x80, high = 0xBF;
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2;
  } else if (first >= 0xE0 && first <= 0xEF) {
    length = 3;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
  } else {
    return {1, false};
  }
  for (unsigned i = 1; i < length; ++i) {
    if (i >= bytes.size()) return {i, false};
    const auto byte = static_cast<unsigned char>(bytes[i]);
    if (byte < low || byte > high) return {i, false};
    low = 0x80, high = 0xBF;
  }
  return {length, true};
}

std::size_t valid_utf8_prefix(std::string_view bytes) noexcept {
  std::size_t pos = 0;
  while (pos < bytes.size()) {
    while (pos + 8 <= bytes.size()) {
      std::uint64_t word;
      std::memcpy(&word, bytes.data() + pos, 8);
      if ((word & 0x8080808080808080u) != 0) break;
      pos += 8;
    }
    if (pos == bytes.size()) break;
    const Utf8Step step = step_utf8(bytes.substr(pos));
    if (!step.well_formed) return pos;
    pos += step.length;
  }
  return pos;
}

std::string repair_utf8(std::string_view bytes, std::vector<Range>* ranges) {
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 8);
  std::vector<Range> moved;
  std::size_t next = 0;  // the range that is open or ahead
  for (std::size_t pos = 0; pos < bytes.size();) {
    const Utf8Step step = step_utf8(bytes.substr(pos));
    const std::size_t begin = out.size(), end = pos + step.length;
    if (step.well_formed) {
      out.append(bytes, pos, step.length);
    } else {
      out += "\uFFFD";
    }
    for (; ranges != nullptr && next < ranges->size(); ++next) {
      const Range& range = (*ranges)[next];
      if (moved.size() == next && pos >= range.begin) moved.push_back({begin, begin});
      if (moved.size() > next && end <= range.end) moved[next].end = out.size();
      if (end < range.end) break;
      if (moved.size() == next) moved.push_back({out.size(), out.size()});
    }
    pos = end;
  }
  if (ranges != nullptr) *ranges = std::move(moved);
  return out;
}

}  // namespace weft::tokenizer
