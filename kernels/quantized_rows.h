// The inner part of the quantised linear: R input rows against one tile of 16 output features.
//
// Compiled once for each instruction set (kernels/variants.h). A vector's lanes are the tile's 16 features, so
// that nothing is summed across lanes. Each weight is unpacked for as many rows as the registers hold.
#pragma once

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <type_traits>

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

WEFT_INLINE Vector load_scales(const std::uint8_t* p) { return load_numbers(reinterpret_cast<const Half*>(p)); }

// QuantizedMatrix::head_bytes().
template <int Bits, bool HasMinimum>
constexpr std::size_t head_bytes() {
  return Bits >= 16 ? 0 : kTileRows * (HasMinimum ? 4 : 2);
}

// Adds the groups [begin, end) of R rows of the input, of a panel if there are several, times T tiles as the file has them. Sums
// are in memory between groups: the registers are for those within one.
template <int R, std::size_t T, int Bits, bool HasMinimum, bool Panels>
WEFT_INLINE void add_groups(const QuantizedRows& rows, std::size_t row, std::size_t tile, std::size_t begin, std::size_t end,
                            float (*sums)[kTileRows]) {
  static_assert(Panels || R == 1);
  constexpr std::size_t kColumn = Panels ? kPanelRows : 1;
  constexpr int kInWord = 32 / Bits;
  const std::size_t columns = rows.weight.columns;
  const std::size_t group_bytes = rows.weight.group_bytes(), tile_bytes = rows.weight.tile_bytes();
  const std::uint8_t* const weight = rows.weight.data + tile * tile_bytes;
  const float* input = Panels ? rows.panels + row / kPanelRows * kPanelRows * columns + row % kPanelRows : rows.input;
  for (std::size_t g = begin; g < end; ++g) {
    const std::uint8_t* group = weight + g * group_bytes;
    Vector part[T][R];
    for (auto& row_parts : part) std::fill(row_parts, row_parts + R, Vector{});
    if (row == 0) {
      for (std::size_t t = 0; t < T; ++t) prefetch(group + (T + t) * tile_bytes, group_bytes);
    }
    for (int v = 0; v < Bits; ++v) {
      Integers word[T];
      for (std::size_t t = 0; t < T; ++t) {
        word[t] = load_integers(group + t * tile_bytes + head_bytes<Bits, HasMinimum>() + static_cast<std::size_t>(v) * sizeof(Integers));
      }
#pragma GCC unroll 8
      for (int s = 0; s < kInWord; ++s) {  // or the sums would be in memory, for want of constant indices
        const std::size_t column = g * kGroup + static_cast<std::size_t>(v * kInWord + s);
        for (std::size_t t = 0; t < T; ++t) {
          const Vector q = unpack<Bits, HasMinimum>(word[t], s);
          for (int r = 0; r < R; ++r) part[t][r] = multiply_add(q, input[column * kColumn + static_cast<std::size_t>(r)], part[t][r]);
        }
      }
    }
    for (std::size_t t = 0; t < T; ++t) {
      const Vector scale = Bits >= 16 ? broadcast(1.0f) : load_scales(group + t * tile_bytes);
      for (int r = 0; r < R; ++r) {
        float* const sum = sums[t * R + static_cast<std::size_t>(r)];
        store(sum, multiply_add(scale, part[t][r], load(sum)));
      }
    }
    memory_barrier();  // or the compiler would keep the sums in registers all the same
  }
}

// What R rows of a tile have once all groups are added: their minima come to that, and all is written.
template <int R, bool HasMinimum>
WEFT_INLINE void finish_tile(const QuantizedRows& rows, std::size_t row, std::size_t tile, float (*sums)[kTileRows]) {
  if constexpr (HasMinimum) {
    const std::size_t groups = rows.weight.columns / kGroup;
    const float* group_sums = rows.group_sums + row * groups;
    const std::uint8_t* minima = rows.weight.data + tile * rows.weight.tile_bytes() + kTileRows * 2;
    Vector total[R];
    for (int r = 0; r < R; ++r) total[r] = load(sums[r]);
    for (std::size_t g = 0; g < groups; ++g, minima += rows.weight.group_bytes()) {
      const Vector minimum = load_scales(minima);
      for (int r = 0; r < R; ++r) total[r] = multiply_add(minimum, group_sums[static_cast<std::size_t>(r) * groups + g], total[r]);
    }
    for (int r = 0; r < R; ++r) store(sums[r], total[r]);
  }
  for (int r = 0; r < R; ++r) write_tile(rows, row + static_cast<std::size_t>(r), tile, sums[r]);
}

template <std::size_t T, int Bits, bool HasMinimum>
inline void one_row(const QuantizedRows& rows, std::size_t tile) {
  alignas(64) float sums[T][kTileRows] = {};
  add_groups<1, T, Bits, HasMinimum, false>(rows, 0, tile, 0, rows.weight.columns / kGroup, sums);
  for (std::size_t t = 0; t < T; ++t) finish_tile<1, HasMinimum>(rows, 0, tile + t, sums + t);
}

// All rows of the panels against one tile: as many rows as share a weight's registers, and a part of the columns whose weights stay
// in the first-level cache while many rows pass over them. The sums' order is that of one row.
template <int Bits, bool HasMinimum>
inline void many_rows(const QuantizedRows& rows, std::size_t tile) {
  constexpr std::size_t kPassing = 64, kFirstLevel = 16384;  // rows; bytes, half of the smallest such caches
  const std::size_t groups = rows.weight.columns / kGroup;
  const std::size_t part = std::max<std::size_t>(1, kFirstLevel / rows.weight.group_bytes());
  for (std::size_t first = 0; first < rows.m; first += kPassing) {
    alignas(64) float sums[kPassing][kTileRows] = {};
    const std::size_t last = std::min(rows.m, first + kPassing);
    for (std::size_t begin = 0; begin < groups; begin += part) {
      const std::size_t end = std::min(groups, begin + part);
      std::size_t row = first;
      const auto pass = [&](auto count) {
        constexpr int kRows = decltype(count)::value;
        for (; row + kRows <= last; row += kRows) {
          add_groups<kRows, 1, Bits, HasMinimum, true>(rows, row, tile, begin, end, sums + (row - first));
          if (end == groups) finish_tile<kRows, HasMinimum>(rows, row, tile, sums + (row - first));
        }
      };
#if defined(__AVX512F__)
      pass(std::integral_constant<int, 8>{});  // as many as leave room in 32 registers; 16 of half the width hold 4
#endif
      pass(std::integral_constant<int, 4>{});
      pass(std::integral_constant<int, 2>{});
      pass(std::integral_constant<int, 1>{});
    }
  }
}

template <int Bits, bool HasMinimum>
void quantized_tiles(const QuantizedRows& rows, std::size_t begin, std::size_t end) {
  std::size_t tile = begin;
  if (rows.m > 1) {
    for (; tile < end; ++tile) many_rows<Bits, HasMinimum>(rows, tile);
    return;
  }
#if defined(__AVX512F__)
  constexpr std::size_t kAtOnce = 4;  // streams of weights, which hide more of the memory's latency than one
#else
  constexpr std::size_t kAtOnce = 2;
#endif
  for (; tile + kAtOnce <= end; tile += kAtOnce) one_row<kAtOnce, Bits, HasMinimum>(rows, tile);
  for (; tile < end; ++tile) one_row<1, Bits, HasMinimum>(rows, tile);
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
