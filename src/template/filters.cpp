// Jinja2's filters, and the tojson of Transformers.
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "builtins.h"
#include "format.h"
#include "interpreter.h"
#include "json.h"
#include "numbers.h"
#include "operators.h"
#include "strings.h"

namespace weft::jinja {
namespace {

// ---------------------------------------------------------------- what several filters need

// soft_str(): what is text stays as it is, markup included.
Text soft_text(const Value& v, Meter& meter) {
  Text text = to_text(v, meter);
  text.set_markup(v.is(Kind::kString) && v.text().markup());
  return text;
}

Value text_value(Text text) { return Value::string(std::move(text)); }

std::size_t length_of(const Value& v, Meter& meter) {
  std::size_t length = 0;
  if (!try_length(v, length, meter)) meter.fail("object of type '" + std::string(type_name(v)) + "' has no len()");
  return length;
}

Value folded_case(const Value& v, Meter& meter) {
  return v.is(Kind::kString) ? Value::string(to_lower(v.text(), meter)) : v;
}

// Jinja2's make_attrgetter(): "a.b.0" of an item.
class AttributeGetter {
 public:
  AttributeGetter(const Value& path, Value fallback, bool fold_case, Interpreter& interpreter)
      : fallback_(std::move(fallback)), fold_case_(fold_case), interpreter_(interpreter) {
    Meter& meter = interpreter.meter();
    if (path.missing() || path.is(Kind::kNone)) return;
    if (!path.is(Kind::kString)) {
      parts_.push_back(path);
      return;
    }
    const Text dot(".", Author::kTemplate);
    for (Text& part : split(path.text(), &dot, kAll, meter)) {
      const bool digits = all_chars(part, [](char32_t c) { return c >= '0' && c <= '9'; });
      parts_.push_back(digits ? Value::integer(*parse_integer(part, 10, meter)) : Value::string(std::move(part)));
    }
  }

  [[nodiscard]] Value operator()(Value item) const {
    for (const Value& part : parts_) {
      item = interpreter_.item(item, part);
      if (item.undefined() && !fallback_.missing() && !fallback_.is(Kind::kNone)) item = fallback_;
    }
    return fold_case_ ? folded_case(item, interpreter_.meter()) : item;
  }

 private:
  std::vector<Value> parts_;
  Value fallback_;
  bool fold_case_;
  Interpreter& interpreter_;
};

// sorted(items, key=...): stable, also in reverse.
std::vector<Value> sorted(std::vector<Value> items, const std::function<Value(const Value&)>& key, bool reverse,
                          Meter& meter) {
  std::vector<std::pair<Value, Value>> keyed;
  keyed.reserve(items.size());
  for (Value& item : items) keyed.emplace_back(key(item), std::move(item));
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    return compare(reverse ? b.first : a.first, reverse ? a.first : b.first, "<", meter) == -1;
  });
  for (std::size_t i = 0; i < items.size(); ++i) items[i] = std::move(keyed[i].second);
  return items;
}

[[noreturn]] void fail_overflow(Meter& meter) {
  meter.fail(ErrorCode::kTooLarge, "an integer grows beyond 64 bits", "calculate with smaller numbers, or with floats");
}

Value whole(double d, Author author, Meter& meter) {
  if (std::fabs(d) >= 9223372036854775808.0) fail_overflow(meter);
  return Value::integer(static_cast<std::int64_t>(d), author);
}

// A generator that begins only when it is first read, as Python's do: `start(source)` makes what it then pulls from.
using Pull = std::function<bool(Value&)>;
Value lazy(const Value& source, Meter& meter, std::function<Pull(const Value&)> start) {
  Pull pull;
  return make_generator(
      [source, start = std::move(start), pull](Value& out) mutable {
        if (!pull) pull = start(source);
        return pull(out);
      },
      source, meter);
}
bool pull_nothing(Value& /*out*/) { return false; }

// ---------------------------------------------------------------- the filters, in the order of the table below

Value filter_abs(Call& c) {
  const Value& v = c[0];
  require_defined(v, c.meter);
  if (v.is(Kind::kFloat)) return Value::real(std::fabs(v.as_real()), v.author());
  if (!v.integral()) c.fail("bad operand type for abs(): '" + std::string(type_name(v)) + "'");
  return v.as_int() < 0 ? negative(v, c.meter) : positive(v, c.meter);
}

Value filter_attr(Call& c) {
  require_defined(c[0], c.meter);
  Value found = c.interpreter.own_attribute(c[0], c.text(1));
  if (!found.missing()) return found;
  return Value::undefined("'" + std::string(type_name(c[0])) + " object' has no attribute '" + c.text(1).bytes() + "'");
}

