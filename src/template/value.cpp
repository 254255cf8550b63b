#include "value.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "loop.h"
#include "numbers.h"
#include "unicode.h"

namespace weft::jinja {
namespace {

constexpr std::size_t kHeaviest = std::size_t{1} << 40;  // saturates: far more than any limit on steps
constexpr std::size_t kStepsPerCharacter = 4;  // each becomes an object
constexpr std::size_t kFew = 8;  // entries of a Dict that are found faster one by one

int sign(std::int64_t a, std::int64_t b) { return a < b ? -1 : a > b ? 1 : 0; }

// Exact, where converting the integer to double would round it.
int compare_int_real(std::int64_t i, double d) {
  if (std::isnan(d)) return 2;
  if (d >= 9223372036854775808.0) return -1;
  if (d < -9223372036854775808.0) return 1;
  const double whole = std::trunc(d);
  const int order = sign(i, static_cast<std::int64_t>(whole));
  if (order != 0) return order;
  return d > whole ? -1 : d < whole ? 1 : 0;
}

int compare_numbers(const Value& a, const Value& b) {
  if (a.integral() && b.integral()) return sign(a.as_int(), b.as_int());
  if (a.integral()) return compare_int_real(a.as_int(), b.as_real());
  if (b.integral()) {
    const int order = compare_int_real(b.as_int(), a.as_real());
    return order == 2 ? 2 : -order;
  }
  const double x = a.as_real(), y = b.as_real();
  return x < y ? -1 : x > y ? 1 : x == y ? 0 : 2;
}

int compare_text(const std::string& a, const std::string& b) {
  const int order = a.compare(b);  // bytes of UTF-8 sort as their code points do
  return order < 0 ? -1 : order > 0 ? 1 : 0;
}

// Which values KeyLess holds against each other; those of different ranks are never equal.
int rank(const Value& v) {
  if (v.number()) return 1;
  switch (v.kind()) {
    case Kind::kNone: return 0;
    case Kind::kString: return 2;
    case Kind::kTuple: return 3;
    case Kind::kUndefined: return 4;
    default: return 5;
  }
}

bool equal_dicts(const Dict& a, const Dict& b, Meter& meter) {
  if (a.size() != b.size()) return false;
  for (const auto& [key, value] : a.entries()) {
    const Value* other = b.find(key);
    if (other == nullptr || !equal(value, *other, meter)) return false;
  }
  return true;
}

bool equal_ranges(const RangeObject& a, const RangeObject& b) {
  if (a.size != b.size) return false;
  return a.size == 0 || (a.start == b.start && (a.size == 1 || a.step == b.step));
}

void append_within(Text& to, const Text& part, Meter& meter) {
  meter.grow(to.size(), part.size());
  to.append(part);
}

void append_items(Text& to, const std::vector<Value>& items, Author author, Meter& meter) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i != 0) to.append(", ", author);
    append_within(to, to_repr(items[i], meter), meter);
  }
}

void append_entries(Text& to, const Dict& dict, Author author, Meter& meter) {
  to.append("{", author);
  bool first = true;
  for (const auto& [key, value] : dict.entries()) {
    if (!first) to.append(", ", author);
    first = false;
    append_within(to, to_repr(key, meter), meter);
    to.append(": ", author);
    append_within(to, to_repr(value, meter), meter);
  }
  to.append("}", author);
}

Value view_entry(const Dict::Entry& entry, ViewOf of, Author author, Meter& meter) {
  switch (of) {
    case ViewOf::kKeys: return entry.first;
    case ViewOf::kValues: return entry.second;
    case ViewOf::kItems: break;
  }
  return Value::tuple({entry.first, entry.second}, author, meter);
}

std::string_view view_name(ViewOf of) {
  switch (of) {
    case ViewOf::kKeys: return "dict_keys";
    case ViewOf::kValues: return "dict_values";
    case ViewOf::kItems: break;
  }
  return "dict_items";
}

Value make_sequence(Kind kind, std::vector<Value> items, Author author, Meter& meter) {
  meter.object(items.size());
  auto list = std::make_shared<ListObject>();
  for (const Value& item : items) {
    list->depth = std::max(list->depth, item.depth() + 1);
    if (!item.sequence()) continue;
    const std::size_t weight = item.as<ListObject>().weight;
    list->weight = weight > kHeaviest - list->weight ? kHeaviest : list->weight + weight;
  }
  meter.value_depth(list->depth);
  list->items = std::move(items);
  return Value::object(kind, std::move(list), author);
}

}  // namespace

