// The inner loops that are compiled once for each instruction set, and the choice among them at run time.
//
// kernels/variant_<set>.cpp includes kernels/*_rows.h inside of a namespace of its own.
#pragma once

#include <cstddef>

#include "weft/kernels/kv_cache.h"
#include "weft/kernels/quantized_linear.h"

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

struct LinearRows {
  const float* input;   // [M, K]
  const float* weight;  // [N, K]
  const float* bias;    // [N] or nullptr
  float* out;           // [M, N]
  std::size_t m, n, k;
};

struct QuantizedRows {
  const float* input;       // [M, K]
  const float* group_sums;  // [M, K / kGroup]; only with minima
  QuantizedMatrix weight;   // [N, K]
  const float* bias;        // [N] or nullptr
  float* out;               // [M, N]
  std::size_t m;
};

// The ranges are of output features, and of tiles of them.
#define WEFT_VARIANT_FUNCTIONS(name)                                                    \
  namespace name {                                                                      \
  void attention_rows(const AttentionRows& rows);                                       \
  void linear_rows(const LinearRows& rows, std::size_t begin, std::size_t end);         \
  void quantized_rows(const QuantizedRows& rows, std::size_t begin, std::size_t end);   \
  }
WEFT_VARIANT_FUNCTIONS(baseline)
WEFT_VARIANT_FUNCTIONS(avx2)
WEFT_VARIANT_FUNCTIONS(avx512)
#undef WEFT_VARIANT_FUNCTIONS

struct Variant {
  const char* name;
  decltype(&baseline::attention_rows) attention_rows;
  decltype(&baseline::linear_rows) linear_rows;
  decltype(&baseline::quantized_rows) quantized_rows;
};

/// The best one that this processor runs.
[[nodiscard]] const Variant& variant() noexcept;

}  // namespace weft::kernels
