// Tokens to a tree, with Jinja2's grammar.
#pragma once

#include <string_view>

#include "ast.h"
#include "meter.h"

namespace weft::jinja {

/// @throws Error{kCorrupt, kUnsupported, kTooLarge} with line.
[[nodiscard]] Tree parse(std::string_view source, Meter& meter);

/// Gives each variable its slot, and each filter and test its function.
/// @throws Error{kUnsupported}  an unknown filter or test.
void resolve(Tree& tree, Meter& meter);

}  // namespace weft::jinja
