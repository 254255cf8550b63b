// The inner part of the quantised linear on activations of 8 bits: R input rows against one tile of 16 output features.
//
// Compiled once for each instruction set (kernels/variants.h). The sums within a group of 32 are whole numbers, hence the same
// everywhere; lanes are features, so that nothing is summed across lanes; each weight is unpacked once for R rows.
#pragma once

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "kernels/int8_dot.h"
#include "kernels/tile_output.h"
#include "kernels/vector.h"
#include "weft/kernels/quantized_linear.h"

namespace weft::kernels::WEFT_VARIANT {
namespace {

constexpr std::size_t kParts = kTileRows / kPartFeatures;
constexpr std::size_t kPartBytes = 4 * kPartFeatures;
// Tiles that one row is multiplied with at once.
constexpr std::size_t kStreams = 4;
// How many tiles further on T streams ask. With AVX2 half as many as they are: the first half of them asks for what the others read next, the
// second for half of the next tiles, and the processor's own reading ahead finds the rest; asking for all of them decoded 2% slower.
template <std::size_t T>
constexpr std::size_t kTilesAhead = kRegisterBytes == 32 && T > 1 ? T / 2 : T;

// Columns 4 v and on of a group whose words begin at `words`.
template <int Bits>
WEFT_INLINE Part four_weights(const std::uint8_t* words, std::size_t v, std::size_t p) {
  if constexpr (Bits == 4) {
    const Part packed = load_part(words + v / 2 * 4 * kTileRows + p * kPartBytes);
    return v % 2 == 0 ? low_codes(packed) : high_codes(packed);
  }
  return prepare8(load_part(words + v * 4 * kTileRows + p * kPartBytes));
}

// One group's dot products of R rows, `codes` and `starts` being the first one's, with the features of T tiles, as floats. What comes to the
// first-level cache is asked for here, at `next`, line by line between the products: many lines at once take all of the buffers that loads
// from the second level want, too.
template <int R, std::size_t T, int Bits>
WEFT_INLINE void group_dots(const std::int8_t* codes, const std::int32_t* starts, const std::uint8_t* words, std::size_t tile_bytes,
                            const std::uint8_t* next, FloatPart dots[R][T][kParts]) {
  Sum sums[R][T][kParts];
  for (int r = 0; r < R; ++r) {
    for (std::size_t t = 0; t < T; ++t) {
      for (std::size_t p = 0; p < kParts; ++p) {
        if constexpr (Bits == 4) sums[r][t][p] = zero4();
        else sums[r][t][p] = start8(starts + r);
      }
    }
  }
#pragma GCC unroll 8
  for (std::size_t v = 0; v < 8; ++v) {
    for (std::size_t line = v * Bits / 8; kFetchNear && line < (v + 1) * Bits / 8; ++line) {
      for (std::size_t t = 0; t < T; ++t) prefetch(next + t * tile_bytes + line * 64);
    }
    Part weights[T][kParts];
    for (std::size_t t = 0; t < T; ++t) {
      for (std::size_t p = 0; p < kParts; ++p) weights[t][p] = four_weights<Bits>(words + t * tile_bytes, v, p);
    }
    for (int r = 0; r < R; ++r) {
      const Part x = four_codes(codes + static_cast<std::size_t>(r) * kGroup + v * 4);
      for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t p = 0; p < kParts; ++p) {
          if constexpr (Bits == 4) sums[r][t][p] = add4(sums[r][t][p], weights[t][p], x);
          else sums[r][t][p] = add8(sums[r][t][p], weights[t][p], x);
        }
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    for (std::size_t t = 0; t < T; ++t) {
      for (std::size_t p = 0; p < kParts; ++p) {
        if constexpr (Bits == 4) dots[r][t][p] = total4(sums[r][t][p]);
        else dots[r][t][p] = total8(sums[r][t][p]);
      }
    }
  }
}

}  // namespace
}  // namespace weft::kernels::WEFT_VARIANT

#if defined(WEFT_INT8_MATRICES)
#include "kernels/int8_mmla.h"
#endif

