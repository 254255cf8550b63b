#include "format.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "interpreter.h"
#include "numbers.h"
#include "operators.h"
#include "strings.h"
#include "unicode.h"

namespace weft::jinja {
namespace {

constexpr std::int64_t kMostPrecision = 1000;  // decimals of a float: all that a double has, and more

void to_upper_ascii(std::string& text) {
  for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

// |x| as printf's e, f or g has it.
std::string real_digits(double x, char type, std::int64_t precision, bool alternate, Meter& meter) {
  if (precision > kMostPrecision) {
    meter.fail(ErrorCode::kTooLarge, "a precision of more than " + std::to_string(kMostPrecision) + " digits",
               "format with fewer digits");
  }
  if (alternate) {
    meter.fail(ErrorCode::kUnsupported, "the flag '#' is not supported for floats", "format without it");
  }
  const bool upper = type == 'E' || type == 'F' || type == 'G';
  std::string text = std::isnan(x)   ? "nan"
                     : std::isinf(x) ? "inf"
                                     : format_decimal(x, static_cast<char>(type | 0x20), static_cast<int>(precision));
  if (upper) to_upper_ascii(text);
  return text;
}

std::string integer_digits(std::int64_t i, int base, bool upper) {
  const std::uint64_t magnitude = i < 0 ? 0 - static_cast<std::uint64_t>(i) : static_cast<std::uint64_t>(i);
  std::array<char, 66> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), magnitude, base).ptr;
  std::string text(digits.data(), end);
  if (upper) to_upper_ascii(text);
  return text;
}

std::string_view base_prefix(char type) {
  switch (type) {
    case 'o': return "0o";
    case 'x': return "0x";
    case 'X': return "0X";
    case 'b': return "0b";
    default: return "";
  }
}

int base_of(char type) { return type == 'o' ? 8 : type == 'x' || type == 'X' ? 16 : type == 'b' ? 2 : 10; }

Text ascii_only(const Text& text) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  Text result;
  for (std::size_t pos = 0; pos < text.size();) {
    const std::size_t start = pos;
    const char32_t c = unicode::next(text.bytes(), pos);
    if (c < 0x80) {
      result.append(text, start, pos);
      continue;
    }
    std::string escaped = c < 0x100 ? "\\x" : c < 0x10000 ? "\\u" : "\\U";
    for (int i = (c < 0x100 ? 2 : c < 0x10000 ? 4 : 8) - 1; i >= 0; --i) escaped += kHex[(c >> (4 * i)) & 0xF];
    result.append(escaped, text.author_at(start));
  }
  return result;
}

// The integer that %d and its like make of a number.
std::int64_t whole_number(const Value& v, char type, Meter& meter) {
  require_defined(v, meter);
  if (v.integral()) return v.as_int();
  const std::string format = std::string("%") + type + " format: ";
  const bool decimal = type == 'd' || type == 'i' || type == 'u';
  if (!decimal || !v.is(Kind::kFloat)) {
    meter.fail(format + (decimal ? "a real number" : "an integer") + " is required, not " + std::string(type_name(v)));
  }
  const double whole = std::trunc(v.as_real());
  if (std::isnan(whole)) meter.fail("cannot convert float NaN to integer");
  if (std::isinf(whole)) meter.fail("cannot convert float infinity to integer");
  if (std::fabs(whole) >= 9223372036854775808.0) {
    meter.fail(ErrorCode::kTooLarge, "an integer grows beyond 64 bits", "calculate with smaller numbers, or with floats");
  }
  return static_cast<std::int64_t>(whole);
}

double real_number(const Value& v, Meter& meter) {
  require_defined(v, meter);
  if (v.number()) return v.as_real();
  if (v.is(Kind::kString)) meter.fail("must be real number, not str");
  meter.fail("must be real number, not " + std::string(type_name(v)));
}

// ---------------------------------------------------------------- "..." % values

class PercentFormatter {
 public:
  PercentFormatter(const Text& format, const Value& values, Interpreter& interpreter)
      : format_(format), values_(values), meter_(interpreter.meter()) {
    positional_ = values.is(Kind::kTuple);
    // What Python takes for a mapping, having [], may stay unused.
    mapping_ = values.is(Kind::kDict) || values.is(Kind::kList) || values.is(Kind::kRange) || values.undefined();
  }

