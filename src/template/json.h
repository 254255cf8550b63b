// JSON texts to values and back.
#pragma once

#include <string>
#include <string_view>

#include "meter.h"
#include "text.h"
#include "value.h"

namespace weft::jinja {

/// Every string and number in it is data's.
/// @param where  Names the text in errors: "RenderOptions::tools_json".
/// @throws Error{kInvalidArgument}  ill-formed, or a whole number beyond 64 bits; Error{kTooLarge}  nested too deep.
[[nodiscard]] Value parse_json(std::string_view json, const std::string& where, Meter& meter);

/// As json.dumps() has it.
struct JsonStyle {
  bool ascii = false;
  bool sort_keys = false;
  bool indented = false;  // one item a line
  Text indent;
  Text item_separator{", ", Author::kTemplate};
  Text key_separator{": ", Author::kTemplate};
};
/// @throws Error{kCorrupt}  a value that JSON doesn't have.
[[nodiscard]] Text to_json(const Value& v, const JsonStyle& style, Meter& meter);

}  // namespace weft::jinja
