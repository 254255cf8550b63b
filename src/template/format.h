// Python's two ways of formatting: "..." % values, and "...".format(values).
#pragma once

#include "builtins.h"
#include "text.h"
#include "value.h"

namespace weft::jinja {

class Interpreter;

/// @param values  A tuple of them, a dict for %(name)s, or one alone.
[[nodiscard]] Text percent_format(const Text& format, const Value& values, Interpreter& interpreter);
[[nodiscard]] Text brace_format(const Text& format, const CallArguments& values, Interpreter& interpreter);

}  // namespace weft::jinja
