// The functions that every template can call.
#include <algorithm>
#include <array>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "builtins.h"
#include "interpreter.h"

namespace weft::jinja {
namespace {

constexpr std::size_t kLongestRange = 100'000;  // MAX_RANGE of Jinja2's sandbox

Dict dict_from(Call& c) {  // dict(mapping or pairs, **entries)
  if (c.rest.positional.size() > 1) {
    c.fail("dict expected at most 1 argument, got " + std::to_string(c.rest.positional.size()));
  }
  Dict dict;
  const auto set = [&](Value key, Value value) {
    require_hashable(key, c.meter);
    dict.set(std::move(key), std::move(value));
  };
  if (!c.rest.positional.empty()) {
    const Value& source = c.rest.positional[0];
    if (source.is(Kind::kDict)) {
      dict = dict_of(source);
    } else {
      for (const Value& pair : collect(source, c.meter)) {
        const auto items = collect(pair, c.meter);
        if (items.size() != 2) {
          c.fail("dictionary update sequence element has length " + std::to_string(items.size()) + "; 2 is required");
        }
        set(items[0], items[1]);
      }
    }
  }
  for (auto& [name, value] : c.rest.named) set(Value::string(name, Author::kTemplate), std::move(value));
  return dict;
}

Value global_dict(Call& c) { return make_dict(dict_from(c), Author::kTemplate, c.meter); }

Value global_namespace(Call& c) {
  Dict attributes = dict_from(c);
  for (const auto& [name, value] : attributes.entries()) {
    if (name.is(Kind::kString) && name.text().bytes().starts_with('_')) {
      c.fail("a namespace can't have an attribute that starts with an underscore: '" + name.text().bytes() + "'");
    }
  }
  return c.interpreter.make_namespace(std::move(attributes));
}

Value global_cycler(Call& c) {
  if (!c.rest.named.empty()) c.fail("cycler() takes no keyword arguments");
  if (c.rest.positional.empty()) c.fail("at least one item has to be provided");
  auto cycler = std::make_shared<CyclerObject>();
  for (const Value& item : c.rest.positional) cycler->depth = std::max(cycler->depth, item.depth() + 1);
  c.meter.value_depth(cycler->depth);
  cycler->items = std::move(c.rest.positional);
  return Value::object(Kind::kCycler, std::move(cycler));
}

Value global_joiner(Call& c) {
  auto joiner = std::make_shared<JoinerObject>();
  joiner->separator = c.has(0) ? c[0] : Value::string(", ", Author::kTemplate);
  joiner->depth = joiner->separator.depth() + 1;
  c.meter.value_depth(joiner->depth);
  return Value::object(Kind::kJoiner, std::move(joiner));
}

Value global_lipsum(Call& c) {
  c.meter.fail(ErrorCode::kUnsupported, "lipsum() is not supported: a prompt must not depend on chance",
               "give another template with --chat-template, or report the model");
}

Value global_raise_exception(Call& c) {
  c.meter.fail(ErrorCode::kInvalidArgument, to_text(c[0], c.meter).bytes(),
               "the chat template refuses these messages; pass what it asks for");
}

Value global_range(Call& c) {
  const std::int64_t first = c.integer(0);
  const std::int64_t start = c.has(1) ? first : 0, stop = c.has(1) ? c.integer(1) : first;
  Author author = c[0].author();
  for (std::size_t i = 1; i < 3; ++i) author = c.has(i) ? either(author, c[i].author()) : author;
  const Value range = make_range(start, stop, c.integer(2, 1), c.meter);
  if (range.as<RangeObject>().size > kLongestRange) {
    c.fail("Range too big. The sandbox blocks ranges larger than MAX_RANGE (" + std::to_string(kLongestRange) + ").");
  }
  return range.by(author);
}

std::tm local_time(std::chrono::system_clock::time_point when) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
  std::tm parts{};
#if defined(_WIN32)
  localtime_s(&parts, &seconds);
#else
  localtime_r(&seconds, &parts);
#endif
  return parts;
}

// strftime() by hand, because the C library's follows the program's locale, and prompts are English.
class TimeFormatter {
 public:
  TimeFormatter(std::chrono::system_clock::time_point when, Meter& meter)
      : when_(when), time_(local_time(when)), meter_(meter) {}

  std::string format(std::string_view pattern) {
    std::string text;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
      if (pattern[i] != '%' || i + 1 >= pattern.size()) {
        text += pattern[i];
        continue;
      }
      ++i;
      const bool bare = pattern[i] == '-' && i + 1 < pattern.size();  // %-d: without leading zeros
      if (bare) ++i;
      std::string part = directive(pattern[i]);
      if (bare && part.size() > 1) part.erase(0, std::min(part.find_first_not_of("0 "), part.size() - 1));
      text += part;
    }
    return text;
  }