Value Value::boolean(bool b, Author author) {
  Value v(Kind::kBool, author);
  v.int_ = b ? 1 : 0;
  return v;
}

Value Value::integer(std::int64_t i, Author author) {
  Value v(Kind::kInt, author);
  v.int_ = i;
  return v;
}

Value Value::real(double d, Author author) {
  Value v(Kind::kFloat, author);
  v.real_ = d;
  return v;
}

Value Value::string(Text text) {
  auto object = std::make_shared<StringObject>();
  object->text = std::move(text);
  return Value::object(Kind::kString, std::move(object));
}

Value Value::undefined(std::string message) {
  auto object = std::make_shared<UndefinedObject>();
  object->message = std::move(message);
  return Value::object(Kind::kUndefined, std::move(object));
}

Value Value::list(std::vector<Value> items, Author author, Meter& meter) {
  return make_sequence(Kind::kList, std::move(items), author, meter);
}

Value Value::tuple(std::vector<Value> items, Author author, Meter& meter) {
  return make_sequence(Kind::kTuple, std::move(items), author, meter);
}

Value Value::object(Kind kind, std::shared_ptr<Object> object, Author author) {
  Value v(kind, author);
  v.object_ = std::move(object);
  return v;
}

Author Value::author() const noexcept { return kind_ == Kind::kString ? text().author() : author_; }

Value Value::by(Author author) const {
  Value v = *this;
  v.author_ = author;
  return v;
}

double Value::as_real() const noexcept { return integral() ? static_cast<double>(int_) : real_; }
const Text& Value::text() const noexcept { return as<StringObject>().text; }
const std::vector<Value>& Value::items() const noexcept { return as<ListObject>().items; }

bool KeyLess::operator()(const Value& a, const Value& b) const {
  const int rank_a = rank(a), rank_b = rank(b);
  if (rank_a != rank_b) return rank_a < rank_b;
  switch (rank_a) {
    case 0:
    case 4: return false;
    case 1: {
      const int order = compare_numbers(a, b);
      if (order != 2) return order < 0;
      return !std::isnan(a.as_real()) && std::isnan(b.as_real());
    }
    case 2: return a.text().bytes() < b.text().bytes();
    case 3:
      return std::lexicographical_compare(a.items().begin(), a.items().end(), b.items().begin(), b.items().end(),
                                          KeyLess{});
    default: return std::less<>{}(a.identity(), b.identity());
  }
}

std::size_t Dict::position(const Value& key) const {
  const KeyLess less;
  if (index_.empty()) {
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (!less(entries_[i].first, key) && !less(key, entries_[i].first)) return i;
    }
    return entries_.size();
  }
  const auto found = index_.find(key);
  return found == index_.end() ? entries_.size() : found->second;
}

const Value* Dict::find(const Value& key) const {
  const std::size_t i = position(key);
  return i == entries_.size() ? nullptr : &entries_[i].second;
}

const Value* Dict::find(std::string_view key) const {
  if (!index_.empty()) return find(Value::string(std::string(key), Author::kTemplate));
  for (const auto& [name, value] : entries_) {
    if (name.is(Kind::kString) && name.text().bytes() == key) return &value;
  }
  return nullptr;
}

void Dict::set(Value key, Value value) {
  const std::size_t i = position(key);
  if (i < entries_.size()) {
    entries_[i].second = std::move(value);
    return;
  }
  entries_.emplace_back(std::move(key), std::move(value));
  if (!index_.empty()) {
    index_.emplace(entries_.back().first, i);
  } else if (entries_.size() > kFew) {
    for (std::size_t k = 0; k < entries_.size(); ++k) index_.emplace(entries_[k].first, k);
  }
}

void Dict::clear() {
  index_.clear();
  entries_.clear();
}

