// Registers of one 64-byte word row of a weight tile (16 features, 4 columns of each), and the products of such bytes
// with the activations' codes. The one file that knows an instruction set's integer dot products.
//
// Included by kernels/int8_rows.h inside of a variant. A Part is one register: kPartFeatures features. Every variant gives the
// same integers: kernels/int8_rows.h is one algorithm, and a processor that lacks an instruction set can test it in portable code.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#if !defined(WEFT_PORTABLE_INT8) && (defined(__AVX2__) || defined(__AVX512VNNI__))
#include <immintrin.h>
#elif !defined(WEFT_PORTABLE_INT8) && defined(__ARM_FEATURE_DOTPROD)
#include <arm_neon.h>
#endif

#include "kernels/vector.h"

namespace weft::kernels::WEFT_VARIANT {
namespace {

// Input rows that share a weight's registers, a part of a panel, and tiles that share an input's: at most a panel's half of rows, for
// which reading the weights costs most, and more, for which the products do.
struct Int8Shape {
  int rows;
  std::size_t tiles;
};

#if !defined(WEFT_PORTABLE_INT8) && defined(__AVX512VNNI__)

constexpr std::size_t kPartFeatures = 16;
constexpr Int8Shape kOfFewRows{8, 2}, kOfManyRows{4, 3};
using Part = __m512i;
using FloatPart = __m512;
using Sum = __m512i;

WEFT_INLINE Part load_part(const std::uint8_t* p) { return _mm512_loadu_si512(p); }
WEFT_INLINE Part low_codes(Part words) { return _mm512_and_si512(words, _mm512_set1_epi8(15)); }
WEFT_INLINE Part high_codes(Part words) { return _mm512_and_si512(_mm512_srli_epi16(words, 4), _mm512_set1_epi8(15)); }
WEFT_INLINE Part four_codes(const std::int8_t* p) {
  std::int32_t word;
  std::memcpy(&word, p, sizeof word);
  return _mm512_set1_epi32(word);
}
WEFT_INLINE Sum zero4() { return _mm512_setzero_si512(); }
WEFT_INLINE Sum add4(Sum sum, Part weights, Part codes) { return _mm512_dpbusd_epi32(sum, weights, codes); }
WEFT_INLINE FloatPart total4(Sum sum) { return _mm512_cvtepi32_ps(sum); }
// The instruction takes unsigned weights: 128 more than they are, which the start makes good.
WEFT_INLINE Sum start8(const std::int32_t* start) { return _mm512_set1_epi32(*start); }
WEFT_INLINE Part prepare8(Part weights) { return _mm512_xor_si512(weights, _mm512_set1_epi8(-128)); }
WEFT_INLINE Sum add8(Sum sum, Part prepared, Part codes) { return _mm512_dpbusd_epi32(sum, prepared, codes); }
WEFT_INLINE FloatPart total8(Sum sum) { return _mm512_cvtepi32_ps(sum); }

WEFT_INLINE FloatPart load_halves(const std::uint8_t* p) { return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
WEFT_INLINE FloatPart same(float x) { return _mm512_set1_ps(x); }
WEFT_INLINE FloatPart multiply_add(FloatPart a, FloatPart b, FloatPart c) { return _mm512_fmadd_ps(a, b, c); }
WEFT_INLINE FloatPart multiply(FloatPart a, FloatPart b) { return _mm512_mul_ps(a, b); }
WEFT_INLINE void store_part(float* p, FloatPart v) { _mm512_storeu_ps(p, v); }

#elif !defined(WEFT_PORTABLE_INT8) && defined(__AVX2__)

constexpr std::size_t kPartFeatures = 8;
constexpr Int8Shape kOfFewRows{4, 1}, kOfManyRows{4, 1};
using Part = __m256i;
using FloatPart = __m256;
using Sum = __m256i;  // with 4 bits of i16 pairs: a group's 8 products of 2 * 15 * 127 at most fit; with 8 of i32

WEFT_INLINE Part load_part(const std::uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
WEFT_INLINE Part low_codes(Part words) { return _mm256_and_si256(words, _mm256_set1_epi8(15)); }
WEFT_INLINE Part high_codes(Part words) { return _mm256_and_si256(_mm256_srli_epi16(words, 4), _mm256_set1_epi8(15)); }
WEFT_INLINE Part four_codes(const std::int8_t* p) {
  std::int32_t word;
  std::memcpy(&word, p, sizeof word);
  return _mm256_set1_epi32(word);
}
WEFT_INLINE Sum zero4() { return _mm256_setzero_si256(); }
// Else GCC makes all of a group's products first, in memory, and then their sum.
WEFT_INLINE Sum one_by_one(Sum sum) {
  asm volatile("" : "+x"(sum));
  return sum;
}
WEFT_INLINE Sum add4(Sum sum, Part weights, Part codes) {
  return one_by_one(_mm256_add_epi16(sum, _mm256_maddubs_epi16(weights, codes)));
}
WEFT_INLINE FloatPart total4(Sum sum) { return _mm256_cvtepi32_ps(_mm256_madd_epi16(sum, _mm256_set1_epi16(1))); }
WEFT_INLINE Sum start8(const std::int32_t*) { return _mm256_setzero_si256(); }
WEFT_INLINE Part prepare8(Part weights) { return weights; }
// |w| * (sign of w) x: the instruction takes unsigned times signed; 2 * 128 * 127 fits its i16.
WEFT_INLINE Sum add8(Sum sum, Part weights, Part codes) {
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(weights), _mm256_sign_epi8(codes, weights));
  return one_by_one(_mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))));
}
WEFT_INLINE FloatPart total8(Sum sum) { return _mm256_cvtepi32_ps(sum); }

