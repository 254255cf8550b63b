#include "json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "utf8.h"

namespace weft::tokenizer {
namespace {

// Values lie in the order of the file, each object and array before what it holds: no pointers, no allocation a value, eight
// bytes each, since large files have half a million.
struct Node {
  std::uint32_t kind : 3;         // JsonKind
  std::uint32_t count : 29;       // kArray, kObject: members; kString: bytes
  std::uint32_t value;            // kBool, kInteger; kReal: into `reals`; kString: into `strings`; kArray, kObject: the
                                  // node after the last one inside
};
constexpr std::size_t kMaxBytes = std::size_t{1} << 29;  // of a file, so that all of these fit

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

// 10 to the power of `exponent`, 0 to 308, correctly rounded.
double power_of_ten(std::int64_t exponent) {
  const std::string text = "1e" + std::to_string(exponent);
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
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
  constexpr std::int64_t kMost = 308;
  for (; exponent < -kMost && value != 0; exponent += kMost) value /= 1e308;
  if (exponent > kMost && value != 0) return negative ? -HUGE_VAL : HUGE_VAL;
  if (value != 0) value = exponent < 0 ? value / power_of_ten(-exponent) : value * power_of_ten(exponent);
  return negative ? -value : value;
}

// For error messages: what a file holds may be long, and hold control characters.
std::string shortened(std::string_view text) {
  constexpr std::size_t kLongest = 60;
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (std::size_t pos = 0; pos < text.size();) {
    if (out.size() >= kLongest) return out += "...";
    const CodePoint c = decode_at(text, pos);
    if (c.value < 0x20 || (c.value >= 0x7F && c.value < 0xA0)) {
      out += {'\\', 'x', kDigits[c.value >> 4], kDigits[c.value & 15]};
    } else {
      out.append(text, pos, c.length);
    }
    pos += c.length;
  }
  return out;
}

}  // namespace

struct JsonDocument::Data {
  std::vector<Node> nodes;
  std::vector<double> reals;
  std::string strings;
  std::string name;

  [[nodiscard]] JsonKind kind(std::size_t index) const { return static_cast<JsonKind>(nodes[index].kind); }
  [[nodiscard]] std::string_view text(std::size_t index) const {
    return std::string_view(strings).substr(nodes[index].value, nodes[index].count);
  }
  [[nodiscard]] std::size_t after(std::size_t index) const {
    return kind(index) >= JsonKind::kArray ? nodes[index].value : index + 1;
  }
};

namespace {

class Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  Builder(std::vector<Node>& nodes, std::vector<double>& reals, std::string& strings, std::string_view bytes,
          const std::string& name, const TokenizerLimits& limits)
      : nodes_(nodes), reals_(reals), strings_(strings), bytes_(bytes), name_(name), limits_(limits) {}

  bool null() override { return add(JsonKind::kNull, 0); }
  bool boolean(bool value) override { return add(JsonKind::kBool, value); }
  // Negative and huge: nothing in these files may be, and as a real it reads so in errors.
  bool number_integer(number_integer_t value) override { return add_real(static_cast<double>(value)); }
  bool number_unsigned(number_unsigned_t value) override {
    if (value > std::numeric_limits<std::uint32_t>::max()) return add_real(static_cast<double>(value));
    return add(JsonKind::kInteger, static_cast<std::uint32_t>(value));
  }
  bool number_float(number_float_t, const string_t& text) override { return add_real(real_of(text)); }
  bool string(string_t& value) override {
    count();
    append(value);
    return true;
  }
  bool binary(binary_t&) override { return false; }  // not in JSON
  bool start_object(std::size_t) override { return open(JsonKind::kObject); }
  bool start_array(std::size_t) override { return open(JsonKind::kArray); }
  bool key(string_t& value) override {
    append(value);
    return true;
  }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    const std::string_view before = bytes_.substr(0, position == 0 ? 0 : position - 1);
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const std::size_t column = before.size() - (before.rfind('\n') + 1) + 1;
    throw Error(ErrorCode::kCorrupt,
                position > bytes_.size() ? "the JSON ends early, after " + std::to_string(bytes_.size()) + " bytes"
                                         : "not JSON",
                name_ + ": line " + std::to_string(line) + ", column " + std::to_string(column), std::string(kFix));
  }

 private:
  bool add(JsonKind kind, std::uint32_t value) {
    count();
    nodes_.push_back({static_cast<std::uint32_t>(kind), 0, value});
    return true;
  }
  bool add_real(double value) {
    reals_.push_back(value);
    return add(JsonKind::kReal, static_cast<std::uint32_t>(reals_.size() - 1));
  }
  void append(std::string_view value) {
    nodes_.push_back({static_cast<std::uint32_t>(JsonKind::kString), static_cast<std::uint32_t>(value.size()) & kMaxCount,
                      static_cast<std::uint32_t>(strings_.size())});
    strings_ += value;
  }
  bool open(JsonKind kind) {
    add(kind, 0);
    open_.push_back(nodes_.size() - 1);
    if (open_.size() <= limits_.json_depth) return true;
    throw Error(ErrorCode::kTooLarge, "the JSON nests deeper than " + std::to_string(limits_.json_depth) + " levels",
                name_, "raise TokenizerLimits::json_depth if the file is right");
  }
  bool close() {
    nodes_[open_.back()].value = static_cast<std::uint32_t>(nodes_.size());
    open_.pop_back();
    return true;
  }
  void count() {
    if (!open_.empty()) nodes_[open_.back()].count = (nodes_[open_.back()].count + 1) & kMaxCount;
  }

  static constexpr std::uint32_t kMaxCount = kMaxBytes - 1;
  std::vector<Node>& nodes_;
  std::vector<double>& reals_;
  std::string& strings_;
  std::string_view bytes_;
  const std::string& name_;
  const TokenizerLimits& limits_;
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
  Builder builder(data_->nodes, data_->reals, data_->strings, bytes, data_->name, limits);
  nlohmann::json::sax_parse(bytes.begin(), bytes.end(), &builder);
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
