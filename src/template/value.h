// Python's values, as far as a chat template can meet them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "meter.h"
#include "text.h"

namespace weft::jinja {

class Value;

enum class Kind : std::uint8_t {
  kMissing,  ///< No value: a variable before its assignment, an argument that was not given. No template ever sees it.
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kList,
  kTuple,
  kDict,
  kDictView,
  kRange,
  kIterator,
  kNamespace,
  kLoop,
  kCycler,
  kJoiner,
  kFunction,  ///< A built-in function, or a method with its object.
  kMacro,
};

/// What a Value points to. Immutable once made, but for iterators, namespaces, loops, cyclers and joiners.
struct Object {
  virtual ~Object() = default;
  /// Levels of values within, itself included: bounded, so that walking (and freeing) them may recurse. What is
  /// reached through a namespace doesn't count: the interpreter takes those apart one by one.
  std::size_t depth = 1;
};

class Value {
 public:
  Value() = default;

  [[nodiscard]] static Value none(Author author = Author::kTemplate) { return Value(Kind::kNone, author); }
  [[nodiscard]] static Value boolean(bool b, Author author = Author::kTemplate);
  [[nodiscard]] static Value integer(std::int64_t i, Author author = Author::kTemplate);
  [[nodiscard]] static Value real(double d, Author author = Author::kTemplate);
  [[nodiscard]] static Value string(Text text);
  [[nodiscard]] static Value string(std::string bytes, Author author) { return string(Text(std::move(bytes), author)); }
  /// @param message  What using it says, e.g. "'x' is undefined".
  [[nodiscard]] static Value undefined(std::string message);
  [[nodiscard]] static Value list(std::vector<Value> items, Author author, Meter& meter);
  [[nodiscard]] static Value tuple(std::vector<Value> items, Author author, Meter& meter);
  [[nodiscard]] static Value object(Kind kind, std::shared_ptr<Object> object, Author author = Author::kTemplate);

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  [[nodiscard]] bool is(Kind kind) const noexcept { return kind_ == kind; }
  [[nodiscard]] bool missing() const noexcept { return kind_ == Kind::kMissing; }
  [[nodiscard]] bool undefined() const noexcept { return kind_ == Kind::kUndefined; }
  /// int or bool, which Python counts among the ints.
  [[nodiscard]] bool integral() const noexcept { return kind_ == Kind::kInt || kind_ == Kind::kBool; }
  [[nodiscard]] bool number() const noexcept { return integral() || kind_ == Kind::kFloat; }
  [[nodiscard]] bool sequence() const noexcept { return kind_ == Kind::kList || kind_ == Kind::kTuple; }

  /// Who made it: of a list its brackets, not its items; of a string any part of it.
  [[nodiscard]] Author author() const noexcept;
  [[nodiscard]] Value by(Author author) const;

  [[nodiscard]] std::int64_t as_int() const noexcept { return int_; }     // kInt, kBool
  [[nodiscard]] double as_real() const noexcept;                          // any number
  [[nodiscard]] const Text& text() const noexcept;                        // kString
  [[nodiscard]] const std::vector<Value>& items() const noexcept;         // kList, kTuple
  template <typename T>
  [[nodiscard]] T& as() const noexcept {
    return static_cast<T&>(*object_);
  }
  template <typename T>
  [[nodiscard]] std::shared_ptr<T> share() const noexcept {
    return std::static_pointer_cast<T>(object_);
  }
  [[nodiscard]] const Object* identity() const noexcept { return object_.get(); }
  [[nodiscard]] std::size_t depth() const noexcept { return object_ == nullptr ? 0 : object_->depth; }

 private:
  Value(Kind kind, Author author) : kind_(kind), author_(author) {}

  Kind kind_ = Kind::kMissing;
  Author author_ = Author::kTemplate;
  union {
    std::int64_t int_ = 0;
    double real_;
  };
  std::shared_ptr<Object> object_;
};

/// A total order over what Python can hash, in which equal keys (1, 1.0, True) are equal.
struct KeyLess {
  bool operator()(const Value& a, const Value& b) const;
};

/// Keeps its entries in the order of their first insertion, as Python's dict does.
class Dict {
 public:
  using Entry = std::pair<Value, Value>;
  [[nodiscard]] const std::vector<Entry>& entries() const noexcept { return entries_; }
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  /// @param key  Hashable: see is_hashable().
  [[nodiscard]] const Value* find(const Value& key) const;
  [[nodiscard]] const Value* find(std::string_view key) const;
  void set(Value key, Value value);
  void clear();

