// weft's operators, registered with ExecuTorch.
#pragma once

#include <string>

namespace weft::executorch_operators {

/// Registers them, once for the process. Before any method is loaded.
void register_operators();

/// What the last operator that failed on this thread said; empty if none did.
[[nodiscard]] std::string take_problem();

}  // namespace weft::executorch_operators
