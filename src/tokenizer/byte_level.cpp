#include "byte_level.h"

#include "utf8.h"

namespace weft::tokenizer {
namespace {

constexpr int kChars = 0x144;  // one more than the last character of the alphabet

constexpr std::array<std::int16_t, kChars> kCharToByte = [] {
  std::array<std::int16_t, kChars> table{};
  for (auto& byte : table) byte = -1;
  for (int byte = 0; byte < 256; ++byte) table[kByteToChar[byte]] = static_cast<std::int16_t>(byte);
  return table;
}();

}  // namespace

std::string to_byte_level(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char byte : bytes) append_utf8(out, kByteToChar[static_cast<unsigned char>(byte)]);
  return out;
}

bool append_from_byte_level(std::string_view text, std::string& out) {
  for (std::size_t pos = 0; pos < text.size();) {
    const CodePoint c = decode_at(text, pos);
    if (c.value >= kChars || kCharToByte[c.value] < 0) return false;
    out += static_cast<char>(kCharToByte[c.value]);
    pos += c.length;
  }
  return true;
}

std::optional<std::string> from_byte_level(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  if (!append_from_byte_level(text, out)) return std::nullopt;
  return out;
}

}  // namespace weft::tokenizer
