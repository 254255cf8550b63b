// The inner part of the quantised linear: R input rows against one tile of 16 output features.
//
// Compiled once for each instruction set (kernels/variants.h). A vector's lanes are the tile's 16 features, so
// that nothing is summed across lanes. Each weight is unpacked for as many rows as the registers hold.
#pragma once

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <limits>
#include <type_traits>

#include "kernels/tile_output.h"
#include "kernels/vector.h"
#include "weft/kernels/quantized_linear.h"

namespace weft::kernels::WEFT_VARIANT {
namespace {

// Variant::panel_rows: a multiple of the rows whose sums the registers hold. Of AVX2's they hold six, or four beside what unpacks weights.
constexpr std::size_t kPanelRows = kRegisterBytes == 32 ? 12 : 8;

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

// Without AVX-512, a weight of 4 bits that a single row is multiplied with is made a float where it stands in its word, and not moved down
// first: so it is 2^place times too large, and the input is made as much smaller. That is exact for inputs of at least 2^-98.
template <int Bits, bool Panels>
constexpr bool kInPlace = kRegisterBytes < 64 && Bits == 4 && !Panels;

// The s-th weight's place, in bits. The last one, which nothing lies above, is moved down all the same, or the number would be negative.
constexpr int place_of(int s) { return s == 7 ? 0 : s < 4 ? 8 * s : 8 * (s - 4) + 4; }

template <bool HasMinimum>
WEFT_INLINE Vector unpack_in_place(Integers word, int s) {
  const Integers codes = s == 7 ? shift_in_zeros(word, 28) : word & (15 << place_of(s));
  return to_float(HasMinimum ? codes : codes - (8 << place_of(s)));
}

WEFT_INLINE void shrink_inputs(const float* input, float* smaller) {
  static_assert(kLanes % 8 == 0);
  float factors[kLanes];
  for (int i = 0; i < static_cast<int>(kLanes); ++i) factors[i] = 1.0f / static_cast<float>(1 << place_of(i % 8));
  for (std::size_t i = 0; i < kGroup; i += kLanes) store(smaller + i, load(input + i) * load(factors));
}

WEFT_INLINE Vector load_scales(const std::uint8_t* p) { return load_numbers(reinterpret_cast<const Half*>(p)); }

// Groups that are summed in registers, before that is added to what is in memory: those of 16 and 32 bits have no scales of their own.
template <int Bits>
constexpr std::size_t kGroupsTogether = Bits >= 16 ? 4 : 1;

// Adds the groups [begin, end), from a multiple of kGroupsTogether on, of R rows of the input, of a panel if there are several, times T
// tiles as the file has them. Sums are in memory between groups: the registers are for those within one.
template <int R, std::size_t T, int Bits, bool HasMinimum, bool Panels, bool Pairs>
WEFT_INLINE void add_groups(const QuantizedRows& rows, std::size_t row, std::size_t tile, std::size_t begin, std::size_t end,
                            float (*sums)[kTileRows]) {
  static_assert(Panels || R == 1);
  constexpr std::size_t kColumn = Panels ? kPanelRows : 1;
  constexpr int kInWord = 32 / Bits;
  constexpr std::size_t kHead = head_bytes<Bits, HasMinimum>();
  const std::size_t columns = rows.weight.columns;
  const std::size_t group_bytes = rows.weight.group_bytes(), tile_bytes = rows.weight.tile_bytes();
  const std::uint8_t* const weight = rows.weight.data + tile * tile_bytes;
  const float* input = Panels ? rows.panels + row / kPanelRows * kPanelRows * columns + row % kPanelRows : rows.input;
  const std::uint32_t* pairs = Panels ? rows.pair_panels + row / kPanelRows * kPanelRows * columns / 2 + row % kPanelRows : rows.pairs;
  for (std::size_t g = begin; g < end; g += kGroupsTogether<Bits>) {
    const std::uint8_t* group = weight + g * group_bytes;
    const std::size_t words = Bits * (kGroupsTogether<Bits> == 1 ? 1 : std::min(kGroupsTogether<Bits>, end - g));
    Vector part[R][T];
    for (auto& row_parts : part) std::fill(row_parts, row_parts + T, Vector{});
    // What the next tiles' groups hold is asked for one line at a time: many at once would take all of the buffers that loads from the
    // second-level cache want, too.
    if (kHead > 0 && row == 0) {
      for (std::size_t t = 0; t < T; ++t) prefetch(group + (T + t) * tile_bytes);
    }
    alignas(64) float smaller[kGroup];
    if constexpr (kInPlace<Bits, Panels>) shrink_inputs(input + g * kGroup, smaller);
    for (std::size_t v = 0; v < words; ++v) {
      if (row == 0) {
        for (std::size_t t = 0; t < T; ++t) prefetch(group + (T + t) * tile_bytes + kHead + v * sizeof(Integers));
      }
      Integers word[T];
      for (std::size_t t = 0; t < T; ++t) {
        word[t] = load_integers(group + t * tile_bytes + kHead + v * sizeof(Integers));
      }
      if constexpr (Pairs) {
        const std::uint32_t* const x = pairs + (g * Bits + v) * kColumn;
        for (int r = 0; r < R; ++r) {
          for (std::size_t t = 0; t < T; ++t) part[r][t] = add_pairs(word[t], x[r], part[r][t]);
        }
        continue;
      }
#pragma GCC unroll 8
      for (int s = 0; s < kInWord; ++s) {  // or the sums would be in memory, for want of constant indices
        const float* const x = input + (g * kGroup + v * kInWord + static_cast<std::size_t>(s)) * kColumn;
        if constexpr (kInPlace<Bits, Panels>) {
          const float small = smaller[v * kInWord + static_cast<std::size_t>(s)];
          for (std::size_t t = 0; t < T; ++t) part[0][t] = multiply_add(unpack_in_place<HasMinimum>(word[t], s), small, part[0][t]);
          continue;
        }
        Vector q[T];
        for (std::size_t t = 0; t < T; ++t) q[t] = unpack<Bits, HasMinimum>(word[t], s);
        for (int r = 0; r < R; ++r) {
          for (std::size_t t = 0; t < T; ++t) part[r][t] = multiply_add(q[t], x[r], part[r][t]);
        }
      }
    }
    Vector scale[T];
    for (std::size_t t = 0; t < T; ++t) scale[t] = Bits >= 16 ? broadcast(1.0f) : load_scales(group + t * tile_bytes);
    for (int r = 0; r < R; ++r) {
      for (std::size_t t = 0; t < T; ++t) {
        float* const sum = sums[static_cast<std::size_t>(r) * T + t];
        store(sum, multiply_add(scale[t], part[r][t], load(sum)));
      }
    }
    memory_barrier();  // or the compiler would keep the sums in registers all the same
  }
}

// What R rows of T tiles have once all groups are added: their minima come to that, and all is written.
template <int R, std::size_t T, bool HasMinimum>
WEFT_INLINE void finish_tiles(const QuantizedRows& rows, std::size_t row, std::size_t tile, float (*sums)[kTileRows]) {
  for (std::size_t t = 0; t < T; ++t) {
    if constexpr (HasMinimum) {
      const std::size_t groups = rows.weight.columns / kGroup;
      const float* group_sums = rows.group_sums + row * groups;
      const std::uint8_t* minima = rows.weight.data + (tile + t) * rows.weight.tile_bytes() + kTileRows * 2;
      Vector total[R];
      for (std::size_t r = 0; r < R; ++r) total[r] = load(sums[r * T + t]);
      for (std::size_t g = 0; g < groups; ++g, minima += rows.weight.group_bytes()) {
        const Vector minimum = load_scales(minima);
        for (std::size_t r = 0; r < R; ++r) total[r] = multiply_add(minimum, group_sums[r * groups + g], total[r]);
      }
      for (std::size_t r = 0; r < R; ++r) store(sums[r * T + t], total[r]);
    }
    for (std::size_t r = 0; r < R; ++r) write_tile(rows, row + r, tile + t, sums[r * T + t]);
  }
}

template <std::size_t T, int Bits, bool HasMinimum, bool Pairs>
WEFT_ALONE void one_row(const QuantizedRows& rows, std::size_t tile) {
  alignas(64) float sums[T][kTileRows] = {};
  add_groups<1, T, Bits, HasMinimum, false, Pairs>(rows, 0, tile, 0, rows.weight.columns / kGroup, sums);
  finish_tiles<1, T, HasMinimum>(rows, 0, tile, sums);
}

// All rows of the panels against T tiles: as many rows as share a weight's registers, and a part of the columns whose weights stay
// in the first-level cache while many rows pass over them. The sums' order is that of one row.
template <std::size_t T, int Bits, bool HasMinimum, bool Pairs>
WEFT_ALONE void many_rows(const QuantizedRows& rows, std::size_t tile) {
  constexpr std::size_t kPassing = 64, kFirstLevel = 16384;  // rows; bytes, half of the smallest such caches
  const std::size_t groups = rows.weight.columns / kGroup;
  const std::size_t fit = kFirstLevel / (T * rows.weight.group_bytes()) / kGroupsTogether<Bits>;
  const std::size_t part = std::max<std::size_t>(1, fit) * kGroupsTogether<Bits>;
  for (std::size_t first = 0; first < rows.m; first += kPassing) {
    alignas(64) float sums[kPassing * T][kTileRows] = {};
    const std::size_t last = std::min(rows.m, first + kPassing);
    for (std::size_t begin = 0; begin < groups; begin += part) {
      const std::size_t end = std::min(groups, begin + part);
      std::size_t row = first;
      const auto pass = [&](auto count) {
        constexpr int kRows = decltype(count)::value;
        for (; row + kRows <= last; row += kRows) {
          float (*const of_rows)[kTileRows] = sums + (row - first) * T;
          add_groups<kRows, T, Bits, HasMinimum, true, Pairs>(rows, row, tile, begin, end, of_rows);
          if (end == groups) finish_tiles<kRows, T, HasMinimum>(rows, row, tile, of_rows);
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

// Up to so many rows share a weight that is unpacked into registers. For more, a part of a tile is unpacked into memory first, once for all rows
// that pass over it: with AVX2 unpacking takes registers from the rows' sums (a bfloat16 takes but one instruction), and for Arm GCC 12 keeps
// half of those sums in memory.
template <int Bits>
constexpr std::size_t kFewRows =
#if defined(__AVX2__) && !defined(__AVX512F__)
    Bits == 16 ? 24 : 8;
#elif defined(__aarch64__)
    1;
#else
    std::numeric_limits<std::size_t>::max();
#endif

// Groups of a tile as f32 [columns, kTileRows], without their scales. Asks for those of the next tile.
template <int Bits, bool HasMinimum>
WEFT_ALONE void unpack_groups(const std::uint8_t* group, std::size_t group_bytes, std::size_t count, std::size_t tile_bytes, float* out) {
  constexpr std::size_t kHead = head_bytes<Bits, HasMinimum>();
  for (std::size_t g = 0; g < count; ++g, group += group_bytes) {
    if (kHead > 0) prefetch(group + tile_bytes);
    for (std::size_t v = 0; v < Bits; ++v) {
      const std::uint8_t* const words = group + kHead + v * sizeof(Integers);
      prefetch(words + tile_bytes);
      const Integers word = load_integers(words);
#pragma GCC unroll 8
      for (int s = 0; s < 32 / Bits; ++s, out += kTileRows) store(out, unpack<Bits, HasMinimum>(word, s));
    }
  }
}

// Adds R rows of a panel times `count` groups, from a multiple of kGroupsTogether on: `weights` are unpacked, the scales in the groups that
// begin at `group`, `input` the first row's first column. The sums' order is that of add_groups().
template <int R, int Bits>
WEFT_ALONE void add_unpacked(const float* weights, const std::uint8_t* group, std::size_t group_bytes, std::size_t count, const float* input,
                             float (*sums)[kTileRows]) {
  for (std::size_t g = 0; g < count; g += kGroupsTogether<Bits>, group += group_bytes) {
    const std::size_t columns = kGroup * std::min(kGroupsTogether<Bits>, count - g);
    FloatRegister part[R * kRegisters] = {};  // of Vectors, GCC 12 keeps a copy in memory for Arm
    for (std::size_t i = 0; i < columns; ++i, weights += kTileRows, input += kPanelRows) {
      const Vector weight = load(weights);
      for (std::size_t r = 0; r < R; ++r) {
        const Vector x = broadcast(input[r]);
        for (std::size_t p = 0; p < kRegisters; ++p) {
          FloatRegister& sum = part[r * kRegisters + p];
          sum = multiply_add_register(weight.part[p], x.part[p], sum);
        }
      }
    }
    for (std::size_t r = 0; r < R; ++r) {
      Vector total;
      for (std::size_t p = 0; p < kRegisters; ++p) total.part[p] = part[r * kRegisters + p];
      const Vector sum = load(sums[r]);
      store(sums[r], Bits >= 16 ? total + sum : multiply_add(load_scales(group), total, sum));
    }
    memory_barrier();  // or the compiler would keep a copy of the sums
  }
}

// As many_rows(), of unpacked weights. A panel's rows pass over them in two halves, or at once if they are few.
template <int Bits, bool HasMinimum>
WEFT_ALONE void unpacked_rows(const QuantizedRows& rows, std::size_t tile) {
  constexpr std::size_t kHalf = kPanelRows / 2, kPassing = 5 * kPanelRows;
  constexpr std::size_t kTogether = 4;  // groups, whose weights and a panel's inputs are 14 KiB
  const std::size_t columns = rows.weight.columns, groups = columns / kGroup;
  const std::size_t group_bytes = rows.weight.group_bytes(), tile_bytes = rows.weight.tile_bytes();
  const std::uint8_t* const weight = rows.weight.data + tile * tile_bytes;
  alignas(64) float unpacked[kTogether * kGroup * kTileRows];
  for (std::size_t first = 0; first < rows.m; first += kPassing) {
    alignas(64) float sums[kPassing][kTileRows] = {};
    const std::size_t last = std::min(rows.m, first + kPassing);
    for (std::size_t begin = 0; begin < groups; begin += kTogether) {
      const std::size_t count = std::min(kTogether, groups - begin);
      const std::uint8_t* const group = weight + begin * group_bytes;
      const float* weights = unpacked;
      if constexpr (Bits == 32) weights = reinterpret_cast<const float*>(group);
      else unpack_groups<Bits, HasMinimum>(group, group_bytes, count, tile_bytes, unpacked);
      std::size_t row = first;
      const auto pass = [&](auto of_rows) {
        constexpr int kRows = decltype(of_rows)::value;
        if constexpr (kRows <= kHalf) {
          const float* const input = rows.panels + (row / kPanelRows * columns + begin * kGroup) * kPanelRows + row % kPanelRows;
          add_unpacked<kRows, Bits>(weights, group, group_bytes, count, input, sums + (row - first));
          if (begin + count == groups) finish_tiles<kRows, 1, HasMinimum>(rows, row, tile, sums + (row - first));
          row += kRows;
        }
      };
      while (row < last) {
        const std::size_t left = std::min(last - row, kPanelRows - row % kPanelRows);
        switch (left > kHalf ? (left + 1) / 2 : left) {
          case 6: pass(std::integral_constant<int, 6>{}); break;
          case 5: pass(std::integral_constant<int, 5>{}); break;
          case 4: pass(std::integral_constant<int, 4>{}); break;
          case 3: pass(std::integral_constant<int, 3>{}); break;
          case 2: pass(std::integral_constant<int, 2>{}); break;
          default: pass(std::integral_constant<int, 1>{}); break;
        }
      }
    }
  }
}

template <int Bits, bool HasMinimum, bool Pairs = false>
void quantized_tiles(const QuantizedRows& rows, std::size_t begin, std::size_t end) {
  // Of one row: streams of weights, which hide more of the memory's latency than one. Of many: what shares the loads of their inputs.
#if defined(__AVX512F__)
  constexpr std::size_t kStreamsOfOne = 4, kOfMany = 2;
#else
  constexpr std::size_t kStreamsOfOne = 2, kOfMany = 1;
#endif
  std::size_t tile = begin;
  if constexpr (kFewRows<Bits> < std::numeric_limits<std::size_t>::max() && !Pairs) {
    if (rows.m > kFewRows<Bits>) {
      for (; tile < end; ++tile) unpacked_rows<Bits, HasMinimum>(rows, tile);
      return;
    }
  }
  if (rows.m > 1) {
    for (; tile + kOfMany <= end; tile += kOfMany) many_rows<kOfMany, Bits, HasMinimum, Pairs>(rows, tile);
    for (; tile < end; ++tile) many_rows<1, Bits, HasMinimum, Pairs>(rows, tile);
    return;
  }
  for (; tile + kStreamsOfOne <= end; tile += kStreamsOfOne) one_row<kStreamsOfOne, Bits, HasMinimum, Pairs>(rows, tile);
  for (; tile < end; ++tile) one_row<1, Bits, HasMinimum, Pairs>(rows, tile);
}

}  // namespace

void pair_numbers(const PairedNumbers& numbers) {
  if constexpr (kMultipliesBFloat16) {
    for (std::size_t i = 0; i < numbers.n; i += kGroup) {
      store(numbers.pairs + i / 2, to_pairs(load(numbers.input + i), load(numbers.input + i + kLanes)));
    }
  } else {
    for (std::size_t i = 0; i < numbers.n / 2; ++i) {
      numbers.pairs[i] = bfloat16_bits(numbers.input[2 * i]) | bfloat16_bits(numbers.input[2 * i + 1]) << 16;
    }
  }
}

void quantized_rows(const QuantizedRows& rows, std::size_t begin, std::size_t end) {
  const bool minimum = rows.weight.has_minimum;
  if (rows.weight.bits == 32) return quantized_tiles<32, false>(rows, begin, end);
  if constexpr (kMultipliesBFloat16) {
    if (rows.pairs != nullptr) return quantized_tiles<16, false, true>(rows, begin, end);
  }
  if (rows.weight.bits == 16) return quantized_tiles<16, false>(rows, begin, end);
  if (rows.weight.bits == 4) return minimum ? quantized_tiles<4, true>(rows, begin, end) : quantized_tiles<4, false>(rows, begin, end);
  return minimum ? quantized_tiles<8, true>(rows, begin, end) : quantized_tiles<8, false>(rows, begin, end);
}

}  // namespace weft::kernels::WEFT_VARIANT