Value filter_batch(Call& c) {
  const Value size = c[1], fill = c[2];
  return lazy(c[0], c.meter, [size, fill, &meter = c.meter](const Value& source) -> Pull {
    const auto fills = [&meter](const Value& wanted, std::size_t have) {
      if (!wanted.integral()) {
        meter.fail("'<' not supported between instances of 'int' and '" + std::string(type_name(wanted)) + "'");
      }
      return static_cast<std::int64_t>(have) < wanted.as_int();
    };
    return [=, &meter, items = iterate(source, meter), first_of_next = std::vector<Value>()](Value& out) mutable {
      std::vector<Value> batch = std::exchange(first_of_next, {});
      bool full = false;
      for (Value item; !full && items->next(item, meter);) {
        full = equal(Value::integer(static_cast<std::int64_t>(batch.size())), size, meter);
        (full ? first_of_next : batch).push_back(item);  // looked at before the item joins, as Jinja2 does
      }
      if (!full && batch.empty()) return false;
      while (!full && !fill.missing() && !fill.is(Kind::kNone) && fills(size, batch.size())) {
        meter.step();
        batch.push_back(fill);
      }
      out = Value::list(std::move(batch), source.author(), meter);
      return true;
    };
  });
}

Value filter_capitalize(Call& c) { return text_value(capitalized(soft_text(c[0], c.meter), c.meter)); }

Value filter_center(Call& c) {
  const Text space(" ", Author::kTemplate);
  return text_value(padded(soft_text(c[0], c.meter), c.integer(1, 80), space, Side::kBoth, c.meter));
}

Value filter_default(Call& c) {
  if (!c[0].undefined() && !(c.flag(2) && !truth(c[0], c.meter))) return c[0];
  return c.has(1) ? c[1] : Value::string("", Author::kTemplate);
}

Value filter_dictsort(Call& c) {
  const std::string by = c.has(2) && c[2].is(Kind::kString) ? c[2].text().bytes() : c.has(2) ? "" : "key";
  if (by != "key" && by != "value") c.fail("You can only sort by either \"key\" or \"value\"");
  require_defined(c[0], c.meter);
  if (!c[0].is(Kind::kDict)) c.fail("'" + std::string(type_name(c[0])) + "' object has no attribute 'items'");
  std::vector<Value> pairs;
  for (const auto& [key, value] : dict_of(c[0]).entries()) {
    pairs.push_back(Value::tuple({key, value}, c[0].author(), c.meter));
  }
  const bool fold = !c.flag(1);
  const auto key = [&, position = by == "key" ? 0u : 1u](const Value& pair) {
    const Value& value = pair.items()[position];
    return fold ? folded_case(value, c.meter) : value;
  };
  return Value::list(sorted(std::move(pairs), key, c.flag(3), c.meter), c[0].author(), c.meter);
}

Value filter_escape(Call& c) { return text_value(escape(soft_text(c[0], c.meter), c.meter)); }

Value filter_filesizeformat(Call& c) {
  require_defined(c[0], c.meter);
  const auto parsed = c[0].is(Kind::kString) ? parse_real(c[0].text(), c.meter)
                      : c[0].number()        ? std::optional(c[0].as_real())
                                             : std::nullopt;
  if (!parsed) c.fail("could not convert to float: " + to_repr(c[0], c.meter).bytes());
  const double bytes = *parsed;
  const double base = c.flag(1) ? 1024 : 1000;
  std::string text;
  if (bytes == 1) {
    text = "1 Byte";
  } else if (bytes < base) {
    text = std::to_string(static_cast<std::int64_t>(bytes)) + " Bytes";
  } else {
    static constexpr std::string_view kLetters = "kMGTPEZY";
    std::size_t i = 0;
    double unit = base * base;
    while (i + 1 < kLetters.size() && bytes >= unit) {
      ++i;
      unit *= base;
    }
    text = format_decimal(base * bytes / unit, 'f', 1) + " ";
    text += c.flag(1) && i == 0 ? "K" : kLetters.substr(i, 1);
    text += c.flag(1) ? "iB" : "B";
  }
  return Value::string(std::move(text), c[0].author());
}

Value filter_first(Call& c) {
  Value first;
  if (iterate(c[0], c.meter)->next(first, c.meter)) return first;
  return Value::undefined("No first item, sequence was empty.");
}

Value filter_float(Call& c) {
  const Value& v = c[0];
  require_defined(v, c.meter);
  if (v.number()) return Value::real(v.as_real(), v.author());
  const auto parsed = v.is(Kind::kString) ? parse_real(v.text(), c.meter) : std::nullopt;
  if (parsed) return Value::real(*parsed, v.author());
  return c.has(1) ? c[1] : Value::real(0);
}

Value filter_forceescape(Call& c) {
  Text text = soft_text(c[0], c.meter);
  text.set_markup(false);
  return text_value(escape(text, c.meter));
}

Value filter_format(Call& c) {
  if (!c.rest.positional.empty() && !c.rest.named.empty()) {
    c.fail("can't handle positional and keyword arguments at the same time");
  }
  const Text format = soft_text(c[0], c.meter);
  if (c.rest.named.empty()) {
    const Value values = Value::tuple(std::move(c.rest.positional), Author::kTemplate, c.meter);
    return text_value(percent_format(format, values, c.interpreter));
  }
  Dict values;
  for (auto& [name, value] : c.rest.named) values.set(Value::string(name, Author::kTemplate), std::move(value));
  const Value dict = make_dict(std::move(values), Author::kTemplate, c.meter);
  return text_value(percent_format(format, dict, c.interpreter));
}