 private:
  static constexpr std::array<std::string_view, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                            "Thursday", "Friday", "Saturday"};
  static constexpr std::array<std::string_view, 12> kMonths = {"January",   "February", "March",    "April",
                                                               "May",       "June",     "July",     "August",
                                                               "September", "October",  "November", "December"};

  static std::string number(long long value, std::size_t width, char fill = '0') {
    std::string digits = std::to_string(value);
    if (digits.size() < width) digits.insert(0, width - digits.size(), fill);
    return digits;
  }
  [[nodiscard]] int hour12() const { return time_.tm_hour % 12 == 0 ? 12 : time_.tm_hour % 12; }
  [[nodiscard]] int year() const { return time_.tm_year + 1900; }
  [[nodiscard]] std::string day() const { return std::string(kDays[static_cast<std::size_t>(time_.tm_wday)]); }
  [[nodiscard]] std::string month() const { return std::string(kMonths[static_cast<std::size_t>(time_.tm_mon)]); }

  std::string directive(char c) {
    switch (c) {
      case 'a': return day().substr(0, 3);
      case 'A': return day();
      case 'b':
      case 'h': return month().substr(0, 3);
      case 'B': return month();
      case 'c': return format("%a %b %e %H:%M:%S %Y");
      case 'C': return number(year() / 100, 2);
      case 'd': return number(time_.tm_mday, 2);
      case 'D':
      case 'x': return format("%m/%d/%y");
      case 'e': return number(time_.tm_mday, 2, ' ');
      case 'f': return number(microseconds(), 6);
      case 'F': return format("%Y-%m-%d");
      case 'H': return number(time_.tm_hour, 2);
      case 'I': return number(hour12(), 2);
      case 'j': return number(time_.tm_yday + 1, 3);
      case 'k': return number(time_.tm_hour, 2, ' ');
      case 'l': return number(hour12(), 2, ' ');
      case 'm': return number(time_.tm_mon + 1, 2);
      case 'M': return number(time_.tm_min, 2);
      case 'n': return "\n";
      case 'p': return time_.tm_hour < 12 ? "AM" : "PM";
      case 'P': return time_.tm_hour < 12 ? "am" : "pm";
      case 'r': return format("%I:%M:%S %p");
      case 'R': return format("%H:%M");
      case 's': return std::to_string(std::chrono::system_clock::to_time_t(when_));
      case 'S': return number(time_.tm_sec, 2);
      case 't': return "\t";
      case 'T':
      case 'X': return format("%H:%M:%S");
      case 'u': return std::to_string(time_.tm_wday == 0 ? 7 : time_.tm_wday);
      case 'U': return number((time_.tm_yday + 7 - time_.tm_wday) / 7, 2);
      case 'w': return std::to_string(time_.tm_wday);
      case 'W': return number((time_.tm_yday + 7 - (time_.tm_wday + 6) % 7) / 7, 2);
      case 'y': return number(year() % 100, 2);
      case 'Y': return number(year(), 4);
      case 'z':
      case 'Z': return "";  // the time has no zone, as Python's datetime.now() has none
      case '%': return "%";
      default: break;
    }
    meter_.fail(ErrorCode::kUnsupported, std::string("strftime_now() does not support %") + c,
                "use one of %a %A %b %B %d %e %H %I %j %m %M %p %S %y %Y and their like");
  }

  [[nodiscard]] long long microseconds() const {
    const auto since = std::chrono::duration_cast<std::chrono::microseconds>(when_.time_since_epoch()).count();
    return ((since % 1'000'000) + 1'000'000) % 1'000'000;
  }

  std::chrono::system_clock::time_point when_;
  std::tm time_;
  Meter& meter_;
};

Value global_strftime_now(Call& c) {
  const Text& pattern = c.text(0);
  return Value::string(TimeFormatter(c.interpreter.now(), c.meter).format(pattern.bytes()), pattern.author());
}

constexpr Builtin kGlobals[] = {
    {"cycler", {}, 0, global_cycler, Passing::kRest},
    {"dict", {}, 0, global_dict, Passing::kRest},
    {"joiner", {"sep"}, 0, global_joiner},
    {"lipsum", {}, 0, global_lipsum, Passing::kRest},
    {"namespace", {}, 0, global_namespace, Passing::kRest},
    {"raise_exception", {"message"}, 1, global_raise_exception},
    {"range", {"start", "stop", "step"}, 1, global_range, Passing::kPositional},
    {"strftime_now", {"format"}, 1, global_strftime_now},
};

}  // namespace

std::span<const Builtin> all_globals() { return kGlobals; }

}  // namespace weft::jinja