WEFT_INLINE FloatPart load_halves(const std::uint8_t* p) { return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
WEFT_INLINE FloatPart same(float x) { return _mm256_set1_ps(x); }
WEFT_INLINE FloatPart multiply_add(FloatPart a, FloatPart b, FloatPart c) { return _mm256_fmadd_ps(a, b, c); }
WEFT_INLINE FloatPart multiply(FloatPart a, FloatPart b) { return _mm256_mul_ps(a, b); }
WEFT_INLINE void store_part(float* p, FloatPart v) { _mm256_storeu_ps(p, v); }

#elif !defined(WEFT_PORTABLE_INT8) && defined(__ARM_FEATURE_DOTPROD)

constexpr std::size_t kPartFeatures = 4;
#if defined(__ARM_FEATURE_MATMUL_INT8)
#define WEFT_INT8_MATRICES  // kernels/int8_mmla.h, for what has several rows
constexpr Int8Shape kOfFewRows{8, 1}, kOfManyRows{8, 1};
#else
constexpr Int8Shape kOfFewRows{4, 1}, kOfManyRows{4, 1};
#endif
using Part = int8x16_t;
using FloatPart = float32x4_t;
using Sum = int32x4_t;

WEFT_INLINE Part load_part(const std::uint8_t* p) { return vreinterpretq_s8_u8(vld1q_u8(p)); }
WEFT_INLINE Part low_codes(Part words) { return vandq_s8(words, vdupq_n_s8(15)); }
WEFT_INLINE Part high_codes(Part words) { return vreinterpretq_s8_u8(vshrq_n_u8(vreinterpretq_u8_s8(words), 4)); }
WEFT_INLINE Part four_codes(const std::int8_t* p) {
  std::int32_t word;
  std::memcpy(&word, p, sizeof word);
  return vreinterpretq_s8_s32(vdupq_n_s32(word));
}
WEFT_INLINE Sum zero4() { return vdupq_n_s32(0); }
// Else GCC unpacks all of a group's weights first, to memory.
WEFT_INLINE Sum one_by_one(Sum sum) {
  asm volatile("" : "+w"(sum));
  return sum;
}
WEFT_INLINE Sum add4(Sum sum, Part weights, Part codes) { return one_by_one(vdotq_s32(sum, weights, codes)); }
WEFT_INLINE FloatPart total4(Sum sum) { return vcvtq_f32_s32(sum); }
WEFT_INLINE Sum start8(const std::int32_t*) { return vdupq_n_s32(0); }
WEFT_INLINE Part prepare8(Part weights) { return weights; }
WEFT_INLINE Sum add8(Sum sum, Part weights, Part codes) { return one_by_one(vdotq_s32(sum, weights, codes)); }
WEFT_INLINE FloatPart total8(Sum sum) { return vcvtq_f32_s32(sum); }

WEFT_INLINE FloatPart load_halves(const std::uint8_t* p) { return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p))); }
WEFT_INLINE FloatPart same(float x) { return vdupq_n_f32(x); }
WEFT_INLINE FloatPart multiply_add(FloatPart a, FloatPart b, FloatPart c) { return vfmaq_f32(c, a, b); }
WEFT_INLINE FloatPart multiply(FloatPart a, FloatPart b) { return vmulq_f32(a, b); }
WEFT_INLINE void store_part(float* p, FloatPart v) { vst1q_f32(p, v); }

