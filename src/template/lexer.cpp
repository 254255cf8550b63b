#include "lexer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "numbers.h"
#include "unicode.h"

namespace weft::jinja {
namespace {

constexpr std::array<std::string_view, 26> kOperators = {  // the longer ones first
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
    "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
int digit_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

class Lexer {
 public:
  Lexer(std::string_view source, Meter& meter) : meter_(meter) {
    // Every kind of line end becomes "\n", and one at the end of the source is dropped.
    for (std::size_t i = 0; i < source.size(); ++i) {
      const bool carriage = source[i] == '\r';
      if (carriage && i + 1 < source.size() && source[i + 1] == '\n') continue;
      source_ += carriage ? '\n' : source[i];
    }
    if (source_.ends_with('\n')) source_.pop_back();
  }

  std::vector<Token> run() {
    while (pos_ < source_.size()) lex_text();
    emit(Token::Kind::kEnd);
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail(std::string message) {
    meter_.at(line_);
    meter_.fail(ErrorCode::kCorrupt, std::move(message), "mend the template, or give another with --chat-template");
  }

  Token& emit(Token::Kind kind, std::string text = {}) {
    Token token;
    token.kind = kind;
    token.line = line_;
    token.text = std::move(text);
    tokens_.push_back(std::move(token));
    return tokens_.back();
  }

  [[nodiscard]] bool at(std::string_view what, std::size_t pos) const {
    return std::string_view(source_).substr(std::min(pos, source_.size())).starts_with(what);
  }
  [[nodiscard]] char peek(std::size_t ahead = 0) const {
    return pos_ + ahead < source_.size() ? source_[pos_ + ahead] : '\0';
  }
  [[nodiscard]] std::size_t skip_space(std::size_t pos) const {
    while (pos < source_.size()) {
      std::size_t after = pos;
      if (!unicode::is_space(unicode::next(source_, after))) break;
      pos = after;
    }
    return pos;
  }
  void move_to(std::size_t pos) {
    line_ += static_cast<std::uint32_t>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(pos_),
                                                   source_.begin() + static_cast<std::ptrdiff_t>(pos), '\n'));
    line_starting_ = pos > pos_ ? source_[pos - 1] == '\n' : line_starting_;
    pos_ = pos;
  }

  // Where "{% raw %}" that begins at `pos` ends; nothing if there is none.
  [[nodiscard]] std::optional<std::size_t> raw_end(std::size_t pos) const {
    pos += 2;
    if (at("-", pos) || at("+", pos)) ++pos;
    pos = skip_space(pos);
    if (!at("raw", pos)) return std::nullopt;
    pos = skip_space(pos + 3);
    if (at("-%}", pos)) return skip_space(pos + 3);
    if (at("%}", pos)) return pos + 2;
    return std::nullopt;
  }

  // Where a tag's end that stands at `pos` ends, with the white space that goes with it.
  [[nodiscard]] std::optional<std::size_t> tag_end(std::string_view end, std::size_t pos, bool trims) const {
    if (trims && at("+", pos) && at(end, pos + 1)) return pos + 1 + end.size();
    if (at("-", pos) && at(end, pos + 1)) return skip_space(pos + 1 + end.size());
    if (!at(end, pos)) return std::nullopt;
    pos += end.size();
    return trims && at("\n", pos) ? pos + 1 : pos;
  }

  // Emits source_[pos_, end) as text, less what the tag behind it strips.
  void emit_text(std::size_t end, char sign, bool strips) {
    std::size_t stop = end;
    if (sign == '-') {
      while (stop > pos_) {
        std::size_t before = stop;
        if (!unicode::is_space(unicode::previous(source_, before))) break;
        stop = before;
      }
    } else if (sign != '+' && strips) {
      const std::size_t newline = end == pos_ ? std::string::npos : source_.rfind('\n', end - 1);
      const bool has_newline = newline != std::string::npos && newline >= pos_;
      const std::size_t start = has_newline ? newline + 1 : pos_;
      if ((has_newline || line_starting_) && skip_space(start) >= end) stop = start;
    }
    if (stop > pos_) emit(Token::Kind::kText, source_.substr(pos_, stop - pos_));
    move_to(end);
  }

  void lex_text() {
    std::size_t tag = pos_;
    while (true) {
      tag = source_.find('{', tag);
      if (tag == std::string::npos || tag + 1 >= source_.size()) {
        emit(Token::Kind::kText, source_.substr(pos_));
        move_to(source_.size());
        return;
      }
      const char c = source_[tag + 1];
      if (c == '%' || c == '{' || c == '#') break;
      ++tag;
    }
    const char kind = source_[tag + 1];
    const char mark = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    const char sign = mark == '-' || mark == '+' ? mark : '\0';
    const std::size_t inside = tag + 2 + (sign != '\0' ? 1 : 0);
    emit_text(tag, sign, kind != '{');
    if (kind == '%') {
      if (const auto raw = raw_end(tag)) return lex_raw(*raw);
      emit(Token::Kind::kBlockBegin);
      move_to(inside);
      lex_code("%}", true, Token::Kind::kBlockEnd);
    } else if (kind == '{') {
      emit(Token::Kind::kPrintBegin);
      move_to(inside);
      lex_code("}}", false, Token::Kind::kPrintEnd);
    } else {
      lex_comment(inside);
    }
  }

  void lex_comment(std::size_t inside) {
    move_to(inside);
    for (std::size_t pos = inside; pos < source_.size(); ++pos) {
      if (const auto end = tag_end("#}", pos, true)) return move_to(*end);
    }
    fail("Missing end of comment tag");
  }

  void lex_raw(std::size_t inside) {
    move_to(inside);
    for (std::size_t pos = source_.find("{%", inside); pos != std::string::npos; pos = source_.find("{%", pos + 1)) {
      std::size_t word = pos + 2;
      const char sign = at("-", word) ? '-' : at("+", word) ? '+' : '\0';
      word = skip_space(word + (sign != '\0' ? 1 : 0));
      if (!at("endraw", word)) continue;
      const auto end = tag_end("%}", skip_space(word + 6), true);
      if (!end) continue;
      emit_text(pos, sign, true);
      return move_to(*end);
    }
    fail("Missing end of raw directive");
  }

  void lex_code(std::string_view end_tag, bool trims, Token::Kind end_kind) {
    std::string open;  // the closing brackets that are still to come
    while (pos_ < source_.size()) {
      if (open.empty()) {
        if (const auto end = tag_end(end_tag, pos_, trims)) {
          emit(end_kind);
          return move_to(*end);
        }
      }
      const std::size_t after_space = skip_space(pos_);
      if (after_space > pos_) {
        move_to(after_space);
      } else if (!lex_number() && !lex_name() && !lex_string()) {
        lex_operator(open);
      }
    }
  }

  // (\d+_)*\d+ from `pos`: its end, or `pos` if there is none.
  [[nodiscard]] std::size_t digits_end(std::size_t pos) const {
    while (pos < source_.size() && is_digit(source_[pos])) {
      ++pos;
      if (at("_", pos) && pos + 1 < source_.size() && is_digit(source_[pos + 1])) ++pos;
    }
    return pos;
  }

  bool lex_number() {
    if (!is_digit(peek())) return false;
    const std::size_t whole = digits_end(pos_);
    std::size_t end = whole;
    const bool after_dot = pos_ > 0 && source_[pos_ - 1] == '.';
    if (!after_dot) {
      if (at(".", end) && digits_end(end + 1) > end + 1) end = digits_end(end + 1);
      if (at("e", end) || at("E", end)) {
        const std::size_t exponent = end + 1 + (at("+", end + 1) || at("-", end + 1) ? 1 : 0);
        if (digits_end(exponent) > exponent) end = digits_end(exponent);
      }
    }
    if (end > whole) {
      std::string digits = source_.substr(pos_, end - pos_);
      std::erase(digits, '_');
      emit(Token::Kind::kFloat, digits).real = parse_decimal(digits).value_or(0);
      move_to(end);
      return true;
    }
    lex_integer();
    return true;
  }

  void lex_integer() {
    int base = 10;
    std::size_t start = pos_;
    const char mark = static_cast<char>(peek() == '0' ? peek(1) | 0x20 : 0);
    const int prefixed = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
    const std::size_t first = pos_ + 2 + (peek(2) == '_' ? 1 : 0);
    if (prefixed != 0 && first < source_.size() && digit_value(source_[first]) < prefixed) {
      base = prefixed;
      start = first;
    }
    std::string digits;
    std::size_t end = start;
    const bool zero = base == 10 && source_[start] == '0';  // "007" are three numbers to Jinja2's lexer
    while (end < source_.size()) {
      const std::size_t at_digit = end + (source_[end] == '_' && end > start ? 1 : 0);
      if (at_digit >= source_.size() || digit_value(source_[at_digit]) >= base) break;
      if (zero && source_[at_digit] != '0') break;
      digits += source_[at_digit];
      end = at_digit + 1;
    }
    std::int64_t value = 0;
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (result.ec != std::errc{}) {
      meter_.at(line_);
      meter_.fail(ErrorCode::kTooLarge, "the number " + source_.substr(pos_, end - pos_) + " does not fit 64 bits",
                  "write a smaller number");
    }
    emit(Token::Kind::kInteger, digits).integer = value;
    move_to(end);
  }

  bool lex_name() {
    std::size_t end = pos_;
    while (end < source_.size()) {
      std::size_t after = end;
      const char32_t c = unicode::next(source_, after);
      if (c != '_' && !unicode::is_alnum(c)) break;
      end = after;
    }
    if (end == pos_) return false;
    emit(Token::Kind::kName, source_.substr(pos_, end - pos_));
    move_to(end);
    return true;
  }

  bool lex_string() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') return false;
    std::size_t end = pos_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) return false;  // then the quote itself is what can't be read
    std::string text = unescape(std::string_view(source_).substr(pos_ + 1, end - pos_ - 1));
    emit(Token::Kind::kString, std::move(text));
    move_to(end + 1);
    return true;
  }

