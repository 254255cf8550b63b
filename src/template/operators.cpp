#include "operators.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "format.h"
#include "interpreter.h"
#include "unicode.h"

namespace weft::jinja {
namespace {

std::string_view sign_of(Op op) {
  switch (op) {
    case Op::kAdd: return "+";
    case Op::kSub: return "-";
    case Op::kMul: return "*";
    case Op::kDiv: return "/";
    case Op::kFloorDiv: return "//";
    case Op::kMod: return "%";
    default: return "** or pow()";
  }
}

[[noreturn]] void fail_operands(Op op, const Value& a, const Value& b, Meter& meter) {
  meter.fail("unsupported operand type(s) for " + std::string(sign_of(op)) + ": '" + std::string(type_name(a)) +
             "' and '" + std::string(type_name(b)) + "'");
}

[[noreturn]] void fail_overflow(Meter& meter) {
  meter.fail(ErrorCode::kTooLarge, "an integer grows beyond 64 bits", "calculate with smaller numbers, or with floats");
}

std::int64_t power(std::int64_t base, std::int64_t exponent, Meter& meter) {
  std::int64_t result = 1;
  for (; exponent > 0; exponent /= 2) {
    if (exponent % 2 == 1 && __builtin_mul_overflow(result, base, &result)) fail_overflow(meter);
    if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) fail_overflow(meter);
  }
  return result;
}

Value integer_arithmetic(Op op, const Value& left, const Value& right, Meter& meter) {
  const std::int64_t a = left.as_int(), b = right.as_int();
  const Author author = either(left.author(), right.author());
  std::int64_t result = 0;
  bool overflow = false;
  switch (op) {
    case Op::kAdd: overflow = __builtin_add_overflow(a, b, &result); break;
    case Op::kSub: overflow = __builtin_sub_overflow(a, b, &result); break;
    case Op::kMul: overflow = __builtin_mul_overflow(a, b, &result); break;
    case Op::kDiv:
      if (b == 0) meter.fail("division by zero");
      return Value::real(static_cast<double>(a) / static_cast<double>(b), author);
    case Op::kFloorDiv:
    case Op::kMod: {
      if (b == 0) meter.fail("integer division or modulo by zero");
      if (b == -1) {  // where a / b may overflow
        overflow = op == Op::kFloorDiv && __builtin_sub_overflow(std::int64_t{0}, a, &result);
        break;
      }
      const bool down = a % b != 0 && (a < 0) != (b < 0);  // Python rounds towards minus infinity
      result = op == Op::kFloorDiv ? a / b - (down ? 1 : 0) : a % b + (down ? b : 0);
      break;
    }
    default:
      if (b >= 0) {
        result = power(a, b, meter);
        break;
      }
      if (a == 0) meter.fail("0.0 cannot be raised to a negative power");
      return Value::real(std::pow(static_cast<double>(a), static_cast<double>(b)), author);
  }
  if (overflow) fail_overflow(meter);
  return Value::integer(result, author);
}

Value real_arithmetic(Op op, const Value& left, const Value& right, Meter& meter) {
  const double a = left.as_real(), b = right.as_real();
  const Author author = either(left.author(), right.author());
  switch (op) {
    case Op::kAdd: return Value::real(a + b, author);
    case Op::kSub: return Value::real(a - b, author);
    case Op::kMul: return Value::real(a * b, author);
    case Op::kDiv:
      if (b == 0) meter.fail("float division by zero");
      return Value::real(a / b, author);
    case Op::kFloorDiv:
    case Op::kMod: {
      if (b == 0) meter.fail(op == Op::kMod ? "float modulo" : "float floor division by zero");
      double mod = std::fmod(a, b);
      double div = (a - mod) / b;
      if (mod != 0) {
        if ((b < 0) != (mod < 0)) {
          mod += b;
          div -= 1;
        }
      } else {
        mod = std::copysign(0.0, b);
      }
      if (op == Op::kMod) return Value::real(mod, author);
      if (div == 0) return Value::real(std::copysign(0.0, a / b), author);
      const double floor = std::floor(div);
      return Value::real(div - floor > 0.5 ? floor + 1 : floor, author);
    }
    default: {
      if (a == 0 && b < 0) meter.fail("0.0 cannot be raised to a negative power");
      if (a < 0 && std::isfinite(a) && std::isfinite(b) && b != std::floor(b)) {
        meter.fail(ErrorCode::kUnsupported, "a root of a negative number is complex, which is not supported",
                   "calculate with positive numbers");
      }
      const double result = std::pow(a, b);
      if (std::isinf(result) && std::isfinite(a) && std::isfinite(b)) meter.fail("float power: result too large");
      return Value::real(result, author);
    }
  }
}

Value repeat(const Value& v, const Value& times, Meter& meter) {
  const auto count = static_cast<std::size_t>(std::max<std::int64_t>(times.as_int(), 0));
  if (v.is(Kind::kString)) {
    const Text& text = v.text();
    if (!text.empty() && count > meter.limits().output_bytes / text.size()) {
      meter.bytes(meter.limits().output_bytes + 1);
    }
    Text repeated;
    if (!text.empty()) {
      meter.bytes(text.size() * count);
      meter.step(count);
      for (std::size_t i = 0; i < count; ++i) repeated.append(text);
    }
    repeated.set_markup(text.markup());
    return Value::string(std::move(repeated));
  }
  std::vector<Value> items;
  if (!v.items().empty()) {
    meter.step(count);
    for (std::size_t i = 0; i < count; ++i) {
      meter.step(v.items().size());
      items.insert(items.end(), v.items().begin(), v.items().end());
    }
  }
  return v.is(Kind::kList) ? Value::list(std::move(items), v.author(), meter)
                           : Value::tuple(std::move(items), v.author(), meter);
}

Value concatenate(const Value& a, const Value& b, Meter& meter) {
  if (a.is(Kind::kString)) {
    const bool markup = a.text().markup() || b.text().markup();
    Text text = markup ? escape(a.text(), meter) : a.text();
    const Text tail = markup ? escape(b.text(), meter) : Text();
    const Text& rest = markup ? tail : b.text();
    meter.grow(text.size(), rest.size());
    meter.bytes(text.size());
    text.append(rest);
    text.set_markup(markup);
    return Value::string(std::move(text));
  }
  std::vector<Value> items = a.items();
  items.insert(items.end(), b.items().begin(), b.items().end());
  const Author author = either(a.author(), b.author());
  return a.is(Kind::kList) ? Value::list(std::move(items), author, meter) : Value::tuple(std::move(items), author, meter);
}

// Python's slice.indices() for one end.
std::int64_t clip(std::int64_t position, std::int64_t low, std::int64_t high, std::int64_t length) {
  if (position < 0) position = position < -length ? -1 : position + length;
  return std::clamp(position, low, high);
}

}  // namespace