Value filter_groupby(Call& c) {
  const bool fold = !c.flag(3);
  const AttributeGetter key(c[1], c[2], fold, c.interpreter);
  const AttributeGetter shown(c[1], c[2], false, c.interpreter);
  const auto items = sorted(collect(c[0], c.meter), [&](const Value& v) { return key(v); }, false, c.meter);
  std::vector<Value> groups;
  for (std::size_t i = 0; i < items.size();) {
    const Value group_key = key(items[i]);
    std::vector<Value> members;
    const std::size_t first = i;
    while (i < items.size() && equal(key(items[i]), group_key, c.meter)) members.push_back(items[i++]);
    const Value list = Value::list(std::move(members), c[0].author(), c.meter);
    Value group = Value::tuple({shown(items[first]), list}, c[0].author(), c.meter);
    group.as<ListObject>().group = true;
    groups.push_back(std::move(group));
  }
  return Value::list(std::move(groups), c[0].author(), c.meter);
}

Value filter_indent(Call& c) {
  require_defined(c[0], c.meter);
  if (!c[0].is(Kind::kString)) {
    c.fail("unsupported operand type(s) for +=: '" + std::string(type_name(c[0])) + "' and 'str'");
  }
  Text indention;
  if (c.has(1) && c[1].is(Kind::kString)) {
    indention = c[1].text();
  } else {
    indention = padded(Text(), c.integer(1, 4), Text(" ", Author::kTemplate), Side::kRight, c.meter);
  }
  const Text newline("\n", Author::kTemplate);
  Text text = c[0].text();
  text.append(newline);
  const auto lines = split_lines(text, false, c.meter);
  Text result;
  const bool first = c.flag(2), blank = c.flag(3);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i != 0) result.append(newline);
    const bool indented = i == 0 ? first : blank || !lines[i].empty();
    c.meter.grow(result.size(), indention.size() + lines[i].size());
    if (indented) result.append(indention);
    result.append(lines[i]);
  }
  result.set_markup(c[0].text().markup());
  return text_value(std::move(result));
}

Value filter_int(Call& c) {
  const Value& v = c[0];
  require_defined(v, c.meter);
  if (v.integral()) return Value::integer(v.as_int(), v.author());
  const Value fallback = c.has(1) ? c[1] : Value::integer(0);
  if (v.is(Kind::kFloat)) {
    if (std::isnan(v.as_real())) return fallback;
    if (std::isinf(v.as_real())) c.fail("cannot convert float infinity to integer");
    return whole(std::trunc(v.as_real()), v.author(), c.meter);
  }
  if (!v.is(Kind::kString)) return fallback;
  const auto integer = parse_integer(v.text(), c.integer(2, 10), c.meter);
  if (integer) return Value::integer(*integer, v.author());
  const auto real = parse_real(v.text(), c.meter);
  if (!real || !std::isfinite(*real)) return fallback;
  return whole(std::trunc(*real), v.author(), c.meter);
}

Value filter_items(Call& c) {
  return lazy(c[0], c.meter, [&meter = c.meter](const Value& source) -> Pull {
    if (source.undefined()) return pull_nothing;
    if (!source.is(Kind::kDict)) meter.fail("Can only get item pairs from a mapping.");
    return [source, &meter, position = std::size_t{0}](Value& out) mutable {
      if (position >= dict_of(source).size()) return false;
      const auto& [key, value] = dict_of(source).entries()[position++];
      out = Value::tuple({key, value}, source.author(), meter);
      return true;
    };
  });
}

Value filter_join(Call& c) {
  const Text separator = c.has(1) ? to_text(c[1], c.meter) : Text();
  const AttributeGetter get(c[2], Value(), false, c.interpreter);
  const auto items = iterate(c[0], c.meter);
  Text result;
  bool first = true;
  for (Value item; items->next(item, c.meter); first = false) {
    const Text part = to_text(c.given(2) ? get(item) : item, c.meter);
    c.meter.grow(result.size(), part.size() + separator.size());
    if (!first) result.append(separator);
    result.append(part);
  }
  return text_value(std::move(result));
}

// reversed(): from the last to the first.
Value reverse_iterator(const Value& v, Meter& meter) {
  auto items = collect(v, meter);
  std::reverse(items.begin(), items.end());
  const Value list = Value::list(std::move(items), v.author(), meter);
  Value generator = make_generator(
      [items = iterate(list, meter), &meter](Value& out) { return items->next(out, meter); }, v, meter);
  generator.as<IteratorObject>().type = "reversed";
  return generator;
}

bool is_reversible(const Value& v) { return is_iterable(v) && !v.is(Kind::kIterator) && !v.is(Kind::kLoop); }

Value filter_last(Call& c) {
  const Value& v = c[0];
  if (!is_reversible(v)) c.fail("'" + std::string(type_name(v)) + "' object is not reversible");
  if (length_of(v, c.meter) == 0) return Value::undefined("No last item, sequence was empty.");
  if (v.sequence()) return v.items().back();
  if (v.is(Kind::kString)) return character(v.text(), v.text().chars() - 1, c.meter);
  return collect(v, c.meter).back();
}

Value filter_length(Call& c) {
  return Value::integer(static_cast<std::int64_t>(length_of(c[0], c.meter)), c[0].author());
}

