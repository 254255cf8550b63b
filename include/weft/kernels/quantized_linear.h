// y = x w^T + b and embedding look-up, with weights of 4 or 8 bits in groups of 32 and arithmetic in f32.
//
// A weight is scale * q + minimum, scale and minimum f16 for each group of 32 neighbours in a row: what GGUF's Q4_0,
// Q4_1, Q5_0, Q5_1 and Q8_0 hold, bit for bit. Activations are not rounded: the result is that of the dequantised matrix.
//
// Layout ("weft group-32 tiles", written by python/weft/export/quantize.py, read in place from the mapped file): rows in
// tiles of 16, the last one padded with zeros; a tile is its K / 32 groups one after another; a group is
//   u16 scale[16]                      f16 bits, one for each row of the tile
//   u16 minimum[16]                    only with has_minimum
//   u32 words[bits][16]                word v of a row holds its columns v * 32/bits ... in ascending bits;
//                                      4 bits: 0..15, 8 bits: two's complement
// All little-endian; no alignment is asked for.
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
  int bits;                   ///< 4 or 8.
  bool has_minimum;

  [[nodiscard]] std::size_t group_bytes() const noexcept {
    return kTileRows * (2 + (has_minimum ? 2 : 0) + 4 * static_cast<std::size_t>(bits));
  }
  [[nodiscard]] std::size_t tile_bytes() const noexcept { return columns / kGroup * group_bytes(); }
  /// What `data` must hold; 0 for a shape that the layout doesn't have.
  [[nodiscard]] std::size_t bytes() const noexcept {
    if (columns == 0 || columns % kGroup != 0 || (bits != 4 && bits != 8)) return 0;
    return (rows + kTileRows - 1) / kTileRows * tile_bytes();
  }
};

/// out f32 [m, weight.rows] = input f32 [m, weight.columns] times weight^T, plus bias f32 [weight.rows] unless nullptr.
/// A row's result doesn't depend on the other rows, nor on the number of threads.
void quantized_linear(const float* input, std::size_t m, const QuantizedMatrix& weight, const float* bias, float* out,
                      const ParallelFor& parallel_for);

/// out f32 [ids.size(), weight.columns]: the rows of `weight` that `ids` name.
/// @return  Whether every id is one of its rows; else nothing is written.
[[nodiscard]] bool quantized_embedding(std::span<const std::int64_t> ids, const QuantizedMatrix& weight, float* out);

}  // namespace weft::kernels
