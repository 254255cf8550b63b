#include "json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "utf8.h"

namespace weft::tokenizer {
namespace {

// Values lie in the order of the file, each object and array before what it holds: no pointers, no allocation a value, eight
// bytes each, since large files have half a million.
struct Node {
  std::uint32_t kind : 3;         // JsonKind, or kUnescaped
  std::uint32_t count : 29;       // kArray, kObject: members; kString: bytes
  std::uint32_t value;            // kBool, kInteger; kReal: into `reals`; kString: into the file; kUnescaped: into `strings`;
                                  // kArray, kObject: the node after the last one inside
};
constexpr std::uint32_t kUnescaped = 7;  // a string that the file spells with escapes
constexpr std::uint32_t kMaxBytes = std::uint32_t{1} << 29;  // of a file, so that all of these fit

constexpr std::string_view kFix = "the file is cut short or was edited; fetch it again";

std::string_view name_of(JsonKind kind) {
  switch (kind) {
    case JsonKind::kNull: return "null";
    case JsonKind::kBool: return "a boolean";
    case JsonKind::kInteger: return "an integer";
    case JsonKind::kReal: return "a number";
    case JsonKind::kString: return "a string";
    case JsonKind::kArray: return "an array";
    case JsonKind::kObject: return "an object";
  }
  return "a value";
}

constexpr std::int64_t kMostExponent = 308;

// 10 to the power of `exponent`, 0 to kMostExponent, correctly rounded.
double power_of_ten(std::int64_t exponent) {
  static const auto kPowers = [] {
    std::array<double, kMostExponent + 1> powers{};
    for (std::size_t i = 0; i < powers.size(); ++i) {
      const std::string text = "1e" + std::to_string(i);
      std::from_chars(text.data(), text.data() + text.size(), powers[i]);
    }
    return powers;
  }();
  return kPowers[static_cast<std::size_t>(exponent)];
}

// A number as serde_json reads it, which Hugging Face's library uses: quick, and off by a unit in the last place now and
// then (its feature float_roundtrip is off). Scores that nearly tie are decided by such units.
double real_of(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  std::uint64_t significand = 0;
  std::int64_t exponent = 0;
  bool full = false;  // no further digit fits
  std::size_t pos = 0;
  for (bool behind_point = false; pos < text.size(); ++pos) {
    if (text[pos] == '.') {
      behind_point = true;
      full = false;
      continue;
    }
    if (text[pos] < '0' || text[pos] > '9') break;
    const auto digit = static_cast<std::uint64_t>(text[pos] - '0');
    full = full || significand > (~std::uint64_t{0} - digit) / 10;
    if (!full) significand = significand * 10 + digit;
    if (full != behind_point) exponent += full ? 1 : -1;
  }
  if (pos < text.size()) {  // e or E
    ++pos;
    const bool minus = text[pos] == '-';
    if (minus || text[pos] == '+') ++pos;
    std::int64_t written = 0;
    for (; pos < text.size(); ++pos) written = std::min<std::int64_t>(written * 10 + (text[pos] - '0'), 1'000'000);
    exponent += minus ? -written : written;
  }
  double value = static_cast<double>(significand);
  for (; exponent < -kMostExponent && value != 0; exponent += kMostExponent) value /= 1e308;
  if (exponent > kMostExponent && value != 0) return negative ? -HUGE_VAL : HUGE_VAL;
  if (value != 0) value = exponent < 0 ? value / power_of_ten(-exponent) : value * power_of_ten(exponent);
  return negative ? -value : value;
}

// For error messages: what a file holds may be long, hold control characters, and be no UTF-8 (a token of ranks is any bytes).
std::string shortened(std::string_view text) {
  constexpr std::size_t kLongest = 60;
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (std::size_t pos = 0; pos < text.size();) {
    if (out.size() >= kLongest) return out += "...";
    const Utf8Step step = step_utf8(text.substr(pos));
    const std::size_t end = pos + step.length;
    const char32_t c = step.well_formed ? decode_at(text, pos).value : 0;
    if (step.well_formed && c >= 0x20 && (c < 0x7F || c >= 0xA0)) {
      out.append(text, pos, step.length);
      pos = end;
    }
    for (; pos < end; ++pos) {
      const auto byte = static_cast<unsigned char>(text[pos]);
      out += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return out;
}

}  // namespace

struct JsonDocument::Data {
  std::vector<Node> nodes;
  std::vector<double> reals;
  std::string strings;
  std::string_view bytes;  // the file
  std::string name;

  [[nodiscard]] JsonKind kind(std::size_t index) const {
    const std::uint32_t kind = nodes[index].kind;
    return kind == kUnescaped ? JsonKind::kString : static_cast<JsonKind>(kind);
  }
  [[nodiscard]] std::string_view text(std::size_t index) const {
    const Node& node = nodes[index];
    return {(node.kind == kUnescaped ? strings.data() : bytes.data()) + node.value, node.count};
  }
  [[nodiscard]] std::size_t after(std::size_t index) const {
    return kind(index) >= JsonKind::kArray ? nodes[index].value : index + 1;
  }
};

namespace {

// RFC 8259, and nothing beyond it but a byte order mark.
class JsonParser {
 public:
  JsonParser(std::vector<Node>& nodes, std::vector<double>& reals, std::string& strings, std::string_view bytes,
             const std::string& name, const TokenizerLimits& limits)
      : nodes_(nodes),
        reals_(reals),
        strings_(strings),
        bytes_(bytes),
        utf8_(valid_utf8_prefix(bytes)),
        name_(name),
        limits_(limits) {}

  void parse() {
    if (bytes_.starts_with("\xEF\xBB\xBF")) pos_ = 3;
    skip_blanks();
    while (!value()) {
    }
    skip_blanks();
    if (pos_ != bytes_.size()) fail(pos_);
  }

 private:
  // Reads a value, or the start of one, and what ends behind it; true at the end of the outermost one.
  bool value() {
    switch (peek()) {
      case '{': return open(JsonKind::kObject, '}');
      case '[': return open(JsonKind::kArray, ']');
      case '"': string(); break;
      case 't': literal("true", JsonKind::kBool, 1); break;
      case 'f': literal("false", JsonKind::kBool, 0); break;
      case 'n': literal("null", JsonKind::kNull, 0); break;
      default: number();
    }
    return next();
  }

  bool open(JsonKind kind, char end) {
    add(kind, 0, 0);
    open_.push_back(nodes_.size() - 1);
    if (open_.size() > limits_.json_depth) {
      throw Error(ErrorCode::kTooLarge, "the JSON nests deeper than " + std::to_string(limits_.json_depth) + " levels",
                  name_, "raise TokenizerLimits::json_depth if the file is right");
    }
    ++pos_;
    skip_blanks();
    if (peek() == end) return close();
    if (kind == JsonKind::kObject) key();
    return false;
  }
  bool close() {
    ++pos_;
    nodes_[open_.back()].value = static_cast<std::uint32_t>(nodes_.size());
    open_.pop_back();
    return next();
  }
  // Behind a value: the comma and the next key, or the ends of what it is in.
  bool next() {
    if (open_.empty()) return true;
    Node& inside = nodes_[open_.back()];
    inside.count = (inside.count + 1) & (kMaxBytes - 1);
    const bool keyed = inside.kind == static_cast<std::uint32_t>(JsonKind::kObject);
    skip_blanks();
    if (peek() == (keyed ? '}' : ']')) return close();
    if (bytes_[pos_] != ',') fail(pos_);
    ++pos_;
    skip_blanks();
    if (keyed) key();
    return false;
  }
  void key() {
    if (peek() != '"') fail(pos_);
    string();
    skip_blanks();
    if (peek() != ':') fail(pos_);
    ++pos_;
    skip_blanks();
  }

  void literal(std::string_view word, JsonKind kind, std::uint32_t value) {
    for (const char c : word) {
      if (peek() != c) fail(pos_);
      ++pos_;
    }
    add(kind, 0, value);
  }

  void number() {
    const std::size_t begin = pos_;
    const auto digits = [&] {
      if (peek() < '0' || peek() > '9') fail(pos_);
      while (pos_ < bytes_.size() && bytes_[pos_] >= '0' && bytes_[pos_] <= '9') ++pos_;
    };
    const bool negative = peek() == '-';
    if (negative) ++pos_;
    if (peek() == '0') {
      ++pos_;
    } else {
      digits();
    }
    const auto has = [&](char c) { return pos_ < bytes_.size() && bytes_[pos_] == c; };
    bool whole = !negative;
    if (has('.')) whole = false, ++pos_, digits();
    if (has('e') || has('E')) {
      whole = false;
      ++pos_;
      if (has('+') || has('-')) ++pos_;
      digits();
    }
    const std::string_view text = bytes_.substr(begin, pos_ - begin);
    std::uint32_t integer = 0;
    if (whole && std::from_chars(text.data(), text.data() + text.size(), integer).ec == std::errc()) {
      return add(JsonKind::kInteger, 0, integer);
    }
    // Also what is negative or huge: nothing in these files may be, and as a real it reads so in errors.
    const double real = real_of(text);
    if (!std::isfinite(real)) fail(pos_);
    reals_.push_back(real);
    add(JsonKind::kReal, 0, static_cast<std::uint32_t>(reals_.size() - 1));
  }

  void string() {
    const std::size_t begin = ++pos_;
    skip_plain();
    if (peek() == '"') {
      add(JsonKind::kString, pos_ - begin, begin);
    } else {
      const std::size_t start = strings_.size();
      strings_.append(bytes_, begin, pos_ - begin);
      while (peek() != '"') {
        if (bytes_[pos_] != '\\') fail(pos_);
        ++pos_;
        escape();
        const std::size_t plain = pos_;
        skip_plain();
        strings_.append(bytes_, plain, pos_ - plain);
      }
      nodes_.push_back({kUnescaped, static_cast<std::uint32_t>(strings_.size() - start) & (kMaxBytes - 1),
                        static_cast<std::uint32_t>(start)});
    }
    if (pos_ > utf8_) fail(utf8_);
    ++pos_;
  }
  // Up to a quotation mark, a backslash or a control character, eight bytes at a time.
  void skip_plain() {
    constexpr std::uint64_t kOnes = ~std::uint64_t{0} / 255, kTops = kOnes * 128;
    while (pos_ + 8 <= bytes_.size()) {
      std::uint64_t word;
      std::memcpy(&word, bytes_.data() + pos_, sizeof word);
      const auto has = [&](unsigned char c) { return ((word ^ kOnes * c) - kOnes) & ~(word ^ kOnes * c); };
      if (((has('"') | has('\\') | ((word - kOnes * 0x20) & ~word)) & kTops) != 0) break;
      pos_ += 8;
    }
    while (pos_ < bytes_.size() && bytes_[pos_] != '"' && bytes_[pos_] != '\\' &&
           static_cast<unsigned char>(bytes_[pos_]) >= 0x20) {
      ++pos_;
    }
  }
  void escape() {
    constexpr std::string_view kNames = "\"\\/bfnrt", kValues = "\"\\/\b\f\n\r\t";
    const char c = peek();
    if (const std::size_t known = kNames.find(c); known != std::string_view::npos) {
      strings_ += kValues[known];
      ++pos_;
      return;
    }
    if (c != 'u') fail(pos_);
    ++pos_;
    char32_t value = unit();
    if (value >= 0xD800 && value < 0xDC00) {
      if (peek() != '\\') fail(pos_);
      ++pos_;
      if (peek() != 'u') fail(pos_);
      ++pos_;
      const char32_t low = unit();
      if (low < 0xDC00 || low > 0xDFFF) fail(pos_ - 1);
      value = 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00);
    } else if (value >= 0xDC00 && value <= 0xDFFF) {
      fail(pos_ - 1);
    }
    append_utf8(strings_, value);
  }
  char32_t unit() {
    char32_t value = 0;
    for (int i = 0; i < 4; ++i, ++pos_) {
      const char c = peek();
      const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
      if (digit < 0) fail(pos_);
      value = value << 4 | static_cast<char32_t>(digit);
    }
    return value;
  }

  void add(JsonKind kind, std::size_t count, std::size_t value) {
    nodes_.push_back({static_cast<std::uint32_t>(kind), static_cast<std::uint32_t>(count) & (kMaxBytes - 1),
                      static_cast<std::uint32_t>(value)});
  }
  void skip_blanks() {
    while (pos_ < bytes_.size() && (bytes_[pos_] == ' ' || bytes_[pos_] == '\n' || bytes_[pos_] == '\t' || bytes_[pos_] == '\r')) {
      ++pos_;
    }
  }
  [[nodiscard]] char peek() const {
    if (pos_ >= bytes_.size()) fail(bytes_.size());
    return bytes_[pos_];
  }
  [[noreturn]] void fail(std::size_t place) const {
    const std::string_view before = bytes_.substr(0, place);
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const std::size_t column = before.size() - (before.rfind('\n') + 1) + 1;
    throw Error(ErrorCode::kCorrupt,
                place >= bytes_.size() ? "the JSON ends early, after " + std::to_string(bytes_.size()) + " bytes" : "not JSON",
                name_ + ": line " + std::to_string(line) + ", column " + std::to_string(column), std::string(kFix));
  }

  std::vector<Node>& nodes_;
  std::vector<double>& reals_;
  std::string& strings_;
  std::string_view bytes_;
  std::size_t utf8_;  // up to here the bytes are UTF-8
  const std::string& name_;
  const TokenizerLimits& limits_;
  std::size_t pos_ = 0;
  std::vector<std::size_t> open_;
};

}  // namespace

std::string quoted(std::string_view text) {
  std::string out = "\"";
  return out.append(shortened(text)).append("\"");
}

JsonDocument::JsonDocument(std::string_view bytes, std::string name, const TokenizerLimits& limits)
    : data_(std::make_unique<Data>()) {
  data_->name = std::move(name);
  if (bytes.size() >= kMaxBytes) {
    throw Error(ErrorCode::kTooLarge, "JSON of " + std::to_string(kMaxBytes) + " bytes or more", data_->name,
                "no tokenizer is so large; fetch it again");
  }
  data_->bytes = bytes;
  data_->nodes.reserve(bytes.size() / 12);  // more than large files have; what isn't used costs no memory
  JsonParser(data_->nodes, data_->reals, data_->strings, bytes, data_->name, limits).parse();
}

JsonDocument::~JsonDocument() = default;

JsonKind JsonValue::kind() const { return document_->data_->kind(index_); }

bool JsonValue::boolean() const {
  if (kind() != JsonKind::kBool) fail("must be a boolean, not " + std::string(name_of(kind())));
  return document_->data_->nodes[index_].value != 0;
}

std::string_view JsonValue::string() const {
  if (kind() != JsonKind::kString) fail("must be a string, not " + std::string(name_of(kind())));
  return document_->data_->text(index_);
}

std::size_t JsonValue::integer(std::size_t limit) const {
  const std::size_t value = document_->data_->nodes[index_].value;
  if (kind() != JsonKind::kInteger && kind() != JsonKind::kReal) {
    fail("must be an integer, not " + std::string(name_of(kind())));
  }
  if (kind() == JsonKind::kReal || value >= limit) {
    fail("must be an integer from 0 to " + std::to_string(limit - 1));
  }
  return value;
}

double JsonValue::number() const {
  const std::uint32_t value = document_->data_->nodes[index_].value;
  if (kind() == JsonKind::kInteger) return static_cast<double>(value);
  if (kind() != JsonKind::kReal) fail("must be a number, not " + std::string(name_of(kind())));
  return document_->data_->reals[value];
}

JsonValue::Iterator JsonValue::begin() const { return {document_, index_ + 1, kind() == JsonKind::kObject}; }

JsonValue::Iterator JsonValue::end() const {
  return {document_, document_->data_->after(index_), kind() == JsonKind::kObject};
}

std::size_t JsonValue::size() const { return document_->data_->nodes[index_].count; }

JsonValue JsonValue::expect_array() const {
  if (kind() != JsonKind::kArray) fail("must be an array, not " + std::string(name_of(kind())));
  return *this;
}

JsonValue JsonValue::expect_object() const {
  if (kind() != JsonKind::kObject) fail("must be an object, not " + std::string(name_of(kind())));
  return *this;
}

JsonValue JsonValue::at(std::string_view key) const {
  std::optional<JsonValue> found;
  for (const auto& [name, value] : expect_object()) {
    if (name == key) found = value;
  }
  if (!found) fail("has no \"" + std::string(key) + "\"");
  return *found;
}

std::optional<JsonValue> JsonValue::find(std::string_view key) const {
  std::optional<JsonValue> found;
  for (const auto& [name, value] : expect_object()) {
    if (name == key) found = value;
  }
  return found && !found->is_null() ? found : std::nullopt;
}

bool JsonValue::boolean_or(std::string_view key, bool fallback) const {
  const auto found = find(key);
  return found ? found->boolean() : fallback;
}

std::string JsonValue::where() const {
  const auto& data = *document_->data_;
  std::string path;
  // From the root downwards: the child that holds index_ is the last one that doesn't start after it.
  for (std::size_t at = 0; at != index_;) {
    const bool keyed = data.kind(at) == JsonKind::kObject;
    std::size_t child = at + 1 + (keyed ? 1 : 0), item = 0;
    for (std::size_t next = data.after(child); next <= index_; ++item) {
      child = next + (keyed ? 1 : 0);
      next = data.after(child);
    }
    if (keyed) {
      if (!path.empty()) path += '.';
      path += shortened(data.text(child - 1));
    } else {
      path.append("[").append(std::to_string(item)).append("]");
    }
    at = child;
  }
  return path.empty() ? data.name : data.name + ": " + path;
}

void JsonValue::fail(std::string message, ErrorCode code, std::string fix) const {
  throw Error(code, std::move(message), where(),
              fix.empty() && code == ErrorCode::kCorrupt ? std::string(kFix) : std::move(fix));
}

JsonValue::Iterator::Entry JsonValue::Iterator::operator*() const {
  if (!keyed_) return {{}, {document_, index_}};
  return {document_->data_->text(index_), {document_, index_ + 1}};
}

JsonValue::Iterator& JsonValue::Iterator::operator++() {
  index_ = document_->data_->after(index_ + (keyed_ ? 1 : 0));
  return *this;
}

}  // namespace weft::tokenizer
