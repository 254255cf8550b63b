// The inner part of the quantised linear: R input rows against one tile of 16 output features.
//
// Compiled once for each instruction set (kernels/variants.h). A vector's lanes are the tile's 16 features, so
// that nothing is summed across lanes. Each weight is unpacked for a few rows, or, where there are many, once for all. Every way
// makes a row's sums in the same order.
#pragma once

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <vector>

#include "kernels/tile_output.h"
#include "kernels/vector.h"
#include "weft/kernels/quantized_linear.h"

namespace weft::kernels::WEFT_VARIANT {
namespace {

// The s-th weight of each lane's word.
template <int Bits, bool HasMinimum>
inline Vector unpack(Integers word, int s) {
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

// Rows behind the last are left out.
template <int R>
inline void write_rows(const QuantizedRows& rows, std::size_t row, std::size_t tile, const Vector (&total)[R]) {
  for (int r = 0; r < R && row + static_cast<std::size_t>(r) < rows.m; ++r) {
    float result[kTileRows];
    store(result, total[r]);
    write_tile(rows, row + static_cast<std::size_t>(r), tile, result);
  }
}

inline Vector load_floats(const std::uint8_t* p) { return bits_as_float(load_integers(p)); }
inline Vector load_scales(const std::uint8_t* p) { return load_numbers(reinterpret_cast<const Half*>(p)); }

// QuantizedMatrix::head_bytes().
template <int Bits, bool HasMinimum>
constexpr std::size_t head_bytes() {
  return Bits >= 16 ? 0 : kTileRows * (HasMinimum ? 4 : 2);
}

// R rows of the input against T tiles as the file has them.
template <int R, std::size_t T, int Bits, bool HasMinimum>
inline void packed_tiles(const QuantizedRows& rows, std::size_t row, std::size_t tile) {
  constexpr int kInWord = 32 / Bits, kWords = Bits == 32 ? kChains : 1;  // at a time: columns take turns among the chains
  const std::size_t columns = rows.weight.columns, groups = columns / kGroup;
  const std::size_t group_bytes = rows.weight.group_bytes(), tile_bytes = rows.weight.tile_bytes();
  const std::uint8_t* const weight = rows.weight.data + tile * tile_bytes;
  const float* input = rows.input + row * columns;
  Vector total[T][R] = {};
  for (std::size_t g = 0; g < groups; ++g) {
    const std::uint8_t* group = weight + g * group_bytes;
    Vector part[T][R][kChains] = {};
    if constexpr (T > 1) {
      for (std::size_t t = 0; t < T; ++t) prefetch(group + (T + t) * tile_bytes, group_bytes);
    }
    for (int v = 0; v < Bits; v += kWords) {
      Integers word[T][kWords];
      for (std::size_t t = 0; t < T; ++t) {
        const std::uint8_t* words = group + t * tile_bytes + head_bytes<Bits, HasMinimum>() + static_cast<std::size_t>(v) * sizeof(Integers);
        for (int w = 0; w < kWords; ++w) word[t][w] = load_integers(words + static_cast<std::size_t>(w) * sizeof(Integers));
      }
      for (int s = 0; s < kWords * kInWord; ++s) {
        const std::size_t column = g * kGroup + static_cast<std::size_t>(v * kInWord + s);
        for (std::size_t t = 0; t < T; ++t) {
          const Vector q = unpack<Bits, HasMinimum>(word[t][s / kInWord], s % kInWord);
          for (int r = 0; r < R; ++r) part[t][r][s % kChains] += q * input[static_cast<std::size_t>(r) * columns + column];
        }
      }
    }
    for (std::size_t t = 0; t < T; ++t) {
      const Vector scale = Bits >= 16 ? broadcast(1.0f) : load_scales(group + t * tile_bytes);
      for (int r = 0; r < R; ++r) total[t][r] += scale * (part[t][r][0] + part[t][r][1]);
    }
  }
  if constexpr (HasMinimum) {  // in a loop of its own: the one above needs all registers
    const float* sums = rows.group_sums + row * groups;
    for (std::size_t g = 0; g < groups; ++g) {
      for (std::size_t t = 0; t < T; ++t) {
        const Vector minimum = load_scales(weight + t * tile_bytes + g * group_bytes + kTileRows * 2);
        for (int r = 0; r < R; ++r) total[t][r] += minimum * sums[static_cast<std::size_t>(r) * groups + g];
      }
    }
  }
  for (std::size_t t = 0; t < T; ++t) write_rows(rows, row, tile + t, total[t]);
}

// Tiles unpacked to f32, for an input of many rows.
class Unpacked {
 public:
  // T tiles from the first one.
  template <std::size_t T, int Bits, bool HasMinimum>
  void take(const QuantizedMatrix& weight, std::size_t tile) {
    constexpr int kInWord = 32 / Bits;
    groups_ = weight.columns / kGroup;
    if constexpr (Bits == 32) {  // they are what they are to become
      scales_.assign(T * groups_ * kTileRows, 1.0f);
      read_ = weight.data + tile * weight.tile_bytes();
      return;
    }
    codes_.resize(T * weight.columns * kTileRows);
    scales_.resize(T * groups_ * kTileRows);
    if constexpr (HasMinimum) minima_.resize(T * groups_ * kTileRows);
    float* code = codes_.data();
    const std::uint8_t* group = weight.data + tile * weight.tile_bytes();
    for (std::size_t g = 0; g < T * groups_; ++g, group += weight.group_bytes()) {
      store(&scales_[g * kTileRows], Bits >= 16 ? broadcast(1.0f) : load_scales(group));
      if constexpr (HasMinimum) store(&minima_[g * kTileRows], load_scales(group + kTileRows * 2));
      const std::uint8_t* words = group + head_bytes<Bits, HasMinimum>();
      for (int v = 0; v < Bits; ++v) {
        const Integers word = load_integers(words + static_cast<std::size_t>(v) * sizeof(Integers));
        for (int s = 0; s < kInWord; ++s, code += kTileRows) store(code, unpack<Bits, HasMinimum>(word, s));
      }
    }
    read_ = reinterpret_cast<const std::uint8_t*>(codes_.data());
  }
  // f32 [K, kTileRows], of any alignment.
  [[nodiscard]] const std::uint8_t* codes(std::size_t t) const { return read_ + t * groups_ * kGroup * kTileRows * sizeof(float); }
  [[nodiscard]] Vector scale(std::size_t t, std::size_t g) const { return load(&scales_[(t * groups_ + g) * kTileRows]); }
  [[nodiscard]] Vector minimum(std::size_t t, std::size_t g) const { return load(&minima_[(t * groups_ + g) * kTileRows]); }

 private:
  std::size_t groups_ = 0;
  const std::uint8_t* read_ = nullptr;
  std::vector<float> codes_, scales_, minima_;
};

// R rows of a panel of the input against T tiles.
template <int R, std::size_t T, bool HasMinimum>
inline void unpacked_tiles(const QuantizedRows& rows, std::size_t row, std::size_t tile, const Unpacked& weight) {
  const std::size_t columns = rows.weight.columns, groups = columns / kGroup;
  const float* panel = rows.panels + row / kPanelRows * kPanelRows * columns + row % kPanelRows;
  const std::uint8_t* codes[T];
  for (std::size_t t = 0; t < T; ++t) codes[t] = weight.codes(t);
  Vector total[T][R] = {};
  for (std::size_t g = 0; g < groups; ++g) {
    Vector part[T][R][kChains] = {};
    for (std::size_t i = 0; i < kGroup; i += kChains) {
      for (std::size_t chain = 0; chain < kChains; ++chain, panel += kPanelRows) {
        Vector q[T];
        for (std::size_t t = 0; t < T; ++t) q[t] = load_floats(codes[t] + (g * kGroup + i + chain) * sizeof(Vector));
        for (int r = 0; r < R; ++r) {
          for (std::size_t t = 0; t < T; ++t) part[t][r][chain] += q[t] * panel[r];
        }
      }
    }
    for (std::size_t t = 0; t < T; ++t) {
      for (int r = 0; r < R; ++r) total[t][r] += weight.scale(t, g) * (part[t][r][0] + part[t][r][1]);
    }
  }
  if constexpr (HasMinimum) {
    const float* sums = rows.group_sums + row * groups;
    for (std::size_t g = 0; g < groups; ++g) {
      for (std::size_t t = 0; t < T; ++t) {
        for (int r = 0; r < R; ++r) total[t][r] += weight.minimum(t, g) * sums[static_cast<std::size_t>(r) * groups + g];
      }
    }
  }
  for (std::size_t t = 0; t < T; ++t) write_rows(rows, row, tile + t, total[t]);
}

// All rows, each weight unpacked again for every few of them.
template <int Bits, bool HasMinimum>
inline void packed_rows(const QuantizedRows& rows, std::size_t tile) {
#if defined(__AVX512F__)
  constexpr int kRows = Bits == 8 ? 8 : 4;  // as many as leave room in 32 registers
#else
  constexpr int kRows = 2;  // what 16 registers of half the width hold
#endif
  std::size_t row = 0;
  for (; row + kRows <= rows.m; row += kRows) packed_tiles<kRows, 1, Bits, HasMinimum>(rows, row, tile);
  if constexpr (kRows > 4) {
    for (; row + 4 <= rows.m; row += 4) packed_tiles<4, 1, Bits, HasMinimum>(rows, row, tile);
  }
  if constexpr (kRows > 2) {
    for (; row + 2 <= rows.m; row += 2) packed_tiles<2, 1, Bits, HasMinimum>(rows, row, tile);
  }
  for (; row < rows.m; ++row) packed_tiles<1, 1, Bits, HasMinimum>(rows, row, tile);
}

// All rows of the input, by panels, against T tiles.
template <std::size_t T, int Bits, bool HasMinimum>
void panel_rows(const QuantizedRows& rows, std::size_t tile, Unpacked& weight) {
#if defined(__AVX512F__)
  constexpr int kRows = 4;
#else
  constexpr int kRows = 2;
#endif
  static_assert(kPanelRows % kRows == 0);
  weight.take<T, Bits, HasMinimum>(rows.weight, tile);
  for (std::size_t row = 0; row < rows.m; row += kRows) unpacked_tiles<kRows, T, HasMinimum>(rows, row, tile, weight);
}

template <int Bits, bool HasMinimum>
void quantized_tiles(const QuantizedRows& rows, std::size_t begin, std::size_t end) {
  std::size_t tile = begin;
  if (rows.panels != nullptr) {
#if defined(__AVX512F__)
    constexpr std::size_t kTogether = 2;  // an input is loaded for two products: loads are what bounds the loop
#else
    constexpr std::size_t kTogether = 1;
#endif
    thread_local Unpacked weight;
    for (; tile + kTogether <= end; tile += kTogether) panel_rows<kTogether, Bits, HasMinimum>(rows, tile, weight);
    for (; tile < end; ++tile) panel_rows<1, Bits, HasMinimum>(rows, tile, weight);
  }
  if (rows.m == 1) {
#if defined(__AVX512F__)
    constexpr std::size_t kAtOnce = 4;  // streams of weights, which hide more of the memory's latency than one
#else
    constexpr std::size_t kAtOnce = 2;
#endif
    for (; tile + kAtOnce <= end; tile += kAtOnce) packed_tiles<1, kAtOnce, Bits, HasMinimum>(rows, 0, tile);
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
