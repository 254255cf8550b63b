#include "strings.h"

#include <algorithm>
#include <charconv>
#include <cctype>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "numbers.h"
#include "unicode.h"

namespace weft::jinja {
namespace {

// Each character through `append(to, c, position)`, its author kept.
template <typename Append>
Text transformed(const Text& text, Meter& meter, Append append) {
  meter.bytes(text.size());
  Text result;
  result.reserve(text.size());
  std::string stretch;
  for (std::size_t pos = 0; pos < text.size();) {
    const Author author = text.author_at(pos);
    const std::size_t end = text.stretch_end(pos);
    stretch.clear();
    while (pos < end) {
      const std::size_t start = pos;
      const char32_t c = unicode::next(text.bytes(), pos);
      append(stretch, c, start);
    }
    meter.grow(result.size(), stretch.size());
    result.append(stretch, author);
  }
  result.set_markup(text.markup());
  return result;
}

void append_lower_in(std::string& to, char32_t c, const Text& text, std::size_t pos) {
  constexpr char32_t kSigma = 0x3A3, kFinalSigma = 0x3C2;
  if (c == kSigma && unicode::is_final_sigma(text.bytes(), pos)) {
    unicode::append(to, kFinalSigma);
  } else {
    unicode::append_lower(to, c);
  }
}

bool in_set(char32_t c, const Text* chars) {
  if (chars == nullptr) return unicode::is_space(c);
  for (std::size_t pos = 0; pos < chars->size();) {
    if (unicode::next(chars->bytes(), pos) == c) return true;
  }
  return false;
}

std::size_t skip_space(const std::string& bytes, std::size_t pos) {
  while (pos < bytes.size()) {
    std::size_t after = pos;
    if (!unicode::is_space(unicode::next(bytes, after))) break;
    pos = after;
  }
  return pos;
}

std::size_t skip_word(const std::string& bytes, std::size_t pos) {
  while (pos < bytes.size()) {
    std::size_t after = pos;
    if (unicode::is_space(unicode::next(bytes, after))) break;
    pos = after;
  }
  return pos;
}

// The same backwards: where the white space, or the word, that ends at `pos` begins.
template <bool kSpace>
std::size_t skip_back(const std::string& bytes, std::size_t pos) {
  while (pos > 0) {
    std::size_t before = pos;
    if (unicode::is_space(unicode::previous(bytes, before)) != kSpace) break;
    pos = before;
  }
  return pos;
}

void split_words(const Text& text, std::int64_t most, std::vector<Text>& parts) {
  const std::string& bytes = text.bytes();
  for (std::size_t pos = skip_space(bytes, 0); pos < bytes.size();) {
    const bool last = most >= 0 && static_cast<std::int64_t>(parts.size()) >= most;
    const std::size_t end = last ? bytes.size() : skip_word(bytes, pos);
    parts.push_back(text.slice(pos, end));
    pos = skip_space(bytes, end);
  }
}

void split_words_right(const Text& text, std::int64_t most, std::vector<Text>& parts) {
  const std::string& bytes = text.bytes();
  for (std::size_t pos = skip_back<true>(bytes, bytes.size()); pos > 0;) {
    const bool last = most >= 0 && static_cast<std::int64_t>(parts.size()) >= most;
    const std::size_t start = last ? 0 : skip_back<false>(bytes, pos);
    parts.push_back(text.slice(start, pos));
    pos = skip_back<true>(bytes, start);
  }
}

bool is_word_char(char32_t c) { return c == '_' || unicode::is_alnum(c); }

Text repeated(const Text& text, std::size_t times, Meter& meter) {
  if (times > meter.limits().output_bytes) meter.bytes(times);
  Text result;
  for (std::size_t i = 0; i < times; ++i) {
    meter.grow(result.size(), text.size());
    result.append(text);
  }
  meter.step(times / Meter::kBytesPerStep);
  return result;
}

// A number's text without the white space around it, and with digits of any script as ASCII's.
std::string bare_number(const Text& text, Meter& meter) {
  const Text bare = stripped(text, nullptr, Side::kBoth, meter);
  std::string number;
  for (std::size_t pos = 0; pos < bare.size();) {
    const char32_t c = unicode::next(bare.bytes(), pos);
    const int digit = c < 0x80 ? -1 : unicode::decimal_value(c);
    unicode::append(number, digit < 0 ? c : static_cast<char32_t>('0' + digit));
  }
  return number;
}

// The digits of a number without Python's underscores; nothing where they stand wrong.
std::optional<std::string> without_underscores(std::string_view digits) {
  std::string plain;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (digits[i] != '_') {
      plain += digits[i];
      continue;
    }
    const auto alnum = [&](std::size_t k) {
      return k < digits.size() && std::isalnum(static_cast<unsigned char>(digits[k])) != 0;
    };
    if (i == 0 || !alnum(i - 1) || !alnum(i + 1)) return std::nullopt;
  }
  return plain;
}

}  // namespace