Value filter_list(Call& c) { return Value::list(collect(c[0], c.meter), c[0].author(), c.meter); }

Value filter_lower(Call& c) { return text_value(to_lower(soft_text(c[0], c.meter), c.meter)); }

// The arguments of |map, |select and their like, which live as long as the generator does.
struct Mapping {
  std::string name;
  CallArguments rest;
};

std::string callable_name(const Value& name, std::string_view kind, Meter& meter) {
  if (name.is(Kind::kString)) return name.text().bytes();
  const std::string reason = name.undefined() ? " (" + name.as<UndefinedObject>().message + "; did you forget quotes?)" : "";
  meter.fail("No " + std::string(kind) + " named " + to_repr(name, meter).bytes() + "." + reason);
}

Value filter_map(Call& c) {
  Interpreter& interpreter = c.interpreter;
  auto rest = std::make_shared<CallArguments>(std::move(c.rest));
  return lazy(c[0], c.meter, [rest, &interpreter](const Value& source) -> Pull {
    Meter& meter = interpreter.meter();
    if (!truth(source, meter)) return pull_nothing;
    const auto items = iterate(source, meter);
    const auto named = [&](std::string_view name) {
      return std::find_if(rest->named.begin(), rest->named.end(), [&](const auto& n) { return n.first == name; });
    };
    if (rest->positional.empty() && named("attribute") != rest->named.end()) {
      const Value path = named("attribute")->second;
      const Value fallback = named("default") == rest->named.end() ? Value() : named("default")->second;
      for (const auto& [name, value] : rest->named) {
        if (name != "attribute" && name != "default") meter.fail("Unexpected keyword argument '" + name + "'");
      }
      return [items, &meter, get = AttributeGetter(path, fallback, false, interpreter)](Value& out) {
        if (!items->next(out, meter)) return false;
        out = get(out);
        return true;
      };
    }
    if (rest->positional.empty()) meter.fail("map requires a filter argument");
    const std::string name = callable_name(rest->positional[0], "filter", meter);
    CallArguments arguments = *rest;
    arguments.positional.erase(arguments.positional.begin());
    return [items, &interpreter, name, arguments](Value& out) {
      if (!items->next(out, interpreter.meter())) return false;
      out = interpreter.apply_filter(name, out, arguments);
      return true;
    };
  });
}

Value extreme(Call& c, std::string_view op, int wanted) {
  const auto items = iterate(c[0], c.meter);
  const AttributeGetter key(c[2], Value(), !c.flag(1), c.interpreter);
  Value best;
  if (!items->next(best, c.meter)) return Value::undefined("No aggregated item, sequence was empty.");
  Value best_key = key(best);
  for (Value item; items->next(item, c.meter);) {
    Value item_key = key(item);
    if (compare(item_key, best_key, op, c.meter) != wanted) continue;
    best = item;
    best_key = std::move(item_key);
  }
  return best;
}
Value filter_max(Call& c) { return extreme(c, ">", 1); }
Value filter_min(Call& c) { return extreme(c, "<", -1); }

Value refused(Call& c, std::string_view name, std::string_view why) {
  c.meter.fail(ErrorCode::kUnsupported, "the filter '" + std::string(name) + "' is not supported: " + std::string(why),
               "give another template with --chat-template, or report the model");
}
Value filter_pprint(Call& c) { return refused(c, "pprint", "it is for debugging"); }
Value filter_random(Call& c) { return refused(c, "random", "a prompt must not depend on chance"); }
Value filter_urlize(Call& c) { return refused(c, "urlize", "a prompt is no HTML"); }

Value choose(Call& c, bool wanted, bool by_attribute) {
  Interpreter& interpreter = c.interpreter;
  auto rest = std::make_shared<CallArguments>(std::move(c.rest));
  return lazy(c[0], c.meter, [=, &interpreter](const Value& source) -> Pull {
    Meter& meter = interpreter.meter();
    if (!truth(source, meter)) return pull_nothing;
    CallArguments arguments = *rest;
    Value path;
    if (by_attribute) {
      if (arguments.positional.empty()) meter.fail("Missing parameter for attribute name");
      path = arguments.positional[0];
      arguments.positional.erase(arguments.positional.begin());
    }
    std::string test;  // empty: whether it is true
    if (!arguments.positional.empty()) {
      test = callable_name(arguments.positional[0], "test", meter);
      arguments.positional.erase(arguments.positional.begin());
    }
    return [=, &interpreter, items = iterate(source, meter), get = AttributeGetter(path, Value(), false, interpreter)](
               Value& out) {
      while (items->next(out, interpreter.meter())) {
        const Value subject = get(out);
        const bool holds = test.empty() ? truth(subject, interpreter.meter())
                                        : interpreter.apply_test(test, subject, arguments);
        if (holds == wanted) return true;
      }
      return false;
    };
  });
}
Value filter_reject(Call& c) { return choose(c, false, false); }
Value filter_rejectattr(Call& c) { return choose(c, false, true); }
Value filter_select(Call& c) { return choose(c, true, false); }
Value filter_selectattr(Call& c) { return choose(c, true, true); }