Value arithmetic(Op op, const Value& a, const Value& b, Interpreter& interpreter) {
  Meter& meter = interpreter.meter();
  if (op == Op::kMod && a.is(Kind::kString)) return Value::string(percent_format(a.text(), b, interpreter));
  require_defined(a, meter);
  require_defined(b, meter);
  if (a.integral() && b.integral()) return integer_arithmetic(op, a, b, meter);
  if (a.number() && b.number()) return real_arithmetic(op, a, b, meter);
  if (op == Op::kAdd && a.kind() == b.kind() && (a.is(Kind::kString) || a.sequence())) return concatenate(a, b, meter);
  if (op == Op::kMul) {
    if ((a.is(Kind::kString) || a.sequence()) && b.integral()) return repeat(a, b, meter);
    if ((b.is(Kind::kString) || b.sequence()) && a.integral()) return repeat(b, a, meter);
  }
  fail_operands(op, a, b, meter);
}

Value negative(const Value& v, Meter& meter) {
  require_defined(v, meter);
  if (v.is(Kind::kFloat)) return Value::real(-v.as_real(), v.author());
  if (!v.integral()) meter.fail("bad operand type for unary -: '" + std::string(type_name(v)) + "'");
  std::int64_t result = 0;
  if (__builtin_sub_overflow(std::int64_t{0}, v.as_int(), &result)) fail_overflow(meter);
  return Value::integer(result, v.author());
}

Value positive(const Value& v, Meter& meter) {
  require_defined(v, meter);
  if (v.is(Kind::kFloat)) return v;
  if (!v.integral()) meter.fail("bad operand type for unary +: '" + std::string(type_name(v)) + "'");
  return Value::integer(v.as_int(), v.author());
}

bool contains(const Value& container, const Value& item, Meter& meter) {
  meter.step();
  switch (container.kind()) {
    case Kind::kString:
      if (!item.is(Kind::kString)) {
        meter.fail("'in <string>' requires string as left operand, not " + std::string(type_name(item)));
      }
      meter.bytes(container.text().size());
      return container.text().find(item.text().bytes()) != std::string::npos;
    case Kind::kDict:
      require_hashable(item, meter);
      return dict_of(container).find(item) != nullptr;
    case Kind::kDictView: {
      const auto& view = container.as<DictViewObject>();
      if (view.of == ViewOf::kKeys) return contains(view.dict, item, meter);
      break;
    }
    case Kind::kRange: {
      const auto& range = container.as<RangeObject>();
      if (!item.number()) return false;
      for (std::size_t i = 0; i < range.size; ++i) {
        if (equal(Value::integer(range.at(i)), item, meter)) return true;
      }
      return false;
    }
    case Kind::kList:
    case Kind::kTuple:
      return std::any_of(container.items().begin(), container.items().end(),
                         [&](const Value& v) { return equal(v, item, meter); });
    default: break;
  }
  if (!is_iterable(container)) {
    meter.fail("argument of type '" + std::string(type_name(container)) + "' is not iterable");
  }
  const auto iterator = iterate(container, meter);
  for (Value v; iterator->next(v, meter);) {
    if (equal(v, item, meter)) return true;
  }
  return false;
}

