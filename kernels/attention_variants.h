// What the variants of attention's inner part are given, and their names.
#pragma once

#include <cstddef>

#include "weft/kernels/kv_cache.h"

namespace weft::kernels {

/// Query rows that share the loads of one head's keys and values.
inline constexpr std::size_t kMaxRows = 4;
/// Cache rows between two looks at the softmax's maximum. Spans begin at multiples of it, whatever the
/// batch, so that a token's sums are always made in the same order.
inline constexpr std::size_t kSpan = 64;
static_assert(kBlockRows % kSpan == 0 && kSpan % kLanes == 0);

struct AttentionRows {
  std::size_t n;                 // 1..kMaxRows
  const float* query[kMaxRows];  // [D], scaled
  std::size_t begin[kMaxRows];   // first cache row seen
  std::size_t end[kMaxRows];     // one past the last
  float sink[kMaxRows];
  bool has_sink;
  float softcap;
  float* sums[kMaxRows];  // [Dv rounded up to kLanes], zeros on entry
  float* out[kMaxRows];   // [Dv]
  const KvCache* cache;
  std::size_t layer, kv_head, key_size, value_size;
};

#define WEFT_ATTENTION_VARIANT(name)              \
  namespace name {                                \
  void attention_rows(const AttentionRows& rows); \
  }
WEFT_ATTENTION_VARIANT(baseline)
WEFT_ATTENTION_VARIANT(avx2)
WEFT_ATTENTION_VARIANT(avx512)
#undef WEFT_ATTENTION_VARIANT

}  // namespace weft::kernels