  // Python's "unicode-escape".
  std::string unescape(std::string_view raw) {
    std::string text;
    for (std::size_t i = 0; i < raw.size();) {
      if (raw[i] != '\\') {
        text += raw[i++];
        continue;
      }
      const char c = raw[i + 1];
      i += 2;
      static constexpr std::string_view kFrom = "\\'\"abfnrtv";
      static constexpr std::string_view kTo = "\\'\"\a\b\f\n\r\t\v";
      if (const std::size_t k = kFrom.find(c); k != std::string_view::npos) {
        text += kTo[k];
      } else if (c == '\n') {
        // a line that goes on
      } else if (c >= '0' && c <= '7') {
        char32_t code = 0;
        --i;
        for (int n = 0; n < 3 && i < raw.size() && raw[i] >= '0' && raw[i] <= '7'; ++n) {
          code = code * 8 + static_cast<char32_t>(raw[i++] - '0');
        }
        unicode::append(text, code);
      } else if (c == 'x' || c == 'u' || c == 'U') {
        const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
        char32_t code = 0;
        for (std::size_t n = 0; n < digits; ++n, ++i) {
          if (i >= raw.size() || digit_value(raw[i]) > 15) fail(std::string("truncated \\") + c + " escape");
          code = code * 16 + static_cast<char32_t>(digit_value(raw[i]));
        }
        if (code > 0x10FFFF) fail("illegal Unicode character");
        if (code >= 0xD800 && code < 0xE000) fail("a lone surrogate in a string, which UTF-8 can't hold");
        unicode::append(text, code);
      } else if (c == 'N') {
        fail("\\N escapes are not supported");
      } else {
        text += '\\';
        text += c;
      }
    }
    return text;
  }