namespace weft::kernels::WEFT_VARIANT {
namespace {

// A group's share of a row's features: `dots` are its whole sums, x_scale and x_sum the row's.
template <int Bits, bool HasMinimum>
WEFT_INLINE FloatPart add_group(FloatPart total, FloatPart dots, FloatPart scale, FloatPart minimum, FloatPart x_scale, FloatPart x_sum) {
  if constexpr (Bits == 4 && !HasMinimum) {  // codes stand for q - 8, as sum_factor() tells
    total = multiply_add(scale, multiply_add(dots, x_scale, x_sum), total);
  } else {
    total = multiply_add(scale, multiply(dots, x_scale), total);
  }
  if constexpr (HasMinimum) total = multiply_add(minimum, x_sum, total);
  return total;
}

// Adds a group's share of R rows of a panel to their totals. `at`: Int8Panels::at() of the first row. Asks for the group at `next`.
template <int R, std::size_t T, int Bits, bool HasMinimum>
WEFT_INLINE void add_products(const Int8Rows& rows, std::size_t at, const std::uint8_t* group, std::size_t tile_bytes,
                              const std::uint8_t* next, FloatPart (&total)[R][T][kParts]) {
  FloatPart dots[R][T][kParts], scale[T][kParts], minimum[T][kParts] = {};
  const std::int8_t* const codes = rows.codes + at * kGroup;
  const std::uint8_t* const words = group + head_bytes<Bits, HasMinimum>();
  for (std::size_t line = 0; !kFetchNear && line <= Bits; ++line) {
    for (std::size_t t = 0; t < T; ++t) prefetch(next + t * tile_bytes + line * 64);
  }
#if defined(WEFT_INT8_MATRICES)
  if constexpr (R % 2 == 0 && T == 1) group_dots_by_matrices<R, Bits>(codes, words, dots);
  else
#endif
    group_dots<R, T, Bits>(codes, rows.starts + at, words, tile_bytes, next, dots);
  for (std::size_t t = 0; kFetchNear && t < T; ++t) prefetch(next + t * tile_bytes + Bits * 64);
  for (std::size_t t = 0; t < T; ++t) {
    for (std::size_t p = 0; p < kParts; ++p) {
      scale[t][p] = load_halves(group + t * tile_bytes + 2 * p * kPartFeatures);
      if constexpr (HasMinimum) minimum[t][p] = load_halves(group + t * tile_bytes + 2 * (kTileRows + p * kPartFeatures));
    }
  }
  for (int r = 0; r < R; ++r) {
    const FloatPart x_scale = same(rows.scales[at + static_cast<std::size_t>(r)]), x_sum = same(rows.sums[at + static_cast<std::size_t>(r)]);
    for (std::size_t t = 0; t < T; ++t) {
      for (std::size_t p = 0; p < kParts; ++p) {
        total[r][t][p] = add_group<Bits, HasMinimum>(total[r][t][p], dots[r][t][p], scale[t][p], minimum[t][p], x_scale, x_sum);
      }
    }
  }
}

WEFT_INLINE void write_parts(const Int8Rows& rows, std::size_t row, std::size_t tile, const FloatPart (&total)[kParts]) {
  float result[kTileRows];
  for (std::size_t p = 0; p < kParts; ++p) store_part(result + p * kPartFeatures, total[p]);
  write_tile(rows, row, tile, result);
}

// What of the next tiles' weights, from memory, the rows that pass over these ones ask for: every `of`-th group, so that none waits for
// more than its share.
struct Share {
  std::size_t group, of;
};

// R rows of a panel against T tiles, each weight unpacked once for all rows.
template <int R, std::size_t T, int Bits, bool HasMinimum>
WEFT_ALONE void int8_part(const Int8Rows& rows, std::size_t row, std::size_t tile, Share ahead) {
  const Int8Panels panels = rows.panels();
  const std::size_t tile_bytes = rows.weight.tile_bytes(), group_bytes = rows.weight.group_bytes();
  const std::uint8_t* group = rows.weight.data + tile * tile_bytes;
  std::size_t at = panels.at(row, 0);
  FloatPart total[R][T][kParts];
  for (auto& tiles : total) {
    for (auto& parts : tiles) std::fill(parts, parts + kParts, same(0.0f));
  }
  for (std::size_t g = 0; g < panels.groups; ++g, group += group_bytes, at += panels.rows()) {
    const bool asks = g == ahead.group;
    if (asks) ahead.group += ahead.of;
    add_products<R, T, Bits, HasMinimum>(rows, at, group, tile_bytes, asks ? group + T * tile_bytes : group, total);
  }
  for (int r = 0; r < R; ++r) {
    for (std::size_t t = 0; t < T; ++t) write_parts(rows, row + static_cast<std::size_t>(r), tile + t, total[r][t]);
  }
}

// One row against T tiles: as many streams of weights at once, which hide more of the memory's latency than one.
template <std::size_t T, int Bits, bool HasMinimum>
WEFT_ALONE void int8_row(const Int8Rows& rows, std::size_t tile) {
  const std::size_t groups = rows.weight.columns / kGroup, tile_bytes = rows.weight.tile_bytes(), group_bytes = rows.weight.group_bytes();
  const std::uint8_t* group = rows.weight.data + tile * tile_bytes;
  FloatPart total[T][1][1][kParts];
  for (auto& row : total) std::fill(row[0][0], row[0][0] + kParts, same(0.0f));
  for (std::size_t g = 0; g < groups; ++g, group += group_bytes) {
    for (std::size_t t = 0; t < T; ++t) {
      add_products<1, 1, Bits, HasMinimum>(rows, g, group + t * tile_bytes, tile_bytes, group + (kTilesAhead<T> + t) * tile_bytes, total[t]);
    }
  }
  for (std::size_t t = 0; t < T; ++t) write_parts(rows, 0, tile + t, total[t][0][0]);
}

}  // namespace
}  // namespace weft::kernels::WEFT_VARIANT