  Text run() {
    const std::string& bytes = format_.bytes();
    std::size_t done = 0;
    while (true) {
      const std::size_t percent = bytes.find('%', done);
      append(format_, done, std::min(percent, bytes.size()));
      if (percent == std::string::npos) break;
      pos_ = percent + 1;
      convert(percent);
      done = pos_;
    }
    const bool left_over = positional_ ? next_ < values_.items().size() : !mapping_ && next_ == 0;
    if (left_over) meter_.fail("not all arguments converted during string formatting");
    result_.set_markup(format_.markup());
    return std::move(result_);
  }

 private:
  struct Spec {
    bool left = false, plus = false, space = false, alternate = false, zero = false;
    std::int64_t width = 0;
    std::optional<std::int64_t> precision;
  };

  void append(const Text& text, std::size_t from, std::size_t to) {
    meter_.grow(result_.size(), to - from);
    result_.append(text, from, to);
  }

  char take() {
    if (pos_ >= format_.size()) meter_.fail("incomplete format");
    return format_.bytes()[pos_++];
  }
  [[nodiscard]] char peek() const { return pos_ < format_.size() ? format_.bytes()[pos_] : '\0'; }

  Value next_value() {
    const std::size_t available = positional_ ? values_.items().size() : 1;
    if (next_ >= available) meter_.fail("not enough arguments for format string");
    const std::size_t i = next_++;
    return positional_ ? values_.items()[i] : values_;
  }

