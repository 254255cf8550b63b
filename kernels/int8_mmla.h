// The quantised linear on activations of 8 bits by Arm's matrix products (FEAT_I8MM): two input rows against two features, eight columns of
// each, in one instruction. Included by kernels/int8_rows.h inside of the variant that has it.
//
// The sums are the same whole numbers as every variant's, and what becomes of them is the same code (add_group), so that a row has
// the same bits whichever way it was computed.
#pragma once

#include <arm_neon.h>

namespace weft::kernels::WEFT_VARIANT {
namespace {

// A group's words of one part: features 0 and 1, then 2 and 3, of columns 8 s and on.
template <int Bits>
WEFT_INLINE void feature_pairs(const std::uint8_t* words, std::size_t s, std::size_t p, Part (&pairs)[2]) {
  const int32x4_t first = vreinterpretq_s32_s8(four_weights<Bits>(words, 2 * s, p));
  const int32x4_t second = vreinterpretq_s32_s8(four_weights<Bits>(words, 2 * s + 1, p));
  pairs[0] = vreinterpretq_s8_s32(vzip1q_s32(first, second));
  pairs[1] = vreinterpretq_s8_s32(vzip2q_s32(first, second));
}

// As group_dots(), of an even number of rows and one tile. Half of its features at a time: sums of eight rows with all of them would take every register.
template <int R, int Bits>
WEFT_INLINE void group_dots_by_matrices(const std::int8_t* codes, const std::uint8_t* words, FloatPart dots[R][1][kParts]) {
  constexpr std::size_t kHalf = kParts / 2;
  for (std::size_t begin = 0; begin < kParts; begin += kHalf) {
    Sum sums[R / 2][kHalf][2];
    for (auto& parts : sums) {
      for (auto& pairs : parts) std::fill(pairs, pairs + 2, zero4());
    }
#pragma GCC unroll 4
    for (std::size_t s = 0; s < kGroup / 8; ++s) {
      Part weights[kHalf][2];
      for (std::size_t p = 0; p < kHalf; ++p) feature_pairs<Bits>(words, s, begin + p, weights[p]);
      for (int pair = 0; pair < R / 2; ++pair) {
        const std::int8_t* const first = codes + static_cast<std::size_t>(2 * pair) * kGroup + s * 8;
        const Part x = vcombine_s8(vld1_s8(first), vld1_s8(first + kGroup));
        for (std::size_t p = 0; p < kHalf; ++p) {
          for (int i = 0; i < 2; ++i) sums[pair][p][i] = vmmlaq_s32(sums[pair][p][i], x, weights[p][i]);
        }
      }
    }
    // A sum holds two features of one row, then of the other.
    for (int pair = 0; pair < R / 2; ++pair) {
      for (std::size_t p = 0; p < kHalf; ++p) {
        const int64x2_t low = vreinterpretq_s64_s32(sums[pair][p][0]), high = vreinterpretq_s64_s32(sums[pair][p][1]);
        dots[2 * pair][0][begin + p] = total4(vreinterpretq_s32_s64(vzip1q_s64(low, high)));
        dots[2 * pair + 1][0][begin + p] = total4(vreinterpretq_s32_s64(vzip2q_s64(low, high)));
      }
    }
  }
}

}  // namespace
}  // namespace weft::kernels::WEFT_VARIANT
