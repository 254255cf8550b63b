// Logits to the weights of a draw: the passes over a whole vocabulary.
//
// Every result comes from IEEE additions, multiplications and comparisons in an order that is fixed here,
// and the part is compiled without contraction to FMA: the bits are the same on every platform and at
// every SIMD width. libm's exp() would not be.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace weft::sampling {

/// Entries that are summed up together, so that later passes skip what holds nothing of interest.
inline constexpr std::size_t kBlock = 128;

/// 2^y for y <= 0, relative error below 2e-7 and exact for 0; nothing below 2^-124, where a float's normal
/// range ends. y = n + f with an integer n: a polynomial in f, and n added to the exponent.
/// `Float` is a float or a SIMD vector of them, `Int` the same of int32.
template <class Float, class Int>
[[gnu::always_inline]] inline Float exp2_of(Float y) {
  const Float smallest = Float{} - 124.0f;
  const Float clamped = y > smallest ? y : smallest;
  const Float shifted = clamped + 0x1.8p23f;  // rounds to an integer, which stands in the lowest bits
  const Float f = clamped - (shifted - 0x1.8p23f);
  Float p = Float{} + 1.326472715e-3f;  // minimax on [-1/2, 1/2], error 9.2e-8
  p = p * f + 9.671512674e-3f;
  p = p * f + 5.550733744e-2f;
  p = p * f + 2.402224208e-1f;
  p = p * f + 6.931469776e-1f;
  p = p * f + 1.0f;
  const Float power = std::bit_cast<Float>(std::bit_cast<Int>(p) + (std::bit_cast<Int>(shifted) << 23));
  return y >= smallest ? power : Float{};
}

/// The weight of a logit is exp((logit - max) / temperature); that of the largest is 1.
struct Softmax {
  float max;
  float scale = 1.44269504088896341f;  ///< log2(e) / temperature

  static Softmax at(float max, float temperature);
  float log2_weight(float logit) const { return (logit - max) * scale; }
  float weight(float logit) const { return exp2_of<float, std::int32_t>(log2_weight(logit)); }
};

/// Finds the largest logit of each block. @return  The largest of all.
/// @throws Error{kInvalidArgument}  empty, or no entry is finite, or one is NaN or +inf.
float find_maxima(std::span<const float> logits, std::vector<float>& block_max);

/// The first entry that equals `max`, as find_maxima() returned it.
std::size_t find_first(std::span<const float> logits, std::span<const float> block_max, float max);

/// Sums up the weights of each block. @return  The sum of all.
double weigh(std::span<const float> logits, const Softmax& softmax, std::vector<float>& block_sums);

/// The entry in which the weights, added up from the first, go beyond `unit` (in [0, 1)) times their
/// `total`, as weigh() returned it. Never one of weight 0.
std::size_t pick(std::span<const float> logits, const Softmax& softmax, std::span<const float> block_sums, double total,
                 double unit);

}  // namespace weft::sampling
