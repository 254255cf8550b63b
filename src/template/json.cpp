#include "json.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "numbers.h"
#include "unicode.h"

namespace weft::jinja {
namespace {

// Builds values while nlohmann's parser reads: no second tree, keys in their order, and depth bounded as it grows.
class Builder {
 public:
  Builder(std::string where, Meter& meter) : where_(std::move(where)), meter_(meter) {}

  bool null() { return add(Value::none(Author::kData)); }
  bool boolean(bool b) { return add(Value::boolean(b, Author::kData)); }
  bool number_integer(std::int64_t i) { return add(Value::integer(i, Author::kData)); }
  bool number_unsigned(std::uint64_t i) {
    if (i > static_cast<std::uint64_t>(INT64_MAX)) fail_large(std::to_string(i));
    return add(Value::integer(static_cast<std::int64_t>(i), Author::kData));
  }
  bool number_float(double d, const std::string& digits) {
    if (digits.find_first_of(".eE") == std::string::npos) fail_large(digits);
    return add(Value::real(d, Author::kData));
  }
  bool string(std::string& text) {
    meter_.bytes(text.size());
    return add(Value::string(std::move(text), Author::kData));
  }
  bool binary(std::vector<std::uint8_t>& /*bytes*/) { return false; }  // JSON text has none
  bool start_object(std::size_t /*size*/) { return open(true); }
  bool start_array(std::size_t /*size*/) { return open(false); }
  bool key(std::string& name) {
    stack_.back().key = Value::string(std::move(name), Author::kData);
    return true;
  }
  bool end_object() {
    Dict dict = std::move(stack_.back().dict);
    stack_.pop_back();
    return add(make_dict(std::move(dict), Author::kData, meter_));
  }
  bool end_array() {
    std::vector<Value> items = std::move(stack_.back().items);
    stack_.pop_back();
    return add(Value::list(std::move(items), Author::kData, meter_));
  }
  bool parse_error(std::size_t position, const std::string& /*token*/, const nlohmann::json::exception& /*error*/) {
    throw Error(ErrorCode::kInvalidArgument, "not JSON at byte " + std::to_string(position), where_,
                "pass well-formed JSON");
  }

  Value take() { return std::move(root_); }

 private:
  struct Open {
    bool object = false;
    Dict dict;
    std::vector<Value> items;
    Value key;
  };

  bool open(bool object) {
    if (stack_.size() >= meter_.limits().depth) {
      throw Error(ErrorCode::kTooLarge,
                  "JSON is nested deeper than " + std::to_string(meter_.limits().depth) + " (TemplateLimits::depth)",
                  where_, "pass flatter JSON, or raise the limit");
    }
    stack_.emplace_back();
    stack_.back().object = object;
    return true;
  }

  bool add(Value value) {
    meter_.step();
    if (stack_.empty()) {
      root_ = std::move(value);
    } else if (stack_.back().object) {
      stack_.back().dict.set(std::move(stack_.back().key), std::move(value));
    } else {
      stack_.back().items.push_back(std::move(value));
    }
    return true;
  }

  [[noreturn]] void fail_large(const std::string& digits) {
    throw Error(ErrorCode::kInvalidArgument, "the number " + digits + " does not fit 64 bits", where_,
                "pass it as a string, or as a float");
  }

  std::string where_;
  Meter& meter_;
  std::vector<Open> stack_;
  Value root_;
};

class Writer {
 public:
  Writer(const JsonStyle& style, Meter& meter) : style_(style), meter_(meter) {}

  Text write(const Value& v) {
    append_value(v, 0);
    return std::move(text_);
  }

 private:
  void append(std::string_view bytes, Author author) {
    meter_.grow(text_.size(), bytes.size());
    text_.append(bytes, author);
  }
  void append(const Text& text) {
    meter_.grow(text_.size(), text.size());
    text_.append(text);
  }

  void append_value(const Value& v, std::size_t level) {
    meter_.step();
    switch (v.kind()) {
      case Kind::kNone: return append("null", v.author());
      case Kind::kBool: return append(v.as_int() != 0 ? "true" : "false", v.author());
      case Kind::kInt: return append(std::to_string(v.as_int()), v.author());
      case Kind::kFloat: return append(real(v.as_real()), v.author());
      case Kind::kString: return append_string(v.text());
      case Kind::kList:
      case Kind::kTuple: return append_list(v, level);
      case Kind::kDict: return append_dict(v, level);
      default: meter_.fail("Object of type " + std::string(type_name(v)) + " is not JSON serializable");
    }
  }

