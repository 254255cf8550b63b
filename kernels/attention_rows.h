// The inner part of attention: a few query rows against one head of one cache.
//
// Compiled once for each instruction set (kernels/variants.h). R query rows (1..kMaxRows), D key size, Dv value size; tiles of
// kLanes cache rows, blocks of kBlockRows. T is what the cache keeps.
//
// Each block gives a partial result of its own, and those are merged in order, so that a token's result has the same bits whether
// one thread went through all blocks or several did.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <span>
#include <type_traits>

#include "kernels/exponential.h"
#include "kernels/vector.h"

namespace weft::kernels::WEFT_VARIANT {
namespace {

constexpr float kNegativeInfinity = -std::numeric_limits<float>::infinity();

// How many vectors of sums each of R rows may have, such that all fit the registers: a power of two, at most `most`.
constexpr int sums_each(int R, int most) {
#if defined(__AVX512F__) || defined(__aarch64__)
  constexpr int kSums = 24;
#else
  constexpr int kSums = 12;
#endif
  int each = 1;
  while (2 * each <= most && 2 * each * R * static_cast<int>(kRegisters) <= kSums) each *= 2;
  return each;
}

// Whether R by N vectors of sums leave too few registers for N vectors of factors that are made from T: then each is used up before the
// next is made, and a barrier keeps the compiler from making it sooner. So it is with three rows and AVX2, where GCC kept sums in memory.
template <class T, int R, int N>
constexpr bool kTight =
    kRegisterBytes == 32 && !std::is_same_v<T, float> && N > 1 && R * N * static_cast<int>(kRegisters) >= 12;

// Asks for what will be read soon, piece by piece, while something else is computed. The processor's own reading ahead ends with
// each page of 4 KiB, and a head has only a few of them in a block.
class Ahead {
 public:
  explicit Ahead(std::span<const std::byte> bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}
  void ask(std::size_t bytes) {
    for (const std::byte* to = std::min(at_ + bytes, end_); at_ < to; at_ += 64) prefetch(at_);
  }
  void ask_rest() {
    for (; at_ < end_; at_ += 64) prefetch(at_);
  }

 private:
  const std::byte *at_, *end_;
};

// Numbers in what a cache is made of.
template <class T>
constexpr std::size_t kNumbersIn = std::is_same_v<T, BFloat16Pair> ? 2 : 1;

// In how many steps a vector of T is multiplied: one number of each T at a time, or with `Pairs` a pair with a pair.
template <class T, bool Pairs>
constexpr std::size_t kSteps = Pairs ? 1 : kNumbersIn<T>;

// What is multiplied in a step.
template <bool Pairs, class T>
WEFT_INLINE auto load_factors(const T* p, std::size_t step) {
  if constexpr (Pairs) return load_integers(p);
  else if constexpr (std::is_same_v<T, BFloat16Pair>) return bits_as_float(step == 0 ? load_integers(p) << 16 : load_integers(p) & ~0xffff);
  else return load_numbers(p);
}
WEFT_INLINE Vector add_products(Vector a, float b, Vector sum) { return multiply_add(a, b, sum); }
WEFT_INLINE Vector add_products(Integers pairs, float pair_bits, Vector sum) {
  return add_pairs(pairs, std::bit_cast<std::uint32_t>(pair_bits), sum);
}

// scores[r][tile * kLanes...) = queries[:, r] . keys for the tiles [tile, n_tiles), as many at a time as there are registers. Of keys in
// pairs, size is the number of pairs; Pairs says that the queries are, too.
template <int R, int Tiles, bool Pairs, class T>
inline void score_tiles(const float* queries, std::size_t size, const T* keys, std::size_t tile, std::size_t n_tiles,
                        float scores[][kBlockRows], Ahead& ahead) {
  for (; tile + Tiles <= n_tiles; tile += Tiles) {
    const T* tile_keys = keys + tile * kLanes * size;
    Vector sums[R][Tiles];
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int t = 0; t < Tiles; ++t) sums[r][t] = broadcast(0.0f);
    }
    for (std::size_t d = 0; d < size; ++d) {
      ahead.ask(Tiles * kLanes * sizeof(T));
#pragma GCC unroll 2
      for (std::size_t step = 0; step < kSteps<T, Pairs>; ++step) {
        if constexpr (kTight<T, R, Tiles>) {
#pragma GCC unroll 8
          for (int t = 0; t < Tiles; ++t) {
            memory_barrier();
            const auto one_key = load_factors<Pairs>(tile_keys + (static_cast<std::size_t>(t) * size + d) * kLanes, step);
#pragma GCC unroll 12
            for (int r = 0; r < R; ++r) {
              sums[r][t] = add_products(one_key, queries[(d * kSteps<T, Pairs> + step) * kMaxRows + static_cast<std::size_t>(r)], sums[r][t]);
            }
          }
          continue;
        }
        decltype(load_factors<Pairs>(keys, 0)) key[Tiles];
#pragma GCC unroll 8
        for (int t = 0; t < Tiles; ++t) key[t] = load_factors<Pairs>(tile_keys + (static_cast<std::size_t>(t) * size + d) * kLanes, step);
#pragma GCC unroll 12
        for (int r = 0; r < R; ++r) {
          const float q = queries[(d * kSteps<T, Pairs> + step) * kMaxRows + static_cast<std::size_t>(r)];
#pragma GCC unroll 8
          for (int t = 0; t < Tiles; ++t) sums[r][t] = add_products(key[t], q, sums[r][t]);
        }
      }
    }
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int t = 0; t < Tiles; ++t) store(&scores[r][(tile + static_cast<std::size_t>(t)) * kLanes], sums[r][t]);
    }
  }
  if constexpr (Tiles > 1) score_tiles<R, Tiles / 2, Pairs>(queries, size, keys, tile, n_tiles, scores, ahead);
}