Value filter_replace(Call& c) {
  const Text from = to_text(c[1], c.meter), to = to_text(c[2], c.meter);
  return text_value(replaced(to_text(c[0], c.meter), from, to, c.given(3) ? c.integer(3) : kAll, c.meter));
}

Value filter_reverse(Call& c) {
  const Value& v = c[0];
  if (v.is(Kind::kString)) return text_value(reversed(v.text(), c.meter));
  if (is_reversible(v)) return reverse_iterator(v, c.meter);
  if (!is_iterable(v)) c.fail("argument must be iterable");
  auto items = collect(v, c.meter);
  std::reverse(items.begin(), items.end());
  return Value::list(std::move(items), v.author(), c.meter);
}

Value filter_round(Call& c) {
  const Value& v = c[0];
  const std::string method = c.has(2) && c[2].is(Kind::kString) ? c[2].text().bytes() : c.has(2) ? "" : "common";
  if (method != "common" && method != "ceil" && method != "floor") c.fail("method must be common, ceil or floor");
  require_defined(v, c.meter);
  if (!v.number()) c.fail("type " + std::string(type_name(v)) + " doesn't define __round__ method");
  const std::int64_t digits = c.has(1) && c[1].is(Kind::kNone) ? 0 : c.integer(1, 0);
  if (method == "common") {
    if (c.has(1) && c[1].is(Kind::kNone)) return whole(std::nearbyint(v.as_real()), v.author(), c.meter);
    if (v.is(Kind::kFloat)) return Value::real(round_decimal(v.as_real(), digits), v.author());
    if (digits >= 0) return positive(v, c.meter);
    // An integer's halves, too, go to even.
    std::int64_t unit = 1;
    for (std::int64_t i = 0; i > digits && unit < std::numeric_limits<std::int64_t>::max() / 10; --i) unit *= 10;
    if (digits < -18) return Value::integer(0, v.author());
    const std::int64_t rest = ((v.as_int() % unit) + unit) % unit;
    const std::int64_t down = v.as_int() - rest;
    const bool up = rest > unit / 2 || (rest == unit / 2 && (down / unit) % 2 != 0);
    return Value::integer(up ? down + unit : down, v.author());
  }
  const double scale = std::pow(10.0, static_cast<double>(digits));
  const double scaled = v.as_real() * scale;
  if (!std::isfinite(scaled)) c.fail("cannot convert float infinity or NaN to integer");
  return Value::real((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale, v.author());
}

Value filter_safe(Call& c) {
  Text text = soft_text(c[0], c.meter);
  text.set_markup(true);
  return text_value(std::move(text));
}

Value filter_slice(Call& c) {
  const Value slices = c[1], fill = c[2];
  return lazy(c[0], c.meter, [slices, fill, &meter = c.meter](const Value& source) -> Pull {
    auto items = collect(source, meter);
    require_defined(slices, meter);
    if (!slices.integral()) {
      meter.fail("unsupported operand type(s) for //: 'int' and '" + std::string(type_name(slices)) + "'");
    }
    if (slices.as_int() == 0) meter.fail("integer division or modulo by zero");
    const std::size_t count = slices.as_int() < 0 ? 0 : static_cast<std::size_t>(slices.as_int());
    return [fill, count, &meter, items = std::move(items), author = source.author(), number = std::size_t{0},
            offset = std::size_t{0}](Value& out) mutable {
      if (number >= count) return false;
      const std::size_t each = items.size() / count, extra = items.size() % count;
      const auto start = static_cast<std::ptrdiff_t>(offset + number * each);
      if (number < extra) ++offset;
      const auto end = static_cast<std::ptrdiff_t>(offset + (number + 1) * each);
      std::vector<Value> part(items.begin() + start, items.begin() + end);
      if (!fill.missing() && !fill.is(Kind::kNone) && number >= extra) part.push_back(fill);
      ++number;
      out = Value::list(std::move(part), author, meter);
      return true;
    };
  });
}

Value filter_sort(Call& c) {
  const bool fold = !c.flag(2);
  std::vector<AttributeGetter> getters;
  if (c.has(3) && c[3].is(Kind::kString)) {
    const Text comma(",", Author::kTemplate);
    for (Text& path : split(c[3].text(), &comma, kAll, c.meter)) {
      getters.emplace_back(Value::string(std::move(path)), Value(), fold, c.interpreter);
    }
  } else {
    getters.emplace_back(c[3], Value(), fold, c.interpreter);
  }
  const auto key = [&](const Value& v) {
    std::vector<Value> keys;
    for (const AttributeGetter& get : getters) keys.push_back(get(v));
    return Value::list(std::move(keys), Author::kTemplate, c.meter);
  };
  return Value::list(sorted(collect(c[0], c.meter), key, c.flag(1), c.meter), c[0].author(), c.meter);
}

Value filter_string(Call& c) { return text_value(soft_text(c[0], c.meter)); }

// Numeric and the most common named entities; others stay as they are.
Text unescaped(const Text& text) {
  static const std::map<std::string_view, char32_t> kNamed = {
      {"amp", '&'},    {"lt", '<'},       {"gt", '>'},       {"quot", '"'},      {"apos", '\''},   {"nbsp", 0xA0},
      {"copy", 0xA9},  {"reg", 0xAE},     {"raquo", 0xBB},   {"laquo", 0xAB},    {"hellip", 0x2026}, {"mdash", 0x2014},
      {"ndash", 0x2013}, {"lsquo", 0x2018}, {"rsquo", 0x2019}, {"ldquo", 0x201C}, {"rdquo", 0x201D}, {"euro", 0x20AC}};
  Text result;
  const std::string& bytes = text.bytes();
  std::size_t done = 0;
  for (std::size_t amp = bytes.find('&'); amp != std::string::npos; amp = bytes.find('&', amp + 1)) {
    constexpr std::size_t kLongestName = 9;
    const std::string_view rest = std::string_view(bytes).substr(amp + 1, kLongestName + 1);
    const std::string_view name = rest.substr(0, rest.find(';'));
    if (name.size() == rest.size()) continue;
    const std::size_t end = amp + 1 + name.size();
    char32_t code = 0;
    if (name.starts_with('#') && name.size() > 1) {
      const bool hex = (name[1] | 0x20) == 'x';
      for (const char digit : name.substr(hex ? 2 : 1)) {
        const bool valid = hex ? std::isxdigit(static_cast<unsigned char>(digit)) != 0 : digit >= '0' && digit <= '9';
        if (!valid || code > 0x10FFFF) {
          code = 0;
          break;
        }
        const char32_t value = digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10;
        code = code * (hex ? 16 : 10) + value;
      }
    } else if (const auto named = kNamed.find(name); named != kNamed.end()) {
      code = named->second;
    }
    if (code == 0 || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) continue;
    result.append(text, done, amp);
    std::string character;
    unicode::append(character, code);
    result.append(character, text.slice(amp, end + 1).author());
    done = end + 1;
  }
  result.append(text, done, bytes.size());
  return result;
}

Value filter_striptags(Call& c) {
  const Text text = to_text(c[0], c.meter);
  c.meter.bytes(text.size());
  const std::string& bytes = text.bytes();
  Text bare;
  std::size_t pos = 0;
  for (std::size_t start = bytes.find('<'); start != std::string::npos; start = bytes.find('<', pos)) {
    const bool comment = bytes.compare(start, 4, "<!--") == 0;
    const std::size_t end = comment ? bytes.find("-->", start + 4) : bytes.find('>', start);
    if (end == std::string::npos) break;
    bare.append(text, pos, start);
    pos = end + (comment ? 3 : 1);
  }
  bare.append(text, pos, bytes.size());
  const auto words = split(bare, nullptr, kAll, c.meter);
  return text_value(unescaped(joined(words, Text(" ", Author::kTemplate), c.meter)));
}

Value filter_sum(Call& c) {
  const AttributeGetter get(c[1], Value(), false, c.interpreter);
  Value total = c.has(2) ? c[2] : Value::integer(0);
  if (total.is(Kind::kString)) c.fail("sum() can't sum strings [use ''.join(seq) instead]");
  const auto items = iterate(c[0], c.meter);
  for (Value item; items->next(item, c.meter);) total = arithmetic(Op::kAdd, total, get(item), c.interpreter);
  return total;
}

Value filter_title(Call& c) {
  const Text text = soft_text(c[0], c.meter);
  const std::string& bytes = text.bytes();
  const auto separates = [](char32_t ch) {
    return unicode::is_space(ch) || ch == '-' || ch == '(' || ch == '{' || ch == '[' || ch == '<';
  };
  Text result;
  const auto append_word = [&](std::size_t from, std::size_t to) {
    if (from == to) return;
    std::size_t second = from;
    (void)unicode::next(bytes, second);
    result.append(to_upper(text.slice(from, second), c.meter));
    result.append(to_lower(text.slice(second, to), c.meter));
  };
  std::size_t word = 0;
  for (std::size_t pos = 0; pos < bytes.size();) {
    const std::size_t start = pos;
    if (!separates(unicode::next(bytes, pos))) continue;
    append_word(word, start);
    result.append(text, start, pos);
    word = pos;
  }
  append_word(word, bytes.size());
  return text_value(std::move(result));
}

Value filter_tojson(Call& c) {
  JsonStyle style;
  style.ascii = c.flag(1);
  style.sort_keys = c.flag(4);
  if (c.given(2)) {
    style.indented = true;
    if (c[2].is(Kind::kString)) {
      style.indent = c[2].text();
    } else {
      style.indent = padded(Text(), c.integer(2), Text(" ", Author::kTemplate), Side::kRight, c.meter);
    }
    style.item_separator = Text(",", Author::kTemplate);
  }
  if (c.given(3)) {
    const auto separators = collect(c[3], c.meter);
    if (separators.size() != 2 || !separators[0].is(Kind::kString) || !separators[1].is(Kind::kString)) {
      c.fail("separators must be two strings");
    }
    style.item_separator = separators[0].text();
    style.key_separator = separators[1].text();
  }
  return text_value(to_json(c[0], style, c.meter));
}

Value filter_trim(Call& c) {
  const Text text = soft_text(c[0], c.meter);
  return text_value(stripped(text, c.given(1) ? &c.text(1) : nullptr, Side::kBoth, c.meter));
}

Value filter_truncate(Call& c) {
  const std::int64_t length = c.integer(1, 255), leeway = c.given(4) ? c.integer(4) : 5;
  const Text end = c.has(3) ? c.text(3) : Text("...", Author::kTemplate);
  const auto end_chars = static_cast<std::int64_t>(end.chars());
  if (length < end_chars) c.fail("expected length >= " + std::to_string(end_chars) + ", got " + std::to_string(length));
  if (leeway < 0) c.fail("expected leeway >= 0, got " + std::to_string(leeway));
  const auto have = static_cast<std::int64_t>(length_of(c[0], c.meter));
  if (have <= length || have - length <= leeway) return c[0];
  const Text& text = c.text(0);
  Text kept = text.slice(0, text.byte_of(static_cast<std::size_t>(length - end_chars)));
  if (!c.flag(2)) {
    const std::size_t space = kept.rfind(" ", kept.size());
    if (space != std::string::npos) kept = kept.slice(0, space);
  }
  return arithmetic(Op::kAdd, text_value(std::move(kept)), text_value(end), c.interpreter);
}

Value filter_unique(Call& c) {
  const AttributeGetter get(c[2], Value(), !c.flag(1), c.interpreter);
  return lazy(c[0], c.meter, [get, &meter = c.meter](const Value& source) -> Pull {
    return [get, &meter, items = iterate(source, meter), seen = std::set<Value, KeyLess>()](Value& out) mutable {
      while (items->next(out, meter)) {
        const Value key = get(out);
        require_hashable(key, meter);
        if (seen.insert(key).second) return true;
      }
      return false;
    };
  });
}

Value filter_upper(Call& c) { return text_value(to_upper(soft_text(c[0], c.meter), c.meter)); }

Text url_quoted(const Value& v, bool for_query, Meter& meter) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  const Text text = to_text(v, meter);
  meter.bytes(text.size());
  Text result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text.bytes()[i];
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (byte < 0x80 && std::isalnum(byte) != 0) || c == '_' || c == '.' || c == '-' || c == '~' ||
                       (c == '/' && !for_query);
    if (plain) {
      result.append(std::string_view(&c, 1), text.author_at(i));
    } else if (c == ' ' && for_query) {
      result.append("+", text.author_at(i));
    } else {
      const std::array<char, 3> escaped = {'%', kHex[byte >> 4], kHex[byte & 0xF]};
      result.append(std::string_view(escaped.data(), escaped.size()), text.author_at(i));
    }
  }
  return result;
}