Slice slice_positions(std::optional<std::int64_t> start, std::optional<std::int64_t> stop,
                      std::optional<std::int64_t> step, std::size_t length, Meter& meter) {
  const auto n = static_cast<std::int64_t>(length);
  Slice slice;
  slice.step = step.value_or(1);
  if (slice.step == 0) meter.fail("slice step cannot be zero");
  slice.step = std::max(slice.step, -std::numeric_limits<std::int64_t>::max());
  const bool forward = slice.step > 0;
  const std::int64_t low = forward ? 0 : -1, high = forward ? n : n - 1;
  slice.start = start ? clip(*start, low, high, n) : forward ? low : high;
  const std::int64_t end = stop ? clip(*stop, low, high, n) : forward ? high : low;
  const std::int64_t distance = forward ? end - slice.start : slice.start - end;
  const std::int64_t stride = forward ? slice.step : -slice.step;
  slice.size = distance > 0 ? static_cast<std::size_t>((distance - 1) / stride + 1) : 0;
  return slice;
}

Value character(const Text& text, std::size_t index, Meter& meter) {
  if (text.chars() != text.size()) meter.bytes(text.size());
  const std::size_t from = text.byte_of(index);
  std::size_t to = from;
  (void)unicode::next(text.bytes(), to);
  return Value::string(text.slice(from, to));
}

Value slice(const Value& v, const Value& start, const Value& stop, const Value& step, Meter& meter) {
  require_defined(v, meter);
  const auto position = [&](const Value& p) -> std::optional<std::int64_t> {
    if (p.missing() || p.is(Kind::kNone)) return std::nullopt;
    if (!p.integral()) meter.fail("slice indices must be integers or None or have an __index__ method");
    return p.as_int();
  };
  const bool sliceable = v.is(Kind::kString) || v.sequence() || v.is(Kind::kRange);
  if (v.is(Kind::kDict)) meter.fail("unhashable type: 'slice'");
  if (!sliceable) meter.fail("'" + std::string(type_name(v)) + "' object is not subscriptable");
  std::size_t length = 0;
  (void)try_length(v, length, meter);
  const Slice part = slice_positions(position(start), position(stop), position(step), length, meter);
  const auto at = [&](std::size_t i) {
    return static_cast<std::size_t>(part.start + static_cast<std::int64_t>(i) * part.step);
  };
  if (v.is(Kind::kRange)) {
    const auto& range = v.as<RangeObject>();
    const auto bound = [&](std::int64_t i) {
      std::int64_t offset = 0, value = 0;
      if (__builtin_mul_overflow(i, range.step, &offset) || __builtin_add_overflow(range.start, offset, &value)) {
        fail_overflow(meter);
      }
      return value;
    };
    std::int64_t step_size = 0;
    if (__builtin_mul_overflow(range.step, part.step, &step_size)) fail_overflow(meter);
    const std::int64_t end = part.start + static_cast<std::int64_t>(part.size) * part.step;
    return make_range(bound(part.start), bound(end), step_size, meter);
  }
  if (v.sequence()) {
    std::vector<Value> items;
    meter.step(part.size);
    items.reserve(part.size);
    for (std::size_t i = 0; i < part.size; ++i) items.push_back(v.items()[at(i)]);
    return v.is(Kind::kList) ? Value::list(std::move(items), v.author(), meter)
                             : Value::tuple(std::move(items), v.author(), meter);
  }
  const Text& text = v.text();
  meter.bytes(text.size());
  if (part.size == 0) {
    Text none;
    none.set_markup(text.markup());
    return Value::string(std::move(none));
  }
  if (part.step == 1) return Value::string(text.slice(text.byte_of(at(0)), text.byte_of(at(part.size - 1) + 1)));
  // The starts of all characters, so that a backward step isn't a search from the front each time.
  std::vector<std::size_t> starts;
  starts.reserve(text.chars() + 1);
  for (std::size_t pos = 0; pos < text.size(); (void)unicode::next(text.bytes(), pos)) starts.push_back(pos);
  starts.push_back(text.size());
  meter.step(part.size);
  Text picked;
  for (std::size_t i = 0; i < part.size; ++i) picked.append(text, starts[at(i)], starts[at(i) + 1]);
  picked.set_markup(text.markup());
  return Value::string(std::move(picked));
}

Text escape(const Text& text, Meter& meter) {
  if (text.markup()) return text;
  Text escaped;
  std::size_t done = 0;
  const std::string& bytes = text.bytes();
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const char c = bytes[i];
    const std::string_view entity = c == '&'    ? "&amp;"
                                    : c == '<'  ? "&lt;"
                                    : c == '>'  ? "&gt;"
                                    : c == '\'' ? "&#39;"
                                    : c == '"'  ? "&#34;"
                                                : "";
    if (entity.empty()) continue;
    escaped.append(text, done, i);
    escaped.append(entity, text.author_at(i));
    done = i + 1;
  }
  escaped.append(text, done, bytes.size());
  meter.bytes(escaped.size());
  escaped.set_markup(true);
  return escaped;
}

}  // namespace weft::jinja
