#include "split_patterns.h"

#include <array>
#include <string>

#include "ascii_run.h"
#include "unicode.h"

namespace weft::tokenizer {
namespace {

struct Known {
  std::string_view regex;
  KnownPattern to_oniguruma, to_tiktoken = to_oniguruma;
};

constexpr Known kKnown[] = {
    {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", KnownPattern::kGpt2},
    {R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", KnownPattern::kGpt2},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     KnownPattern::kCl100k},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     KnownPattern::kQwen2},
    {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     KnownPattern::kO200k},
    {R"('(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s)", KnownPattern::kGpt2},
    {R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s)",
     KnownPattern::kOnigurumaCl100k, KnownPattern::kTiktokenCl100k},
    {R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     KnownPattern::kLlamaCppLlama3},
    {R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     KnownPattern::kLlamaCppQwen2},
    {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     KnownPattern::kTekken},
};

// What the patterns tell apart, as bits.
enum Class : std::uint8_t {
  kLetter = 1,
  kDigit = 2,
  kBlank = 4,
  kSign = 8,       // none of the three above; marks are
  kEnd = 16,       // behind the text
  kUpperish = 32,  // for o200k: [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]
  kLowerish = 64,  // for o200k: [\p{Ll}\p{Lm}\p{Lo}\p{M}]
};

constexpr std::uint8_t class_of(Category category) {
  const CategorySet set = set_of(category);
  const CategorySet both = kMarks | set_of(Category::kLm, Category::kLo);
  std::uint8_t bits = (set & kLetters) != 0                                              ? kLetter
                      : (set & kNumbers) != 0                                            ? kDigit
                      : (set & set_of(Category::kZs, Category::kZl, Category::kZp)) != 0 ? kBlank
                                                                                         : kSign;
  if ((set & (both | set_of(Category::kLu, Category::kLt))) != 0) bits |= kUpperish;
  if ((set & (both | set_of(Category::kLl))) != 0) bits |= kLowerish;
  return bits;
}

constexpr std::array<std::uint8_t, 30> kClassOfCategory = [] {
  std::array<std::uint8_t, 30> table{};
  for (int i = 0; i < 30; ++i) table[i] = class_of(static_cast<Category>(i));
  return table;
}();

constexpr std::array<std::uint8_t, 128> kClassOfAscii = [] {
  std::array<std::uint8_t, 128> table{};
  for (int c = 0; c < 128; ++c) {
    table[c] = c >= 'a' && c <= 'z'                   ? kLetter | kLowerish
               : c >= 'A' && c <= 'Z'                 ? kLetter | kUpperish
               : c >= '0' && c <= '9'                 ? kDigit
               : c == ' ' || (c >= '\t' && c <= '\r') ? kBlank
                                                      : kSign;
  }
  return table;
}();

constexpr bool is_newline(int c) { return c == '\r' || c == '\n'; }

// The classes of all characters, in the blocks of kCategoryTable.
const std::uint8_t* class_blocks() {
  static const std::vector<std::uint8_t> kBlocks = [] {
    std::vector<std::uint8_t> blocks(kCategoryTable.blocks, kCategoryTable.blocks + kCategoryTable.blocks_size);
    for (std::uint8_t& entry : blocks) entry = kClassOfCategory[entry];
    return blocks;
  }();
  return kBlocks.data();
}

// The text that is scanned, and the steps that the patterns share.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text), blocks_(class_blocks()) {}

  struct Step {
    std::uint8_t bits;
    unsigned length;
  };
  /// The class and the length of the character at `pos`.
  [[nodiscard]] Step at(std::size_t pos) const {
    if (pos >= text_.size()) return {kEnd, 0};
    const auto byte = static_cast<unsigned char>(text_[pos]);
    if (byte < 0x80) return {kClassOfAscii[byte], 1};
    return behind_ascii(pos);
  }
  /// The same where no ASCII character is.
  [[nodiscard]] Step behind_ascii(std::size_t pos) const {
    const CodePoint c = decode_at(text_, pos);
    if (c.value == 0x85) return {kBlank, c.length};  // a control character that is White_Space
    const std::size_t place = place_of(c.value);
    return {blocks_[kCategoryTable.index[place / kBlock] * kBlock + place % kBlock], c.length};
  }
  /// Behind the run of characters of `kWanted` at `pos`, of which kAscii are those in ASCII.
  template <std::uint8_t kWanted, AsciiRun kAscii>
  [[nodiscard]] std::size_t run(std::size_t pos) const {
    for (;;) {
      while (pos + 16 <= text_.size()) {
        const unsigned length = leading_run<kAscii>(text_.data() + pos);
        pos += length;
        if (length < 16) break;
      }
      while (pos < text_.size() && is_in_run(kAscii, byte(pos))) ++pos;  // the last 15 bytes
      if (pos >= text_.size() || byte(pos) < 0x80) return pos;
      do {
        const Step step = behind_ascii(pos);
        if ((step.bits & kWanted) == 0) return pos;
        pos += step.length;
      } while (pos < text_.size() && byte(pos) >= 0x80);
    }
  }
  [[nodiscard]] std::size_t letters(std::size_t pos) const { return run<kLetter, AsciiRun::kAlpha>(pos); }
  /// The same for any class, one by one.
  [[nodiscard]] std::size_t run(std::uint8_t wanted, std::size_t pos) const {
    for (;;) {
      const Step step = at(pos);
      if ((step.bits & wanted) == 0) return pos;
      pos += step.length;
    }
  }
  [[nodiscard]] std::size_t run_of(std::string_view chars, std::size_t pos) const {
    while (pos < text_.size() && chars.find(text_[pos]) != std::string_view::npos) ++pos;
    return pos;
  }
  [[nodiscard]] std::size_t run_of_spaces(std::size_t pos) const {
    while (pos + 16 <= text_.size()) {
      const unsigned length = leading_run<AsciiRun::kSpace>(text_.data() + pos);
      pos += length;
      if (length < 16) return pos;
    }
    while (pos < text_.size() && text_[pos] == ' ') ++pos;
    return pos;
  }
  /// Behind at most so many numbers.
  [[nodiscard]] std::size_t numbers(std::size_t pos, std::size_t most) const {
    for (std::size_t i = 0; i < most; ++i) {
      const Step step = at(pos);
      if ((step.bits & kDigit) == 0) break;
      pos += step.length;
    }
    return pos;
  }
  /// Behind 's, 't, 're, 've, 'm, 'll or 'd at `pos`, or `pos` if there is none.
  template <bool kIgnoreCase, bool kLongS = kIgnoreCase>
  [[nodiscard]] std::size_t contraction(std::size_t pos) const {
    if (pos >= text_.size() || text_[pos] != '\'') return pos;
    const auto letter = [&](std::size_t i) {
      const char c = i < text_.size() ? text_[i] : '\0';
      return kIgnoreCase && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    };
    const char first = letter(pos + 1), second = letter(pos + 2);
    if (first == 's' || first == 't' || first == 'm' || first == 'd') return pos + 2;
    if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l')) {
      return pos + 3;
    }
    // U+017F, the long s, is an s without regard to case.
    if (kLongS && text_.substr(pos + 1).starts_with("\u017F")) return pos + 3;
    return pos;
  }
  /// \s+(?!\S)|\s+ at a blank: all blanks, but the last one is left to a word behind them.
  [[nodiscard]] std::size_t blanks(std::size_t pos) const {
    std::size_t last = pos, end = pos;
    for (;;) {
      if (const std::size_t spaces = run_of_spaces(end); spaces != end) last = spaces - 1, end = spaces;
      const Step step = at(end);
      if ((step.bits & kBlank) == 0) break;
      last = end;
      end += step.length;
    }
    return end == text_.size() || last == pos ? end : last;
  }
  /// \s*[\r\n]+|\s+(?!\S)|\s+ at a blank; behind \s+$ with `kWholeTail`.
  template <bool kWholeTail = false>
  [[nodiscard]] std::size_t blanks_or_lines(std::size_t pos) const {
    std::size_t last = pos, end = pos, behind_line = pos;
    for (;;) {
      if (const std::size_t spaces = run_of_spaces(end); spaces != end) last = spaces - 1, end = spaces;
      const Step step = at(end);
      if ((step.bits & kBlank) == 0) break;
      last = end;
      end += step.length;
      if (is_newline(text_[last])) behind_line = end;
    }
    if (kWholeTail && end == text_.size()) return end;
    if (behind_line != pos) return behind_line;
    return end == text_.size() || last == pos ? end : last;
  }
  [[nodiscard]] unsigned char byte(std::size_t pos) const { return static_cast<unsigned char>(text_[pos]); }
  [[nodiscard]] std::size_t size() const { return text_.size(); }