Value filter_urlencode(Call& c) {
  if (c[0].is(Kind::kString) || !is_iterable(c[0])) return text_value(url_quoted(c[0], false, c.meter));
  std::vector<Text> parts;
  const auto add = [&](const Value& key, const Value& value) {
    Text part = url_quoted(key, true, c.meter);
    part.append("=", Author::kTemplate);
    part.append(url_quoted(value, true, c.meter));
    parts.push_back(std::move(part));
  };
  if (c[0].is(Kind::kDict)) {
    for (const auto& [key, value] : dict_of(c[0]).entries()) add(key, value);
  } else {
    for (const Value& pair : collect(c[0], c.meter)) {
      const auto items = collect(pair, c.meter);
      if (items.size() != 2) c.fail("not enough or too many values to unpack (expected 2)");
      add(items[0], items[1]);
    }
  }
  return text_value(joined(parts, Text("&", Author::kTemplate), c.meter));
}

Value filter_wordcount(Call& c) {
  const Text text = soft_text(c[0], c.meter);
  c.meter.bytes(text.size());
  std::int64_t words = 0;
  bool inside = false;
  for (std::size_t pos = 0; pos < text.size();) {
    const char32_t ch = unicode::next(text.bytes(), pos);
    const bool word = ch == '_' || unicode::is_alnum(ch);
    if (word && !inside) ++words;
    inside = word;
  }
  return Value::integer(words, text.author());
}

