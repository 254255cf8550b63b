#include "utf8.h"

#include <cstdint>
#include <cstring>
#include <utility>

#include "weft/error.h"

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
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
  std::size_t pos = 0;
  while (pos < bytes.size()) {
    while (pos + 16 <= bytes.size()) {
      std::uint64_t words[2];
      std::memcpy(words, bytes.data() + pos, 16);
      if (((words[0] | words[1]) & 0x8080808080808080u) != 0) break;
      pos += 16;
    }
    // Most text that isn't ASCII: no more than what is between E1 and EC, and C2 to DF, without a look at the exceptions.
    while (pos + 3 <= bytes.size()) {
      const unsigned char first = byte(pos);
      if (first >= 0xE1 && first <= 0xEC) {
        if (!follows(pos + 1) || !follows(pos + 2)) return pos;
        pos += 3;
      } else if (first >= 0xC2 && first <= 0xDF) {
        if (!follows(pos + 1)) return pos;
        pos += 2;
      } else {
        break;
      }
    }
    for (std::size_t i = 0; i < 8 && pos < bytes.size(); ++i) {
      const Utf8Step step = step_utf8(bytes.substr(pos, 4));
      if (!step.well_formed) return pos;
      pos += step.length;
      if (pos < bytes.size() && byte(pos) >= 0x80) break;
    }
  }
  return pos;
}

void check_growth(std::size_t size, std::size_t most) {
  if (size <= most) return;
  throw Error(ErrorCode::kTooLarge,
              "the tokenizer's steps make more than " + std::to_string(most) + " bytes of this text", "text",
              "check the tokenizer file: no real one does so");
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
