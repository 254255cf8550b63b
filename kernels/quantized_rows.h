// The inner part of the quantised linear: R input rows against one tile of 16 output features.
//
// Compiled once for each instruction set (kernels/variants.h). A vector's lanes are the tile's 16 features, so
// that nothing is summed across lanes. Each weight is unpacked for as many rows as the registers hold.
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
WEFT_INLINE Vector unpack(Integers word, int s) {
  if constexpr (Bits == 32) return bits_as_float(word);
  if constexpr (Bits == 16) return bits_as_float(s == 0 ? word << 16 : word & ~0xffff);
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

constexpr int kChains = 2;  // two sums for each row hide the latency of multiply-add

template <int R>
WEFT_INLINE void write_rows(const QuantizedRows& rows, std::size_t row, std::size_t tile, const Vector (&total)[R]) {
  for (int r = 0; r < R; ++r) {
    float result[kTileRows];
    store(result, total[r]);
    write_tile(rows, row + static_cast<std::size_t>(r), tile, result);
  }
}

WEFT_INLINE Vector load_scales(const std::uint8_t* p) { return load_numbers(reinterpret_cast<const Half*>(p)); }

// QuantizedMatrix::head_bytes().
template <int Bits, bool HasMinimum>
constexpr std::size_t head_bytes() {
  return Bits >= 16 ? 0 : kTileRows * (HasMinimum ? 4 : 2);
}

// R rows of the input, of a panel if there are several, against T tiles as the file has them.
template <int R, std::size_t T, int Bits, bool HasMinimum, bool Panels>
inline void packed_tiles(const QuantizedRows& rows, std::size_t row, std::size_t tile) {
  static_assert(Panels || R == 1);
  constexpr std::size_t kColumn = Panels ? kPanelRows : 1;
  constexpr int kInWord = 32 / Bits, kWords = Bits == 32 ? kChains : 1;  // at a time: columns take turns among the chains
  const std::size_t columns = rows.weight.columns, groups = columns / kGroup;
  const std::size_t group_bytes = rows.weight.group_bytes(), tile_bytes = rows.weight.tile_bytes();
  const std::uint8_t* const weight = rows.weight.data + tile * tile_bytes;
  const float* input = Panels ? rows.panels + row / kPanelRows * kPanelRows * columns + row % kPanelRows : rows.input;
  Vector total[T][R] = {};
  for (std::size_t g = 0; g < groups; ++g) {
    const std::uint8_t* group = weight + g * group_bytes;
    Vector part[T][R][kChains] = {};
    if (row == 0) {
      for (std::size_t t = 0; t < T; ++t) prefetch(group + (T + t) * tile_bytes, group_bytes);
    }
    for (int v = 0; v < Bits; v += kWords) {
      Integers word[T][kWords];
      for (std::size_t t = 0; t < T; ++t) {
        const std::uint8_t* words = group + t * tile_bytes + head_bytes<Bits, HasMinimum>() + static_cast<std::size_t>(v) * sizeof(Integers);
        for (int w = 0; w < kWords; ++w) word[t][w] = load_integers(words + static_cast<std::size_t>(w) * sizeof(Integers));
      }
#pragma GCC unroll 8
      for (int s = 0; s < kWords * kInWord; ++s) {  // or the sums would be in memory, for want of constant indices
        const std::size_t column = g * kGroup + static_cast<std::size_t>(v * kInWord + s);
        for (std::size_t t = 0; t < T; ++t) {
          const Vector q = unpack<Bits, HasMinimum>(word[t][s / kInWord], s % kInWord);
          for (int r = 0; r < R; ++r) {
            Vector& sum = part[t][r][s % kChains];
            sum = multiply_add(q, input[column * kColumn + static_cast<std::size_t>(r)], sum);
          }
        }
      }
    }
    for (std::size_t t = 0; t < T; ++t) {
      const Vector scale = Bits >= 16 ? broadcast(1.0f) : load_scales(group + t * tile_bytes);
      for (int r = 0; r < R; ++r) total[t][r] = multiply_add(scale, part[t][r][0] + part[t][r][1], total[t][r]);
    }
  }
  if constexpr (HasMinimum) {  // in a loop of its own: the one above needs all registers
    const float* sums = rows.group_sums + row * groups;
    for (std::size_t g = 0; g < groups; ++g) {
      for (std::size_t t = 0; t < T; ++t) {
        const Vector minimum = load_scales(weight + t * tile_bytes + g * group_bytes + kTileRows * 2);
        for (int r = 0; r < R; ++r) total[t][r] = multiply_add(minimum, sums[static_cast<std::size_t>(r) * groups + g], total[t][r]);
      }
    }
  }
  for (std::size_t t = 0; t < T; ++t) write_rows(rows, row, tile + t, total[t]);
}

// All rows of the panels against one tile.
template <int Bits, bool HasMinimum>
inline void packed_rows(const QuantizedRows& rows, std::size_t tile) {
#if defined(__AVX512F__)
  constexpr int kRows = 8;  // as many as leave room in 32 registers
#else
  constexpr int kRows = 2;  // what 16 registers of half the width hold
#endif
  std::size_t row = 0;
  for (; row + kRows <= rows.m; row += kRows) packed_tiles<kRows, 1, Bits, HasMinimum, true>(rows, row, tile);
  if constexpr (kRows > 4) {
    for (; row + 4 <= rows.m; row += 4) packed_tiles<4, 1, Bits, HasMinimum, true>(rows, row, tile);
  }
  if constexpr (kRows > 2) {
    for (; row + 2 <= rows.m; row += 2) packed_tiles<2, 1, Bits, HasMinimum, true>(rows, row, tile);
  }
  for (; row < rows.m; ++row) packed_tiles<1, 1, Bits, HasMinimum, true>(rows, row, tile);
}

template <int Bits, bool HasMinimum>
void quantized_tiles(const QuantizedRows& rows, std::size_t begin, std::size_t end) {
  std::size_t tile = begin;
  if (rows.m == 1) {
#if defined(__AVX512F__)
    constexpr std::size_t kAtOnce = 4;  // streams of weights, which hide more of the memory's latency than one
#else
    constexpr std::size_t kAtOnce = 2;
#endif
    for (; tile + kAtOnce <= end; tile += kAtOnce) packed_tiles<1, kAtOnce, Bits, HasMinimum, false>(rows, 0, tile);
    for (; tile < end; ++tile) packed_tiles<1, 1, Bits, HasMinimum, false>(rows, 0, tile);
  }
  for (; tile < end; ++tile) packed_rows<Bits, HasMinimum>(rows, tile);
}

}  // namespace

void quantized_rows(const QuantizedRows& rows, std::size_t begin, std::size_t end) {
  const bool minimum = rows.weight.has_minimum;
  if (rows.weight.bits == 32) return quantized_tiles<32, false>(rows, begin, end);
  if (rows.weight.bits == 16) return quantized_tiles<16, false>(rows, begin, end);
  if (rows.weight.bits == 4) return minimum ? quantized_tiles<4, true>(rows, begin, end) : quantized_tiles<4, false>(rows, begin, end);
  return minimum ? quantized_tiles<8, true>(rows, begin, end) : quantized_tiles<8, false>(rows, begin, end);
}

}  // namespace weft::kernels::WEFT_VARIANT
