// A linear layer of a mixture of experts: each row is multiplied with the weights of the expert that was chosen for it.
//
// The experts' matrices stand one behind the other in one matrix of the layout in weft/kernels/quantized_linear.h; only those
// of the chosen ones are read.
#pragma once

#include <cstdint>
#include <span>

#include "weft/kernels/quantized_linear.h"

namespace weft::kernels {

/// R rows, E experts of N features each, K = weight.columns. All f32, contiguous, row-major.
struct QuantizedExpertsArguments {
  const float* input;                     ///< [R, K]
  std::span<const std::int64_t> experts;  ///< [R]: each row's, 0 to E - 1.
  QuantizedMatrix weight;                 ///< [E * N, K]
  std::size_t features;                   ///< N, a multiple of kTileRows.
  float* out;                             ///< [R, N]
  const float* bias = nullptr;            ///< [E, N], added to the products.
  Activations activations = Activations::kFloat32;  ///< As a quantized_linear() with such weights takes.
};

/// A row's result is what quantized_linear() gives for it with its expert's matrix, whatever the other rows are.
/// @return  nullptr, or what is wrong with the arguments (a constant string). May throw std::bad_alloc.
[[nodiscard]] const char* quantized_experts(const QuantizedExpertsArguments& arguments, const ParallelFor& parallel_for);

}  // namespace weft::kernels
