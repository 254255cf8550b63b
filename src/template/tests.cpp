// What may follow `is`: Jinja2's tests.
#include <algorithm>
#include <string>

#include "builtins.h"
#include "interpreter.h"
#include "operators.h"
#include "strings.h"

namespace weft::jinja {
namespace {

Value truth_value(bool b) { return Value::boolean(b); }

bool remainder_is(Call& c, const Value& divisor, std::int64_t wanted) {
  return equal(arithmetic(Op::kMod, c[0], divisor, c.interpreter), Value::integer(wanted), c.meter);
}

Value test_boolean(Call& c) { return truth_value(c[0].is(Kind::kBool)); }
Value test_callable(Call& c) {
  const Kind kind = c[0].kind();
  return truth_value(kind == Kind::kFunction || kind == Kind::kMacro || kind == Kind::kLoop || kind == Kind::kJoiner ||
                     kind == Kind::kUndefined);
}
Value test_defined(Call& c) { return truth_value(!c[0].undefined()); }
Value test_divisibleby(Call& c) { return truth_value(remainder_is(c, c[1], 0)); }
Value test_eq(Call& c) { return truth_value(equal(c[0], c[1], c.meter)); }
Value test_escaped(Call& c) { return truth_value(c[0].is(Kind::kString) && c[0].text().markup()); }
Value test_even(Call& c) { return truth_value(remainder_is(c, Value::integer(2), 0)); }
Value test_false(Call& c) { return truth_value(c[0].is(Kind::kBool) && c[0].as_int() == 0); }
Value test_filter(Call& c) {
  require_hashable(c[0], c.meter);
  return truth_value(c[0].is(Kind::kString) && find_filter(c[0].text().bytes()) != nullptr);
}
Value test_float(Call& c) { return truth_value(c[0].is(Kind::kFloat)); }
Value test_ge(Call& c) {
  const int order = compare(c[0], c[1], ">=", c.meter);
  return truth_value(order == 0 || order == 1);
}
Value test_gt(Call& c) { return truth_value(compare(c[0], c[1], ">", c.meter) == 1); }
Value test_in(Call& c) { return truth_value(contains(c[1], c[0], c.meter)); }
Value test_integer(Call& c) { return truth_value(c[0].is(Kind::kInt)); }
Value test_iterable(Call& c) { return truth_value(is_iterable(c[0])); }
Value test_le(Call& c) {
  const int order = compare(c[0], c[1], "<=", c.meter);
  return truth_value(order == 0 || order == -1);
}
Value test_lower(Call& c) { return truth_value(is_lower_text(to_text(c[0], c.meter), c.meter)); }
Value test_lt(Call& c) { return truth_value(compare(c[0], c[1], "<", c.meter) == -1); }
Value test_mapping(Call& c) { return truth_value(c[0].is(Kind::kDict)); }
Value test_ne(Call& c) { return truth_value(!equal(c[0], c[1], c.meter)); }
Value test_none(Call& c) { return truth_value(c[0].is(Kind::kNone)); }
Value test_number(Call& c) { return truth_value(c[0].number()); }
Value test_odd(Call& c) { return truth_value(remainder_is(c, Value::integer(2), 1)); }

Value test_sameas(Call& c) {
  const Value &a = c[0], &b = c[1];
  if (a.kind() != b.kind()) return truth_value(false);
  switch (a.kind()) {
    case Kind::kNone: return truth_value(true);
    case Kind::kBool: return truth_value(a.as_int() == b.as_int());
    case Kind::kInt: return truth_value(a.as_int() == b.as_int() && a.as_int() >= -5 && a.as_int() <= 256);  // CPython's own
    case Kind::kFloat: return truth_value(false);
    default: return truth_value(a.identity() == b.identity());
  }
}

Value test_sequence(Call& c) {
  const Kind kind = c[0].kind();
  return truth_value(kind == Kind::kUndefined || kind == Kind::kString || c[0].sequence() || kind == Kind::kDict ||
                     kind == Kind::kRange);
}
Value test_string(Call& c) { return truth_value(c[0].is(Kind::kString)); }
Value test_test(Call& c) {
  require_hashable(c[0], c.meter);
  return truth_value(c[0].is(Kind::kString) && find_test(c[0].text().bytes()) != nullptr);
}
Value test_true(Call& c) { return truth_value(c[0].is(Kind::kBool) && c[0].as_int() != 0); }
Value test_undefined(Call& c) { return truth_value(c[0].undefined()); }
Value test_upper(Call& c) { return truth_value(is_upper_text(to_text(c[0], c.meter), c.meter)); }

constexpr Builtin kTests[] = {
    {"!=", {"a", "b"}, 2, test_ne, Passing::kPositional},
    {"<", {"a", "b"}, 2, test_lt, Passing::kPositional},
    {"<=", {"a", "b"}, 2, test_le, Passing::kPositional},
    {"==", {"a", "b"}, 2, test_eq, Passing::kPositional},
    {">", {"a", "b"}, 2, test_gt, Passing::kPositional},
    {">=", {"a", "b"}, 2, test_ge, Passing::kPositional},
    {"boolean", {"value"}, 1, test_boolean},
    {"callable", {"obj"}, 1, test_callable, Passing::kPositional},
    {"defined", {"value"}, 1, test_defined},
    {"divisibleby", {"value", "num"}, 2, test_divisibleby},
    {"eq", {"a", "b"}, 2, test_eq, Passing::kPositional},
    {"equalto", {"a", "b"}, 2, test_eq, Passing::kPositional},
    {"escaped", {"value"}, 1, test_escaped},
    {"even", {"value"}, 1, test_even},
    {"false", {"value"}, 1, test_false},
    {"filter", {"value"}, 1, test_filter},
    {"float", {"value"}, 1, test_float},
    {"ge", {"a", "b"}, 2, test_ge, Passing::kPositional},
    {"greaterthan", {"a", "b"}, 2, test_gt, Passing::kPositional},
    {"gt", {"a", "b"}, 2, test_gt, Passing::kPositional},
    {"in", {"value", "seq"}, 2, test_in},
    {"integer", {"value"}, 1, test_integer},
    {"iterable", {"value"}, 1, test_iterable},
    {"le", {"a", "b"}, 2, test_le, Passing::kPositional},
    {"lessthan", {"a", "b"}, 2, test_lt, Passing::kPositional},
    {"lower", {"value"}, 1, test_lower},
    {"lt", {"a", "b"}, 2, test_lt, Passing::kPositional},
    {"mapping", {"value"}, 1, test_mapping},
    {"ne", {"a", "b"}, 2, test_ne, Passing::kPositional},
    {"none", {"value"}, 1, test_none},
    {"number", {"value"}, 1, test_number},
    {"odd", {"value"}, 1, test_odd},
    {"sameas", {"value", "other"}, 2, test_sameas},
    {"sequence", {"value"}, 1, test_sequence},
    {"string", {"value"}, 1, test_string},
    {"test", {"value"}, 1, test_test},
    {"true", {"value"}, 1, test_true},
    {"undefined", {"value"}, 1, test_undefined},
    {"upper", {"value"}, 1, test_upper},
};

}  // namespace

const Builtin* find_test(std::string_view name) {
  const auto found = std::find_if(std::begin(kTests), std::end(kTests), [&](const Builtin& b) { return b.name == name; });
  return found == std::end(kTests) ? nullptr : found;
}

void fail_unknown_test(std::string_view name, const Meter& meter) {
  std::string known;
  for (const Builtin& test : kTests) known += (known.empty() ? "" : ", ") + std::string(test.name);
  meter.fail(ErrorCode::kUnsupported, "the test '" + std::string(name) + "' is not supported; these are: " + known,
             "give another template with --chat-template, or report the model");
}

}  // namespace weft::jinja
