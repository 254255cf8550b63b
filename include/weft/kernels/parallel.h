// How a kernel spreads its work: the backend's own threads, handed in, so that nothing runs two pools.
#pragma once

#include <cstddef>
#include <functional>

namespace weft::kernels {

/// Calls body(begin, end) for parts of [0, n), on any threads, and returns when all are done.
using ParallelFor = std::function<void(std::size_t n, const std::function<void(std::size_t begin, std::size_t end)>& body)>;

}  // namespace weft::kernels
