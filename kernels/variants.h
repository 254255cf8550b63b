// The inner loops that are compiled once for each instruction set, and the choice among them at run time.
//
// kernels/variant_<set>.cpp includes kernels/variant.h, whose functions then stand in a namespace of its own.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "weft/kernels/kv_cache.h"
#include "weft/kernels/quantized_linear.h"

namespace weft::kernels {

/// Query rows that share the loads of one head's keys and values.
inline constexpr std::size_t kMaxRows = 12;
/// A partial result: f32 [2, kLanes], each row's largest score and the sum of its weights; then the rows' weighted sums of values,
/// [kMaxRows, value_stride].
inline constexpr std::size_t kPartialHead = 2 * kLanes;
static_assert(kMaxRows <= kLanes);
constexpr std::size_t partial_floats(std::size_t value_stride) { return kPartialHead + kMaxRows * value_stride; }
constexpr std::size_t query_floats(std::size_t key_size) { return (key_size + 1) / 2 * 2 * kMaxRows; }

struct AttentionRows {
  std::size_t n;                 // 1..kMaxRows
  const float* queries;          // [D rounded up to even, kMaxRows], scaled; with `pairs` the bits of half as many pairs
  bool pairs;                    // of a cache of kBFloat16, where the variant multiplies bfloat16: weights are rounded to it, too
  std::size_t begin[kMaxRows];   // first cache row seen
  std::size_t end[kMaxRows];     // one past the last
  float sink[kMaxRows];
  bool has_sink;
  float softcap;
  float* out[kMaxRows];  // [Dv]
  const KvCache* cache;
  std::size_t layer, kv_head, key_size, value_size;

  [[nodiscard]] std::size_t value_stride() const { return (value_size + kLanes - 1) / kLanes * kLanes; }
  // The blocks that any of the rows sees: [first, second).
  [[nodiscard]] std::pair<std::size_t, std::size_t> blocks() const {
    std::size_t from = begin[0], to = end[0];
    for (std::size_t r = 1; r < n; ++r) from = std::min(from, begin[r]), to = std::max(to, end[r]);
    return {from / kBlockRows, (to + kBlockRows - 1) / kBlockRows};
  }
  // The keys that a block of those holds.
  [[nodiscard]] std::span<const std::byte> keys(std::size_t block) const {
    KvBlock& of = cache->block(layer, block);
    const std::size_t kept = std::min(kBlockRows, *std::max_element(end, end + n) - block * kBlockRows);
    return {of.keys<std::byte>(kv_head), (kept + kLanes - 1) / kLanes * kLanes * of.key_stride() * KvBlock::number_bytes(cache->type())};
  }
};

// One token's key and value of one head, and their place.
struct KvRow {
  const float *key, *value;  // [D], [Dv]
  std::size_t key_size, value_size;
  KvBlock* block;
  std::size_t head, row;  // row of the block
};

struct TurnedRow {
  const float *input, *cos, *sin;  // [D] each; cos and sin may be nullptr
  std::size_t size;
  float scale;
  float* out;  // [D]
};

struct LinearRows {
  const float* input;   // [M, K]
  const float* weight;  // [N, K]
  const float* bias;    // [N] or nullptr
  float* out;           // [M, N]
  std::size_t m, n, k;
};

// What both ways of the quantised linear share.
struct QuantizedOutput {
  QuantizedMatrix weight;  // [N, K]
  const float* bias;       // [N] or nullptr
  const float* residual;   // as out, or nullptr
  float* out;              // feature j of row i goes to out[i * out_stride + j - out_first]
  std::size_t out_stride, out_first;
  std::size_t m;
};

struct QuantizedRows : QuantizedOutput {
  const float* input;       // [M, K]
  const float* panels;      // of several rows: the input again as [M / P rounded up, K, P]; P is Variant::panel_rows
  const float* group_sums;  // [M, K / kGroup]; only with minima
  // Instead of input and panels, for weights of 16 bits where the variant multiplies bfloat16: two columns' in a word, the first in the
  // low half.
  const std::uint32_t* pairs;        // [M, K / 2]
  const std::uint32_t* pair_panels;  // of several rows: [M / P rounded up, K / 2, P]
};

/// Activations of 8 bits lie in panels of so many rows, as many as AMX takes at once: what a group's rows need is side by side.
inline constexpr std::size_t kInt8PanelRows = 16;

// Which codes, scales and sums belong to a row's group, counted in groups. P is the panel's rows, kInt8PanelRows or M if that is less.
// What points to them has room for whole panels, whatever stands behind the last row.
struct Int8Panels {
  std::size_t m, groups;

