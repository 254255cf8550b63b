#include "weights.h"

#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "weft/error.h"

namespace weft::sampling {
namespace {

static_assert(std::numeric_limits<float>::is_iec559 && FLT_EVAL_METHOD == 0,
              "the same tokens on every platform need IEEE floats that are rounded after each operation");

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Partial sums of a block: lane j has the entries j, j + 16, ... A register holds 4, 8 or 16 of the lanes, so
// that the order of the additions doesn't depend on the machine.
constexpr std::size_t kLanes = 16;
static_assert(kBlock % kLanes == 0);

// GCC's and Clang's portable vectors. Written out because neither compiler makes good code of the loops at
// -O2 (600 us instead of 140 for 150,000 entries).
template <std::size_t kWidth>
struct Simd {
  using Float [[gnu::vector_size(kWidth * 4)]] = float;
  using Int [[gnu::vector_size(kWidth * 4)]] = std::int32_t;
  static constexpr std::size_t kRegisters = kLanes / kWidth;
  [[gnu::always_inline]] static Float load(const float* from) {
    Float value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
};

struct Maximum {
  float value;
  bool has_nan;
};

Maximum maximum_of_block(const float* logits) {
  using V = Simd<4>;
  V::Float max[V::kRegisters];
  V::Int nan[V::kRegisters] = {};
  for (V::Float& m : max) m = V::Float{} - kInfinity;
  for (std::size_t i = 0; i < kBlock; i += kLanes) {
    for (std::size_t r = 0; r < V::kRegisters; ++r) {
      const V::Float x = V::load(logits + i + 4 * r);
      max[r] = x > max[r] ? x : max[r];
      nan[r] |= x != x;
    }
  }
  Maximum result{-kInfinity, false};
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    result.value = std::max(result.value, max[lane / 4][lane % 4]);
    result.has_nan |= nan[lane / 4][lane % 4] != 0;
  }
  return result;
}

template <std::size_t kWidth>
[[gnu::always_inline]] inline float weigh_block(const float* logits, const Softmax& softmax) {
  using V = Simd<kWidth>;
  typename V::Float sum[V::kRegisters] = {};
  for (std::size_t i = 0; i < kBlock; i += kLanes) {
    for (std::size_t r = 0; r < V::kRegisters; ++r) {
      const auto logit = V::load(logits + i + kWidth * r);
      sum[r] += exp2_of<typename V::Float, typename V::Int>((logit - softmax.max) * softmax.scale);
    }
  }
  float total = 0;
  for (std::size_t lane = 0; lane < kLanes; ++lane) total += sum[lane / kWidth][lane % kWidth];
  return total;
}

template <std::size_t kWidth>
[[gnu::always_inline]] inline void weigh_blocks(const float* logits, const Softmax& softmax, std::span<float> sums) {
  for (std::size_t b = 0; b < sums.size(); ++b) sums[b] = weigh_block<kWidth>(logits + b * kBlock, softmax);
}

void weigh_with_any(const float* logits, const Softmax& softmax, std::span<float> sums) {
  weigh_blocks<4>(logits, softmax, sums);
}

#if defined(__x86_64__)
// The same bits as above in half the time.
[[gnu::target("avx2")]] void weigh_with_avx2(const float* logits, const Softmax& softmax, std::span<float> sums) {
  weigh_blocks<8>(logits, softmax, sums);
}
auto* fastest_weigh() { return __builtin_cpu_supports("avx2") ? weigh_with_avx2 : weigh_with_any; }
#else
auto* fastest_weigh() { return weigh_with_any; }
#endif

/// The entries after the last whole block, filled up with what changes neither a sum nor a maximum.
std::array<float, kBlock> padded_rest(std::span<const float> logits) {
  std::array<float, kBlock> block;
  block.fill(-kInfinity);
  const auto rest = logits.subspan(logits.size() / kBlock * kBlock);
  std::copy(rest.begin(), rest.end(), block.begin());
  return block;
}

std::size_t blocks_of(std::size_t n) { return (n + kBlock - 1) / kBlock; }

[[noreturn]] void throw_not_finite(std::span<const float> logits) {
  const auto bad = std::find_if(logits.begin(), logits.end(), [](float x) { return !(x < kInfinity); });
  throw Error(
      ErrorCode::kInvalidArgument,
      "entry " + std::to_string(bad - logits.begin()) + " is " + (std::isnan(*bad) ? "not a number" : "+infinity"),
      "logits", "the model's numbers went wrong: check its export and its data type, or the penalties if some are set");
}

}  // namespace

Softmax Softmax::at(float max, float temperature) {
  // The bound keeps the scale finite; logits of any usual size are drawn greedily long before it.
  return {max, static_cast<float>(1.4426950408889634 / std::max(static_cast<double>(temperature), 0x1p-100))};
}

float find_maxima(std::span<const float> logits, std::vector<float>& block_max) {
  if (logits.empty()) throw Error(ErrorCode::kInvalidArgument, "there are none to sample from", "logits");
  block_max.resize(blocks_of(logits.size()));
  float max = -kInfinity;
  bool has_nan = false;
  for (std::size_t b = 0; b < block_max.size(); ++b) {
    const Maximum block = (b + 1) * kBlock <= logits.size() ? maximum_of_block(logits.data() + b * kBlock)
                                                            : maximum_of_block(padded_rest(logits).data());
    block_max[b] = block.value;
    max = std::max(max, block.value);
    has_nan |= block.has_nan;
  }
  if (has_nan || max == kInfinity) throw_not_finite(logits);
  if (max == -kInfinity) {
    throw Error(ErrorCode::kInvalidArgument, "all are -infinity, so that no token is allowed", "logits",
                "ban fewer tokens");
  }
  return max;
}

std::size_t find_first(std::span<const float> logits, std::span<const float> block_max, float max) {
  const auto block = std::find(block_max.begin(), block_max.end(), max) - block_max.begin();
  const auto from = logits.begin() + block * static_cast<std::ptrdiff_t>(kBlock);
  return static_cast<std::size_t>(std::find(from, logits.end(), max) - logits.begin());
}

double weigh(std::span<const float> logits, const Softmax& softmax, std::vector<float>& block_sums) {
  static const auto weigh_with_fastest = fastest_weigh();
  block_sums.resize(blocks_of(logits.size()));
  const std::size_t whole = logits.size() / kBlock;
  weigh_with_fastest(logits.data(), softmax, std::span(block_sums).first(whole));
  if (whole < block_sums.size()) block_sums[whole] = weigh_block<4>(padded_rest(logits).data(), softmax);
  double total = 0;
  for (const float sum : block_sums) total += static_cast<double>(sum);
  return total;
}

std::size_t pick(std::span<const float> logits, const Softmax& softmax, std::span<const float> block_sums, double total,
                 double unit) {
  double left = unit * total;
  std::size_t b = 0;
  while (b + 1 < block_sums.size() && left >= static_cast<double>(block_sums[b])) {
    left -= static_cast<double>(block_sums[b++]);
  }
  const std::size_t end = std::min(logits.size(), (b + 1) * kBlock);
  for (std::size_t i = b * kBlock; i < end; ++i) {
    const auto weight = static_cast<double>(softmax.weight(logits[i]));
    if (left < weight) return i;
    left -= weight;
  }
  // The block's sum, a float, was rounded up: its last entry is meant, or with an empty block the one before.
  std::size_t last = end - 1;
  while (last > 0 && softmax.weight(logits[last]) == 0.0f) --last;
  return last;
}

}  // namespace weft::sampling