 private:
  [[nodiscard]] std::size_t position(const Value& key) const;

  std::vector<Entry> entries_;
  std::map<Value, std::size_t, KeyLess> index_;  // empty while entries_ are few
};

struct StringObject : Object {
  Text text;
};
struct UndefinedObject : Object {
  std::string message;
};
struct ListObject : Object {
  std::vector<Value> items;
  std::size_t weight = 1;  // lists and tuples in it, itself included, each as often as it is reached
  bool group = false;  // a tuple of |groupby, whose items are also .grouper and .list
};
struct DictObject : Object {
  Dict dict;
};
enum class ViewOf : std::uint8_t { kKeys, kValues, kItems };
struct DictViewObject : Object {
  Value dict;
  ViewOf of = ViewOf::kKeys;
};
struct RangeObject : Object {
  std::int64_t start = 0, stop = 0, step = 1;
  std::size_t size = 0;
  [[nodiscard]] std::int64_t at(std::size_t i) const {  // in unsigned arithmetic: i * step alone may not fit
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(start) + i * static_cast<std::uint64_t>(step));
  }
};
/// What iter() makes of a value, and what Python's generators are: can be read once.
struct IteratorObject : Object {
  Value source;               // walked by position, unless there is `pull`
  std::size_t position = 0;   // in items, or in bytes of a string
  std::function<bool(Value&)> pull;
  std::string_view type = "generator";
  Author author = Author::kTemplate;  // of a list that is made of it
  [[nodiscard]] bool next(Value& out, Meter& meter);
};
struct NamespaceObject : Object {
  Dict attributes;
};
struct CyclerObject : Object {
  std::vector<Value> items;
  std::size_t position = 0;
};
struct JoinerObject : Object {
  Value separator;
  bool used = false;
};

[[nodiscard]] Value make_dict(Dict dict, Author author, Meter& meter);
[[nodiscard]] Value make_range(std::int64_t start, std::int64_t stop, std::int64_t step, Meter& meter);
/// A Python generator: `pull` fills in the next value, or says false for good.
[[nodiscard]] Value make_generator(std::function<bool(Value&)> pull, const Value& source, Meter& meter);
[[nodiscard]] inline const Dict& dict_of(const Value& v) { return v.as<DictObject>().dict; }

/// Python's name of its type: "str", "NoneType", ...
[[nodiscard]] std::string_view type_name(const Value& v) noexcept;
[[nodiscard]] bool truth(const Value& v, Meter& meter);
/// len(); false where Python has none for it.
[[nodiscard]] bool try_length(const Value& v, std::size_t& length, Meter& meter);
/// Whether it can be a dict's key. Counts the steps of looking it up.
[[nodiscard]] bool is_hashable(const Value& v, Meter& meter);
/// @throws Error{kCorrupt}  it can't.
void require_hashable(const Value& v, Meter& meter);
[[nodiscard]] bool equal(const Value& a, const Value& b, Meter& meter);
/// -1, 0, 1; 2 where a NaN has no order. @throws Error{kCorrupt} for values that Python doesn't order.
[[nodiscard]] int compare(const Value& a, const Value& b, std::string_view op, Meter& meter);

/// iter(). @throws Error{kCorrupt} "... is not iterable".
[[nodiscard]] std::shared_ptr<IteratorObject> iterate(const Value& v, Meter& meter);
[[nodiscard]] bool is_iterable(const Value& v) noexcept;
/// list(): all that is left in it.
[[nodiscard]] std::vector<Value> collect(const Value& v, Meter& meter);

/// str() and repr().
[[nodiscard]] Text to_text(const Value& v, Meter& meter);
[[nodiscard]] Text to_repr(const Value& v, Meter& meter);
void append_repr(Text& to, const Text& text);

/// Using an undefined value. @throws Error{kCorrupt} with what is undefined.
[[noreturn]] void fail_undefined(const Value& v, Meter& meter);
inline void require_defined(const Value& v, Meter& meter) {
  if (v.undefined()) fail_undefined(v, meter);
}

}  // namespace weft::jinja