bool IteratorObject::next(Value& out, Meter& meter) {
  meter.step();
  if (pull) return pull(out);
  switch (source.kind()) {
    case Kind::kList:
    case Kind::kTuple:
      if (position >= source.items().size()) return false;
      out = source.items()[position++];
      return true;
    case Kind::kString: {
      meter.step(kStepsPerCharacter);
      const Text& text = source.text();
      if (position >= text.size()) return false;
      const std::size_t start = position;
      (void)unicode::next(text.bytes(), position);
      Text c = text.slice(start, position);
      c.set_markup(false);
      out = Value::string(std::move(c));
      return true;
    }
    case Kind::kDict:
      if (position >= dict_of(source).size()) return false;
      out = dict_of(source).entries()[position++].first;
      return true;
    case Kind::kDictView: {
      const auto& view = source.as<DictViewObject>();
      if (position >= dict_of(view.dict).size()) return false;
      out = view_entry(dict_of(view.dict).entries()[position++], view.of, source.author(), meter);
      return true;
    }
    case Kind::kRange:
      if (position >= source.as<RangeObject>().size) return false;
      out = Value::integer(source.as<RangeObject>().at(position++), source.author());
      return true;
    default: return false;  // Undefined: empty
  }
}

Value make_dict(Dict dict, Author author, Meter& meter) {
  constexpr std::size_t kStepsPerEntry = 4;
  meter.object(dict.size() * kStepsPerEntry);
  auto object = std::make_shared<DictObject>();
  for (const auto& [key, value] : dict.entries()) {
    object->depth = std::max({object->depth, key.depth() + 1, value.depth() + 1});
  }
  meter.value_depth(object->depth);
  object->dict = std::move(dict);
  return Value::object(Kind::kDict, std::move(object), author);
}

Value make_range(std::int64_t start, std::int64_t stop, std::int64_t step, Meter& meter) {
  if (step == 0) meter.fail("range() arg 3 must not be zero");
  // In unsigned arithmetic, where the distance of two int64 always fits.
  const std::uint64_t low = static_cast<std::uint64_t>(step > 0 ? start : stop);
  const std::uint64_t high = static_cast<std::uint64_t>(step > 0 ? stop : start);
  const std::uint64_t stride = step > 0 ? static_cast<std::uint64_t>(step) : 0 - static_cast<std::uint64_t>(step);
  auto range = std::make_shared<RangeObject>();
  range->start = start;
  range->stop = stop;
  range->step = step;
  const bool any = step > 0 ? start < stop : stop < start;
  range->size = any ? static_cast<std::size_t>((high - low - 1) / stride + 1) : 0;
  return Value::object(Kind::kRange, std::move(range));
}

Value make_generator(std::function<bool(Value&)> pull, const Value& source, Meter& meter) {
  auto iterator = std::make_shared<IteratorObject>();
  iterator->pull = std::move(pull);
  iterator->depth = source.depth() + 1;
  iterator->author = source.author();
  meter.value_depth(iterator->depth);
  return Value::object(Kind::kIterator, std::move(iterator), source.author());
}

std::string_view type_name(const Value& v) noexcept {
  switch (v.kind()) {
    case Kind::kMissing: return "missing";
    case Kind::kUndefined: return "Undefined";
    case Kind::kNone: return "NoneType";
    case Kind::kBool: return "bool";
    case Kind::kInt: return "int";
    case Kind::kFloat: return "float";
    case Kind::kString: return v.text().markup() ? "Markup" : "str";
    case Kind::kList: return "list";
    case Kind::kTuple: return "tuple";
    case Kind::kDict: return "dict";
    case Kind::kDictView: return view_name(v.as<DictViewObject>().of);
    case Kind::kRange: return "range";
    case Kind::kIterator: return v.as<IteratorObject>().type;
    case Kind::kNamespace: return "Namespace";
    case Kind::kLoop: return "LoopContext";
    case Kind::kCycler: return "Cycler";
    case Kind::kJoiner: return "Joiner";
    case Kind::kFunction: return "function";
    case Kind::kMacro: return "Macro";
  }
  return "object";
}

bool try_length(const Value& v, std::size_t& length, Meter& meter) {
  switch (v.kind()) {
    case Kind::kUndefined: length = 0; return true;
    case Kind::kString: length = v.text().chars(); return true;
    case Kind::kList:
    case Kind::kTuple: length = v.items().size(); return true;
    case Kind::kDict: length = dict_of(v).size(); return true;
    case Kind::kDictView: length = dict_of(v.as<DictViewObject>().dict).size(); return true;
    case Kind::kRange: length = v.as<RangeObject>().size; return true;
    case Kind::kLoop: length = v.as<LoopObject>().length(meter); return true;
    default: return false;
  }
}

