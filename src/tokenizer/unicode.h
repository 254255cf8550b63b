// What a character is, as Hugging Face's tokenizers sees it (make_unicode_tables.py says why that is special).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace weft::tokenizer {

/// The general category; Cn (unassigned) is 0.
// clang-format off
enum class Category : std::uint8_t {
  kCn, kCc, kCf, kCo, kCs, kLl, kLm, kLo, kLt, kLu, kMc, kMe, kMn, kNd, kNl,
  kNo, kPc, kPd, kPe, kPf, kPi, kPo, kPs, kSc, kSk, kSm, kSo, kZl, kZp, kZs,
};
// clang-format on

/// A set of categories: bit i stands for Category i.
using CategorySet = std::uint32_t;
constexpr CategorySet set_of(Category category) { return CategorySet{1} << static_cast<int>(category); }
template <typename... Rest>
constexpr CategorySet set_of(Category first, Rest... rest) {
  return set_of(first) | set_of(rest...);
}
inline constexpr CategorySet kLetters =
    set_of(Category::kLl, Category::kLm, Category::kLo, Category::kLt, Category::kLu);
inline constexpr CategorySet kMarks = set_of(Category::kMc, Category::kMe, Category::kMn);
inline constexpr CategorySet kNumbers = set_of(Category::kNd, Category::kNl, Category::kNo);

enum Flag : std::uint8_t {
  kWord = 1 << 0,         ///< Oniguruma's \w: what a split pattern means by it.
  kAddedWord = 1 << 1,    ///< Rust's \w: what "single_word" of an added token means by it.
  kNumeric = 1 << 2,      ///< Rust's is_numeric: the pre-tokenizer Digits.
  kPunctuation = 1 << 3,  ///< The pre-tokenizer Punctuation.
  kAlphabetic = 1 << 4,
  kUpper = 1 << 5,
  kLower = 1 << 6,
  kPosixPunct = 1 << 7,  ///< [[:punct:]] of a split pattern.
};

enum Trait : std::uint8_t {
  kAccent = 1 << 0,      ///< The normalizer StripAccents takes it out.
  kNonspacing = 1 << 1,  ///< BertNormalizer takes it for an accent, once decomposed.
  kControl = 1 << 2,     ///< BertNormalizer cleans it away.
  kCompat = 1 << 3,      ///< Its compatibility decomposition is not the canonical one.
};

/// Where grapheme clusters may break (Unicode Standard Annex 29): Grapheme_Cluster_Break, and what its rules about
/// emoji and Indic conjuncts ask for.
enum class GraphemeBreak : std::uint8_t {
  kOther,
  kCr,
  kLf,
  kControl,
  kExtend,
  kZwj,
  kRegional,
  kPrepend,
  kSpacingMark,
  kL,
  kV,
  kT,
  kLv,
  kLvt,
  kPictographic,
  kConsonant,
  kLinker,      ///< An Extend that links consonants.
  kExtendOnly,  ///< An Extend that no conjunct has inside.
};

/// @name Tables have a place for each character; all that is unassigned beyond plane 3 has one, and all that is private.
/// @{
inline constexpr char32_t kDense = 0x32400, kTags = 0xE0000, kTagsEnd = 0xE1000, kBlock = 64;
inline constexpr std::size_t kPlaces = kDense + (kTagsEnd - kTags) + kBlock;
constexpr std::size_t place_of(char32_t c) noexcept {
  if (c < kDense) [[likely]] return c;
  if (c >= kTags && c < kTagsEnd) return kDense + (c - kTags);
  return kDense + (kTagsEnd - kTags) + (c >= 0xF0000 && c <= 0x10FFFF && (c & 0xFFFF) < 0xFFFE);
}
/// @}

Category category(char32_t c) noexcept;
/// What category() looks up, for those who make their own classes of it, p being place_of(c):
/// blocks[index[p / kBlock] * kBlock + p % kBlock].
struct CategoryTable {
  const std::uint16_t* index;
  const std::uint8_t* blocks;
  std::size_t blocks_size;
};
extern const CategoryTable kCategoryTable;
inline bool in(CategorySet set, char32_t c) noexcept { return set >> static_cast<int>(category(c)) & 1; }
/// The flags of `c`, joined.
std::uint8_t flags(char32_t c) noexcept;
/// The traits of `c`, joined.
std::uint8_t traits(char32_t c) noexcept;
/// White_Space, which is also \s of Oniguruma and of Rust.
bool is_space(char32_t c) noexcept;

/// The script's number for script(), or nothing. `name` is long ("Han"), in any case, with or without '_' and ' '.
std::optional<std::uint8_t> find_script(std::string_view name);
std::uint8_t script(char32_t c) noexcept;
/// What the pre-tokenizer UnicodeScripts keeps together: characters of one number, and 0 with all.
std::uint8_t split_script(char32_t c) noexcept;

GraphemeBreak grapheme_break(char32_t c) noexcept;
/// Where the grapheme cluster ends that starts at `pos` of well-formed `text`, pos < text.size().
std::size_t grapheme_end(std::string_view text, std::size_t pos) noexcept;

/// The canonical combining class.
std::uint8_t combining_class(char32_t c) noexcept;
/// Whether NFC leaves `c` alone whatever stands before it: text splits before such characters into pieces that
/// are normalised one by one.
bool is_nfc_boundary(char32_t c) noexcept;
/// The same for NFKC.
inline bool is_nfkc_boundary(char32_t c) noexcept { return is_nfc_boundary(c) && (traits(c) & kCompat) == 0; }
/// The full canonical decomposition of `c`, in order; empty if `c` has none. Hangul syllables included.
std::u32string decompose(char32_t c);
/// The full compatibility decomposition, likewise.
std::u32string decompose_compatible(char32_t c);
/// The canonical composition of two characters, or 0.
char32_t compose(char32_t first, char32_t second) noexcept;

/// Lower case of every character but U+0130, which alone becomes two characters: "i" and U+0307.
char32_t to_lower(char32_t c) noexcept;

}  // namespace weft::tokenizer