// sums[r] = sum over j in [begin, end) of weights[r][j] * values[j], for C * kLanes components from `at`. Of values in pairs, begin and end
// count pairs; Pairs says that the weights are, too.
template <int R, int C, bool Pairs, class T>
inline void sum_values(float* sums, const T* values, std::size_t stride, std::size_t begin, std::size_t end,
                       const float weights[][kBlockRows], std::size_t at, Ahead& ahead) {
  Vector total[R][C];
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) total[r][c] = broadcast(0.0f);
  }
  for (std::size_t j = begin; j < end; ++j) {
    ahead.ask(C * kLanes * sizeof(T));
#pragma GCC unroll 2
    for (std::size_t step = 0; step < kSteps<T, Pairs>; ++step) {
      if constexpr (kTight<T, R, C>) {
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c) {
          memory_barrier();
          const auto one_value = load_factors<Pairs>(values + j * stride + at + c * kLanes, step);
#pragma GCC unroll 12
          for (int r = 0; r < R; ++r) total[r][c] = add_products(one_value, weights[r][j * kSteps<T, Pairs> + step], total[r][c]);
        }
        continue;
      }
      decltype(load_factors<Pairs>(values, 0)) value[C];
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c) value[c] = load_factors<Pairs>(values + j * stride + at + c * kLanes, step);
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c) total[r][c] = add_products(value[c], weights[r][j * kSteps<T, Pairs> + step], total[r][c]);
      }
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) store(sums + static_cast<std::size_t>(r) * stride + at + c * kLanes, total[r][c]);
  }
}