#else  // portable, with AVX-512's shapes: what that variant computes, on any processor

constexpr std::size_t kPartFeatures = 16;
#if defined(WEFT_PORTABLE_INT8)
constexpr Int8Shape kOfFewRows{8, 2}, kOfManyRows{4, 3};
#else
constexpr Int8Shape kOfFewRows{4, 1}, kOfManyRows{4, 1};  // without vectors, more is only more code
#endif
using Part = std::array<std::uint8_t, 4 * kPartFeatures>;
using FloatPart = std::array<float, kPartFeatures>;
using Sum = std::array<std::int32_t, kPartFeatures>;

WEFT_INLINE Part load_part(const std::uint8_t* p) {
  Part part;
  std::memcpy(part.data(), p, part.size());
  return part;
}
WEFT_INLINE Part low_codes(Part words) {
  for (std::uint8_t& byte : words) byte &= 15;
  return words;
}
WEFT_INLINE Part high_codes(Part words) {
  for (std::uint8_t& byte : words) byte = static_cast<std::uint8_t>(byte >> 4);
  return words;
}
WEFT_INLINE Part four_codes(const std::int8_t* p) {
  Part part;
  for (std::size_t i = 0; i < part.size(); ++i) part[i] = static_cast<std::uint8_t>(p[i % 4]);
  return part;
}
// vpdpbusd: unsigned times signed bytes.
WEFT_INLINE Sum dot_unsigned(Sum sum, const Part& weights, const Part& codes) {
  for (std::size_t i = 0; i < 4 * kPartFeatures; ++i) sum[i / 4] += int{weights[i]} * static_cast<std::int8_t>(codes[i]);
  return sum;
}
WEFT_INLINE Sum zero4() { return {}; }
WEFT_INLINE Sum add4(const Sum& sum, const Part& weights, const Part& codes) { return dot_unsigned(sum, weights, codes); }
WEFT_INLINE FloatPart total4(const Sum& sum) {
  FloatPart total;
  for (std::size_t i = 0; i < total.size(); ++i) total[i] = static_cast<float>(sum[i]);
  return total;
}
WEFT_INLINE Sum start8(const std::int32_t* start) {
  Sum sum;
  sum.fill(*start);
  return sum;
}
WEFT_INLINE Part prepare8(Part weights) {
  for (std::uint8_t& byte : weights) byte ^= 128;
  return weights;
}
WEFT_INLINE Sum add8(const Sum& sum, const Part& prepared, const Part& codes) { return dot_unsigned(sum, prepared, codes); }
WEFT_INLINE FloatPart total8(const Sum& sum) { return total4(sum); }

WEFT_INLINE FloatPart load_halves(const std::uint8_t* p) {
  const Vector values = half_to_float(p);
  FloatPart part;
  store(part.data(), values);
  return part;
}
WEFT_INLINE FloatPart same(float x) {
  FloatPart part;
  part.fill(x);
  return part;
}
WEFT_INLINE FloatPart multiply_add(const FloatPart& a, const FloatPart& b, FloatPart c) {
  for (std::size_t i = 0; i < c.size(); ++i) c[i] = a[i] * b[i] + c[i];
  return c;
}
WEFT_INLINE FloatPart multiply(FloatPart a, const FloatPart& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] *= b[i];
  return a;
}
WEFT_INLINE void store_part(float* p, const FloatPart& v) { std::memcpy(p, v.data(), sizeof v); }

#endif

}  // namespace
}  // namespace weft::kernels::WEFT_VARIANT
