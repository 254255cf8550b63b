// Runs AOTInductor packages (.pt2). Links libtorch; nothing of ExecuTorch.
//
//   auto model = weft::load_model("model.pt2", weft::aoti_backend());
//
// A .pt2 holds native code: loading one is running it. Load only files that you trust.
// The thread count is libtorch's own, one for the process: the last load_runner() sets it.
#pragma once

#include "weft/backend.h"

namespace weft {

[[nodiscard]] const Backend& aoti_backend();

}  // namespace weft
