// The command line of `weft`, read with CLI11.
#pragma once

#include <optional>

#include "apps/commands.h"

namespace weft::apps {

/// Nothing where help or the version was asked for, which is then on standard output.
/// @throws UsageError.
[[nodiscard]] std::optional<Command> parse_arguments(int argc, const char* const* argv);

}  // namespace weft::apps
