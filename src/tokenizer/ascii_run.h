// Runs of ASCII letters, sixteen bytes at a time.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON) && defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace weft::tokenizer {

enum class AsciiRun {
  kAlpha,       ///< a-z, A-Z
  kLowerAlpha,  ///< a-z
  kUpperAlpha,  ///< A-Z
  kSpace,       ///< U+0020
};

constexpr bool is_in_run(AsciiRun run, unsigned char c) {
  switch (run) {
    case AsciiRun::kAlpha: return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    case AsciiRun::kLowerAlpha: return c >= 'a' && c <= 'z';
    case AsciiRun::kUpperAlpha: return c >= 'A' && c <= 'Z';
    case AsciiRun::kSpace: return c == ' ';
  }
  return false;
}

/// How many of the 16 bytes at `p` are in the run, up to the first that isn't.
template <AsciiRun kRun>
unsigned leading_run(const char* p) noexcept {
#if defined(__SSE2__)
  __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  __m128i inside;
  if constexpr (kRun == AsciiRun::kSpace) {
    inside = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(' '));
  } else {
    if constexpr (kRun == AsciiRun::kAlpha) bytes = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    const __m128i from_first = _mm_sub_epi8(bytes, _mm_set1_epi8(kRun == AsciiRun::kUpperAlpha ? 'A' : 'a'));
    inside = _mm_cmpeq_epi8(_mm_subs_epu8(from_first, _mm_set1_epi8(25)), _mm_setzero_si128());
  }
  return static_cast<unsigned>(std::countr_one(static_cast<unsigned>(_mm_movemask_epi8(inside))));
#elif defined(__ARM_NEON) && defined(__aarch64__)
  uint8x16_t bytes = vld1q_u8(reinterpret_cast<const std::uint8_t*>(p));
  uint8x16_t outside;
  if constexpr (kRun == AsciiRun::kSpace) {
    outside = vmvnq_u8(vceqq_u8(bytes, vdupq_n_u8(' ')));
  } else {
    if constexpr (kRun == AsciiRun::kAlpha) bytes = vorrq_u8(bytes, vdupq_n_u8(0x20));
    outside = vcgtq_u8(vsubq_u8(bytes, vdupq_n_u8(kRun == AsciiRun::kUpperAlpha ? 'A' : 'a')), vdupq_n_u8(25));
  }
  // Four bits of each byte in one word.
  const std::uint64_t nibbles =
      vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(outside), 4)), 0);
  return static_cast<unsigned>(std::countr_zero(nibbles)) / 4;
#else
  unsigned n = 0;
  while (n < 16 && is_in_run(kRun, static_cast<unsigned char>(p[n]))) ++n;
  return n;
#endif
}

}  // namespace weft::tokenizer
