// The inner part of attention: a few query rows against one head of one cache.
//
// Compiled once for each instruction set (kernels/variants.h). R query rows (1..kMaxRows), D key size, Dv value size; tiles of
// kLanes cache rows, spans of kSpan, blocks of kBlockRows. T is what the cache keeps.
//
// Each block gives a partial result of its own, and those are merged in order, so that a token's result has the same bits whether
// one thread went through all blocks or several did.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "kernels/exponential.h"
#include "kernels/vector.h"

namespace weft::kernels::WEFT_VARIANT {
namespace {

constexpr std::size_t kTiles = kSpan / kLanes;
constexpr float kNegativeInfinity = -std::numeric_limits<float>::infinity();

// scores[r][0..kSpan) = query[r] . keys; two tiles at a time keep 2 * R sums in flight.
template <int R, class T>
inline void score_span(const AttentionRows& rows, std::size_t first, const T* keys, std::size_t n_tiles, float scores[][kSpan]) {
  const std::size_t size = rows.key_size;
  for (std::size_t tile = 0; tile < n_tiles; tile += 2) {
    const T* one = keys + tile * kLanes * size;
    const T* two = tile + 1 < n_tiles ? one + kLanes * size : one;
    Vector a[R] = {}, b[R] = {};
    for (std::size_t d = 0; d < size; ++d) {
      const Vector key_a = load_numbers(one + d * kLanes), key_b = load_numbers(two + d * kLanes);
      for (int r = 0; r < R; ++r) {
        const float q = rows.query[first + static_cast<std::size_t>(r)][d];
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

// sums[r] = sums[r] * factor[r] + sum over j of weights[r][j] * values[j], for C * kLanes components from `at`.
template <int R, int C, class T>
inline void add_values(float* const sums[], const T* values, std::size_t stride, std::size_t n, const float weights[][kSpan],
                       const float* factor, std::size_t at) {
  Vector total[R][C];
  for (int r = 0; r < R; ++r) {
    for (int c = 0; c < C; ++c) total[r][c] = load(sums[r] + at + c * kLanes) * factor[r];
  }
  for (std::size_t j = 0; j < n; ++j) {
    for (int c = 0; c < C; ++c) {
      const Vector value = load_numbers(values + j * stride + at + c * kLanes);
      for (int r = 0; r < R; ++r) total[r][c] += value * weights[r][j];
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int c = 0; c < C; ++c) store(sums[r] + at + c * kLanes, total[r][c]);
  }
}

// What R rows from `first` see of one block, into `partials`: of rows of kPartialHead + value_stride floats.
template <int R, class T>
inline void attend_block(const AttentionRows& rows, std::size_t first, std::size_t block_index, float* const partials[]) {
  alignas(64) float scores[R][kSpan];
  float maximum[R], denominator[R], factor[R];
  float* sums[R];
  KvBlock& block = rows.cache->block(rows.layer, block_index);
  const std::size_t stride = block.value_stride(), block_begin = block_index * kBlockRows;
  std::size_t begin = rows.begin[first], end = rows.end[first];
  for (int r = 0; r < R; ++r) {
    begin = std::min(begin, rows.begin[first + static_cast<std::size_t>(r)]);
    end = std::max(end, rows.end[first + static_cast<std::size_t>(r)]);
    maximum[r] = kNegativeInfinity;
    denominator[r] = 0.0f;
    sums[r] = partials[r] + kPartialHead;
    std::fill_n(sums[r], stride, 0.0f);
  }
  begin = std::max(begin, block_begin);
  end = std::min(end, block_begin + kBlockRows);

  for (std::size_t at = begin / kSpan * kSpan; at < end; at += kSpan) {
    const std::size_t in_block = at - block_begin;
    const std::size_t n = std::min(kSpan, end - at);
    const std::size_t n_tiles = (n + kLanes - 1) / kLanes;
    score_span<R>(rows, first, block.keys<T>(rows.kv_head) + in_block * rows.key_size, n_tiles, scores);

    for (int r = 0; r < R; ++r) {
      const std::size_t from = std::clamp(rows.begin[first + static_cast<std::size_t>(r)], at, at + n) - at;
      const std::size_t to = std::clamp(rows.end[first + static_cast<std::size_t>(r)], at, at + n) - at;
      factor[r] = 1.0f;
      if (from >= to) {  // the row sees nothing here: its sums must stay as they are, to the bit
        std::fill(scores[r], scores[r] + kSpan, 0.0f);
        continue;
      }
      if constexpr (std::is_same_v<T, std::int8_t>) {
        const float* scales = block.key_scales(rows.kv_head) + in_block;
        for (std::size_t t = 0; t < n_tiles; ++t) store(&scores[r][t * kLanes], load(&scores[r][t * kLanes]) * load(scales + t * kLanes));
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
        total += weight;
        if constexpr (std::is_same_v<T, std::int8_t>) {
          store(&scores[r][t * kLanes], weight * load(block.value_scales(rows.kv_head) + in_block + t * kLanes));
        } else {
          store(&scores[r][t * kLanes], weight);
        }
      }
      denominator[r] = denominator[r] * factor[r] + sum(total);
    }

    const T* values = block.values<T>(rows.kv_head) + in_block * stride;
    constexpr int kColumns = R <= 2 ? 4 : 2;  // 6 or more sums in flight hide the latency of multiply-add
    std::size_t column = 0;
    for (; column + kColumns * kLanes <= stride; column += kColumns * kLanes) {
      add_values<R, kColumns>(sums, values, stride, n, scores, factor, column);
    }
    for (; column < stride; column += kLanes) add_values<R, 1>(sums, values, stride, n, scores, factor, column);
  }
  for (int r = 0; r < R; ++r) {
    partials[r][0] = maximum[r];
    partials[r][1] = denominator[r];
  }
}

// Adds a block's partial result to a row's. Never inlined: every caller must get the same bits.
[[gnu::noinline]] void merge(float* state, const float* partial, std::size_t stride) {
  if (partial[1] == 0.0f) return;  // it saw nothing there
  const float top = std::max(state[0], partial[0]);
  const float keep = state[0] == kNegativeInfinity ? 0.0f : std::exp(state[0] - top), add = std::exp(partial[0] - top);
  state[0] = top;
  state[1] = state[1] * keep + partial[1] * add;
  for (std::size_t i = kPartialHead; i < kPartialHead + stride; i += kLanes) {
    store(state + i, load(state + i) * keep + load(partial + i) * add);
  }
}

// A sink is a score of its own that has no value.
inline void begin_row(const AttentionRows& rows, std::size_t row, float* state, std::size_t stride) {
  state[0] = rows.has_sink ? rows.sink[row] : kNegativeInfinity;
  state[1] = rows.has_sink ? 1.0f : 0.0f;
  std::fill_n(state + kPartialHead, stride, 0.0f);
}

inline void finish_row(const AttentionRows& rows, std::size_t row, const float* state) {
  const float inverse = 1.0f / state[1];
  for (std::size_t i = 0; i < rows.value_size; ++i) rows.out[row][i] = state[kPartialHead + i] * inverse;
}

inline float* partial_row(const AttentionRows& rows, std::size_t index) { return rows.scratch + index * rows.partial_floats(); }

// Calls use(row count as a constant, first row) for pieces of at most as many rows as the registers hold.
template <class Use>
inline void for_pieces(std::size_t n, const Use& use) {
#if defined(__AVX512F__)
  constexpr std::size_t kTogether = 8;
#else
  constexpr std::size_t kTogether = 4;
#endif
  std::size_t first = 0;
  const auto take = [&](auto count) {
    for (; first + count <= n; first += count) use(count, first);
  };
  if constexpr (kTogether == 8) take(std::integral_constant<std::size_t, 8>{});
  take(std::integral_constant<std::size_t, 4>{});
  take(std::integral_constant<std::size_t, 3>{});
  take(std::integral_constant<std::size_t, 2>{});
  take(std::integral_constant<std::size_t, 1>{});
}

template <class T>
void attend(const AttentionRows& rows, std::size_t block, float* const partials[]) {
  for_pieces(rows.n, [&](auto count, std::size_t first) { attend_block<static_cast<int>(count()), T>(rows, first, block, partials + first); });
}

}  // namespace

void attention_block(const AttentionRows& rows, std::size_t block) {
  static_assert(kMaxRows == 8);
  float* partials[kMaxRows];
  for (std::size_t r = 0; r < rows.n; ++r) partials[r] = partial_row(rows, r);
  switch (rows.cache->type()) {
    case KvType::kFloat32: return attend<float>(rows, block, partials);
    case KvType::kFloat16: return attend<Half>(rows, block, partials);
    case KvType::kInt8: return attend<std::int8_t>(rows, block, partials);
  }
}

// `partials` holds what attention_block() made of n_blocks blocks, in order, each with room for rows_each rows.
void attention_merge(const AttentionRows& rows, const float* partials, std::size_t rows_each, std::size_t n_blocks) {
  const std::size_t stride = rows.partial_floats() - kPartialHead;
  for (std::size_t r = 0; r < rows.n; ++r) {
    float* state = partial_row(rows, r);
    begin_row(rows, r, state, stride);
    for (std::size_t block = 0; block < n_blocks; ++block) merge(state, partials + (block * rows_each + r) * rows.partial_floats(), stride);
    finish_row(rows, r, state);
  }
}

void attention_rows(const AttentionRows& rows) {
  const std::size_t stride = rows.partial_floats() - kPartialHead;
  const auto [begin, end] = rows.blocks();
  AttentionRows one = rows;  // its partials lie behind the rows' states
  one.scratch = partial_row(rows, rows.n);
  for (std::size_t r = 0; r < rows.n; ++r) begin_row(rows, r, partial_row(rows, r), stride);
  for (std::size_t block = begin; block < end; ++block) {
    attention_block(one, block);
    for (std::size_t r = 0; r < rows.n; ++r) merge(partial_row(rows, r), partial_row(one, r), stride);
  }
  for (std::size_t r = 0; r < rows.n; ++r) finish_row(rows, r, partial_row(rows, r));
}

// Writes one token's key and value of one head into its row of a block.
void keep_row(const KvRow& row) {
  KvBlock& block = *row.block;
  const std::size_t in_tile = row.row / kLanes * kLanes * row.key_size + row.row % kLanes, stride = block.value_stride();
  const auto keep = [&](auto* keys, auto* values, const auto& narrow) {
    alignas(64) std::remove_pointer_t<decltype(keys)> numbers[kLanes];
    for (std::size_t d = 0; d < row.key_size; d += kLanes) {
      narrow(row.key, row.key_size, d, numbers, 0);
      for (std::size_t i = 0; i < std::min(kLanes, row.key_size - d); ++i) keys[in_tile + (d + i) * kLanes] = numbers[i];
    }
    for (std::size_t d = 0; d < row.value_size; d += kLanes) narrow(row.value, row.value_size, d, values + row.row * stride + d, 1);
  };
  const auto load_part = [](const float* x, std::size_t size, std::size_t d) {  // zeros behind the end
    if (d + kLanes <= size) return load(x + d);
    float part[kLanes] = {};
    std::copy(x + d, x + size, part);
    return load(part);
  };
  switch (block.type()) {
    case KvType::kFloat32:
      return keep(block.keys<float>(row.head), block.values<float>(row.head),
                  [&](const float* x, std::size_t size, std::size_t d, float* out, int) { store(out, load_part(x, size, d)); });
    case KvType::kFloat16:
      return keep(block.keys<Half>(row.head), block.values<Half>(row.head),
                  [&](const float* x, std::size_t size, std::size_t d, Half* out, int) {
                    const Vector most = broadcast(65504.0f), v = load_part(x, size, d);
                    store_halves(out, larger(-most, -larger(-most, -v)));
                  });
    case KvType::kInt8: {
      float scales[2];
      for (const bool value : {false, true}) {
        const float* x = value ? row.value : row.key;
        const std::size_t size = value ? row.value_size : row.key_size;
        Vector largest{};
        for (std::size_t d = 0; d < size; d += kLanes) largest = larger(largest, absolute(load_part(x, size, d)));
        const float top = largest_lane(largest);
        scales[value] = top > 1e-30f ? top / 127.0f : 0.0f;
      }
      block.key_scales(row.head)[row.row] = scales[0];
      block.value_scales(row.head)[row.row] = scales[1];
      return keep(block.keys<std::int8_t>(row.head), block.values<std::int8_t>(row.head),
                  [&](const float* x, std::size_t size, std::size_t d, std::int8_t* out, int which) {
                    const float inverse = scales[which] > 0 ? 1.0f / scales[which] : 0.0f;
                    // Adding 1.5 * 2^23 rounds to the nearest whole number; the low bits are that number.
                    const Integers codes = bits_of(load_part(x, size, d) * inverse + 12582912.0f) - 0x4b400000;
                    std::int32_t whole[kLanes];
                    std::memcpy(whole, &codes, sizeof codes);
                    for (std::size_t i = 0; i < kLanes; ++i) out[i] = static_cast<std::int8_t>(whole[i]);
                  });
    }
  }
}

// A head's query or key of a token, turned by its position if that is asked for, times scale.
void turn_row(const TurnedRow& row) {
  const std::size_t size = row.size, half = size / 2;
  const float* x = row.input;
  float* out = row.out;
  if (row.cos == nullptr) {
    for (std::size_t d = 0; d < size; ++d) out[d] = x[d] * row.scale;
    return;
  }
  for (std::size_t d = 0; d < half; ++d) {
    out[d] = (x[d] * row.cos[d] - x[d + half] * row.sin[d]) * row.scale;
    out[d + half] = (x[d + half] * row.cos[d + half] + x[d] * row.sin[d + half]) * row.scale;
  }
}

}  // namespace weft::kernels::WEFT_VARIANT
