// The inner part of the quantised linear: R input rows against one tile of 16 output features.
//
// Compiled once for each instruction set (kernels/variants.h). A vector's lanes are the tile's 16 features, so
// that nothing is summed across lanes; each weight is unpacked once for R rows.
#pragma once

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include <algorithm>

#include "kernels/tile_output.h"
#include "kernels/vector.h"
#include "weft/kernels/quantized_linear.h"

namespace weft::kernels::WEFT_VARIANT {
namespace {

// The s-th weight of each lane's word.
template <int Bits, bool HasMinimum>
inline Vector unpack(Integers word, int s) {
  if constexpr (Bits == 8) return to_float((word << (24 - 8 * s)) >> 24);
  const int shift = s < 4 ? 8 * s : 8 * (s - 4) + 4;
#if defined(__AVX512F__)
  // A table look-up reads the low four bits alone: one instruction for masking and converting.
  const __m512i index = _mm512_srli_epi32((__m512i)word.part[0], static_cast<unsigned>(shift));
  const __m512 table = HasMinimum ? _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
                                  : _mm512_setr_ps(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7);
  return {{(FloatRegister)_mm512_permutexvar_ps(index, table)}};
#else
  return to_float(((word >> shift) & 15) - (HasMinimum ? 0 : 8));
#endif
}

template <int R, int Bits, bool HasMinimum>
inline void quantized_tile(const QuantizedRows& rows, std::size_t row, std::size_t tile) {
  constexpr int kInWord = 32 / Bits;
  constexpr int kChains = 2;  // two sums for each row hide the latency of multiply-add; the same for every R
  const std::size_t groups = rows.weight.columns / kGroup;
  const std::uint8_t* group = rows.weight.data + tile * rows.weight.tile_bytes();
  const float* input = rows.input + row * rows.weight.columns;
  const float* sums = rows.group_sums + row * groups;

  Vector total[R] = {};
  for (std::size_t g = 0; g < groups; ++g, group += rows.weight.group_bytes()) {
    const std::uint8_t* words = group + kTileRows * (HasMinimum ? 4 : 2);
    Vector part[R][kChains] = {};
    for (int v = 0; v < Bits; ++v) {
      const Integers word = load_integers(words + static_cast<std::size_t>(v) * sizeof(Integers));
      for (int s = 0; s < kInWord; ++s) {
        const Vector q = unpack<Bits, HasMinimum>(word, s);
        const std::size_t column = g * kGroup + static_cast<std::size_t>(v * kInWord + s);
        for (int r = 0; r < R; ++r) part[r][s % kChains] += q * input[static_cast<std::size_t>(r) * rows.weight.columns + column];
      }
    }
    const Vector scale = half_to_float(group);
    for (int r = 0; r < R; ++r) total[r] += scale * (part[r][0] + part[r][1]);
  }
  if constexpr (HasMinimum) {  // in a loop of its own: the one above needs all registers
    const std::uint8_t* minima = rows.weight.data + tile * rows.weight.tile_bytes() + kTileRows * 2;
    for (std::size_t g = 0; g < groups; ++g, minima += rows.weight.group_bytes()) {
      const Vector minimum = half_to_float(minima);
      for (int r = 0; r < R; ++r) total[r] += minimum * sums[static_cast<std::size_t>(r) * groups + g];
    }
  }

  for (int r = 0; r < R; ++r) {
    float result[kTileRows];
    store(result, total[r]);
    write_tile(rows, row + static_cast<std::size_t>(r), tile, result);
  }
}

template <int Bits, bool HasMinimum>
void quantized_tiles(const QuantizedRows& rows, std::size_t begin, std::size_t end) {
#if defined(__AVX512F__)
  // As many as leave room in 32 registers; measured: 95 and 105 GFLOP/s of one Zen 4 core's 112.
  constexpr int kRows = Bits == 4 ? 4 : 8;
#else
  constexpr int kRows = 2;  // what 16 registers of half the width hold
#endif
  for (std::size_t tile = begin; tile < end; ++tile) {
    std::size_t row = 0;
    for (; row + kRows <= rows.m; row += kRows) quantized_tile<kRows, Bits, HasMinimum>(rows, row, tile);
    if constexpr (kRows > 4) {
      for (; row + 4 <= rows.m; row += 4) quantized_tile<4, Bits, HasMinimum>(rows, row, tile);
      for (; row + 2 <= rows.m; row += 2) quantized_tile<2, Bits, HasMinimum>(rows, row, tile);
    }
    for (; row < rows.m; ++row) quantized_tile<1, Bits, HasMinimum>(rows, row, tile);
  }
}

}  // namespace

void quantized_rows(const QuantizedRows& rows, std::size_t begin, std::size_t end) {
  const bool minimum = rows.weight.has_minimum;
  if (rows.weight.bits == 4) return minimum ? quantized_tiles<4, true>(rows, begin, end) : quantized_tiles<4, false>(rows, begin, end);
  return minimum ? quantized_tiles<8, true>(rows, begin, end) : quantized_tiles<8, false>(rows, begin, end);
}

}  // namespace weft::kernels::WEFT_VARIANT
