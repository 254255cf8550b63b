// y = x w^T + b for few rows of x: the shape of decoding, where reading w is the whole cost.
#pragma once

#include <cstddef>

#include "weft/kernels/parallel.h"

namespace weft::kernels {

/// Up to this many rows linear() is the faster way; a general matrix product is for more.
inline constexpr std::size_t kLinearMaxRows = 8;

/// All f32, contiguous, row-major.
struct LinearArguments {
  const float* input;   ///< [rows, in_features]
  const float* weight;  ///< [out_features, in_features]
  const float* bias;    ///< [out_features], or nullptr.
  float* out;           ///< [rows, out_features]
  std::size_t rows, out_features, in_features;
};

/// The result of a row doesn't depend on the other rows, nor on the number of threads.
void linear(const LinearArguments& arguments, const ParallelFor& parallel_for);

}  // namespace weft::kernels
