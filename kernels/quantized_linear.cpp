#include "weft/kernels/quantized_linear.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/variants.h"

namespace weft::kernels {
namespace {

float half_to_float(const std::uint8_t* bytes) {
  std::uint16_t half;
  std::memcpy(&half, bytes, sizeof half);
  const int exponent = (half >> 10) & 31, mantissa = half & 1023;
  const float magnitude = exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -24)
                                        : std::ldexp(static_cast<float>(mantissa | 1024), exponent - 25);
  return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

// Each row's sums over the groups of 32, which the minima multiply: [m, columns / 32].
void sum_groups(const float* input, std::size_t m, std::size_t columns, std::vector<float>& sums) {
  sums.resize(m * columns / kGroup);
  for (std::size_t g = 0; g < sums.size(); ++g) {
    float total = 0;
    for (std::size_t i = 0; i < kGroup; ++i) total += input[g * kGroup + i];
    sums[g] = total;
  }
}

}  // namespace

void quantized_linear(const float* input, std::size_t m, const QuantizedMatrix& weight, const float* bias, float* out,
                      const ParallelFor& parallel_for) {
  thread_local std::vector<float> sums;  // keeps its memory between the calls of a token loop
  if (weight.has_minimum) sum_groups(input, m, weight.columns, sums);
  const QuantizedRows rows{input, sums.data(), weight, bias, out, m};
  const std::size_t tiles = (weight.rows + kTileRows - 1) / kTileRows;
  // Pieces small enough to share evenly, large enough to read ahead.
  constexpr std::size_t kPiece = 4;
  parallel_for((tiles + kPiece - 1) / kPiece, [&](std::size_t begin, std::size_t end) {
    variant().quantized_rows(rows, begin * kPiece, std::min(end * kPiece, tiles));
  });
}

bool quantized_embedding(std::span<const std::int64_t> ids, const QuantizedMatrix& weight, float* out) {
  for (const std::int64_t id : ids) {
    if (id < 0 || static_cast<std::size_t>(id) >= weight.rows) return false;
  }
  const std::size_t in_word = 32 / static_cast<std::size_t>(weight.bits);
  for (const std::int64_t id : ids) {
    const std::size_t lane = static_cast<std::size_t>(id) % kTileRows;
    const std::uint8_t* group = weight.data + static_cast<std::size_t>(id) / kTileRows * weight.tile_bytes();
    for (std::size_t g = 0; g < weight.columns / kGroup; ++g, group += weight.group_bytes()) {
      const float scale = half_to_float(group + 2 * lane);
      const float minimum = weight.has_minimum ? half_to_float(group + 2 * (kTileRows + lane)) : 0.0f;
      const std::uint8_t* words = group + kTileRows * (weight.has_minimum ? 4 : 2);
      for (std::size_t i = 0; i < kGroup; ++i) {
        std::uint32_t word;
        std::memcpy(&word, words + (i / in_word * kTileRows + lane) * sizeof word, sizeof word);
        const std::uint32_t code = word >> (i % in_word * static_cast<std::size_t>(weight.bits));
        const int q = weight.bits == 4 ? static_cast<int>(code & 15) : static_cast<std::int8_t>(code & 255);
        *out++ = scale * static_cast<float>(q) + minimum;
      }
    }
  }
  return true;
}

}  // namespace weft::kernels
