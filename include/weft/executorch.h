// Runs ExecuTorch programs (.pte). Links the ExecuTorch SDK; nothing of libtorch.
//
//   auto model = weft::load_model("model.pte", weft::executorch_backend());
//
// Files are opened with ExecuTorch's full verification (Program::Verification::InternalConsistency).
// The thread count is ExecuTorch's own, one for the process: the last load_runner() sets it.
#pragma once

#include "weft/backend.h"

namespace weft {

[[nodiscard]] const Backend& executorch_backend();

}  // namespace weft