Text to_upper(const Text& text, Meter& meter) {
  return transformed(text, meter, [](std::string& to, char32_t c, std::size_t) { unicode::append_upper(to, c); });
}

Text to_lower(const Text& text, Meter& meter) {
  return transformed(text, meter,
                     [&](std::string& to, char32_t c, std::size_t pos) { append_lower_in(to, c, text, pos); });
}

Text to_folded(const Text& text, Meter& meter) {
  return transformed(text, meter, [](std::string& to, char32_t c, std::size_t) { unicode::append_folded(to, c); });
}

Text to_title(const Text& text, Meter& meter) {
  bool in_word = false;
  return transformed(text, meter, [&](std::string& to, char32_t c, std::size_t pos) {
    if (in_word) {
      append_lower_in(to, c, text, pos);
    } else {
      unicode::append_title(to, c);
    }
    in_word = unicode::is_cased(c);
  });
}

Text capitalized(const Text& text, Meter& meter) {
  return transformed(text, meter, [&](std::string& to, char32_t c, std::size_t pos) {
    if (pos == 0) {
      unicode::append_title(to, c);
    } else {
      append_lower_in(to, c, text, pos);
    }
  });
}

Text case_swapped(const Text& text, Meter& meter) {
  return transformed(text, meter, [&](std::string& to, char32_t c, std::size_t pos) {
    if (unicode::is_upper(c)) {
      append_lower_in(to, c, text, pos);
    } else if (unicode::is_lower(c)) {
      unicode::append_upper(to, c);
    } else {
      unicode::append(to, c);
    }
  });
}

Text reversed(const Text& text, Meter& meter) {
  meter.bytes(text.size());
  Text result;
  for (std::size_t end = text.size(); end > 0;) {
    std::size_t start = end;
    (void)unicode::previous(text.bytes(), start);
    result.append(text, start, end);
    end = start;
  }
  result.set_markup(text.markup());
  return result;
}

Text stripped(const Text& text, const Text* chars, Side side, Meter& meter) {
  const std::string& bytes = text.bytes();
  std::size_t from = 0, to = bytes.size();
  const std::size_t cost = chars == nullptr ? 1 : chars->chars() / 16 + 1;
  while (side != Side::kRight && from < to) {
    meter.step(cost);
    std::size_t after = from;
    if (!in_set(unicode::next(bytes, after), chars)) break;
    from = after;
  }
  while (side != Side::kLeft && to > from) {
    meter.step(cost);
    std::size_t before = to;
    if (!in_set(unicode::previous(bytes, before), chars)) break;
    to = before;
  }
  meter.bytes(to - from);
  return text.slice(from, to);
}

Text replaced(const Text& text, const Text& from, const Text& to, std::int64_t count, Meter& meter) {
  meter.bytes(text.size());
  Text result;
  result.set_markup(text.markup());
  std::size_t pos = 0;
  const auto append = [&](const Text& part, std::size_t start, std::size_t end) {
    meter.grow(result.size(), end - start);
    result.append(part, start, end);
  };
  for (std::int64_t n = 0; count < 0 || n < count; ++n) {
    if (from.empty()) {  // then `to` goes before each character and behind the last
      append(to, 0, to.size());
      if (pos >= text.size()) return result;
      std::size_t after = pos;
      (void)unicode::next(text.bytes(), after);
      append(text, pos, after);
      pos = after;
      meter.step();
      continue;
    }
    const std::size_t found = text.find(from.bytes(), pos);
    if (found == std::string::npos) break;
    meter.step();
    append(text, pos, found);
    append(to, 0, to.size());
    pos = found + from.size();
  }
  append(text, pos, text.size());
  return result;
}

std::vector<Text> split(const Text& text, const Text* separator, std::int64_t most, Meter& meter) {
  meter.bytes(text.size());
  std::vector<Text> parts;
  if (separator == nullptr) {
    split_words(text, most, parts);
  } else {
    std::size_t pos = 0;
    while (most < 0 || static_cast<std::int64_t>(parts.size()) < most) {
      const std::size_t found = text.find(separator->bytes(), pos);
      if (found == std::string::npos) break;
      parts.push_back(text.slice(pos, found));
      pos = found + separator->size();
    }
    parts.push_back(text.slice(pos, text.size()));
  }
  meter.step(parts.size() * Meter::kStepsPerObject);
  return parts;
}