// What R rows from `first` see of one block.
template <int R, class T, bool Pairs>
inline void attend_block(const AttentionRows& rows, std::size_t first, std::size_t block_index, float* partial, Ahead& next) {
  alignas(64) float scores[R][kBlockRows];  // then exp(score - the row's largest one); with Pairs, those of two rows in a word
  KvBlock& block = rows.cache->block(rows.layer, block_index);
  const std::size_t stride = block.value_stride(), block_begin = block_index * kBlockRows;
  // What a row sees, in rows of this block; and what any of them does.
  std::size_t from[R], to[R], begin = kBlockRows, end = 0;
  for (int r = 0; r < R; ++r) {
    from[r] = std::clamp(rows.begin[first + r], block_begin, block_begin + kBlockRows) - block_begin;
    to[r] = std::clamp(rows.end[first + r], block_begin, block_begin + kBlockRows) - block_begin;
    if (from[r] >= to[r]) continue;
    begin = std::min(begin, from[r]);
    end = std::max(end, to[r]);
  }
  if (begin >= end) return;  // the head says already that nothing was seen
  const std::size_t first_tile = begin / kLanes, n_tiles = (end + kLanes - 1) / kLanes;
  constexpr std::size_t kIn = kNumbersIn<T>;
  const T* values = block.values<T>(rows.kv_head);
  const std::size_t first_values = begin / kIn, n_values = (end + kIn - 1) / kIn;
  Ahead values_ahead(std::as_bytes(std::span(values + first_values * stride, (n_values - first_values) * stride)));
  score_tiles<R, sums_each(R, kBlockRows / kLanes), Pairs>(rows.queries + first, (rows.key_size + kIn - 1) / kIn, block.keys<T>(rows.kv_head),
                                                           first_tile, n_tiles, scores, values_ahead);

  // Each step for all rows before the next one's: what a step waits for at a row's end, the next row's beginning hides.
  Vector largest[R], total[R];
  for (int r = 0; r < R; ++r) {
    float* const row = scores[r];
    total[r] = Vector{};
    if (from[r] >= to[r]) continue;
    if constexpr (std::is_same_v<T, std::int8_t>) {
      const float* scales = block.key_scales(rows.kv_head);
      for (std::size_t t = first_tile * kLanes; t < n_tiles * kLanes; t += kLanes) store(row + t, load(row + t) * load(scales + t));
    }
    if (rows.softcap > 0) {
      for (std::size_t j = from[r]; j < to[r]; ++j) row[j] = rows.softcap * std::tanh(row[j] / rows.softcap);
    }
    std::fill(row + first_tile * kLanes, row + from[r], kNegativeInfinity);
    std::fill(row + to[r], row + n_tiles * kLanes, kNegativeInfinity);
    largest[r] = load(row + first_tile * kLanes);
    for (std::size_t t = (first_tile + 1) * kLanes; t < n_tiles * kLanes; t += kLanes) largest[r] = larger(largest[r], load(row + t));
  }
  float *const largest_scores = partial + first, *const weight_sums = partial + kLanes + first;
  for (int r = 0; r < R; ++r) {
    if (from[r] < to[r]) largest_scores[r] = largest_lane(largest[r]);
  }
  for (int r = 0; r < R; ++r) {
    float* const row = scores[r];
    if (from[r] >= to[r]) {
      std::fill(row + first_tile / (Pairs ? 2 : 1) * kLanes, row + n_tiles * kLanes, 0.0f);
      continue;
    }
    const float top = largest_scores[r];
    if constexpr (Pairs) {
      const auto weight = [&](std::size_t tile) {
        if (tile < first_tile || tile >= n_tiles) return Vector{};
        return exp_nonpositive_roughly(load(row + tile * kLanes) - top);
      };
      for (std::size_t tile = first_tile / 2 * 2; tile < n_tiles; tile += 2) {
        const Integers both = to_pairs(weight(tile), weight(tile + 1));
        total[r] = add_pairs(both, 0x3f803f80, total[r]);  // times 1: what the values are multiplied by
        store(static_cast<void*>(row + tile / 2 * kLanes), both);
      }
      continue;
    }
    for (std::size_t t = first_tile * kLanes; t < n_tiles * kLanes; t += kLanes) {
      Vector weight = exp_nonpositive(load(row + t) - top);
      total[r] += weight;
      if constexpr (std::is_same_v<T, std::int8_t>) weight *= load(block.value_scales(rows.kv_head) + t);
      store(row + t, weight);
    }
  }
  for (int r = 0; r < R; ++r) {
    if (from[r] < to[r]) weight_sums[r] = sum(total[r]);
  }

  float* const sums = partial + kPartialHead + first * stride;
  constexpr int kColumns = sums_each(R, 4);
  std::size_t column = 0;
  for (; column + kColumns * kLanes <= stride; column += kColumns * kLanes) {
    sum_values<R, kColumns, Pairs>(sums, values, stride, first_values, n_values, scores, column, next);
  }
  for (; column < stride; column += kLanes) sum_values<R, 1, Pairs>(sums, values, stride, first_values, n_values, scores, column, next);
  next.ask_rest();
}

