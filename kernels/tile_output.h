// Where a tile's weights come from and its results go. Included by kernels/*_rows.h inside of a variant.
#pragma once

#include <algorithm>

#include "kernels/vector.h"
#include "weft/kernels/quantized_linear.h"

namespace weft::kernels::WEFT_VARIANT {
namespace {

// QuantizedMatrix::head_bytes().
template <int Bits, bool HasMinimum>
constexpr std::size_t head_bytes() {
  return Bits >= 16 ? 0 : kTileRows * (HasMinimum ? 4 : 2);
}
static_assert(head_bytes<4, true>() <= 64);  // one line of the cache is all that is asked for

// One row's 16 features of a tile, with bias and residual added; the padding of the last tile stays out.
inline void write_tile(const QuantizedOutput& rows, std::size_t row, std::size_t tile, float* result) {
  const std::size_t first = tile * kTileRows;
  const std::size_t n = std::min(kTileRows, rows.weight.rows - first);
  const std::size_t at = row * rows.out_stride + first - rows.out_first;
  static_assert(kTileRows == kLanes);
  if (n == kLanes) {
    Vector all = load(result);
    if (rows.bias != nullptr) all += load(rows.bias + first);
    if (rows.residual != nullptr) all += load(rows.residual + at);
    return store(rows.out + at, all);
  }
  if (rows.bias != nullptr) {
    for (std::size_t i = 0; i < n; ++i) result[i] += rows.bias[first + i];
  }
  if (rows.residual != nullptr) {
    for (std::size_t i = 0; i < n; ++i) result[i] += rows.residual[at + i];
  }
  std::copy_n(result, n, rows.out + at);
}

}  // namespace
}  // namespace weft::kernels::WEFT_VARIANT
