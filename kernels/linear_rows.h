// The inner part of a linear with few input rows: reading the weights is what it costs.
//
// M input rows, N output features, K input features; compiled once for each instruction set (kernels/variants.h).
#pragma once

#include <algorithm>

#include "kernels/vector.h"

namespace weft::kernels::WEFT_VARIANT {
namespace {

// out[r][j] for R input rows and C output features from `feature`: R * C sums in flight.
template <int R, int C>
inline void linear_tile(const LinearRows& rows, std::size_t row, std::size_t feature) {
  const float* input = rows.input + row * rows.k;
  const float* weight = rows.weight + feature * rows.k;
  Vector total[R][C] = {};
  std::size_t i = 0;
  for (; i + kLanes <= rows.k; i += kLanes) {
    Vector x[R];
    for (int r = 0; r < R; ++r) x[r] = load(input + r * rows.k + i);
    for (int c = 0; c < C; ++c) {
      const Vector w = load(weight + c * rows.k + i);
      for (int r = 0; r < R; ++r) total[r][c] = multiply_add(x[r], w, total[r][c]);
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int c = 0; c < C; ++c) {
      float result = sum(total[r][c]);
      for (std::size_t rest = i; rest < rows.k; ++rest) result += input[r * rows.k + rest] * weight[c * rows.k + rest];
      rows.out[(row + r) * rows.n + feature + c] = result + (rows.bias != nullptr ? rows.bias[feature + c] : 0.0f);
    }
  }
}

template <int R>
inline void linear_features(const LinearRows& rows, std::size_t row, std::size_t begin, std::size_t end) {
  // R * kFeatures vectors of sums fit the registers.
  constexpr int kFeatures = kRegisters == 1 ? (R == 1 ? 8 : 4) : kRegisters == 2 ? (R == 1 ? 4 : R == 4 ? 1 : 2) : (R == 1 ? 4 : 1);
  std::size_t feature = begin;
  for (; feature + kFeatures <= end; feature += kFeatures) linear_tile<R, kFeatures>(rows, row, feature);
  for (; feature < end; ++feature) linear_tile<R, 1>(rows, row, feature);
}

}  // namespace

void linear_rows(const LinearRows& rows, std::size_t begin, std::size_t end) {
  // Strips of features whose weights stay in the first-level cache while all input rows pass over them.
  constexpr std::size_t kStripFloats = 4096;
  const std::size_t strip = rows.m == 1 ? end - begin : std::max<std::size_t>(8, kStripFloats / rows.k / 8 * 8);
  for (std::size_t at = begin; at < end; at += strip) {
    const std::size_t to = std::min(end, at + strip);
    std::size_t row = 0;
    for (; row + 4 <= rows.m; row += 4) linear_features<4>(rows, row, at, to);
    switch (rows.m - row) {
      case 3: linear_features<3>(rows, row, at, to); break;
      case 2: linear_features<2>(rows, row, at, to); break;
      case 1: linear_features<1>(rows, row, at, to); break;
      default: break;
    }
  }
}

}  // namespace weft::kernels::WEFT_VARIANT