  [[nodiscard]] std::size_t rows() const { return std::min(m, kInt8PanelRows); }  // P
  [[nodiscard]] std::size_t at(std::size_t row, std::size_t group) const {
    return (row / kInt8PanelRows * groups + group) * rows() + row % kInt8PanelRows;
  }
  [[nodiscard]] std::size_t room() const { return (m + kInt8PanelRows - 1) / kInt8PanelRows * kInt8PanelRows * groups; }
};

struct Int8Rows : QuantizedOutput {
  const std::int8_t* codes;    // [M / P, K / kGroup, P, kGroup], -127..127
  const float* scales;         // [M / P, K / kGroup, P], as all that follow
  const float* sums;           // scale times the sum of the group's codes times sum_factor()
  const std::int32_t* starts;  // -128 times the sum of the group's codes: what products with weights that are 128 too large begin with

  [[nodiscard]] Int8Panels panels() const { return {m, weight.columns / kGroup}; }
};

// Codes of 4 bits without minima stand for q - 8.
constexpr float sum_factor(const QuantizedMatrix& weight) { return weight.bits == 4 && !weight.has_minimum ? -8.0f : 1.0f; }

// As benchmarks and traces call them.
constexpr const char* name_of(Activations activations) {
  switch (activations) {
    case Activations::kInt8: return "int8";
    case Activations::kBFloat16: return "bf16";
    case Activations::kFloat32: break;
  }
  return "f32";
}

// The bits of a bfloat16, rounded to nearest with ties to even; a NaN remains one.
inline std::uint32_t bfloat16_bits(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const bool nan = (bits & 0x7fffffff) > 0x7f800000;
  return nan ? bits >> 16 | 0x40 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

// n numbers, n a multiple of kGroup, rounded to pairs as QuantizedRows and BFloat16Pair have them.
struct PairedNumbers {
  const float* input;
  std::size_t n;
  std::uint32_t* pairs;
};

// Rounds input to what Int8Rows reads.
struct RoundedRows {
  const float* input;  // [M, K]
  std::size_t m, columns;
  float sum_factor;
  std::int8_t* codes;
  float *scales, *sums;
  std::int32_t* starts;
};

struct NormRows {
  const float* input;   // [M, K]
  const float* weight;  // [K]
  float epsilon;
  std::size_t columns;
  float* out;  // [M, K]
};

struct GateRows {
  float* gate;      // [M, N] of stride gate_stride: becomes function(gate) * up
  const float* up;  // [M, N] of stride up_stride
  std::size_t gate_stride, up_stride, m, n;
  Gate function;
};

// Every function of a variant. The ranges are of output features, of tiles of them, or of input rows. `partial` and `state` have room
// for one partial result, `scratch` for two; `next` is what the caller will read after this.
#define WEFT_VARIANT_FUNCTIONS(X)                                                \
  X(attention_rows, (const AttentionRows&, float* scratch, std::span<const std::byte> next))                          \
  X(attention_block, (const AttentionRows&, std::size_t block, float* partial, std::span<const std::byte> next))       \
  X(attention_merge, (const AttentionRows&, const float* partials, std::size_t n_blocks, float* state))                \
  X(keep_row, (const KvRow&))                                                    \
  X(turn_row, (const TurnedRow&))                                                \
  X(linear_rows, (const LinearRows&, std::size_t begin, std::size_t end))        \
  X(quantized_rows, (const QuantizedRows&, std::size_t begin, std::size_t end))  \
  X(int8_rows, (const Int8Rows&, std::size_t begin, std::size_t end))            \
  X(pair_numbers, (const PairedNumbers&))                                        \
  X(round_rows, (const RoundedRows&, std::size_t begin, std::size_t end))        \
  X(norm_rows, (const NormRows&, std::size_t begin, std::size_t end))            \
  X(gate_rows, (const GateRows&))

struct Variant {
  const char* name;
  bool multiplies_bfloat16;  // quantized_rows() and attention_rows() take pairs
  std::size_t panel_rows;    // rows of QuantizedRows' input whose columns lie side by side
#define WEFT_MEMBER(function, arguments) void (*function) arguments;
  WEFT_VARIANT_FUNCTIONS(WEFT_MEMBER)
#undef WEFT_MEMBER
};

/// Those of the build that this processor runs, the best one first. The last is plain C++.
[[nodiscard]] std::vector<const Variant*> runnable_variants();

/// The best one that this processor runs.
[[nodiscard]] const Variant& variant() noexcept;

}  // namespace weft::kernels