#if defined(__AMX_INT8__)
#include "kernels/int8_amx.h"
#endif

namespace weft::kernels::WEFT_VARIANT {
namespace {

// The rows from `first_row` on against tiles [tile, end), R rows and T tiles at a time; returns the first of the tiles that are left.
template <int R, std::size_t T, int Bits, bool HasMinimum>
std::size_t int8_shape(const Int8Rows& rows, std::size_t first_row, std::size_t tile, std::size_t end) {
  const std::size_t groups = rows.weight.columns / kGroup;
  const std::size_t sharing = std::clamp<std::size_t>((rows.m - first_row) / R, 1, 4);
  for (; tile + T <= end; tile += T) {
    std::size_t row = first_row, passed = 0;
    const auto pass = [&](auto count) {
      constexpr int kRows = decltype(count)::value;
      for (; row + kRows <= rows.m; row += kRows, ++passed) {
        int8_part<kRows, T, Bits, HasMinimum>(rows, row, tile, {passed < sharing ? passed : groups, sharing});
      }
    };
    if constexpr (R > 4) pass(std::integral_constant<int, 8>{});
    pass(std::integral_constant<int, 4>{});
    pass(std::integral_constant<int, 2>{});
    pass(std::integral_constant<int, 1>{});
  }
  return tile;
}

template <int Bits, bool HasMinimum>
void int8_tiles(const Int8Rows& rows, std::size_t begin, std::size_t end) {
  std::size_t first_row = 0;
#if defined(__AMX_INT8__)
  first_row = amx_tiles<Bits, HasMinimum>(rows, begin, end);
  if (first_row == rows.m) return;
#endif
  std::size_t tile = begin;
  if (rows.m == 1) {
    for (; tile + kStreams <= end; tile += kStreams) int8_row<kStreams, Bits, HasMinimum>(rows, tile);
    switch (end - tile) {
      case 3: return int8_row<3, Bits, HasMinimum>(rows, tile);
      case 2: return int8_row<2, Bits, HasMinimum>(rows, tile);
      case 1: return int8_row<1, Bits, HasMinimum>(rows, tile);
      default: return;
    }
  }
  if (rows.m - first_row <= kInt8PanelRows / 2) {
    tile = int8_shape<kOfFewRows.rows, kOfFewRows.tiles, Bits, HasMinimum>(rows, first_row, tile, end);
  } else {
    tile = int8_shape<kOfManyRows.rows, kOfManyRows.tiles, Bits, HasMinimum>(rows, first_row, tile, end);
  }
  int8_shape<kOfFewRows.rows, 1, Bits, HasMinimum>(rows, first_row, tile, end);
}

}  // namespace

void int8_rows(const Int8Rows& rows, std::size_t begin, std::size_t end) {
  const bool minimum = rows.weight.has_minimum;
  if (rows.weight.bits == 4) return minimum ? int8_tiles<4, true>(rows, begin, end) : int8_tiles<4, false>(rows, begin, end);
  return minimum ? int8_tiles<8, true>(rows, begin, end) : int8_tiles<8, false>(rows, begin, end);
}

// Lanes hold a group's columns: one row at a time, its maximum and its codes by vectors.
void round_rows(const RoundedRows& rows, std::size_t begin, std::size_t end) {
  static_assert(kGroup == 2 * kLanes);
  const Int8Panels panels{rows.m, rows.columns / kGroup};
  for (std::size_t row = begin; row < end; ++row) {
    for (std::size_t g = 0; g < panels.groups; ++g) {
      const std::size_t at = panels.at(row, g);
      const float* input = rows.input + row * rows.columns + g * kGroup;
      const Vector a = load(input), b = load(input + kLanes);
      const float largest = largest_lane(larger(absolute(a), absolute(b)));
      const bool counts = largest > 1e-30f;  // below, 127 / largest would overflow
      const float scale = counts ? largest / 127.0f : 0.0f;
      const float inverse = counts ? 127.0f / largest : 0.0f;
      // Adding and taking away 1.5 * 2^23 rounds to the nearest whole number; its low bits are that number.
      const Vector magic = broadcast(12582912.0f);
      const Vector rounded_a = a * inverse + magic, rounded_b = b * inverse + magic;
      const Integers codes_a = bits_of(rounded_a) - 0x4b400000, codes_b = bits_of(rounded_b) - 0x4b400000;
      std::int32_t code_sum = 0;
      std::int8_t* codes = rows.codes + at * kGroup;
      std::int32_t whole[kGroup];
      std::memcpy(whole, &codes_a, sizeof codes_a);
      std::memcpy(whole + kLanes, &codes_b, sizeof codes_b);
      for (std::size_t i = 0; i < kGroup; ++i) {
        code_sum += whole[i];
        codes[i] = static_cast<std::int8_t>(whole[i]);
      }
      rows.scales[at] = scale;
      rows.sums[at] = rows.sum_factor * (scale * static_cast<float>(code_sum));
      rows.starts[at] = -128 * code_sum;
    }
  }
}

}  // namespace weft::kernels::WEFT_VARIANT
