// Runs AOTInductor packages (.pt2). Links libtorch; nothing of ExecuTorch.
//
//   auto model = weft::load_model("model.pt2", weft::aoti_backend());
//
// A .pt2 holds native code: loading one is running it. Load only files that you trust.
// Every runner has threads of its own; libtorch's, one set for the process, take only large f32 matrix products.
#pragma once

#include "weft/backend.h"

namespace weft {

[[nodiscard]] const Backend& aoti_backend();

}  // namespace weft
