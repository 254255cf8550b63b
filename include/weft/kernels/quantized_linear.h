// y = x w^T + b and embedding look-up, with weights of 4 or 8 bits in groups of 32, of bfloat16, or of f32.
//
// A weight of 4 or 8 bits is scale * q + minimum, scale and minimum f16 for each group of 32 neighbours in a row: what GGUF's
// Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0 hold, bit for bit. Without a minimum, 4-bit codes stand for q - 8 (Q4_0's). One of 16 bits is a
// bfloat16, the upper half of an f32, as most checkpoints hold it; one of 32 bits is an f32.
//
// Layout ("weft group-32 tiles", written by python/weft/export/quantize.py, read in place from the mapped file): rows in
// tiles of 16, the last one padded with zeros; a tile is its K / 32 groups one after another; a group is
//   u16 scale[16]                      f16 bits, one for each row of the tile; not with 16 or 32 bits
//   u16 minimum[16]                    only with has_minimum
//   u32 words[bits][16]                word v of a row, by its bytes b = 0..3: with 4 bits, columns 8 v + b in the low and
//                                      8 v + 4 + b in the high halves, 0..15; with 8 bits, columns 4 v + b, two's complement;
//                                      with 16 bits, column 2 v in the low and 2 v + 1 in the high half of the word; with 32 bits, column v
// All little-endian; no alignment is asked for. Matrices of N1 and N2 rows, N1 a multiple of 16, make one of N1 + N2 rows
// by standing one behind the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "weft/kernels/parallel.h"

namespace weft::kernels {

inline constexpr std::size_t kGroup = 32;
inline constexpr std::size_t kTileRows = 16;

/// A matrix [rows, columns] in the layout above.
struct QuantizedMatrix {
  const std::uint8_t* data;
  std::size_t rows, columns;  ///< columns is a multiple of kGroup.
  int bits;                   ///< 4, 8, 16 or 32.
  bool has_minimum;           ///< Only with 4 or 8 bits.

  /// Of a group's scales and minima, which its words stand behind.
  [[nodiscard]] std::size_t head_bytes() const noexcept { return bits >= 16 ? 0 : kTileRows * (has_minimum ? 4 : 2); }
  [[nodiscard]] std::size_t group_bytes() const noexcept { return head_bytes() + kTileRows * 4 * static_cast<std::size_t>(bits); }
  [[nodiscard]] std::size_t tile_bytes() const noexcept { return columns / kGroup * group_bytes(); }
  /// What `data` must hold; 0 for a shape that the layout doesn't have.
  [[nodiscard]] std::size_t bytes() const noexcept {
    const bool known = bits == 4 || bits == 8 || ((bits == 16 || bits == 32) && !has_minimum);
    if (columns == 0 || columns % kGroup != 0 || !known) return 0;
    return (rows + kTileRows - 1) / kTileRows * tile_bytes();
  }
};

/// What is multiplied with the weights.
enum class Activations {
  kFloat32,  ///< The input as it is: the result is that of the dequantised matrix.
  kInt8,     ///< The input rounded, in each group of 32, to 127 steps either side of zero (llama.cpp's Q8_0): integer products.
  kBFloat16, ///< The input rounded to bfloat16, ties to even: products of two bfloat16, summed as f32 (llama.cpp's BF16).
};

/// For a backend's operators: what a program asks for, in bits (8, 16 or 32), unless the ForwardScope that is open on this thread wants f32.
[[nodiscard]] Activations chosen_activations(std::int64_t bits) noexcept;

/// The function of a gated feed-forward layer.
enum class Gate {
  kNone,
  kSilu,      ///< x / (1 + exp(-x)): SwiGLU.
  kGeluTanh,  ///< GELU by tanh: Gemma's GeGLU.
};

/// M rows, K = weight.columns. All f32, contiguous, row-major.
struct QuantizedLinearArguments {
  const float* input;  ///< [M, K]
  std::size_t rows;    ///< M
  QuantizedMatrix weight;
  float* out;                           ///< [M, N]; N = weight.rows, or half of it with a gate.
  const float* bias = nullptr;          ///< [weight.rows], added to the products.
  const float* residual = nullptr;      ///< [M, N], added to the result.
  const float* norm_weight = nullptr;   ///< [K]: the input becomes x / sqrt(mean(x^2) + norm_epsilon) * norm_weight first.
  float norm_epsilon = 0.0f;
  /// Not kNone: the first half of the features are gates g, the second half u, and out = function(g) * u; N is a multiple of 16.
  Gate gate = Gate::kNone;
  Activations activations = Activations::kFloat32;  ///< kInt8 only with weights of 4 or 8 bits, kBFloat16 with 16.
};

/// A row's result doesn't depend on the other rows, nor on the number of threads.
/// @return  nullptr, or what is wrong with the arguments (a constant string). May throw std::bad_alloc.
[[nodiscard]] const char* quantized_linear(const QuantizedLinearArguments& arguments, const ParallelFor& parallel_for);

/// out f32 [ids.size(), weight.columns]: the rows of `weight` that `ids` name.
/// @return  Whether every id is one of its rows; else nothing is written.
[[nodiscard]] bool quantized_embedding(std::span<const std::int64_t> ids, const QuantizedMatrix& weight, float* out);

}  // namespace weft::kernels
