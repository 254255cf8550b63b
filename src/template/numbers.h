// Floats from and to text, whatever the program's locale says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weft::jinja {

/// "1.5e3", without white space; inf or 0 where it is out of range.
[[nodiscard]] std::optional<double> parse_decimal(std::string_view digits);
/// |x| as printf's %e, %f or %g has it. `type` is one of these letters.
[[nodiscard]] std::string format_decimal(double x, char type, int precision);
/// The shortest digits that read back as x: "0.1", "1e+16", as Python's repr() has them.
[[nodiscard]] std::string shortest_decimal(double x);
/// round(x, digits): to the nearest decimal, halves to even.
[[nodiscard]] double round_decimal(double x, std::int64_t digits);

}  // namespace weft::jinja