  std::int64_t number() {  // of a width or a precision
    if (peek() == '*') {
      ++pos_;
      const Value value = next_value();
      if (!value.integral()) meter_.fail("* wants int");
      return value.as_int();
    }
    std::int64_t value = 0;
    while (peek() >= '0' && peek() <= '9') {
      value = value * 10 + (take() - '0');
      if (value > 1'000'000'000) meter_.fail("width too big");
    }
    return value;
  }

  Value named_value() {
    const std::size_t start = pos_;
    for (int open = 1; open > 0;) {
      const char c = take();
      open += c == '(' ? 1 : c == ')' ? -1 : 0;
    }
    const std::string name = format_.bytes().substr(start, pos_ - 1 - start);
    if (!values_.is(Kind::kDict)) meter_.fail("format requires a mapping");
    const Value* found = dict_of(values_).find(std::string_view(name));
    if (found == nullptr) meter_.fail("KeyError: '" + name + "'");
    return *found;
  }

  void convert(std::size_t start) {
    Spec spec;
    Value value;
    if (peek() == '(') {
      ++pos_;
      value = named_value();
    }
    for (bool flags = true; flags;) {
      switch (peek()) {
        case '-': spec.left = true; break;
        case '+': spec.plus = true; break;
        case ' ': spec.space = true; break;
        case '#': spec.alternate = true; break;
        case '0': spec.zero = true; break;
        default: flags = false; continue;
      }
      ++pos_;
    }
    spec.width = number();
    if (spec.width < 0) {
      spec.left = true;
      spec.width = -spec.width;
    }
    if (peek() == '.') {
      ++pos_;
      spec.precision = std::max<std::int64_t>(number(), 0);
    }
    if (peek() == 'h' || peek() == 'l' || peek() == 'L') ++pos_;
    const char type = take();
    if (type == '%' && pos_ == start + 2) {
      result_.append("%", format_.author_at(start));
      return;
    }
    if (value.missing()) value = next_value();
    if (std::string_view("srdiuoxXeEfFgGca").find(type) == std::string_view::npos) {
      meter_.fail(std::string("unsupported format character '") + type + "'");
    }
    append_converted(type, spec, value, format_.author_at(start));
  }

  void append_converted(char type, const Spec& spec, const Value& value, Author author) {
    Text text;
    if (type == 's' || type == 'r' || type == 'a') {
      text = type == 's' ? to_text(value, meter_) : to_repr(value, meter_);
      if (type == 'a') text = ascii_only(text);
      // As markupsafe has it: what comes into markup is escaped, unless it is markup itself.
      if (format_.markup()) {
        const bool safe = type == 's' && value.is(Kind::kString) && value.text().markup();
        if (!safe) text = escape(text, meter_);
        text.set_markup(false);
      }
      if (spec.precision && *spec.precision < static_cast<std::int64_t>(text.chars())) {
        text = text.slice(0, text.byte_of(static_cast<std::size_t>(*spec.precision)));
      }
    } else if (type == 'c') {
      text = character_of(value);
    } else {
      return append_number(type, spec, value, author);
    }
    const Text filled = padded(text, spec.width, Text(" ", author), spec.left ? Side::kRight : Side::kLeft, meter_);
    append(filled, 0, filled.size());
  }

  Text character_of(const Value& value) {
    if (value.is(Kind::kString) && value.text().chars() == 1) return value.text();
    if (!value.integral()) meter_.fail("%c requires int or char");
    if (value.as_int() < 0 || value.as_int() > 0x10FFFF) meter_.fail("%c arg not in range(0x110000)");
    if (value.as_int() >= 0xD800 && value.as_int() < 0xE000) meter_.fail("a lone surrogate, which UTF-8 can't hold");
    std::string c;
    unicode::append(c, static_cast<char32_t>(value.as_int()));
    return Text(c, value.author());
  }

  void append_number(char type, const Spec& spec, const Value& value, Author author) {
    std::string digits, prefix;
    bool minus = false;
    if (std::string_view("diuoxX").find(type) != std::string_view::npos) {
      const std::int64_t i = whole_number(value, type, meter_);
      minus = i < 0;
      digits = integer_digits(i, base_of(type), type == 'X');
      if (spec.alternate) prefix = base_prefix(type);
      const std::int64_t missing = spec.precision.value_or(0) - static_cast<std::int64_t>(digits.size());
      if (missing > 0) {
        meter_.bytes(static_cast<std::size_t>(missing));
        digits.insert(0, static_cast<std::size_t>(missing), '0');
      }
    } else {
      const double x = real_number(value, meter_);
      minus = std::signbit(x) && !std::isnan(x);
      digits = real_digits(x, type, spec.precision.value_or(6), spec.alternate, meter_);
    }
    const std::string sign = minus ? "-" : spec.plus ? "+" : spec.space ? " " : "";
    const auto used = static_cast<std::int64_t>(sign.size() + prefix.size() + digits.size());
    const auto fill = static_cast<std::size_t>(std::max<std::int64_t>(spec.width - used, 0));
    meter_.grow(result_.size(), fill + static_cast<std::size_t>(used));
    const bool zeros = spec.zero && !spec.left;
    if (!spec.left && !zeros) result_.append(std::string(fill, ' '), author);
    result_.append(sign + prefix + (zeros ? std::string(fill, '0') : "") + digits, value.author());
    if (spec.left) result_.append(std::string(fill, ' '), author);
  }

  const Text& format_;
  const Value& values_;
  Meter& meter_;
  bool positional_ = false, mapping_ = false;
  std::size_t pos_ = 0;
  std::size_t next_ = 0;
  Text result_;
};

// ---------------------------------------------------------------- format(value, spec)

struct FormatSpec {
  std::string fill = " ";
  char align = '\0', sign = '\0', grouping = '\0', type = '\0';
  bool alternate = false, zero = false;
  std::int64_t width = 0;
  std::optional<std::int64_t> precision;
};

FormatSpec parse_spec(const std::string& spec, Meter& meter) {
  FormatSpec parsed;
  std::size_t pos = 0;
  const auto is_align = [](char c) { return c == '<' || c == '>' || c == '=' || c == '^'; };
  const auto at = [&](std::size_t i) { return i < spec.size() ? spec[i] : '\0'; };
  const auto number = [&] {
    std::int64_t value = 0;
    while (at(pos) >= '0' && at(pos) <= '9') {
      value = value * 10 + (spec[pos++] - '0');
      if (value > 1'000'000'000) meter.fail("too many decimal digits in format string");
    }
    return value;
  };
  if (!spec.empty()) {
    std::size_t after_fill = 0;
    (void)unicode::next(spec, after_fill);
    if (is_align(at(after_fill))) {
      parsed.fill.assign(spec, 0, after_fill);
      parsed.align = spec[after_fill];
      pos = after_fill + 1;
    } else if (is_align(spec[0])) {
      parsed.align = spec[pos++];
    }
  }
  if (at(pos) == '+' || at(pos) == '-' || at(pos) == ' ') parsed.sign = spec[pos++];
  if (at(pos) == '#') {
    parsed.alternate = true;
    ++pos;
  }
  if (at(pos) == '0') {
    parsed.zero = true;
    if (parsed.align == '\0') {
      parsed.fill.assign(1, '0');
      parsed.align = '=';
    }
    ++pos;
  }
  parsed.width = number();
  if (at(pos) == ',' || at(pos) == '_') parsed.grouping = spec[pos++];
  if (at(pos) == '.') {
    ++pos;
    if (at(pos) < '0' || at(pos) > '9') meter.fail("Format specifier missing precision");
    parsed.precision = number();
  }
  if (pos + 1 < spec.size()) meter.fail("Invalid format specifier");
  parsed.type = at(pos);
  return parsed;
}

// With `separator` between groups of whole digits, and zeros in front for at least `width` characters.
std::string grouped(const std::string& digits, char separator, std::size_t group, std::int64_t width) {
  if (separator == '\0') return digits;
  const std::size_t whole = std::min(digits.find_first_not_of("0123456789abcdefABCDEF"), digits.size());
  const auto wanted = static_cast<std::size_t>(std::max<std::int64_t>(width, 0));
  const std::size_t rest = digits.size() - whole;
  std::size_t count = whole;
  if (wanted > rest) {
    const std::size_t room = wanted - rest;
    std::size_t fitting = room - room / (group + 1);
    if (fitting + (fitting - 1) / group < room) ++fitting;
    count = std::max(count, fitting);
  }
  std::string result;
  for (std::size_t i = 0; i < count; ++i) {
    if (i != 0 && (count - i) % group == 0) result += separator;
    result += i < count - whole ? '0' : digits[i - (count - whole)];
  }
  return result + digits.substr(whole);
}

Text filled(const FormatSpec& spec, const Text& text, char usual, Author author, Meter& meter) {
  const char align = spec.align == '\0' ? usual : spec.align;
  const Side side = align == '<' ? Side::kRight : align == '^' ? Side::kBoth : Side::kLeft;
  if (align != '^') return padded(text, spec.width, Text(spec.fill, author), side, meter);
  // Unlike str.center, format() always rounds to the left.
  const std::int64_t missing = std::max<std::int64_t>(spec.width - static_cast<std::int64_t>(text.chars()), 0);
  const Text left = padded(text, static_cast<std::int64_t>(text.chars()) + missing / 2, Text(spec.fill, author), Side::kLeft, meter);
  return padded(left, spec.width, Text(spec.fill, author), Side::kRight, meter);
}

Text format_number(const Value& value, const FormatSpec& spec, Author author, Meter& meter) {
  std::string digits, prefix;
  std::size_t group = 3;
  bool minus = false;
  const bool integer_type = std::string_view("bcdoxXn").find(spec.type) != std::string_view::npos;
  const bool real_type = std::string_view("eEfFgG%").find(spec.type) != std::string_view::npos;
  if (spec.type != '\0' && !integer_type && !real_type) {
    meter.fail(std::string("Unknown format code '") + spec.type + "' for object of type '" + std::string(type_name(value)) + "'");
  }
  if (value.integral() && !real_type) {
    if (spec.precision) meter.fail("Precision not allowed in integer format specifier");
    const std::int64_t i = value.as_int();
    if (spec.type == 'c') {
      if (i < 0 || i > 0x10FFFF || (i >= 0xD800 && i < 0xE000)) meter.fail("%c arg not in range(0x110000)");
      unicode::append(digits, static_cast<char32_t>(i));
      return filled(spec, Text(digits, value.author()), '<', author, meter);
    }
    minus = i < 0;
    const int base = base_of(spec.type);
    if (spec.grouping == ',' && base != 10) meter.fail("Cannot specify ',' with '" + std::string(1, spec.type) + "'.");
    digits = integer_digits(i, base, spec.type == 'X');
    group = base == 10 ? 3 : 4;
    if (spec.alternate) prefix = base_prefix(spec.type);
  } else {
    if (integer_type && spec.type != 'n') {
      meter.fail(std::string("Unknown format code '") + spec.type + "' for object of type 'float'");
    }
    double x = value.as_real();
    minus = std::signbit(x) && !std::isnan(x);
    if (spec.type == '\0' && !spec.precision) {
      digits = shortest_decimal(std::fabs(x));
    } else if (spec.type == '\0') {
      digits = real_digits(x, 'g', std::max<std::int64_t>(*spec.precision, 1), spec.alternate, meter);
      if (std::isfinite(x) && digits.find_first_of(".e") == std::string::npos) digits += ".0";
    } else {
      if (spec.type == '%') x *= 100;
      const char type = spec.type == '%' ? 'f' : spec.type == 'n' ? 'g' : spec.type;
      digits = real_digits(x, type, spec.precision.value_or(6), spec.alternate, meter);
      if (spec.type == '%') digits += '%';
    }
  }
  const std::string sign = minus ? "-" : spec.sign == '+' ? "+" : spec.sign == ' ' ? " " : "";
  const std::int64_t rest = spec.width - static_cast<std::int64_t>(sign.size() + prefix.size());
  const bool zeros = spec.align == '=' && spec.fill == "0";  // which are grouped like the digits
  if (zeros && rest > 0) meter.bytes(static_cast<std::size_t>(rest));
  digits = grouped(digits, spec.grouping, group, zeros ? rest : 0);
  if (spec.align != '=') return filled(spec, Text(sign + prefix + digits, value.author()), '>', author, meter);
  Text text(sign + prefix, value.author());
  text.append(padded(Text(digits, value.author()), rest, Text(spec.fill, author), Side::kLeft, meter));
  return text;
}

Text format_value(const Value& value, const Text& spec_text, Meter& meter) {
  if (spec_text.empty()) return to_text(value, meter);
  if (!value.is(Kind::kString) && !value.number()) {
    meter.fail("unsupported format string passed to " + std::string(type_name(value)) + ".__format__");
  }
  const FormatSpec spec = parse_spec(spec_text.bytes(), meter);
  const Author author = spec_text.author();
  if (value.number()) return format_number(value, spec, author, meter);
  if (spec.type != '\0' && spec.type != 's') {
    meter.fail(std::string("Unknown format code '") + spec.type + "' for object of type 'str'");
  }
  if (spec.sign != '\0') meter.fail("Sign not allowed in string format specifier");
  if (spec.alternate) meter.fail("Alternate form (#) not allowed in string format specifier");
  if (spec.align == '=' && !spec.zero) meter.fail("'=' alignment not allowed in string format specifier");
  if (spec.grouping != '\0') meter.fail("Cannot specify ',' with 's'.");
  Text text = to_text(value, meter);
  if (spec.precision && *spec.precision < static_cast<std::int64_t>(text.chars())) {
    text = text.slice(0, text.byte_of(static_cast<std::size_t>(*spec.precision)));
  }
  FormatSpec usual = spec;
  if (spec.align == '=') usual.align = '<';
  return filled(usual, text, '<', author, meter);
}

// ---------------------------------------------------------------- "...".format(values)

class BraceFormatter {
 public:
  BraceFormatter(const CallArguments& values, Interpreter& interpreter, bool markup)
      : values_(values), interpreter_(interpreter), meter_(interpreter.meter()), markup_(markup) {}

  Text run(const Text& format, int depth) {
    if (depth > 2) meter_.fail("Max string recursion exceeded");
    Text result;
    const std::string& bytes = format.bytes();
    const auto append = [&](const Text& text, std::size_t from, std::size_t to) {
      meter_.grow(result.size(), to - from);
      result.append(text, from, to);
    };
    for (std::size_t pos = 0; pos < bytes.size();) {
      const std::size_t brace = std::min(bytes.find_first_of("{}", pos), bytes.size());
      append(format, pos, brace);
      if (brace == bytes.size()) break;
      if (brace + 1 < bytes.size() && bytes[brace + 1] == bytes[brace]) {
        append(format, brace, brace + 1);
        pos = brace + 2;
        continue;
      }
      if (bytes[brace] == '}') meter_.fail("Single '}' encountered in format string");
      if (brace + 1 >= bytes.size()) meter_.fail("Single '{' encountered in format string");
      const std::size_t end = field_end(bytes, brace + 1);
      const Text field = replaced_field(format.slice(brace + 1, end), depth);
      append(field, 0, field.size());
      pos = end + 1;
    }
    return result;
  }

 private:
  std::size_t field_end(const std::string& bytes, std::size_t pos) {
    bool bracket = false;
    for (int open = 1; pos < bytes.size(); ++pos) {
      if (bytes[pos] == '[') bracket = true;
      if (bytes[pos] == ']') bracket = false;
      if (bracket) continue;
      open += bytes[pos] == '{' ? 1 : bytes[pos] == '}' ? -1 : 0;
      if (open == 0) return pos;
    }
    meter_.fail("expected '}' before end of string");
  }

  Text replaced_field(const Text& field, int depth) {
    const std::string& bytes = field.bytes();
    std::size_t name_end = 0;
    for (bool bracket = false; name_end < bytes.size(); ++name_end) {
      const char c = bytes[name_end];
      if (c == '[') bracket = true;
      if (c == ']') bracket = false;
      if (!bracket && (c == '!' || c == ':')) break;
      if (!bracket && c == '{') meter_.fail("unexpected '{' in field name");
    }
    Value value = lookup(field.slice(0, name_end));
    std::size_t pos = name_end;
    if (pos < bytes.size() && bytes[pos] == '!') {
      const char conversion = pos + 1 < bytes.size() ? bytes[pos + 1] : '\0';
      pos += 2;
      if (pos < bytes.size() && bytes[pos] != ':') meter_.fail("expected ':' after conversion specifier");
      if (conversion == 'r' || conversion == 'a') {
        Text repr = to_repr(value, meter_);
        value = Value::string(conversion == 'a' ? ascii_only(repr) : std::move(repr));
      } else if (conversion == 's') {
        value = Value::string(to_text(value, meter_));
      } else {
        meter_.fail("Unknown conversion specifier '" + std::string(1, conversion) + "'");
      }
    }
    Text spec;
    if (pos < bytes.size()) spec = run(field.slice(pos + 1, bytes.size()), depth + 1);
    const bool safe = value.is(Kind::kString) && value.text().markup();
    if (markup_ && safe && !spec.empty()) meter_.fail("Unsupported format specification for Markup.");
    Text text = format_value(value, spec, meter_);
    if (markup_ && !safe) {
      text = escape(text, meter_);
      text.set_markup(false);
    }
    return text;
  }

  Value lookup(const Text& name) {
    const std::string& bytes = name.bytes();
    std::size_t pos = std::min(bytes.find_first_of(".["), bytes.size());
    Value value = first_value(bytes.substr(0, pos));
    while (pos < bytes.size()) {
      if (bytes[pos] == '.') {
        const std::size_t end = std::min(bytes.find_first_of(".[", pos + 1), bytes.size());
        if (end == pos + 1) meter_.fail("Empty attribute in format string");
        value = interpreter_.attribute(value, name.slice(pos + 1, end));
        pos = end;
      } else if (bytes[pos] == '[') {
        const std::size_t end = bytes.find(']', pos);
        if (end == std::string::npos) meter_.fail("Missing ']' in format string");
        if (end == pos + 1) meter_.fail("Empty attribute in format string");
        const Text key = name.slice(pos + 1, end);
        const bool digits = all_chars(key, [](char32_t c) { return c >= '0' && c <= '9'; });
        value = interpreter_.item(value, digits ? Value::integer(*parse_integer(key, 10, meter_)) : Value::string(key));
        pos = end + 1;
      } else {
        meter_.fail("Only '.' or '[' may follow ']' in format field specifier");
      }
    }
    return value;
  }

  Value first_value(const std::string& name) {
    const Text key(name, Author::kTemplate);
    const bool digits = all_chars(key, [](char32_t c) { return c >= '0' && c <= '9'; });
    if (name.empty() || digits) {
      if (name.empty() == manual_ && started_) {
        meter_.fail("cannot switch between automatic and manual field numbering");
      }
      started_ = true;
      manual_ = !name.empty();
      const auto i = name.empty() ? next_++ : static_cast<std::size_t>(*parse_integer(key, 10, meter_));
      if (i >= values_.positional.size()) {
        meter_.fail("Replacement index " + std::to_string(i) + " out of range for positional args tuple");
      }
      return values_.positional[i];
    }
    meter_.step(values_.named.size());
    for (const auto& [given, value] : values_.named) {
      if (given == name) return value;
    }
    meter_.fail("KeyError: '" + name + "'");
  }

  const CallArguments& values_;
  Interpreter& interpreter_;
  Meter& meter_;
  bool markup_;
  bool started_ = false, manual_ = false;
  std::size_t next_ = 0;
};

}  // namespace

Text percent_format(const Text& format, const Value& values, Interpreter& interpreter) {
  return PercentFormatter(format, values, interpreter).run();
}

Text brace_format(const Text& format, const CallArguments& values, Interpreter& interpreter) {
  Text text = BraceFormatter(values, interpreter, format.markup()).run(format, 0);
  text.set_markup(format.markup());
  return text;
}

}  // namespace weft::jinja
