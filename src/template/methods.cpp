// The methods of Python's str, list, tuple, dict, and of Jinja2's loop and cycler, that the sandbox lets through.
#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "builtins.h"
#include "format.h"
#include "interpreter.h"
#include "loop.h"
#include "operators.h"
#include "strings.h"

namespace weft::jinja {
namespace {

// What a method of markup returns is markup, and it escapes what comes in (markupsafe).
Value like(Call& c, Text text) {
  c.meter.bytes(text.size());
  text.set_markup(c[0].text().markup());
  return Value::string(std::move(text));
}
Text incoming(const Text& self, const Text& text, Meter& meter) { return self.markup() ? escape(text, meter) : text; }

Value texts(Call& c, std::vector<Text> parts) {
  std::vector<Value> values;
  values.reserve(parts.size());
  for (Text& part : parts) values.push_back(like(c, std::move(part)));
  return Value::list(std::move(values), c[0].author(), c.meter);
}

const Text& self_of(Call& c) { return c[0].text(); }

// ---------------------------------------------------------------- str

Value str_capitalize(Call& c) { return like(c, capitalized(self_of(c), c.meter)); }
Value str_casefold(Call& c) { return like(c, to_folded(self_of(c), c.meter)); }
Value str_lower(Call& c) { return like(c, to_lower(self_of(c), c.meter)); }
Value str_swapcase(Call& c) { return like(c, case_swapped(self_of(c), c.meter)); }
Value str_title(Call& c) { return like(c, to_title(self_of(c), c.meter)); }
Value str_upper(Call& c) { return like(c, to_upper(self_of(c), c.meter)); }

Value justified(Call& c, Side side) {
  const Text fill = c.has(2) ? incoming(self_of(c), c.text(2), c.meter) : Text(" ", Author::kTemplate);
  if (fill.chars() != 1) c.fail("The fill character must be exactly one character long");
  return like(c, padded(self_of(c), c.integer(1), fill, side, c.meter));
}
Value str_center(Call& c) { return justified(c, Side::kBoth); }
Value str_ljust(Call& c) { return justified(c, Side::kRight); }
Value str_rjust(Call& c) { return justified(c, Side::kLeft); }
Value str_zfill(Call& c) { return like(c, zero_filled(self_of(c), c.integer(1), c.meter)); }
Value str_expandtabs(Call& c) { return like(c, tabs_expanded(self_of(c), c.integer(1, 8), c.meter)); }

// text[start:end], as count, find and startswith take it, and where in characters it starts.
struct Window {
  Text text;
  std::int64_t start = 0;
  bool valid = true;  // start is not beyond the text's end
};
Window window(Call& c, std::size_t start_index) {
  const Text& self = self_of(c);
  const auto n = static_cast<std::int64_t>(self.chars());
  const auto position = [&](std::size_t i, std::int64_t fallback) {
    if (!c.given(i)) return fallback;
    const std::int64_t p = c.integer(i);
    return p < 0 ? std::max<std::int64_t>(p < -n ? 0 : p + n, 0) : p;
  };
  const std::int64_t start = position(start_index, 0);
  const std::int64_t end = std::min(position(start_index + 1, n), n);
  if (start > n || start > end) return {Text(), start, false};
  c.meter.bytes(self.size());
  return {self.slice(self.byte_of(static_cast<std::size_t>(start)), self.byte_of(static_cast<std::size_t>(end))), start,
          true};
}

Value str_count(Call& c) {
  const Window part = window(c, 2);
  const std::size_t count = part.valid ? count_of(part.text, c.text(1), c.meter) : 0;
  return Value::integer(static_cast<std::int64_t>(count), self_of(c).author());
}

std::int64_t found_at(Call& c, bool from_right) {
  const Text& needle = c.text(1);
  const Window part = window(c, 2);
  if (!part.valid) return -1;
  const std::size_t at = from_right ? part.text.rfind(needle.bytes(), part.text.size()) : part.text.find(needle.bytes());
  if (at == std::string::npos) return -1;
  return part.start + static_cast<std::int64_t>(unicode::count(std::string_view(part.text.bytes()).substr(0, at)));
}
Value position_value(Call& c, std::int64_t at) { return Value::integer(at, self_of(c).author()); }
Value existing_position(Call& c, std::int64_t at) {
  if (at < 0) c.fail("substring not found");
  return position_value(c, at);
}
Value str_find(Call& c) { return position_value(c, found_at(c, false)); }
Value str_rfind(Call& c) { return position_value(c, found_at(c, true)); }
Value str_index(Call& c) { return existing_position(c, found_at(c, false)); }
Value str_rindex(Call& c) { return existing_position(c, found_at(c, true)); }

Value str_startswith_or_endswith(Call& c, bool start) {
  const Window part = window(c, 2);
  const auto matches = [&](const Value& v) {
    if (!v.is(Kind::kString)) {
      c.fail(std::string(start ? "startswith" : "endswith") + " first arg must be str or a tuple of str, not " +
             std::string(type_name(v)));
    }
    const std::string& bytes = part.text.bytes();
    return part.valid && (start ? bytes.starts_with(v.text().bytes()) : bytes.ends_with(v.text().bytes()));
  };
  require_defined(c[1], c.meter);
  if (!c[1].is(Kind::kTuple)) return Value::boolean(matches(c[1]));
  return Value::boolean(std::any_of(c[1].items().begin(), c[1].items().end(), matches));
}
Value str_startswith(Call& c) { return str_startswith_or_endswith(c, true); }
Value str_endswith(Call& c) { return str_startswith_or_endswith(c, false); }

Value str_format(Call& c) { return Value::string(brace_format(self_of(c), c.rest, c.interpreter)); }
Value str_format_map(Call& c) {
  require_defined(c[1], c.meter);
  if (!c[1].is(Kind::kDict)) c.fail("format_map() takes a mapping");
  CallArguments values;
  for (const auto& [key, value] : dict_of(c[1]).entries()) {
    if (key.is(Kind::kString)) values.named.emplace_back(key.text().bytes(), value);
  }
  return Value::string(brace_format(self_of(c), values, c.interpreter));
}

Value str_join(Call& c) {
  const Text& self = self_of(c);
  std::vector<Text> parts;
  std::size_t i = 0;
  const auto items = iterate(c[1], c.meter);
  for (Value item; items->next(item, c.meter); ++i) {
    if (!item.is(Kind::kString) && !self.markup()) {
      c.fail("sequence item " + std::to_string(i) + ": expected str instance, " + std::string(type_name(item)) + " found");
    }
    parts.push_back(incoming(self, item.is(Kind::kString) ? item.text() : to_text(item, c.meter), c.meter));
  }
  return like(c, joined(parts, self, c.meter));
}

Value str_stripped(Call& c, Side side) {
  return like(c, stripped(self_of(c), c.given(1) ? &c.text(1) : nullptr, side, c.meter));
}
Value str_strip(Call& c) { return str_stripped(c, Side::kBoth); }
Value str_lstrip(Call& c) { return str_stripped(c, Side::kLeft); }
Value str_rstrip(Call& c) { return str_stripped(c, Side::kRight); }

Value str_partition(Call& c) {
  const Text &self = self_of(c), &separator = c.text(1);
  if (separator.empty()) c.fail("empty separator");
  c.meter.bytes(self.size());
  const std::size_t at = self.find(separator.bytes());
  const bool found = at != std::string::npos;
  const std::size_t end = found ? at + separator.size() : self.size();
  return Value::tuple({like(c, self.slice(0, found ? at : self.size())),
                       like(c, found ? self.slice(at, end) : Text()), like(c, self.slice(end, self.size()))},
                      self.author(), c.meter);
}
Value str_rpartition(Call& c) {
  const Text &self = self_of(c), &separator = c.text(1);
  if (separator.empty()) c.fail("empty separator");
  c.meter.bytes(self.size());
  const std::size_t at = self.rfind(separator.bytes(), self.size());
  const bool found = at != std::string::npos;
  const std::size_t end = found ? at + separator.size() : 0;
  return Value::tuple({like(c, self.slice(0, found ? at : 0)), like(c, found ? self.slice(at, end) : Text()),
                       like(c, self.slice(end, self.size()))},
                      self.author(), c.meter);
}

Value str_removeprefix(Call& c) {
  const Text& self = self_of(c);
  const bool cut = self.bytes().starts_with(c.text(1).bytes());
  return like(c, self.slice(cut ? c.text(1).size() : 0, self.size()));
}
Value str_removesuffix(Call& c) {
  const Text& self = self_of(c);
  const bool cut = self.bytes().ends_with(c.text(1).bytes());
  return like(c, self.slice(0, self.size() - (cut ? c.text(1).size() : 0)));
}

Value str_replace(Call& c) {
  const Text to = incoming(self_of(c), c.text(2), c.meter);
  return like(c, replaced(self_of(c), c.text(1), to, c.integer(3, kAll), c.meter));
}

Value str_split_by(Call& c, std::vector<Text> (*by)(const Text&, const Text*, std::int64_t, Meter&)) {
  if (c.given(1) && c.text(1).empty()) c.fail("empty separator");
  return texts(c, by(self_of(c), c.given(1) ? &c.text(1) : nullptr, c.integer(2, kAll), c.meter));
}
Value str_split(Call& c) { return str_split_by(c, split); }
Value str_rsplit(Call& c) { return str_split_by(c, split_right); }
Value str_splitlines(Call& c) { return texts(c, split_lines(self_of(c), c.flag(1), c.meter)); }

template <bool (*kHolds)(char32_t)>
Value str_all(Call& c) {
  c.meter.bytes(self_of(c).size());
  return Value::boolean(all_chars(self_of(c), kHolds));
}
bool is_alnum(char32_t ch) { return unicode::is_alnum(ch); }
bool is_alpha(char32_t ch) { return unicode::is_alpha(ch); }
bool is_decimal(char32_t ch) { return unicode::is_decimal(ch); }
bool is_digit(char32_t ch) { return unicode::is_digit(ch); }
bool is_numeric(char32_t ch) { return unicode::is_numeric(ch); }
bool is_space(char32_t ch) { return unicode::is_space(ch); }
Value str_isascii(Call& c) { return Value::boolean(self_of(c).chars() == self_of(c).size()); }
Value str_isprintable(Call& c) {
  c.meter.bytes(self_of(c).size());
  return Value::boolean(self_of(c).empty() || all_chars(self_of(c), [](char32_t ch) { return unicode::is_printable(ch); }));
}
Value str_isidentifier(Call& c) {
  const Text& self = self_of(c);
  const auto part = [](char32_t ch) { return ch == '_' || unicode::is_alnum(ch); };
  if (!all_chars(self, part)) return Value::boolean(false);
  std::size_t pos = 0;
  const char32_t first = unicode::next(self.bytes(), pos);
  return Value::boolean(first == '_' || unicode::is_alpha(first));
}
Value str_islower(Call& c) { return Value::boolean(is_lower_text(self_of(c), c.meter)); }
Value str_isupper(Call& c) { return Value::boolean(is_upper_text(self_of(c), c.meter)); }
Value str_istitle(Call& c) { return Value::boolean(is_title_text(self_of(c), c.meter)); }

constexpr Builtin kStrMethods[] = {
    {"capitalize", {"self"}, 1, str_capitalize, Passing::kPositional},
    {"casefold", {"self"}, 1, str_casefold, Passing::kPositional},
    {"center", {"self", "width", "fillchar"}, 2, str_center, Passing::kPositional},
    {"count", {"self", "sub", "start", "end"}, 2, str_count, Passing::kPositional},
    {"endswith", {"self", "suffix", "start", "end"}, 2, str_endswith, Passing::kPositional},
    {"expandtabs", {"self", "tabsize"}, 1, str_expandtabs},
    {"find", {"self", "sub", "start", "end"}, 2, str_find, Passing::kPositional},
    {"format", {"self"}, 1, str_format, Passing::kRest},
    {"format_map", {"self", "mapping"}, 2, str_format_map, Passing::kPositional},
    {"index", {"self", "sub", "start", "end"}, 2, str_index, Passing::kPositional},
    {"isalnum", {"self"}, 1, str_all<is_alnum>, Passing::kPositional},
    {"isalpha", {"self"}, 1, str_all<is_alpha>, Passing::kPositional},
    {"isascii", {"self"}, 1, str_isascii, Passing::kPositional},
    {"isdecimal", {"self"}, 1, str_all<is_decimal>, Passing::kPositional},
    {"isdigit", {"self"}, 1, str_all<is_digit>, Passing::kPositional},
    {"isidentifier", {"self"}, 1, str_isidentifier, Passing::kPositional},
    {"islower", {"self"}, 1, str_islower, Passing::kPositional},
    {"isnumeric", {"self"}, 1, str_all<is_numeric>, Passing::kPositional},
    {"isprintable", {"self"}, 1, str_isprintable, Passing::kPositional},
    {"isspace", {"self"}, 1, str_all<is_space>, Passing::kPositional},
    {"istitle", {"self"}, 1, str_istitle, Passing::kPositional},
    {"isupper", {"self"}, 1, str_isupper, Passing::kPositional},
    {"join", {"self", "iterable"}, 2, str_join, Passing::kPositional},
    {"ljust", {"self", "width", "fillchar"}, 2, str_ljust, Passing::kPositional},
    {"lower", {"self"}, 1, str_lower, Passing::kPositional},
    {"lstrip", {"self", "chars"}, 1, str_lstrip, Passing::kPositional},
    {"partition", {"self", "sep"}, 2, str_partition, Passing::kPositional},
    {"removeprefix", {"self", "prefix"}, 2, str_removeprefix, Passing::kPositional},
    {"removesuffix", {"self", "suffix"}, 2, str_removesuffix, Passing::kPositional},
    {"replace", {"self", "old", "new", "count"}, 3, str_replace, Passing::kPositional},
    {"rfind", {"self", "sub", "start", "end"}, 2, str_rfind, Passing::kPositional},
    {"rindex", {"self", "sub", "start", "end"}, 2, str_rindex, Passing::kPositional},
    {"rjust", {"self", "width", "fillchar"}, 2, str_rjust, Passing::kPositional},
    {"rpartition", {"self", "sep"}, 2, str_rpartition, Passing::kPositional},
    {"rsplit", {"self", "sep", "maxsplit"}, 1, str_rsplit},
    {"rstrip", {"self", "chars"}, 1, str_rstrip, Passing::kPositional},
    {"split", {"self", "sep", "maxsplit"}, 1, str_split},
    {"splitlines", {"self", "keepends"}, 1, str_splitlines},
    {"startswith", {"self", "prefix", "start", "end"}, 2, str_startswith, Passing::kPositional},
    {"strip", {"self", "chars"}, 1, str_strip, Passing::kPositional},
    {"swapcase", {"self"}, 1, str_swapcase, Passing::kPositional},
    {"title", {"self"}, 1, str_title, Passing::kPositional},
    {"upper", {"self"}, 1, str_upper, Passing::kPositional},
    {"zfill", {"self", "width"}, 2, str_zfill, Passing::kPositional},
};

// ---------------------------------------------------------------- list, tuple, range

Value sequence_count(Call& c) {
  std::int64_t count = 0;
  for (const Value& item : collect(c[0], c.meter)) count += equal(item, c[1], c.meter) ? 1 : 0;
  return Value::integer(count, c[0].author());
}

Value sequence_index(Call& c) {
  const auto items = collect(c[0], c.meter);
  const auto n = static_cast<std::int64_t>(items.size());
  const auto position = [&](std::size_t i, std::int64_t fallback) {
    const std::int64_t p = c.integer(i, fallback);
    return std::clamp<std::int64_t>(p < 0 ? (p < -n ? 0 : p + n) : p, 0, n);
  };
  const std::int64_t end = position(3, n);
  for (std::int64_t i = position(2, 0); i < end; ++i) {
    if (equal(items[static_cast<std::size_t>(i)], c[1], c.meter)) return Value::integer(i, c[0].author());
  }
  c.fail(to_repr(c[1], c.meter).bytes() + " is not in " + std::string(type_name(c[0])));
}

Value list_copy(Call& c) { return c[0]; }

constexpr Builtin kListMethods[] = {
    {"copy", {"self"}, 1, list_copy, Passing::kPositional},
    {"count", {"self", "value"}, 2, sequence_count, Passing::kPositional},
    {"index", {"self", "value", "start", "stop"}, 2, sequence_index, Passing::kPositional},
};
constexpr Builtin kTupleMethods[] = {kListMethods[1], kListMethods[2]};
constexpr std::string_view kListMutators[] = {"append", "clear",   "extend", "insert",
                                              "pop",    "reverse", "remove", "sort"};

// ---------------------------------------------------------------- dict

Value dict_view(Call& c, ViewOf of) {
  auto view = std::make_shared<DictViewObject>();
  view->dict = c[0];
  view->of = of;
  view->depth = c[0].depth() + 1;
  c.meter.value_depth(view->depth);
  return Value::object(Kind::kDictView, std::move(view), c[0].author());
}
Value dict_items(Call& c) { return dict_view(c, ViewOf::kItems); }
Value dict_keys(Call& c) { return dict_view(c, ViewOf::kKeys); }
Value dict_values(Call& c) { return dict_view(c, ViewOf::kValues); }
Value dict_copy(Call& c) { return c[0]; }

Value dict_get(Call& c) {
  require_hashable(c[1], c.meter);
  const Value* found = dict_of(c[0]).find(c[1]);
  if (found != nullptr) return *found;
  return c.has(2) ? c[2] : Value::none();
}

Value dict_fromkeys(Call& c) {
  Dict dict;
  for (Value& key : collect(c[1], c.meter)) {
    require_hashable(key, c.meter);
    dict.set(std::move(key), c.has(2) ? c[2] : Value::none());
  }
  return make_dict(std::move(dict), c[1].author(), c.meter);
}

constexpr Builtin kDictMethods[] = {
    {"copy", {"self"}, 1, dict_copy, Passing::kPositional},
    {"fromkeys", {"self", "iterable", "value"}, 2, dict_fromkeys, Passing::kPositional},
    {"get", {"self", "key", "default"}, 2, dict_get, Passing::kPositional},
    {"items", {"self"}, 1, dict_items, Passing::kPositional},
    {"keys", {"self"}, 1, dict_keys, Passing::kPositional},
    {"values", {"self"}, 1, dict_values, Passing::kPositional},
};
constexpr std::string_view kDictMutators[] = {"clear", "pop", "popitem", "setdefault", "update"};

// ---------------------------------------------------------------- loop and cycler

Value loop_cycle(Call& c) {
  if (c.rest.positional.empty() || !c.rest.named.empty()) c.fail("no items for cycling given");
  const auto index = static_cast<std::size_t>(std::max<std::int64_t>(c[0].as<LoopObject>().index0, 0));
  return c.rest.positional[index % c.rest.positional.size()];
}

Value loop_changed(Call& c) {
  auto& loop = c[0].as<LoopObject>();
  const Value now = Value::tuple(c.rest.positional, Author::kTemplate, c.meter);
  if (!loop.last_changed.missing() && equal(loop.last_changed, now, c.meter)) return Value::boolean(false);
  loop.last_changed = now;
  return Value::boolean(true);
}

constexpr Builtin kLoopMethods[] = {
    {"changed", {"self"}, 1, loop_changed, Passing::kRest},
    {"cycle", {"self"}, 1, loop_cycle, Passing::kRest},
};

Value cycler_next(Call& c) {
  auto& cycler = c[0].as<CyclerObject>();
  const Value current = cycler.items[cycler.position];
  cycler.position = (cycler.position + 1) % cycler.items.size();
  return current;
}

Value cycler_reset(Call& c) {
  c[0].as<CyclerObject>().position = 0;
  return Value::none();
}

constexpr Builtin kCyclerMethods[] = {
    {"next", {"self"}, 1, cycler_next, Passing::kPositional},
    {"reset", {"self"}, 1, cycler_reset, Passing::kPositional},
};

std::span<const Builtin> methods_of(Kind owner) {
  switch (owner) {
    case Kind::kString: return kStrMethods;
    case Kind::kList: return kListMethods;
    case Kind::kTuple:
    case Kind::kRange: return kTupleMethods;
    case Kind::kDict: return kDictMethods;
    case Kind::kLoop: return kLoopMethods;
    case Kind::kCycler: return kCyclerMethods;
    default: return {};
  }
}

}  // namespace

const Builtin* find_method(Kind owner, std::string_view name) {
  const auto methods = methods_of(owner);
  const auto found = std::find_if(methods.begin(), methods.end(), [&](const Builtin& b) { return b.name == name; });
  return found == methods.end() ? nullptr : &*found;
}

bool is_mutating_method(Kind owner, std::string_view name) {
  if (owner == Kind::kList) return std::find(std::begin(kListMutators), std::end(kListMutators), name) != std::end(kListMutators);
  if (owner == Kind::kDict) return std::find(std::begin(kDictMutators), std::end(kDictMutators), name) != std::end(kDictMutators);
  return false;
}

}  // namespace weft::jinja
