// Python's operators.
#pragma once

#include <cstdint>
#include <optional>

#include "ast.h"
#include "meter.h"
#include "value.h"

namespace weft::jinja {

class Interpreter;

/// a + b and its like. @throws Error{kCorrupt} as Python raises TypeError or ZeroDivisionError, Error{kTooLarge}
/// where an integer leaves 64 bits (Python's have no bound).
[[nodiscard]] Value arithmetic(Op op, const Value& a, const Value& b, Interpreter& interpreter);
[[nodiscard]] Value negative(const Value& v, Meter& meter);
[[nodiscard]] Value positive(const Value& v, Meter& meter);
/// item in container
[[nodiscard]] bool contains(const Value& container, const Value& item, Meter& meter);

/// The positions of a slice of `length` items, as Python's slice.indices() has them.
struct Slice {
  std::int64_t start = 0, step = 1;
  std::size_t size = 0;
};
[[nodiscard]] Slice slice_positions(std::optional<std::int64_t> start, std::optional<std::int64_t> stop,
                                    std::optional<std::int64_t> step, std::size_t length, Meter& meter);
[[nodiscard]] Value slice(const Value& v, const Value& start, const Value& stop, const Value& step, Meter& meter);
/// text[i] for an existing character.
[[nodiscard]] Value character(const Text& text, std::size_t index, Meter& meter);

/// HTML's special characters as entities; what is already markup stays as it is.
[[nodiscard]] Text escape(const Text& text, Meter& meter);

}  // namespace weft::jinja
