#include "unicode.h"

#include <algorithm>
#include <iterator>

#include "utf8.h"

namespace weft::tokenizer {
namespace {

struct Decomposition {
  char32_t code_point;
  std::uint16_t place;
  std::uint8_t length;
};
struct Composition {
  char32_t first, second, composed;
};
struct Lowercase {
  char32_t code_point, lower;
};
#include "unicode_tables.inc"

template <std::size_t N, std::size_t M>
std::uint8_t look_up(const std::uint16_t (&index)[N], const std::uint8_t (&blocks)[M], char32_t c) {
  static_assert(N * kBlock == kPlaces);
  const std::size_t place = place_of(c);
  return blocks[index[place / kBlock] * kBlock + place % kBlock];
}

template <std::size_t N>
const Decomposition* find(const Decomposition (&table)[N], char32_t c) {
  const auto* found = std::lower_bound(std::begin(table), std::end(table), c,
                                       [](const Decomposition& d, char32_t wanted) { return d.code_point < wanted; });
  return found == std::end(table) || found->code_point != c ? nullptr : found;
}

constexpr std::uint8_t kUnsafeStarter = 255;

// Hangul is arithmetic (Unicode 15, section 3.12).
constexpr char32_t kHangulS = 0xAC00, kHangulL = 0x1100, kHangulV = 0x1161, kHangulT = 0x11A7;
constexpr char32_t kHangulLs = 19, kHangulVs = 21, kHangulTs = 28;

bool same_name(std::string_view a, std::string_view b) {
  const auto next = [](std::string_view& s) {
    while (!s.empty() && (s.front() == '_' || s.front() == ' ' || s.front() == '-')) s.remove_prefix(1);
    if (s.empty()) return '\0';
    const char c = s.front();
    s.remove_prefix(1);
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  };
  for (;;) {
    const char x = next(a), y = next(b);
    if (x != y) return false;
    if (x == '\0') return true;
  }
}

}  // namespace

const CategoryTable kCategoryTable{kCategoryIndex, kCategoryBlocks, std::size(kCategoryBlocks)};

Category category(char32_t c) noexcept { return static_cast<Category>(look_up(kCategoryIndex, kCategoryBlocks, c)); }

std::uint8_t flags(char32_t c) noexcept { return look_up(kFlagsIndex, kFlagsBlocks, c); }

std::uint8_t traits(char32_t c) noexcept { return look_up(kTraitsIndex, kTraitsBlocks, c); }

bool is_space(char32_t c) noexcept {
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}

std::optional<std::uint8_t> find_script(std::string_view name) {
  for (std::size_t i = 0; i < std::size(kScriptNames); ++i) {
    if (same_name(name, kScriptNames[i])) return static_cast<std::uint8_t>(i + 1);
  }
  return std::nullopt;
}

std::uint8_t script(char32_t c) noexcept { return look_up(kScriptIndex, kScriptBlocks, c); }

std::uint8_t split_script(char32_t c) noexcept { return look_up(kSplitScriptIndex, kSplitScriptBlocks, c); }

GraphemeBreak grapheme_break(char32_t c) noexcept {
  return static_cast<GraphemeBreak>(look_up(kBreakIndex, kBreakBlocks, c));
}

std::size_t grapheme_end(std::string_view text, std::size_t pos) noexcept {
  using enum GraphemeBreak;
  const CodePoint first = decode_at(text, pos);
  pos += first.length;
  GraphemeBreak before = grapheme_break(first.value);
  bool pictograph = before == kPictographic;  // one, and Extends behind it: GB11
  bool consonant = before == kConsonant, linked = false;  // one, and Extends and Linkers behind it: GB9c
  bool regional = before == kRegional;  // an odd one: GB12
  while (pos < text.size()) {
    const CodePoint c = decode_at(text, pos);
    const GraphemeBreak here = grapheme_break(c.value);
    const bool extends = here == kExtend || here == kLinker || here == kExtendOnly;
    bool joins = false;
    if (before == kCr) {
      joins = here == kLf;
    } else if (before == kLf || before == kControl || here == kCr || here == kLf || here == kControl) {
      joins = false;
    } else if (extends || here == kZwj || here == kSpacingMark || before == kPrepend) {
      joins = true;
    } else if (before == kL) {
      joins = here == kL || here == kV || here == kLv || here == kLvt;
    } else if (before == kLv || before == kV) {
      joins = here == kV || here == kT;
    } else if (before == kLvt || before == kT) {
      joins = here == kT;
    } else if (here == kConsonant) {
      joins = consonant && linked;
    } else if (here == kPictographic) {
      joins = before == kZwj && pictograph;
    } else if (here == kRegional) {
      joins = before == kRegional && regional;
    }
    if (!joins) return pos;
    if (here == kRegional) regional = !regional;
    if (here == kConsonant) {
      consonant = true, linked = false;
    } else if (here == kLinker) {
      linked = consonant;
    } else if (here != kExtend && here != kZwj) {
      consonant = linked = false;
    }
    if (!extends && here != kZwj) pictograph = here == kPictographic;
    before = here;
    pos += c.length;
  }
  return pos;
}

std::uint8_t combining_class(char32_t c) noexcept {
  const std::uint8_t value = look_up(kNormalIndex, kNormalBlocks, c);
  return value == kUnsafeStarter ? 0 : value;
}

bool is_nfc_boundary(char32_t c) noexcept { return c < 0x300 || look_up(kNormalIndex, kNormalBlocks, c) == 0; }

std::u32string decompose(char32_t c) {
  if (c >= kHangulS && c < kHangulS + kHangulLs * kHangulVs * kHangulTs) {
    const char32_t s = c - kHangulS;
    std::u32string out{kHangulL + s / (kHangulVs * kHangulTs), kHangulV + s / kHangulTs % kHangulVs};
    if (s % kHangulTs != 0) out += kHangulT + s % kHangulTs;
    return out;
  }
  const Decomposition* found = find(kDecompositions, c);
  return found == nullptr ? std::u32string() : std::u32string(kDecompositionPool + found->place, found->length);
}

std::u32string decompose_compatible(char32_t c) {
  if ((traits(c) & kCompat) == 0) return decompose(c);
  const Decomposition* found = find(kCompatDecompositions, c);
  return found == nullptr ? std::u32string() : std::u32string(kCompatDecompositionPool + found->place, found->length);
}

char32_t compose(char32_t first, char32_t second) noexcept {
  if (first - kHangulL < kHangulLs && second - kHangulV < kHangulVs) {
    return kHangulS + ((first - kHangulL) * kHangulVs + (second - kHangulV)) * kHangulTs;
  }
  if (first - kHangulS < kHangulLs * kHangulVs * kHangulTs && (first - kHangulS) % kHangulTs == 0 &&
      second - kHangulT - 1 < kHangulTs - 1) {
    return first + (second - kHangulT);
  }
  const auto wanted = std::pair(first, second);
  const auto* found =
      std::lower_bound(std::begin(kCompositions), std::end(kCompositions), wanted,
                       [](const Composition& c, const auto& pair) { return std::pair(c.first, c.second) < pair; });
  const bool hit = found != std::end(kCompositions) && std::pair(found->first, found->second) == wanted;
  return hit ? found->composed : 0;
}

char32_t to_lower(char32_t c) noexcept {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  const auto* found = std::lower_bound(std::begin(kLowercase), std::end(kLowercase), c,
                                       [](const Lowercase& l, char32_t wanted) { return l.code_point < wanted; });
  return found != std::end(kLowercase) && found->code_point == c ? found->lower : c;
}

}  // namespace weft::tokenizer