 private:
  std::string_view text_;
  const std::uint8_t* blocks_;
};

// Most words are ASCII letters, perhaps behind one other character. By a word's first byte: 1 if it is such a letter, 2 if it
// joins letters behind it, 0 if neither is sure.
using Starts = std::array<std::uint8_t, 256>;
template <typename Joins>
constexpr Starts make_starts(Joins joins) {
  Starts starts{};
  for (int c = 0; c < 128; ++c) starts[c] = (kClassOfAscii[c] & kLetter) != 0 ? 1 : joins(c) ? 2 : 0;
  return starts;
}
constexpr Starts kNoStarts{};
constexpr Starts kGpt2Starts = make_starts([](int c) { return c == ' '; });
constexpr Starts kCl100kStarts = make_starts([](int c) {
  return (kClassOfAscii[c] & kDigit) == 0 && !is_newline(c) && c != '\'';  // that may be a contraction
});

std::size_t next_gpt2(const Scanner& s, std::size_t pos) {
  const std::size_t contracted = s.contraction<false>(pos);
  if (contracted != pos) return contracted;
  Scanner::Step step = s.at(pos);
  std::size_t body = pos;
  if (s.byte(pos) == ' ') {
    const Scanner::Step next = s.at(pos + 1);
    if ((next.bits & (kLetter | kDigit | kSign)) != 0) step = next, body = pos + 1;
  }
  if ((step.bits & kBlank) != 0) return s.blanks(pos);
  return (step.bits & kLetter) != 0 ? s.letters(body) : s.run(step.bits & (kDigit | kSign), body);
}

constexpr std::size_t kAllNumbers = ~std::size_t{0};

template <std::size_t kNumbers, bool kLongS = true, bool kWholeTail = false>
std::size_t next_cl100k(const Scanner& s, std::size_t pos) {
  const std::size_t contracted = s.contraction<true, kLongS>(pos);
  if (contracted != pos) return contracted;
  const Scanner::Step step = s.at(pos);
  if ((step.bits & kLetter) != 0) return s.letters(pos + step.length);
  if ((step.bits & kDigit) != 0) return s.numbers(pos, kNumbers);
  const Scanner::Step next = s.at(pos + step.length);
  if ((next.bits & kLetter) != 0 && !is_newline(s.byte(pos))) return s.letters(pos + step.length);
  if ((step.bits & kSign) != 0) return s.run_of("\r\n", s.run(kSign, pos));
  if (s.byte(pos) == ' ' && (next.bits & kSign) != 0) return s.run_of("\r\n", s.run(kSign, pos + 1));
  return s.blanks_or_lines<kWholeTail>(pos);
}

// [upper]*[lower]+ or else [upper]+[lower]*, where letters without case and marks are both; `pos` if neither matches.
std::size_t cased_word(const Scanner& s, std::size_t pos, bool lower_needed) {
  std::size_t end = pos, behind_both = pos;
  for (;;) {
    const Scanner::Step step = s.at(end);
    if ((step.bits & kUpperish) == 0) break;
    end += step.length;
    if ((step.bits & kLowerish) != 0) behind_both = end;
  }
  const std::size_t lower = s.run<kLowerish, AsciiRun::kLowerAlpha>(end);
  if (lower != end) return lower;
  return lower_needed ? behind_both : end;  // [lower]+ takes back the last character that is both
}

template <std::size_t kNumbers, bool kContractions>
std::size_t next_o200k(const Scanner& s, std::size_t pos) {
  const auto with_contraction = [&](std::size_t end) { return kContractions ? s.contraction<true>(end) : end; };
  const Scanner::Step step = s.at(pos);
  const bool prefix = (step.bits & (kLetter | kDigit)) == 0 && !is_newline(s.byte(pos));
  for (const bool lower_needed : {true, false}) {
    if (prefix) {
      const std::size_t end = cased_word(s, pos + step.length, lower_needed);
      if (end != pos + step.length) return with_contraction(end);
    }
    const std::size_t end = cased_word(s, pos, lower_needed);
    if (end != pos) return with_contraction(end);
  }
  if ((step.bits & kDigit) != 0) return s.numbers(pos, kNumbers);
  if ((step.bits & kSign) != 0) return s.run_of("\r\n/", s.run(kSign, pos));
  if (s.byte(pos) == ' ' && (s.at(pos + 1).bits & kSign) != 0) return s.run_of("\r\n/", s.run(kSign, pos + 1));
  return s.blanks_or_lines(pos);
}

template <const Starts& kStarts, typename Next>
std::size_t scan_with(Next next, std::string_view text, std::size_t shift, std::vector<Range>& words,
                      std::size_t most) {
  const Scanner scanner(text);
  std::size_t pos = 0;
  for (std::size_t i = 0; i < most && pos < text.size(); ++i) {
    std::size_t end = pos;
    const std::uint8_t start = kStarts[scanner.byte(pos)];
    if (start != 0 && pos + 18 <= text.size()) {
      const std::size_t letters = leading_run<AsciiRun::kAlpha>(text.data() + pos + start - 1);
      const std::size_t length = letters + start - 1;
      if (letters != 0) {
        end = pos + length;
        if (letters == 16 || scanner.byte(end) >= 0x80) end = scanner.letters(end);
      }
    }
    if (end == pos) end = next(scanner, pos);
    words.push_back({shift + pos, shift + end});
    pos = end;
  }
  return shift + pos;
}

// unicode.cpp of llama.cpp, unicode_regex_split_custom_afmoe
std::size_t scan_number_groups(std::string_view text, std::size_t shift, std::vector<Range>& words, std::size_t most) {
  const Scanner scanner(text);
  std::size_t begin = 0;
  for (std::size_t left = most; left > 0 && begin < text.size();) {
    std::size_t pos = begin;
    while (pos < text.size() && (scanner.at(pos).bits & kDigit) == 0) pos += scanner.at(pos).length;
    std::size_t count = 0;
    for (std::size_t at = pos; (scanner.at(at).bits & kDigit) != 0; at += scanner.at(at).length) ++count;
    // A text without numbers, or what is behind the last one.
    if (count == 0) pos = text.size();
    while (left > 0 && begin < text.size()) {
      pos = scanner.numbers(pos, count % 3 != 0 ? count % 3 : 3);
      count -= std::min(count, count % 3 != 0 ? count % 3 : std::size_t{3});
      words.push_back({shift + begin, shift + pos});
      begin = pos;
      --left;
      if (count == 0) break;
    }
  }
  return shift + begin;
}

// The matches of (?=(\d{3})+(?!\d)), which are empty, as borders of words.
std::size_t scan_thousands(std::string_view text, std::size_t shift, std::vector<Range>& words, std::size_t most) {
  const auto is_digit = [&](std::size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '9'; };
  std::size_t begin = 0;
  const auto end_word = [&](std::size_t end) {
    words.push_back({shift + begin, shift + end});
    begin = end;
    --most;
  };
  for (std::size_t pos = 0; pos < text.size();) {
    std::size_t end = pos;
    while (is_digit(end)) ++end;
    for (std::size_t border = pos + (end - pos) % 3; border < end; border += 3) {
      if (border != begin) end_word(border);
      if (most == 0) return shift + begin;
    }
    pos = end + 1;
  }
  if (begin < text.size()) end_word(text.size());
  return shift + begin;
}

}  // namespace

