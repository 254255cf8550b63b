// The filters, tests, methods and global functions that templates may use.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "meter.h"
#include "value.h"

namespace weft::jinja {

class Interpreter;

struct CallArguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

/// One call of a built-in: its arguments, laid out as its parameters say.
struct Call {
  Interpreter& interpreter;
  Meter& meter;
  std::vector<Value> values;  // one a parameter; kMissing where none was given
  CallArguments rest;         // for Passing::kRest: what follows the first parameters

  [[nodiscard]] const Value& operator[](std::size_t i) const { return values[i]; }
  [[nodiscard]] bool has(std::size_t i) const { return !values[i].missing(); }
  [[nodiscard]] bool given(std::size_t i) const { return has(i) && !values[i].is(Kind::kNone); }

  // The argument as a Python function would take it. @throws Error{kCorrupt} for another type.
  [[nodiscard]] const Text& text(std::size_t i) const;
  [[nodiscard]] std::int64_t integer(std::size_t i) const;
  [[nodiscard]] std::int64_t integer(std::size_t i, std::int64_t fallback) const;
  [[nodiscard]] bool flag(std::size_t i) const;  // false where not given
  [[noreturn]] void fail(std::string message) const { meter.fail(std::move(message)); }
};

enum class Passing : std::uint8_t {
  kAny,         ///< By position or by name.
  kPositional,  ///< By position alone.
  kRest,        ///< What is beyond the parameters comes as Call::rest.
};

struct Builtin {
  std::string_view name;
  std::array<std::string_view, 6> parameters;  // the value, or the method's object, is the first
  std::size_t required = 1;
  Value (*run)(Call& call) = nullptr;
  Passing passing = Passing::kAny;
};

/// Null for an unknown name.
[[nodiscard]] const Builtin* find_filter(std::string_view name);
[[nodiscard]] const Builtin* find_test(std::string_view name);
[[nodiscard]] const Builtin* find_method(Kind owner, std::string_view name);
/// Whether Python has a method of that name which the sandbox keeps from templates, like list.append.
[[nodiscard]] bool is_mutating_method(Kind owner, std::string_view name);

[[nodiscard]] std::span<const Builtin> all_globals();
[[noreturn]] void fail_unknown_filter(std::string_view name, const Meter& meter);
[[noreturn]] void fail_unknown_test(std::string_view name, const Meter& meter);

/// @throws Error{kCorrupt}  for arguments that don't fit its parameters, and what it throws itself.
[[nodiscard]] Value run_builtin(const Builtin& builtin, Interpreter& interpreter, Meter& meter,
                                CallArguments arguments);

}  // namespace weft::jinja
