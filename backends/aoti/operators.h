// weft's operators, registered with torch, and the threads that they run on.
#pragma once

#include "weft/kernels/parallel.h"

namespace weft {

/// Does nothing itself: calling it makes a linker keep operators.cpp, which registers when it is loaded.
void register_torch_operators();

/// libtorch's own thread pool.
[[nodiscard]] const kernels::ParallelFor& torch_parallel_for();

}  // namespace weft