std::vector<Text> split_right(const Text& text, const Text* separator, std::int64_t most, Meter& meter) {
  meter.bytes(text.size());
  std::vector<Text> parts;
  if (separator == nullptr) {
    split_words_right(text, most, parts);
  } else {
    std::size_t end = text.size();
    while (most < 0 || static_cast<std::int64_t>(parts.size()) < most) {
      const std::size_t found = text.rfind(separator->bytes(), end);
      if (found == std::string::npos) break;
      parts.push_back(text.slice(found + separator->size(), end));
      end = found;
    }
    parts.push_back(text.slice(0, end));
  }
  meter.step(parts.size() * Meter::kStepsPerObject);
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<Text> split_lines(const Text& text, bool keep_ends, Meter& meter) {
  meter.bytes(text.size());
  std::vector<Text> lines;
  const std::string& bytes = text.bytes();
  std::size_t start = 0;
  for (std::size_t pos = 0; pos < bytes.size();) {
    const std::size_t line_end = pos;
    const char32_t c = unicode::next(bytes, pos);
    if (!unicode::is_line_end(c)) continue;
    if (c == '\r' && pos < bytes.size() && bytes[pos] == '\n') ++pos;
    lines.push_back(text.slice(start, keep_ends ? pos : line_end));
    start = pos;
  }
  if (start < bytes.size()) lines.push_back(text.slice(start, bytes.size()));
  meter.step(lines.size() * Meter::kStepsPerObject);
  return lines;
}

Text joined(std::span<const Text> parts, const Text& separator, Meter& meter) {
  Text result;
  bool first = true;
  for (const Text& part : parts) {
    if (!std::exchange(first, false)) {
      meter.grow(result.size(), separator.size());
      result.append(separator);
    }
    meter.grow(result.size(), part.size());
    result.append(part);
  }
  return result;
}

std::size_t count_of(const Text& text, const Text& part, Meter& meter) {
  meter.bytes(text.size());
  if (part.empty()) return text.chars() + 1;
  std::size_t count = 0;
  for (std::size_t pos = text.find(part.bytes()); pos != std::string::npos;
       pos = text.find(part.bytes(), pos + part.size())) {
    ++count;
  }
  return count;
}

Text padded(const Text& text, std::int64_t width, const Text& fill, Side side, Meter& meter) {
  const auto have = static_cast<std::int64_t>(text.chars());
  if (width <= have) return text;
  const std::int64_t missing = width - have;
  const std::int64_t left = side == Side::kLeft    ? missing
                            : side == Side::kRight ? 0
                                                   : missing / 2 + (missing & width & 1);
  Text result = repeated(fill, static_cast<std::size_t>(left), meter);
  meter.grow(result.size(), text.size());
  result.append(text);
  result.append(repeated(fill, static_cast<std::size_t>(missing - left), meter));
  result.set_markup(text.markup());
  return result;
}

Text zero_filled(const Text& text, std::int64_t width, Meter& meter) {
  const std::size_t sign = text.bytes().starts_with('+') || text.bytes().starts_with('-') ? 1 : 0;
  Text result = text.slice(0, sign);
  result.append(padded(text.slice(sign, text.size()), width - static_cast<std::int64_t>(sign),
                       Text("0", text.author()), Side::kLeft, meter));
  result.set_markup(text.markup());
  return result;
}

Text tabs_expanded(const Text& text, std::int64_t tab_size, Meter& meter) {
  std::int64_t column = 0;
  return transformed(text, meter, [&](std::string& to, char32_t c, std::size_t) {
    if (c == '\t') {
      const std::int64_t spaces = tab_size > 0 ? tab_size - column % tab_size : 0;
      meter.grow(to.size(), static_cast<std::size_t>(spaces));
      to.append(static_cast<std::size_t>(spaces), ' ');
      column += spaces;
      return;
    }
    unicode::append(to, c);
    column = c == '\n' || c == '\r' ? 0 : column + 1;
  });
}

namespace {

// textwrap's regular expression wordsep_re, by hand: where the chunk that starts at character `i` ends.
class Chunker {
 public:
  Chunker(const std::vector<char32_t>& chars, bool hyphens) : chars_(chars), hyphens_(hyphens) {}

  [[nodiscard]] std::size_t end_of(std::size_t i) const {
    if (is_blank(i)) return while_holds(i, [&](std::size_t k) { return is_blank(k); });
    if (!hyphens_) return while_holds(i, [&](std::size_t k) { return !is_blank(k); });
    if (i > 0 && is_word_punctuation(i - 1)) {
      const std::size_t dash = dashes_before_word(i);
      if (dash > i) return dash;
    }
    for (std::size_t k = i + 1;; ++k) {  // k - i characters that are no blanks, as few as will do
      if (k >= chars_.size() || is_blank(k)) return k;
      if (at(k) == '-' && hyphen_splits(k)) return k + 1;
      if (is_word_punctuation(k - 1) && dashes_before_word(k) > k) return k;
    }
  }

 private:
  [[nodiscard]] char32_t at(std::size_t i) const { return i < chars_.size() ? chars_[i] : 0; }
  [[nodiscard]] bool is_blank(std::size_t i) const {
    const char32_t c = at(i);
    return i < chars_.size() && (c == ' ' || (c >= 0x09 && c <= 0x0D));
  }
  [[nodiscard]] bool is_letter(std::size_t i) const {
    return i < chars_.size() && is_word_char(at(i)) && !unicode::is_decimal(at(i));
  }
  [[nodiscard]] bool is_word_punctuation(std::size_t i) const {
    return is_word_char(at(i)) || std::u32string_view(U"!\"'&.,?").find(at(i)) != std::u32string_view::npos;
  }
  // Two dashes or more from `i` with a word behind them: their end; else `i`.
  [[nodiscard]] std::size_t dashes_before_word(std::size_t i) const {
    const std::size_t end = while_holds(i, [&](std::size_t k) { return at(k) == '-'; });
    return end >= i + 2 && end < chars_.size() && is_word_char(at(end)) ? end : i;
  }
  // Whether a line may end behind the hyphen at `k`.
  [[nodiscard]] bool hyphen_splits(std::size_t k) const {
    const bool two_letters = k >= 2 && is_letter(k - 1) && is_letter(k - 2);
    const bool letter_each = k >= 3 && is_letter(k - 1) && at(k - 2) == '-' && is_letter(k - 3);
    if (!two_letters && !letter_each) return false;
    if (!is_letter(k + 1)) return false;
    return is_letter(k + 2) || (at(k + 2) == '-' && is_letter(k + 3));
  }
  template <typename Holds>
  [[nodiscard]] std::size_t while_holds(std::size_t i, Holds holds) const {
    while (i < chars_.size() && holds(i)) ++i;
    return i;
  }

  const std::vector<char32_t>& chars_;
  bool hyphens_;
};

}  // namespace

std::vector<Text> wrapped(const Text& text, std::int64_t width, bool break_long_words, bool break_on_hyphens,
                          Meter& meter) {
  if (width <= 0) meter.fail("invalid width " + std::to_string(width) + " (must be > 0)");
  meter.step(text.chars());
  std::vector<char32_t> chars;
  std::vector<std::size_t> starts;
  for (std::size_t pos = 0; pos < text.size();) {
    starts.push_back(pos);
    chars.push_back(unicode::next(text.bytes(), pos));
  }
  starts.push_back(text.size());
  const auto is_blank = [&](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) {
      if (!unicode::is_space(chars[i])) return false;
    }
    return true;
  };

  std::vector<std::pair<std::size_t, std::size_t>> chunks;  // the first one last
  const Chunker chunker(chars, break_on_hyphens);
  for (std::size_t i = 0; i < chars.size();) {
    const std::size_t end = chunker.end_of(i);
    chunks.emplace_back(i, end);
    i = end;
  }
  std::reverse(chunks.begin(), chunks.end());

  const auto limit = static_cast<std::size_t>(width);
  std::vector<Text> lines;
  while (!chunks.empty()) {
    meter.step();
    std::vector<std::pair<std::size_t, std::size_t>> line;
    std::size_t used = 0;
    if (!lines.empty() && is_blank(chunks.back().first, chunks.back().second)) chunks.pop_back();
    while (!chunks.empty() && used + chunks.back().second - chunks.back().first <= limit) {
      used += chunks.back().second - chunks.back().first;
      line.push_back(chunks.back());
      chunks.pop_back();
    }
    if (!chunks.empty() && chunks.back().second - chunks.back().first > limit) {
      auto& [from, to] = chunks.back();
      if (break_long_words) {
        std::size_t cut = from + (limit - used);
        if (break_on_hyphens && to - from > limit - used) {
          // A hyphen with something other than hyphens before it is a better place to cut at.
          for (std::size_t k = cut; k > from + 1; --k) {
            if (chars[k - 1] != '-') continue;
            const bool other = std::any_of(chars.begin() + static_cast<std::ptrdiff_t>(from),
                                           chars.begin() + static_cast<std::ptrdiff_t>(k - 1),
                                           [](char32_t c) { return c != '-'; });
            if (other) cut = k;
            break;
          }
        }
        line.emplace_back(from, cut);
        from = cut;
      } else if (line.empty()) {
        line.push_back(chunks.back());
        chunks.pop_back();
      }
    }
    if (!line.empty() && is_blank(line.back().first, line.back().second)) line.pop_back();
    if (!line.empty()) lines.push_back(text.slice(starts[line.front().first], starts[line.back().second]));
  }
  return lines;
}

