// A template's source to tokens, with Jinja2's rules for white space (trim_blocks and lstrip_blocks on).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "meter.h"

namespace weft::jinja {

struct Token {
  enum class Kind : std::uint8_t {
    kText,  // outside of all tags
    kPrintBegin,
    kPrintEnd,
    kBlockBegin,
    kBlockEnd,
    kName,
    kString,
    kInteger,
    kFloat,
    kOperator,
    kEnd,
  };
  Kind kind = Kind::kEnd;
  std::uint32_t line = 1;
  std::string text;  // of a string what it means, else what is written
  std::int64_t integer = 0;
  double real = 0;

  [[nodiscard]] bool is(Kind k) const { return kind == k; }
  [[nodiscard]] bool is_name(std::string_view name) const { return kind == Kind::kName && text == name; }
  [[nodiscard]] bool is_operator(std::string_view op) const { return kind == Kind::kOperator && text == op; }
  /// As an error message has it: "'endif'", "end of print statement".
  [[nodiscard]] std::string describe() const;
};

/// @throws Error{kCorrupt} with line for what isn't Jinja, Error{kTooLarge} for a number beyond 64 bits.
[[nodiscard]] std::vector<Token> tokenize(std::string_view source, Meter& meter);

}  // namespace weft::jinja