  void lex_operator(std::string& open) {
    for (const std::string_view op : kOperators) {
      if (!at(op, pos_)) continue;
      if (op == "(" || op == "[" || op == "{") {
        open += op == "(" ? ')' : op == "[" ? ']' : '}';
      } else if (op == ")" || op == "]" || op == "}") {
        if (open.empty()) fail("unexpected '" + std::string(op) + "'");
        if (open.back() != op[0]) fail("unexpected '" + std::string(op) + "', expected '" + open.back() + "'");
        open.pop_back();
      }
      emit(Token::Kind::kOperator, std::string(op));
      return move_to(pos_ + op.size());
    }
    std::size_t after = pos_;
    (void)unicode::next(source_, after);
    fail("unexpected character '" + source_.substr(pos_, after - pos_) + "'");
  }

  Meter& meter_;
  std::string source_;
  std::vector<Token> tokens_;
  std::size_t pos_ = 0;
  std::uint32_t line_ = 1;
  bool line_starting_ = true;  // whether what was read last ended a line
};

}  // namespace

std::string Token::describe() const {
  switch (kind) {
    case Kind::kText: return "template text";
    case Kind::kPrintBegin: return "'{{'";
    case Kind::kPrintEnd: return "'}}'";
    case Kind::kBlockBegin: return "'{%'";
    case Kind::kBlockEnd: return "'%}'";
    case Kind::kEnd: return "the end of the template";
    case Kind::kString: return "a string";
    default: return "'" + text + "'";
  }
}

std::vector<Token> tokenize(std::string_view source, Meter& meter) { return Lexer(source, meter).run(); }

}  // namespace weft::jinja