// The head of a partial result that has seen nothing.
inline void begin_partial(float* partial) {
  store(partial, broadcast(kNegativeInfinity));
  store(partial + kLanes, broadcast(0.0f));
}

// Adds a block's partial result to that of those before it. Never inlined: every caller must get the same bits.
[[gnu::noinline]] void merge(float* state, const float* partial, std::size_t n, std::size_t stride) {
  const Vector before = load(state), here = load(partial), top = larger(before, here);
  const Integers nothing = here < std::numeric_limits<float>::lowest();  // then both may be -inf, whose difference is none
  const Vector keep = select(nothing, broadcast(1.0f), exp_nonpositive(before - top));
  const Vector add = select(nothing, broadcast(0.0f), exp_nonpositive(here - top));
  store(state, top);
  store(state + kLanes, load(state + kLanes) * keep + load(partial + kLanes) * add);
  float keeps[kLanes], adds[kLanes];
  store(keeps, keep);
  store(adds, add);
  for (std::size_t r = 0; r < n; ++r) {
    if (partial[r] == kNegativeInfinity) continue;  // there are no sums
    for (std::size_t i = kPartialHead + r * stride; i < kPartialHead + (r + 1) * stride; i += kLanes) {
      store(state + i, load(state + i) * keeps[r] + load(partial + i) * adds[r]);
    }
  }
}

// A sink is a score of its own that has no value.
inline void begin_state(const AttentionRows& rows, float* state, std::size_t stride) {
  begin_partial(state);
  for (std::size_t r = 0; rows.has_sink && r < rows.n; ++r) {
    state[r] = rows.sink[r];
    state[kLanes + r] = 1.0f;
  }
  std::fill_n(state + kPartialHead, rows.n * stride, 0.0f);
}

inline void finish_rows(const AttentionRows& rows, const float* state, std::size_t stride) {
  for (std::size_t r = 0; r < rows.n; ++r) {
    const float inverse = 1.0f / state[kLanes + r];
    for (std::size_t i = 0; i < rows.value_size; ++i) rows.out[r][i] = state[kPartialHead + r * stride + i] * inverse;
  }
}

// Calls use(row count as a constant, first row) for pieces of at most as many rows as the registers hold.
template <class Use>
inline void for_pieces(std::size_t n, const Use& use) {
#if defined(__AVX512F__)
  constexpr std::size_t kTogether = 12;
#else
  constexpr std::size_t kTogether = 6;
#endif
  std::size_t first = 0;
  const auto take = [&](auto count) {
    for (; first + count <= n; first += count) use(count, first);
  };
  if constexpr (kTogether == 12) {
    take(std::integral_constant<std::size_t, 12>{});
    take(std::integral_constant<std::size_t, 8>{});
  }
  if constexpr (kTogether == 6) take(std::integral_constant<std::size_t, 6>{});
  take(std::integral_constant<std::size_t, 4>{});
  take(std::integral_constant<std::size_t, 3>{});
  take(std::integral_constant<std::size_t, 2>{});
  take(std::integral_constant<std::size_t, 1>{});
}

template <class T, bool Pairs = false>
void attend(const AttentionRows& rows, std::size_t block, float* partial, Ahead next) {
  for_pieces(rows.n, [&](auto count, std::size_t first) {
    attend_block<static_cast<int>(count()), T, Pairs>(rows, first, block, partial, next);
  });
}

}  // namespace