bool is_upper_text(const Text& text, Meter& meter) {
  meter.bytes(text.size());
  bool any = false;
  for (std::size_t pos = 0; pos < text.size();) {
    const char32_t c = unicode::next(text.bytes(), pos);
    if (unicode::is_lower(c) || unicode::is_title(c)) return false;
    any = any || unicode::is_upper(c);
  }
  return any;
}

bool is_lower_text(const Text& text, Meter& meter) {
  meter.bytes(text.size());
  bool any = false;
  for (std::size_t pos = 0; pos < text.size();) {
    const char32_t c = unicode::next(text.bytes(), pos);
    if (unicode::is_upper(c) || unicode::is_title(c)) return false;
    any = any || unicode::is_lower(c);
  }
  return any;
}

bool is_title_text(const Text& text, Meter& meter) {
  meter.bytes(text.size());
  bool any = false, in_word = false;
  for (std::size_t pos = 0; pos < text.size();) {
    const char32_t c = unicode::next(text.bytes(), pos);
    if (unicode::is_upper(c) || unicode::is_title(c)) {
      if (in_word) return false;
      in_word = any = true;
    } else if (unicode::is_lower(c)) {
      if (!in_word) return false;
      any = true;
    } else {
      in_word = false;
    }
  }
  return any;
}