Value filter_wordwrap(Call& c) {
  const Text newline = c.given(3) ? c.text(3) : Text("\n", Author::kTemplate);
  std::vector<Text> paragraphs;
  for (const Text& line : split_lines(c.text(0), false, c.meter)) {
    const bool hyphens = !c.has(4) || c.flag(4), long_words = !c.has(2) || c.flag(2);
    paragraphs.push_back(joined(wrapped(line, c.integer(1, 79), long_words, hyphens, c.meter), newline, c.meter));
  }
  return text_value(joined(paragraphs, newline, c.meter));
}

Value filter_xmlattr(Call& c) {
  require_defined(c[0], c.meter);
  if (!c[0].is(Kind::kDict)) c.fail("'" + std::string(type_name(c[0])) + "' object has no attribute 'items'");
  Text result;
  for (const auto& [key, value] : dict_of(c[0]).entries()) {
    if (value.is(Kind::kNone) || value.undefined()) continue;
    if (!key.is(Kind::kString)) c.fail("expected string or bytes-like object, got '" + std::string(type_name(key)) + "'");
    if (key.text().bytes().find_first_of(" \t\n\r\f\v/>=") != std::string::npos) {
      c.fail("Invalid character in attribute name: " + to_repr(key, c.meter).bytes());
    }
    if (!result.empty()) result.append(" ", Author::kTemplate);
    result.append(escape(key.text(), c.meter));
    result.append("=\"", Author::kTemplate);
    result.append(escape(soft_text(value, c.meter), c.meter));
    result.append("\"", Author::kTemplate);
    c.meter.bytes(result.size());
  }
  if (result.empty() || (c.has(1) && !c.flag(1))) return text_value(std::move(result));
  Text spaced(" ", Author::kTemplate);
  spaced.append(result);
  return text_value(std::move(spaced));
}