void attention_block(const AttentionRows& rows, std::size_t block, float* partial, std::span<const std::byte> next) {
  static_assert(kMaxRows == 12);
  begin_partial(partial);
  switch (rows.cache->type()) {
    case KvType::kFloat32: return attend<float>(rows, block, partial, Ahead(next));
    case KvType::kFloat16: return attend<Half>(rows, block, partial, Ahead(next));
    case KvType::kInt8: return attend<std::int8_t>(rows, block, partial, Ahead(next));
    case KvType::kBFloat16:
      if constexpr (kMultipliesBFloat16) {
        if (rows.pairs) return attend<BFloat16Pair, true>(rows, block, partial, Ahead(next));
      }
      return attend<BFloat16Pair>(rows, block, partial, Ahead(next));
  }
}

// `partials` holds what attention_block() made of n_blocks blocks, in order.
void attention_merge(const AttentionRows& rows, const float* partials, std::size_t n_blocks, float* state) {
  const std::size_t stride = rows.value_stride();
  begin_state(rows, state, stride);
  for (std::size_t block = 0; block < n_blocks; ++block) merge(state, partials + block * partial_floats(stride), rows.n, stride);
  finish_rows(rows, state, stride);
}

void attention_rows(const AttentionRows& rows, float* scratch, std::span<const std::byte> next) {
  const std::size_t stride = rows.value_stride();
  float *const state = scratch, *const partial = scratch + partial_floats(stride);
  const auto [begin, end] = rows.blocks();
  begin_state(rows, state, stride);
  for (std::size_t block = begin; block < end; ++block) {
    attention_block(rows, block, partial, block + 1 < end ? rows.keys(block + 1) : next);
    merge(state, partial, rows.n, stride);
  }
  finish_rows(rows, state, stride);
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
    case KvType::kBFloat16: {
      const auto load_pairs = [](const float* x, std::size_t size, std::size_t d, std::uint32_t* pairs) {
        float part[kGroup] = {};
        std::copy_n(x + d, std::min(kGroup, size - d), part);
        pair_numbers({part, kGroup, pairs});
      };
      std::uint32_t pairs[kGroup / 2];
      auto* const keys = block.keys<std::uint32_t>(row.head) + row.row / kLanes * kLanes * (block.key_stride() / 2) + row.row % kLanes;
      for (std::size_t d = 0; d < row.key_size; d += kGroup) {
        load_pairs(row.key, row.key_size, d, pairs);
        for (std::size_t i = 0; i < std::min(kGroup, block.key_stride() - d) / 2; ++i) keys[(d / 2 + i) * kLanes] = pairs[i];
      }
      // The first row of a pair clears what stands in the second: that isn't a row yet, but is multiplied by weights of 0.
      auto* const values = block.values<std::uint32_t>(row.head) + row.row / 2 * stride;
      for (std::size_t d = 0; d < row.value_size; d += kGroup) {
        load_pairs(row.value, row.value_size, d, pairs);
        for (std::size_t i = 0; i < std::min(kGroup, stride - d); i += kLanes) {
          const Integers numbers = widen<HalfRegister>(reinterpret_cast<const std::uint16_t*>(pairs) + i);
          std::uint32_t* const both = values + d + i;
          store(both, row.row % 2 == 0 ? numbers : (load_integers(both) & 0xffff) | numbers << 16);
        }
      }
      return;
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
  std::size_t d = 0;
  for (; d + kLanes <= half; d += kLanes) {
    const Vector a = load(x + d), b = load(x + d + half);
    store(out + d, multiply_add(a, load(row.cos + d), -(b * load(row.sin + d))) * row.scale);
    store(out + d + half, multiply_add(b, load(row.cos + d + half), a * load(row.sin + d + half)) * row.scale);
  }
  for (; d < half; ++d) {
    out[d] = (x[d] * row.cos[d] - x[d + half] * row.sin[d]) * row.scale;
    out[d + half] = (x[d + half] * row.cos[d + half] + x[d] * row.sin[d + half]) * row.scale;
  }
}

}  // namespace weft::kernels::WEFT_VARIANT