std::optional<std::int64_t> parse_integer(const Text& text, std::int64_t base, Meter& meter) {
  if (base != 0 && (base < 2 || base > 36)) meter.fail("int() base must be >= 2 and <= 36, or 0");
  const std::string bare = bare_number(text, meter);
  std::string_view digits = bare;
  const bool minus = digits.starts_with('-');
  if (minus || digits.starts_with('+')) digits.remove_prefix(1);
  const auto prefix = [&](char mark, std::int64_t of) {
    if (base != 0 && base != of) return false;
    if (digits.size() < 3 || digits[0] != '0' || (digits[1] | 0x20) != mark) return false;
    digits.remove_prefix(digits[2] == '_' ? 3 : 2);
    base = of;
    return true;
  };
  const bool prefixed = prefix('x', 16) || prefix('o', 8) || prefix('b', 2);
  if (!prefixed && base == 0) {
    base = 10;
    if (digits.starts_with('0') && digits.find_first_not_of("0_") != std::string_view::npos) return std::nullopt;
  }
  const auto plain = without_underscores(digits);
  if (!plain || plain->empty() || !std::isalnum(static_cast<unsigned char>(plain->front()))) return std::nullopt;
  const std::string signed_digits = (minus ? "-" : "") + *plain;
  std::int64_t value = 0;
  const char* const end = signed_digits.data() + signed_digits.size();
  const auto result = std::from_chars(signed_digits.data(), end, value, static_cast<int>(base));
  if (result.ptr != end || result.ec == std::errc::invalid_argument) return std::nullopt;
  if (result.ec == std::errc::result_out_of_range) {
    meter.fail(ErrorCode::kTooLarge, "an integer grows beyond 64 bits", "calculate with smaller numbers, or with floats");
  }
  return value;
}

std::optional<double> parse_real(const Text& text, Meter& meter) {
  const std::string bare = bare_number(text, meter);
  std::string_view digits = bare;
  const bool minus = digits.starts_with('-');
  if (minus || digits.starts_with('+')) digits.remove_prefix(1);
  std::string word(digits.substr(0, std::min<std::size_t>(digits.size(), 9)));
  for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  double value = 0;
  if (word == "inf" || word == "infinity") {
    value = std::numeric_limits<double>::infinity();
  } else if (word == "nan") {
    value = std::numeric_limits<double>::quiet_NaN();
  } else {
    const auto plain = without_underscores(digits);
    const bool starts =
        plain && !plain->empty() && (std::isdigit(static_cast<unsigned char>(plain->front())) || plain->front() == '.');
    const auto parsed = starts ? parse_decimal(*plain) : std::nullopt;
    if (!parsed) return std::nullopt;
    value = *parsed;
  }
  return minus ? -value : value;
}

}  // namespace weft::jinja
