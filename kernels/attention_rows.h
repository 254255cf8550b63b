// The inner part of attention: a few query rows against one head of one cache.
//
// Compiled once for each instruction set (kernels/variants.h). R query rows (1..kMaxRows), D key size, Dv value size; tiles of kLanes cache rows, spans of kSpan.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/exponential.h"
#include "kernels/vector.h"

namespace weft::kernels::WEFT_VARIANT {
namespace {

constexpr std::size_t kTiles = kSpan / kLanes;
constexpr float kNegativeInfinity = -std::numeric_limits<float>::infinity();

// scores[r][0..kSpan) = query[r] . keys; two tiles at a time keep 2 * R sums in flight.
template <int R>
inline void score_span(const AttentionRows& rows, const float* keys, std::size_t n_tiles, float scores[][kSpan]) {
  const std::size_t size = rows.key_size;
  for (std::size_t tile = 0; tile < n_tiles; tile += 2) {
    const float* first = keys + tile * kLanes * size;
    const float* second = tile + 1 < n_tiles ? first + kLanes * size : first;
    Vector a[R] = {}, b[R] = {};
    for (std::size_t d = 0; d < size; ++d) {
      const Vector key_a = load(first + d * kLanes), key_b = load(second + d * kLanes);
      for (int r = 0; r < R; ++r) {
        const float q = rows.query[r][d];
        a[r] += key_a * q;
        b[r] += key_b * q;
      }
    }
    for (int r = 0; r < R; ++r) {
      store(&scores[r][tile * kLanes], a[r]);
      if (tile + 1 < n_tiles) store(&scores[r][(tile + 1) * kLanes], b[r]);
    }
  }
}

// out[r] = out[r] * factor[r] + sum over j of weights[r][j] * values[j], for C * kLanes components from `at`.
template <int R, int C>
inline void add_values(const AttentionRows& rows, const float* values, std::size_t stride, std::size_t n,
                       const float weights[][kSpan], const float* factor, std::size_t at) {
  Vector total[R][C];
  for (int r = 0; r < R; ++r) {
    for (int c = 0; c < C; ++c) total[r][c] = load(rows.sums[r] + at + c * kLanes) * factor[r];
  }
  for (std::size_t j = 0; j < n; ++j) {
    for (int c = 0; c < C; ++c) {
      const Vector value = load(values + j * stride + at + c * kLanes);
      for (int r = 0; r < R; ++r) total[r][c] += value * weights[r][j];
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int c = 0; c < C; ++c) store(rows.sums[r] + at + c * kLanes, total[r][c]);
  }
}

template <int R>
void attend(const AttentionRows& rows) {
  alignas(64) float scores[R][kSpan];
  float maximum[R], denominator[R], factor[R];
  std::size_t begin = rows.begin[0], end = rows.end[0];
  for (int r = 0; r < R; ++r) {
    begin = std::min(begin, rows.begin[r]);
    end = std::max(end, rows.end[r]);
    // A sink is a score of its own that has no value.
    maximum[r] = rows.has_sink ? rows.sink[r] : kNegativeInfinity;
    denominator[r] = rows.has_sink ? 1.0f : 0.0f;
  }

  for (std::size_t at = begin / kSpan * kSpan; at < end; at += kSpan) {
    KvBlock& block = rows.cache->block(rows.layer, at / kBlockRows);
    const std::size_t in_block = at % kBlockRows;
    const std::size_t n = std::min(kSpan, end - at);
    const std::size_t n_tiles = (n + kLanes - 1) / kLanes;
    score_span<R>(rows, block.keys(rows.kv_head) + in_block * rows.key_size, n_tiles, scores);

    for (int r = 0; r < R; ++r) {
      const std::size_t from = std::clamp(rows.begin[r], at, at + n) - at;
      const std::size_t to = std::clamp(rows.end[r], at, at + n) - at;
      factor[r] = 1.0f;
      if (from >= to) {  // the row sees nothing here: its sums must stay as they are, to the bit
        std::fill(scores[r], scores[r] + kSpan, 0.0f);
        continue;
      }
      if (rows.softcap > 0) {
        for (std::size_t j = from; j < to; ++j) scores[r][j] = rows.softcap * std::tanh(scores[r][j] / rows.softcap);
      }
      std::fill(scores[r], scores[r] + from, kNegativeInfinity);
      std::fill(scores[r] + to, scores[r] + kSpan, kNegativeInfinity);

      Vector largest = load(scores[r]);
      for (std::size_t t = 1; t < kTiles; ++t) {
        const Vector v = load(&scores[r][t * kLanes]);
        largest = larger(largest, v);
      }
      const float top = std::max(maximum[r], largest_lane(largest));
      if (top > maximum[r]) {
        factor[r] = maximum[r] == kNegativeInfinity ? 0.0f : std::exp(maximum[r] - top);
        maximum[r] = top;
      }
      Vector total{};
      for (std::size_t t = 0; t < kTiles; ++t) {
        const Vector weight = exp_nonpositive(load(&scores[r][t * kLanes]) - top);
        store(&scores[r][t * kLanes], weight);
        total += weight;
      }
      denominator[r] = denominator[r] * factor[r] + sum(total);
    }

    const std::size_t stride = block.value_stride();
    const float* values = block.values(rows.kv_head) + in_block * stride;
    constexpr int kColumns = R <= 2 ? 4 : 2;  // 6 to 8 sums in flight hide the latency of multiply-add
    std::size_t column = 0;
    for (; column + kColumns * kLanes <= stride; column += kColumns * kLanes) {
      add_values<R, kColumns>(rows, values, stride, n, scores, factor, column);
    }
    for (; column < stride; column += kLanes) add_values<R, 1>(rows, values, stride, n, scores, factor, column);
  }

  for (int r = 0; r < R; ++r) {
    const float inverse = 1.0f / denominator[r];
    for (std::size_t i = 0; i < rows.value_size; ++i) rows.out[r][i] = rows.sums[r][i] * inverse;
  }
}

}  // namespace

void attention_rows(const AttentionRows& rows) {
  static_assert(kMaxRows == 4);
  switch (rows.n) {
    case 1: return attend<1>(rows);
    case 2: return attend<2>(rows);
    case 3: return attend<3>(rows);
    default: return attend<4>(rows);
  }
}

}  // namespace weft::kernels::WEFT_VARIANT