bool truth(const Value& v, Meter& meter) {
  switch (v.kind()) {
    case Kind::kNone: return false;
    case Kind::kBool:
    case Kind::kInt: return v.as_int() != 0;
    case Kind::kFloat: return v.as_real() != 0;
    default: break;
  }
  std::size_t length = 0;
  return !try_length(v, length, meter) || length != 0;
}

bool is_hashable(const Value& v, Meter& meter) {
  switch (v.kind()) {
    case Kind::kString: meter.bytes(v.text().size()); return true;
    case Kind::kList:
    case Kind::kDict:
    case Kind::kDictView: return false;
    case Kind::kTuple:
      meter.step(v.as<ListObject>().weight);
      return std::all_of(v.items().begin(), v.items().end(), [&](const Value& item) { return is_hashable(item, meter); });
    default: return true;
  }
}

void require_hashable(const Value& v, Meter& meter) {
  if (!is_hashable(v, meter)) meter.fail("unhashable type: '" + std::string(type_name(v)) + "'");
}

bool equal(const Value& a, const Value& b, Meter& meter) {
  meter.step();
  if (a.number() && b.number()) return compare_numbers(a, b) == 0;
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kUndefined:
    case Kind::kNone: return true;
    case Kind::kString:
      meter.bytes(std::min(a.text().size(), b.text().size()));
      return a.text().bytes() == b.text().bytes();
    case Kind::kList:
    case Kind::kTuple:
      return std::equal(a.items().begin(), a.items().end(), b.items().begin(), b.items().end(),
                        [&](const Value& x, const Value& y) { return equal(x, y, meter); });
    case Kind::kDict: return equal_dicts(dict_of(a), dict_of(b), meter);
    case Kind::kRange: return equal_ranges(a.as<RangeObject>(), b.as<RangeObject>());
    default: return a.identity() == b.identity();
  }
}

int compare(const Value& a, const Value& b, std::string_view op, Meter& meter) {
  meter.step();
  require_defined(a, meter);
  require_defined(b, meter);
  if (a.number() && b.number()) return compare_numbers(a, b);
  if (a.is(Kind::kString) && b.is(Kind::kString)) {
    meter.bytes(std::min(a.text().size(), b.text().size()));
    return compare_text(a.text().bytes(), b.text().bytes());
  }
  if (a.sequence() && a.kind() == b.kind()) {
    const std::size_t common = std::min(a.items().size(), b.items().size());
    for (std::size_t i = 0; i < common; ++i) {
      if (!equal(a.items()[i], b.items()[i], meter)) return compare(a.items()[i], b.items()[i], op, meter);
    }
    return sign(static_cast<std::int64_t>(a.items().size()), static_cast<std::int64_t>(b.items().size()));
  }
  meter.fail("'" + std::string(op) + "' not supported between instances of '" + std::string(type_name(a)) + "' and '" +
             std::string(type_name(b)) + "'");
}

bool is_iterable(const Value& v) noexcept {
  switch (v.kind()) {
    case Kind::kUndefined:
    case Kind::kString:
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kDict:
    case Kind::kDictView:
    case Kind::kRange:
    case Kind::kIterator:
    case Kind::kLoop: return true;
    default: return false;
  }
}

std::shared_ptr<IteratorObject> iterate(const Value& v, Meter& meter) {
  if (v.is(Kind::kIterator)) return v.share<IteratorObject>();
  if (!is_iterable(v)) meter.fail("'" + std::string(type_name(v)) + "' object is not iterable");
  if (v.is(Kind::kLoop)) {
    meter.fail(ErrorCode::kUnsupported, "iterating over 'loop' itself is not supported", "iterate over the list again");
  }
  auto iterator = std::make_shared<IteratorObject>();
  iterator->source = v;
  iterator->depth = v.depth() + 1;
  iterator->author = v.author();
  return iterator;
}

std::vector<Value> collect(const Value& v, Meter& meter) {
  if (v.sequence()) {
    meter.step(v.items().size());
    return v.items();
  }
  std::vector<Value> items;
  const auto iterator = iterate(v, meter);
  for (Value item; iterator->next(item, meter);) items.push_back(item);
  return items;
}