std::optional<KnownPattern> find_known_pattern(std::string_view regex, RegexEngine engine) {
  for (const Known& known : kKnown) {
    if (regex == known.regex) return engine == RegexEngine::kTiktoken ? known.to_tiktoken : known.to_oniguruma;
  }
  return std::nullopt;
}

std::size_t scan(KnownPattern pattern, std::string_view text, Range range, std::vector<Range>& words,
                 std::size_t most) {
  const std::string_view part = text.substr(range.begin, range.size());
  switch (pattern) {
    case KnownPattern::kGpt2: return scan_with<kGpt2Starts>(next_gpt2, part, range.begin, words, most);
    case KnownPattern::kCl100k: return scan_with<kCl100kStarts>(next_cl100k<3>, part, range.begin, words, most);
    case KnownPattern::kQwen2: return scan_with<kCl100kStarts>(next_cl100k<1>, part, range.begin, words, most);
    case KnownPattern::kO200k: return scan_with<kNoStarts>(next_o200k<3, true>, part, range.begin, words, most);
    case KnownPattern::kTiktokenCl100k:
      return scan_with<kCl100kStarts>(next_cl100k<3, true, true>, part, range.begin, words, most);
    case KnownPattern::kOnigurumaCl100k:
      return scan_with<kCl100kStarts>(next_cl100k<kAllNumbers, true, true>, part, range.begin, words, most);
    case KnownPattern::kLlamaCppLlama3:
      return scan_with<kCl100kStarts>(next_cl100k<3, false>, part, range.begin, words, most);
    case KnownPattern::kLlamaCppQwen2:
      return scan_with<kCl100kStarts>(next_cl100k<1, false>, part, range.begin, words, most);
    case KnownPattern::kTekken: return scan_with<kNoStarts>(next_o200k<1, false>, part, range.begin, words, most);
    case KnownPattern::kLlamaCppNumberGroups: return scan_number_groups(part, range.begin, words, most);
    case KnownPattern::kLlamaCppThousands: return scan_thousands(part, range.begin, words, most);
  }
  return range.end;
}

std::optional<std::string_view> read_literal(const JsonValue& json) {
  const auto literal = json.find("String");
  return literal && !literal->string().empty() ? std::optional(literal->string()) : std::nullopt;
}

Regex read_pattern(const JsonValue& json) {
  const auto literal = json.find("String");
  const JsonValue value = literal ? *literal : json.at("Regex");
  std::string pattern;
  for (const char c : value.string()) {
    if (literal && std::string_view("\\.+*?()|[]{}^$#&-~ ").find(c) != std::string_view::npos) pattern += '\\';
    pattern += c;
  }
  try {
    return Regex(pattern);
  } catch (const RegexError& error) {
    const std::string place = " (at byte " + std::to_string(error.place) + " of the regular expression)";
    if (!error.unsupported) value.fail("the regular expression is wrong: " + error.message + place);
    value.fail("the regular expression uses " + error.message + ", which is not supported" + place,
               ErrorCode::kUnsupported, "report the model");
  }
}

}  // namespace weft::tokenizer