constexpr Builtin kFilters[] = {
    {"abs", {"x"}, 1, filter_abs},
    {"attr", {"obj", "name"}, 2, filter_attr},
    {"batch", {"value", "linecount", "fill_with"}, 2, filter_batch},
    {"capitalize", {"s"}, 1, filter_capitalize},
    {"center", {"value", "width"}, 1, filter_center},
    {"count", {"obj"}, 1, filter_length},
    {"d", {"value", "default_value", "boolean"}, 1, filter_default},
    {"default", {"value", "default_value", "boolean"}, 1, filter_default},
    {"dictsort", {"value", "case_sensitive", "by", "reverse"}, 1, filter_dictsort},
    {"e", {"s"}, 1, filter_escape},
    {"escape", {"s"}, 1, filter_escape},
    {"filesizeformat", {"value", "binary"}, 1, filter_filesizeformat},
    {"first", {"seq"}, 1, filter_first},
    {"float", {"value", "default"}, 1, filter_float},
    {"forceescape", {"value"}, 1, filter_forceescape},
    {"format", {"value"}, 1, filter_format, Passing::kRest},
    {"groupby", {"value", "attribute", "default", "case_sensitive"}, 2, filter_groupby},
    {"indent", {"s", "width", "first", "blank"}, 1, filter_indent},
    {"int", {"value", "default", "base"}, 1, filter_int},
    {"items", {"value"}, 1, filter_items},
    {"join", {"value", "d", "attribute"}, 1, filter_join},
    {"last", {"seq"}, 1, filter_last},
    {"length", {"obj"}, 1, filter_length},
    {"list", {"value"}, 1, filter_list},
    {"lower", {"s"}, 1, filter_lower},
    {"map", {"value"}, 1, filter_map, Passing::kRest},
    {"max", {"value", "case_sensitive", "attribute"}, 1, filter_max},
    {"min", {"value", "case_sensitive", "attribute"}, 1, filter_min},
    {"pprint", {"value"}, 1, filter_pprint},
    {"random", {"seq"}, 1, filter_random},
    {"reject", {"value"}, 1, filter_reject, Passing::kRest},
    {"rejectattr", {"value"}, 1, filter_rejectattr, Passing::kRest},
    {"replace", {"s", "old", "new", "count"}, 3, filter_replace},
    {"reverse", {"value"}, 1, filter_reverse},
    {"round", {"value", "precision", "method"}, 1, filter_round},
    {"safe", {"value"}, 1, filter_safe},
    {"select", {"value"}, 1, filter_select, Passing::kRest},
    {"selectattr", {"value"}, 1, filter_selectattr, Passing::kRest},
    {"slice", {"value", "slices", "fill_with"}, 2, filter_slice},
    {"sort", {"value", "reverse", "case_sensitive", "attribute"}, 1, filter_sort},
    {"string", {"s"}, 1, filter_string},
    {"striptags", {"value"}, 1, filter_striptags},
    {"sum", {"iterable", "attribute", "start"}, 1, filter_sum},
    {"title", {"s"}, 1, filter_title},
    {"tojson", {"x", "ensure_ascii", "indent", "separators", "sort_keys"}, 1, filter_tojson},
    {"trim", {"value", "chars"}, 1, filter_trim},
    {"truncate", {"s", "length", "killwords", "end", "leeway"}, 1, filter_truncate},
    {"unique", {"value", "case_sensitive", "attribute"}, 1, filter_unique},
    {"upper", {"s"}, 1, filter_upper},
    {"urlencode", {"value"}, 1, filter_urlencode},
    {"urlize", {"value"}, 1, filter_urlize, Passing::kRest},
    {"wordcount", {"s"}, 1, filter_wordcount},
    {"wordwrap", {"s", "width", "break_long_words", "wrapstring", "break_on_hyphens"}, 1, filter_wordwrap},
    {"xmlattr", {"d", "autospace"}, 1, filter_xmlattr},
};

}  // namespace

const Builtin* find_filter(std::string_view name) {
  const auto found = std::find_if(std::begin(kFilters), std::end(kFilters), [&](const Builtin& b) { return b.name == name; });
  return found == std::end(kFilters) ? nullptr : found;
}

void fail_unknown_filter(std::string_view name, const Meter& meter) {
  std::string known;
  for (const Builtin& filter : kFilters) {
    const bool refused_filter = filter.run == filter_pprint || filter.run == filter_random || filter.run == filter_urlize;
    if (!refused_filter) known += (known.empty() ? "" : ", ") + std::string(filter.name);
  }
  meter.fail(ErrorCode::kUnsupported,
             "the filter '" + std::string(name) + "' is not supported; these are: " + known,
             "give another template with --chat-template, or report the model");
}

}  // namespace weft::jinja