void append_repr(Text& to, const Text& text) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  const std::string& bytes = text.bytes();
  const char quote = bytes.find('\'') != std::string::npos && bytes.find('"') == std::string::npos ? '"' : '\'';
  const Author author = text.author();
  to.append(std::string_view(&quote, 1), author);
  for (std::size_t pos = 0; pos < bytes.size();) {
    const std::size_t start = pos;
    const char32_t c = unicode::next(bytes, pos);
    std::string escaped;
    if (c == '\n') {
      escaped = "\\n";
    } else if (c == '\r') {
      escaped = "\\r";
    } else if (c == '\t') {
      escaped = "\\t";
    } else if (c == '\\' || c == static_cast<char32_t>(quote)) {
      escaped = {'\\', static_cast<char>(c)};
    } else if (!unicode::is_printable(c)) {
      const int digits = c < 0x100 ? 2 : c < 0x10000 ? 4 : 8;
      escaped = c < 0x100 ? "\\x" : c < 0x10000 ? "\\u" : "\\U";
      for (int i = digits - 1; i >= 0; --i) escaped += kHex[(c >> (4 * i)) & 0xF];
    }
    if (escaped.empty()) {
      to.append(text, start, pos);
    } else {
      to.append(escaped, text.author_at(start));
    }
  }
  to.append(std::string_view(&quote, 1), author);
}

Text to_repr(const Value& v, Meter& meter) {
  meter.step();
  const Author author = v.author();
  switch (v.kind()) {
    case Kind::kUndefined: return Text("Undefined", author);
    case Kind::kString: {
      Text text;
      meter.bytes(v.text().size());
      if (v.text().markup()) text.append("Markup(", author);
      append_repr(text, v.text());
      if (v.text().markup()) text.append(")", author);
      return text;
    }
    default: return to_text(v, meter);
  }
}

Text to_text(const Value& v, Meter& meter) {
  const Author author = v.author();
  Text text;
  switch (v.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined: return text;
    case Kind::kNone: return Text("None", author);
    case Kind::kBool: return Text(v.as_int() != 0 ? "True" : "False", author);
    case Kind::kInt: return Text(std::to_string(v.as_int()), author);
    case Kind::kFloat: return Text(shortest_decimal(v.as_real()), author);
    case Kind::kString:
      meter.bytes(v.text().size());
      text = v.text();
      text.set_markup(false);
      return text;
    case Kind::kList:
      text.append("[", author);
      append_items(text, v.items(), author, meter);
      text.append("]", author);
      return text;
    case Kind::kTuple:
      text.append("(", author);
      append_items(text, v.items(), author, meter);
      text.append(v.items().size() == 1 ? ",)" : ")", author);
      return text;
    case Kind::kDict: append_entries(text, dict_of(v), author, meter); return text;
    case Kind::kDictView: {
      const auto& view = v.as<DictViewObject>();
      text.append(std::string(view_name(view.of)) + "([", author);
      append_items(text, collect(v, meter), author, meter);
      text.append("])", author);
      return text;
    }
    case Kind::kRange: {
      const auto& range = v.as<RangeObject>();
      std::string s = "range(" + std::to_string(range.start) + ", " + std::to_string(range.stop);
      if (range.step != 1) s += ", " + std::to_string(range.step);
      return Text(s + ")", author);
    }
    case Kind::kNamespace: {
      const Meter::Level level(meter);  // namespaces may hold each other
      text.append("<Namespace ", author);
      append_entries(text, v.as<NamespaceObject>().attributes, author, meter);
      text.append(">", author);
      return text;
    }
    case Kind::kLoop: {
      auto& loop = v.as<LoopObject>();
      return Text("<LoopContext " + std::to_string(loop.index0 + 1) + "/" + std::to_string(loop.length(meter)) + ">",
                  author);
    }
    case Kind::kIterator:
    case Kind::kCycler:
    case Kind::kJoiner:
    case Kind::kFunction:
    case Kind::kMacro: break;
  }
  // Python shows an address, which differs from run to run.
  meter.fail(ErrorCode::kUnsupported, "printing a '" + std::string(type_name(v)) + "' object is not supported",
             v.is(Kind::kIterator) ? "put |list or |join behind it" : "call it, with ()");
}

void fail_undefined(const Value& v, Meter& meter) { meter.fail(v.as<UndefinedObject>().message); }

}  // namespace weft::jinja
