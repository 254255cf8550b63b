#include "numbers.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <locale>
#include <sstream>
#include <version>

namespace weft::jinja {
namespace {

constexpr std::size_t kLongest = 1500;  // digits of the longest double, and of the greatest precision asked for

}  // namespace

std::optional<double> parse_decimal(std::string_view digits) {
#if defined(__cpp_lib_to_chars)
  double value = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (result.ptr != digits.data() + digits.size() || result.ec == std::errc::invalid_argument) return std::nullopt;
  if (result.ec == std::errc{}) return value;
  // Out of range: beyond all doubles, or too close to zero. The exponent's sign tells which, or the digits' place.
  const std::size_t e = digits.find_first_of("eE");
  const bool tiny = e != std::string_view::npos ? digits[e + 1] == '-' : digits.starts_with("0") || digits.starts_with(".");
  return tiny ? 0.0 : std::numeric_limits<double>::infinity();
#else  // libc++ before 20 reads no floats
  std::istringstream in{std::string(digits)};
  in.imbue(std::locale::classic());
  double value = 0;
  in >> value;
  if (in.fail() && value == 0) return std::nullopt;
  if (in.fail()) return std::numeric_limits<double>::infinity();
  if (in.peek() != std::istringstream::traits_type::eof()) return std::nullopt;
  return value;
#endif
}

std::string format_decimal(double x, char type, int precision) {
  const auto form = type == 'e'   ? std::chars_format::scientific
                    : type == 'f' ? std::chars_format::fixed
                                  : std::chars_format::general;
  std::string text(kLongest, '\0');
  const auto end = std::to_chars(text.data(), text.data() + text.size(), std::fabs(x), form, precision).ptr;
  text.resize(static_cast<std::size_t>(end - text.data()));
  return text;
}

std::string shortest_decimal(double x) {
  if (std::isnan(x)) return "nan";
  if (std::isinf(x)) return x < 0 ? "-inf" : "inf";
  std::string text(kLongest, '\0');
  const auto put = [&](std::chars_format form) {
    const auto end = std::to_chars(text.data(), text.data() + text.size(), x, form).ptr;
    return std::string(text.data(), end);
  };
  const std::string scientific = put(std::chars_format::scientific);
  const int exponent = std::atoi(scientific.c_str() + scientific.find('e') + 1);
  if (exponent < -4 || exponent >= 16) return scientific;
  std::string fixed = put(std::chars_format::fixed);
  if (fixed.find('.') == std::string::npos) fixed += ".0";
  return fixed;
}

double round_decimal(double x, std::int64_t digits) {
  constexpr std::int64_t kAllDigits = 400;
  if (!std::isfinite(x) || x == 0 || digits > kAllDigits) return x;
  if (digits < -kAllDigits) return std::copysign(0.0, x);
  if (digits >= 0) {
    return std::copysign(parse_decimal(format_decimal(x, 'f', static_cast<int>(digits))).value_or(x), x);
  }
  // In front of the decimal point: as many significant digits as are left of the place to round at.
  const std::string scientific = format_decimal(x, 'e', 17);
  const std::int64_t keep = std::atoi(scientific.c_str() + scientific.find('e') + 1) + digits;
  if (keep < -1) return std::copysign(0.0, x);
  if (keep == -1) {
    const double unit = std::pow(10.0, static_cast<double>(-digits));
    return std::copysign(std::fabs(x) > unit / 2 ? unit : 0.0, x);
  }
  return std::copysign(parse_decimal(format_decimal(x, 'e', static_cast<int>(keep))).value_or(x), x);
}

}  // namespace weft::jinja