  static std::string real(double d) {
    if (std::isnan(d)) return "NaN";
    if (std::isinf(d)) return d < 0 ? "-Infinity" : "Infinity";
    return shortest_decimal(d);
  }

  void append_line(std::size_t level) {
    if (!style_.indented) return;
    append("\n", Author::kTemplate);
    for (std::size_t i = 0; i < level; ++i) append(style_.indent);
  }

  void append_list(const Value& v, std::size_t level) {
    append("[", v.author());
    bool first = true;
    for (const Value& item : v.items()) {
      if (!std::exchange(first, false)) append(style_.item_separator);
      append_line(level + 1);
      append_value(item, level + 1);
    }
    if (!first) append_line(level);
    append("]", v.author());
  }

  void append_dict(const Value& v, std::size_t level) {
    std::vector<const Dict::Entry*> entries;
    for (const Dict::Entry& entry : dict_of(v).entries()) entries.push_back(&entry);
    if (style_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(), [&](const Dict::Entry* a, const Dict::Entry* b) {
        return compare(a->first, b->first, "<", meter_) == -1;
      });
    }
    append("{", v.author());
    bool first = true;
    for (const Dict::Entry* entry : entries) {
      if (!std::exchange(first, false)) append(style_.item_separator);
      append_line(level + 1);
      append_key(entry->first);
      append(style_.key_separator);
      append_value(entry->second, level + 1);
    }
    if (!first) append_line(level);
    append("}", v.author());
  }

  void append_key(const Value& key) {
    if (key.is(Kind::kString)) return append_string(key.text());
    const bool plain = key.number() || key.is(Kind::kNone);
    if (!plain) meter_.fail("keys must be str, int, float, bool or None, not " + std::string(type_name(key)));
    append("\"", key.author());
    append_value(key, 0);
    append("\"", key.author());
  }

  void append_string(const Text& text) {
    const Author author = text.author();
    append("\"", author);
    const std::string& bytes = text.bytes();
    std::size_t done = 0;
    for (std::size_t pos = 0; pos < bytes.size();) {
      const std::size_t start = pos;
      const char32_t c = unicode::next(bytes, pos);
      const std::string escaped = escape(c);
      if (escaped.empty()) continue;
      meter_.grow(text_.size(), start - done);
      text_.append(text, done, start);
      append(escaped, text.author_at(start));
      done = pos;
    }
    meter_.grow(text_.size(), bytes.size() - done);
    text_.append(text, done, bytes.size());
    append("\"", author);
  }

  [[nodiscard]] std::string escape(char32_t c) const {
    switch (c) {
      case '"': return "\\\"";
      case '\\': return "\\\\";
      case '\n': return "\\n";
      case '\r': return "\\r";
      case '\t': return "\\t";
      case '\f': return "\\f";
      case '\b': return "\\b";
      default: break;
    }
    if (c >= 0x20 && (c < 0x7F || !style_.ascii)) return {};
    if (c == 0x7F) return {};  // DEL is printable to json.dumps()
    if (c < 0x10000) return unit(c);
    return unit(0xD800 + ((c - 0x10000) >> 10)) + unit(0xDC00 + ((c - 0x10000) & 0x3FF));
  }

  static std::string unit(char32_t c) {
    static constexpr std::string_view kHex = "0123456789abcdef";
    std::string text = "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) text += kHex[(c >> shift) & 0xF];
    return text;
  }

  const JsonStyle& style_;
  Meter& meter_;
  Text text_;
};

}  // namespace

Value parse_json(std::string_view json, const std::string& where, Meter& meter) {
  meter.bytes(json.size());
  Builder builder(where, meter);
  (void)nlohmann::json::sax_parse(json, &builder);
  return builder.take();
}

Text to_json(const Value& v, const JsonStyle& style, Meter& meter) { return Writer(style, meter).write(v); }

}  // namespace weft::jinja
