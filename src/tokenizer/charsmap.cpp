#include "charsmap.h"

#include <utility>

#include "utf8.h"

namespace weft::tokenizer {
namespace {

// One unit of Darts-clone's double array.
constexpr bool is_value(std::uint32_t unit) { return unit >> 31 != 0; }
constexpr std::uint32_t value_of(std::uint32_t unit) { return unit & 0x7FFFFFFF; }
constexpr bool has_value(std::uint32_t unit) { return (unit >> 8 & 1) != 0; }
constexpr std::uint32_t label_of(std::uint32_t unit) { return unit & 0x800000FF; }
constexpr std::size_t offset_of(std::uint32_t unit) {
  return static_cast<std::size_t>(unit >> 10) << ((unit & 1u << 9) >> 6);
}

std::uint32_t read_u32(std::string_view bytes, std::size_t pos) {
  const auto byte = [&](std::size_t i) { return std::uint32_t{static_cast<unsigned char>(bytes[pos + i])}; };
  return byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24;
}

}  // namespace

Charsmap::Charsmap(std::string_view bytes) {
  if (bytes.size() < 4) throw CharsmapError{"the character map has " + std::to_string(bytes.size()) + " bytes"};
  const std::size_t size = read_u32(bytes, 0);
  bytes.remove_prefix(4);
  if (size > bytes.size() || size % 4 != 0 || size == 0) {
    throw CharsmapError{"the character map says that its double array has " + std::to_string(size) + " of " +
                        std::to_string(bytes.size()) + " bytes"};
  }
  std::vector<std::uint32_t> units(size / 4);
  for (std::size_t i = 0; i < units.size(); ++i) units[i] = read_u32(bytes, 4 * i);
  units_ = Array<std::uint32_t>(std::move(units));
  replacements_.append(bytes.substr(size));
  check();

  for (std::size_t first = 0; first < plain_.size(); ++first) {
    std::string text(1, static_cast<char>(first));
    plain_[first] = longest(text, 0).length == 0;
    text += '\0';
    for (int second = 0; second < 128 && plain_[first]; ++second) {
      text[1] = static_cast<char>(second);
      bool goes_on = false;
      walk(text, [&](std::size_t length, auto) { return goes_on = length == 2; });
      plain_[first] = !goes_on;
    }
  }
}

// Once this holds, no lookup leaves the array or the replacements.
void Charsmap::check() const {
  const std::string_view replacements(replacements_.data(), replacements_.size());
  if (valid_utf8_prefix(replacements) != replacements.size()) {
    throw CharsmapError{"a replacement in the character map is not UTF-8"};
  }
  if (replacements.empty() || replacements.back() != '\0') {
    throw CharsmapError{"the last replacement in the character map has no end"};
  }
  // (A walk asks of every unit but the first whether it is a value.)
  if (is_value(units_[0])) throw CharsmapError{"unit 0 of the character map, where every rule begins, is a rule's value"};
  for (std::size_t i = 0; i < units_.size(); ++i) {
    const std::uint32_t unit = units_[i];
    if (is_value(unit)) continue;
    const std::size_t children = i ^ offset_of(unit);
    const auto fail = [&](const char* what) {
      throw CharsmapError{"unit " + std::to_string(i) + " of the character map " + what};
    };
    if ((children | 0xFF) >= units_.size()) fail("points behind its end");
    if (!has_value(unit)) continue;
    if (!is_value(units_[children])) fail("lacks its value");
    const std::uint32_t value = value_of(units_[children]);
    if (value >= replacements_.size() || (static_cast<unsigned char>(replacements_[value]) & 0xC0) == 0x80) {
      fail("points to no replacement");
    }
  }
}

// Calls found(length, value) at each byte that some rule has; value() is the replacement's place, or none.
template <typename Found>
void Charsmap::walk(std::string_view text, Found&& found) const {
  if (units_.empty()) return;
  std::size_t at = offset_of(units_[0]);
  const std::size_t end = text.size() < kMaxRuleBytes ? text.size() : kMaxRuleBytes;
  for (std::size_t i = 0; i < end; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte == 0) return;  // ends a rule in the array
    at ^= byte;
    const std::uint32_t unit = units_[at];
    if (label_of(unit) != byte) return;
    at ^= offset_of(unit);
    const auto value = [&] { return has_value(unit) ? std::optional(value_of(units_[at])) : std::nullopt; };
    if (found(i + 1, value())) return;
  }
}

std::string_view Charsmap::replacement(std::uint32_t place) const {
  const std::string_view rest = std::string_view(replacements_.data(), replacements_.size()).substr(place);
  return rest.substr(0, rest.find('\0'));
}

Charsmap::Match Charsmap::longest(std::string_view text, std::size_t pos) const {
  std::size_t longest = 0;
  std::uint32_t place = 0;
  walk(text.substr(pos), [&](std::size_t length, std::optional<std::uint32_t> value) {
    if (value && ends_character(text, pos + length)) longest = length, place = *value;
    return false;
  });
  return longest == 0 ? Match{0, {}} : Match{longest, replacement(place)};
}

std::optional<std::string_view> Charsmap::shortest(std::string_view chunk) const {
  std::optional<std::string_view> result;
  walk(chunk, [&](std::size_t, std::optional<std::uint32_t> value) {
    if (value) result = replacement(*value);
    return value.has_value();
  });
  return result;
}

std::size_t Charsmap::skip_plain(std::string_view text, std::size_t pos) const {
  const auto is_ascii = [&](std::size_t i) { return static_cast<unsigned char>(text[i]) < 0x80; };
  while (pos < text.size() && is_ascii(pos) && plain_[static_cast<unsigned char>(text[pos])] &&
         (pos + 1 == text.size() || is_ascii(pos + 1))) {
    ++pos;
  }
  return pos;
}

}  // namespace weft::tokenizer
