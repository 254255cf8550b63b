// The quantised linear on activations of 8 bits by AMX: 16 input rows against a tile of 16 features, a group at a time.
// Included by kernels/int8_rows.h inside of the variant that has these instructions.
//
// The file's layout of weights is what AMX wants of its second operand, so that codes of 8 bits are read in place; those of
// 4 bits are unpacked once for all rows. The sums are the same whole numbers as every variant's, and what becomes of them is
// the same code (add_group), so that a row has the same bits whichever way it was computed.
#pragma once

#include <immintrin.h>

#include <vector>

namespace weft::kernels::WEFT_VARIANT {
namespace {

constexpr std::size_t kAmxRows = kInt8PanelRows;
constexpr std::size_t kGroupCodes = kGroup * kTileRows;

// Tile registers: two sums and two inputs take turns, so that one group's products overlap the other's conversion.
struct AmxConfiguration {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 32, 32, 64, 64};
  std::uint8_t rows[16] = {kAmxRows, kAmxRows, kAmxRows, kAmxRows, kGroup / 4, kGroup / 4};
};

// A tile of weights with its codes as bytes and its scales as f32.
struct UnpackedTile {
  const std::int8_t* codes;     // [K / kGroup, kGroupCodes]
  std::size_t group_bytes;      // from one group's codes to the next's
  const float *scale, *minimum; // [K / kGroup, kTileRows]
};

template <int Bits, bool HasMinimum>
inline UnpackedTile unpack_tile(const QuantizedMatrix& weight, std::size_t tile, std::int8_t* codes, float* scale, float* minimum) {
  const std::size_t groups = weight.columns / kGroup;
  const std::uint8_t* group = weight.data + tile * weight.tile_bytes();
  constexpr std::size_t kHead = head_bytes<Bits, HasMinimum>();
  for (std::size_t g = 0; g < groups; ++g, group += weight.group_bytes()) {
    store_part(scale + g * kTileRows, load_halves(group));
    if constexpr (HasMinimum) store_part(minimum + g * kTileRows, load_halves(group + 2 * kTileRows));
    if constexpr (Bits == 4) {
      for (std::size_t v = 0; v < 4; ++v) {
        const Part packed = load_part(group + kHead + v * 64);
        _mm512_storeu_si512(codes + g * kGroupCodes + v * 128, low_codes(packed));
        _mm512_storeu_si512(codes + g * kGroupCodes + v * 128 + 64, high_codes(packed));
      }
    }
  }
  if constexpr (Bits == 4) return {codes, kGroupCodes, scale, minimum};
  const auto* in_place = reinterpret_cast<const std::int8_t*>(weight.data + tile * weight.tile_bytes() + kHead);
  return {in_place, weight.group_bytes(), scale, minimum};
}

template <int Bits, bool HasMinimum>
inline void amx_tile(const Int8Rows& rows, std::size_t row, std::size_t tile, const UnpackedTile& weight) {
  const Int8Panels panels = rows.panels();
  const std::size_t groups = panels.groups, step = panels.rows(), at = panels.at(row, 0);
  const std::int8_t *codes = rows.codes + at * kGroup, *weight_codes = weight.codes;
  const float *scales = rows.scales + at, *sums = rows.sums + at, *scale = weight.scale, *minimum = weight.minimum;
  alignas(64) std::int32_t dots[2][2][kAmxRows * kTileRows];

  FloatPart total[kAmxRows];
  for (FloatPart& each : total) each = same(0.0f);
  const auto add = [&](const std::int32_t* products) __attribute__((always_inline)) {
    const FloatPart scale_now = _mm512_loadu_ps(scale);
    FloatPart minimum_now{};
    if constexpr (HasMinimum) minimum_now = _mm512_loadu_ps(minimum);
#pragma GCC unroll 16
    for (std::size_t r = 0; r < kAmxRows; ++r) {
      const FloatPart dot = _mm512_cvtepi32_ps(_mm512_load_si512(products + r * kTileRows));
      total[r] = add_group<Bits, HasMinimum>(total[r], dot, scale_now, minimum_now, same(scales[r]), same(sums[r]));
    }
    scales += step;
    sums += step;
    scale += kTileRows;
    minimum += kTileRows;
    memory_barrier();  // or it would mix two groups' sums and run out of registers
  };
  // Two groups' products are under way while the two before them are summed: what a tile register stores takes long to arrive.
  const auto multiply_two = [&](std::int32_t (*products)[kAmxRows * kTileRows]) __attribute__((always_inline)) {
    _tile_zero(0);
    _tile_loadd(2, codes, kGroup);
    _tile_loadd(4, weight_codes, 64);
    _tile_dpbssd(0, 2, 4);
    _tile_stored(0, products[0], 64);
    _tile_zero(1);
    _tile_loadd(3, codes + step * kGroup, kGroup);
    _tile_loadd(5, weight_codes + weight.group_bytes, 64);
    _tile_dpbssd(1, 3, 5);
    _tile_stored(1, products[1], 64);
    codes += 2 * step * kGroup;
    weight_codes += 2 * weight.group_bytes;
  };
  const std::size_t pairs = groups / 2;
  if (pairs > 0) multiply_two(dots[0]);
  for (std::size_t pair = 0; pair < pairs; ++pair) {
    if (pair + 1 < pairs) multiply_two(dots[(pair + 1) % 2]);
    add(dots[pair % 2][0]);
    add(dots[pair % 2][1]);
  }
  if (groups % 2 != 0) {
    _tile_zero(0);
    _tile_loadd(2, codes, kGroup);
    _tile_loadd(4, weight_codes, 64);
    _tile_dpbssd(0, 2, 4);
    _tile_stored(0, dots[0][0], 64);
    add(dots[0][0]);
  }
  for (std::size_t r = 0; r < kAmxRows && row + r < rows.m; ++r) {
    float result[kTileRows];
    store_part(result, total[r]);
    write_tile(rows, row + r, tile, result);
  }
}

// The first rows of the input; returns how many. A last tile register of few rows would cost more than other ways.
template <int Bits, bool HasMinimum>
std::size_t amx_tiles(const Int8Rows& rows, std::size_t begin, std::size_t end) {
  constexpr std::size_t kFewRows = 8;
  const std::size_t m = rows.m % kAmxRows > kFewRows ? rows.m : rows.m / kAmxRows * kAmxRows;
  if (m == 0) return 0;
  const std::size_t groups = rows.weight.columns / kGroup;
  // Tiles whose weights stay near while all rows pass: an input of many rows is larger than the cache.
  constexpr std::size_t kTogether = 4;
  thread_local std::vector<std::int8_t> codes;
  thread_local std::vector<float> scales;
  if constexpr (Bits == 4) codes.resize(kTogether * groups * kGroupCodes);
  scales.resize(kTogether * groups * kTileRows * 2);
  const AmxConfiguration configuration;
  asm volatile("ldtilecfg %0" ::"m"(configuration));  // GCC 12's own _tile_loadconfig() tells the compiler of 8 bytes of it
  for (std::size_t first = begin; first < end; first += kTogether) {
    const std::size_t n = std::min(kTogether, end - first);
    UnpackedTile tiles[kTogether];
    for (std::size_t t = 0; t < n; ++t) {
      float* scale = scales.data() + t * groups * kTileRows * 2;
      tiles[t] = unpack_tile<Bits, HasMinimum>(rows.weight, first + t, codes.data() + t * groups * kGroupCodes, scale,
                                               scale + groups * kTileRows);
    }
    memory_barrier();
    for (std::size_t row = 0; row < m; row += kAmxRows) {
      for (std::size_t t = 0; t < n; ++t) amx_tile<Bits, HasMinimum>(rows, row, first + t, tiles[t]);
    }
  }
  _tile_release();
  return m;
}

}  // namespace
}  // namespace weft::kernels::WEFT_VARIANT
