// The vector of kLanes f32 that the inner loops are written in: as many of the instruction set's registers as that takes.
// Included by kernels/*_rows.h inside of a variant.
//
// Registers are GCC's and Clang's vector types. A struct of several of them, and not one type of 64 bytes: what is wider than
// the processor's registers those compilers keep in memory.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__F16C__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "kernels/variants.h"

namespace weft::kernels::WEFT_VARIANT {
namespace {

#if defined(__AVX512F__)
constexpr std::size_t kRegisterBytes = 64;
#elif defined(__AVX2__)
constexpr std::size_t kRegisterBytes = 32;
#else
constexpr std::size_t kRegisterBytes = 16;
#endif
constexpr std::size_t kRegisters = kLanes * sizeof(float) / kRegisterBytes;

// Compilers count a Vector of several registers as so much code that they call functions for single additions, through memory.
#define WEFT_INLINE [[gnu::always_inline]] inline

// A loop of its own function: among others', GCC gives a loop that needs all registers too few of them.
#define WEFT_ALONE [[gnu::noinline]]

using FloatRegister = float __attribute__((vector_size(kRegisterBytes)));
using IntegerRegister = std::int32_t __attribute__((vector_size(kRegisterBytes)));

// Asks for a line of the cache that will be read soon; it may lie behind the end of what there is. It comes to the second-level cache: the few
// lines that the first level can wait for at once (24 on a Zen 4) are less than what a core can have from memory. Zen 5's first level
// waits for enough, and then finds them sooner.
#if defined(WEFT_FETCH_NEAR)
constexpr bool kFetchNear = true;
#else
constexpr bool kFetchNear = false;
#endif
WEFT_INLINE void prefetch(const void* p) { __builtin_prefetch(p, 0, kFetchNear ? 3 : 2); }

// Keeps the compiler from moving reads and writes across this place.
WEFT_INLINE void memory_barrier() { asm volatile("" ::: "memory"); }

struct Vector {
  FloatRegister part[kRegisters];
};
struct Integers {  // also masks: a lane's bits are all set where something is true
  IntegerRegister part[kRegisters];
};

// result[i] = expression for each register i.
#define WEFT_EACH(Type, expression)                                             \
  Type result;                                                                  \
  _Pragma("GCC unroll 4") for (std::size_t i = 0; i < kRegisters; ++i) {        \
    result.part[i] = expression;                                                \
  }                                                                             \
  return result

WEFT_INLINE FloatRegister load_register(const void* p) {
  FloatRegister v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
WEFT_INLINE Vector load(const float* p) { WEFT_EACH(Vector, load_register(p + i * kRegisterBytes / sizeof(float))); }
WEFT_INLINE Integers load_integers(const void* p) {
  WEFT_EACH(Integers, reinterpret_cast<IntegerRegister>(load_register(static_cast<const char*>(p) + i * kRegisterBytes)));
}
WEFT_INLINE void store(float* p, Vector v) {
  for (std::size_t i = 0; i < kRegisters; ++i) std::memcpy(p + i * kRegisterBytes / sizeof(float), &v.part[i], kRegisterBytes);
}
WEFT_INLINE void store(void* p, Integers v) {
  for (std::size_t i = 0; i < kRegisters; ++i) std::memcpy(static_cast<char*>(p) + i * kRegisterBytes, &v.part[i], kRegisterBytes);
}
WEFT_INLINE Vector broadcast(float x) { WEFT_EACH(Vector, x - FloatRegister{}); }  // the compiler drops this subtraction, but not a sum

WEFT_INLINE Vector operator+(Vector a, Vector b) { WEFT_EACH(Vector, a.part[i] + b.part[i]); }
WEFT_INLINE Vector operator-(Vector a, Vector b) { WEFT_EACH(Vector, a.part[i] - b.part[i]); }
WEFT_INLINE Vector operator*(Vector a, Vector b) { WEFT_EACH(Vector, a.part[i] * b.part[i]); }
WEFT_INLINE Vector operator/(Vector a, Vector b) { WEFT_EACH(Vector, a.part[i] / b.part[i]); }
WEFT_INLINE Vector operator+(Vector a, float b) { WEFT_EACH(Vector, a.part[i] + b); }
WEFT_INLINE Vector operator-(Vector a, float b) { WEFT_EACH(Vector, a.part[i] - b); }
WEFT_INLINE Vector operator*(Vector a, float b) { WEFT_EACH(Vector, a.part[i] * b); }
WEFT_INLINE Vector operator-(Vector a) { WEFT_EACH(Vector, -a.part[i]); }
WEFT_INLINE Vector& operator+=(Vector& a, Vector b) { return a = a + b; }
WEFT_INLINE Vector& operator*=(Vector& a, Vector b) { return a = a * b; }

// a * b + c, rounded once wherever the instruction set has that: the compiler itself may fuse a sum in one loop and not in another, but
// a row's bits are to be the same whichever loop it went through.
WEFT_INLINE FloatRegister multiply_add_register(FloatRegister a, FloatRegister b, FloatRegister c) {
#if defined(__AVX512F__)
  return reinterpret_cast<FloatRegister>(_mm512_fmadd_ps(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), reinterpret_cast<__m512>(c)));
#elif defined(__FMA__)
  return reinterpret_cast<FloatRegister>(_mm256_fmadd_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b), reinterpret_cast<__m256>(c)));
#elif defined(__aarch64__)
  return reinterpret_cast<FloatRegister>(vfmaq_f32(reinterpret_cast<float32x4_t>(c), reinterpret_cast<float32x4_t>(a), reinterpret_cast<float32x4_t>(b)));
#else
  return a * b + c;
#endif
}
WEFT_INLINE Vector multiply_add(Vector a, Vector b, Vector c) { WEFT_EACH(Vector, multiply_add_register(a.part[i], b.part[i], c.part[i])); }
WEFT_INLINE Vector multiply_add(Vector a, float b, Vector c) { return multiply_add(a, broadcast(b), c); }

WEFT_INLINE Integers operator<(Vector a, Vector b) { WEFT_EACH(Integers, a.part[i] < b.part[i]); }
WEFT_INLINE Integers operator<(Vector a, float b) { return a < broadcast(b); }
WEFT_INLINE Vector select(Integers mask, Vector where, Vector otherwise) {
  WEFT_EACH(Vector, mask.part[i] ? where.part[i] : otherwise.part[i]);
}
WEFT_INLINE Vector larger(Vector a, Vector b) { return select(a < b, b, a); }
WEFT_INLINE Vector absolute(Vector a) { return select(a < 0.0f, -a, a); }

WEFT_INLINE Integers operator+(Integers a, std::int32_t b) { WEFT_EACH(Integers, a.part[i] + b); }
WEFT_INLINE Integers operator-(Integers a, std::int32_t b) { WEFT_EACH(Integers, a.part[i] - b); }
WEFT_INLINE Integers operator&(Integers a, std::int32_t b) { WEFT_EACH(Integers, a.part[i] & b); }
WEFT_INLINE Integers operator|(Integers a, Integers b) { WEFT_EACH(Integers, a.part[i] | b.part[i]); }
WEFT_INLINE Integers operator<<(Integers a, int b) { WEFT_EACH(Integers, a.part[i] << b); }
WEFT_INLINE Integers operator>>(Integers a, int b) { WEFT_EACH(Integers, a.part[i] >> b); }
WEFT_INLINE Integers shift_in_zeros(Integers a, int b) {
  using Unsigned = std::uint32_t __attribute__((vector_size(kRegisterBytes)));
  WEFT_EACH(Integers, reinterpret_cast<IntegerRegister>(reinterpret_cast<Unsigned>(a.part[i]) >> b));
}
WEFT_INLINE Vector to_float(Integers a) { WEFT_EACH(Vector, __builtin_convertvector(a.part[i], FloatRegister)); }
WEFT_INLINE Vector bits_as_float(Integers a) { WEFT_EACH(Vector, reinterpret_cast<FloatRegister>(a.part[i])); }
WEFT_INLINE Integers bits_of(Vector a) { WEFT_EACH(Integers, reinterpret_cast<IntegerRegister>(a.part[i])); }
#undef WEFT_EACH

// By halves: lane i and lane i + 8, and so on.
WEFT_INLINE float sum(Vector v) {
#if defined(__AVX512F__)
  return _mm512_reduce_add_ps(reinterpret_cast<__m512>(v.part[0]));
#else
  float part[kLanes];
  store(part, v);
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) part[i] += part[i + half];
  }
  return part[0];
#endif
}

WEFT_INLINE float largest_lane(Vector v) {
#if defined(__AVX512F__)
  return _mm512_reduce_max_ps(reinterpret_cast<__m512>(v.part[0]));
#else
  float part[kLanes];
  store(part, v);
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) part[i] = part[i] < part[i + half] ? part[i + half] : part[i];
  }
  return part[0];
#endif
}

#if defined(__AVX512BF16__)
constexpr bool kMultipliesBFloat16 = true;
// A lane's two products of bfloat16, added to the sum; numbers below 2^-126 count as 0, and how sums are rounded is the processor's.
WEFT_INLINE Vector add_pairs(Integers a, std::uint32_t b, Vector sum) {
  return {{(FloatRegister)_mm512_dpbf16_ps((__m512)sum.part[0], (__m512bh)a.part[0], (__m512bh)_mm512_set1_epi32(static_cast<int>(b)))}};
}
// Each two neighbours of 32 numbers as a pair.
WEFT_INLINE Integers to_pairs(Vector first, Vector second) {
  return {{(IntegerRegister)_mm512_cvtne2ps_pbh((__m512)second.part[0], (__m512)first.part[0])}};
}
#elif defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
constexpr bool kMultipliesBFloat16 = true;
WEFT_INLINE Vector add_pairs(Integers a, std::uint32_t b, Vector sum) {
  uint32x4_t all = vdupq_n_u32(b);
  asm("" : "+w"(all));  // or GCC 12 writes a constant one with an f16's bits
  for (std::size_t i = 0; i < kRegisters; ++i) {
    sum.part[i] = reinterpret_cast<FloatRegister>(vbfdotq_f32(reinterpret_cast<float32x4_t>(sum.part[i]),
                                                              reinterpret_cast<bfloat16x8_t>(a.part[i]), reinterpret_cast<bfloat16x8_t>(all)));
  }
  return sum;
}
WEFT_INLINE Integers to_pairs(Vector first, Vector second) {
  const auto four = [](FloatRegister x) { return reinterpret_cast<float32x4_t>(x); };
  const auto eight = [four](FloatRegister low, FloatRegister high) {
    return reinterpret_cast<IntegerRegister>(vcvtq_high_bf16_f32(vcvtq_low_bf16_f32(four(low)), four(high)));
  };
  return {{eight(first.part[0], first.part[1]), eight(first.part[2], first.part[3]), eight(second.part[0], second.part[1]),
           eight(second.part[2], second.part[3])}};
}
#else
constexpr bool kMultipliesBFloat16 = false;
// Not called.
WEFT_INLINE Vector add_pairs(Integers, std::uint32_t, Vector sum) { return sum; }
WEFT_INLINE Integers to_pairs(Vector, Vector) { return {}; }
#endif

// kLanes narrower numbers, which may lie anywhere; a Narrow holds those of one register.
using HalfRegister = std::uint16_t __attribute__((vector_size(kRegisterBytes / 2)));
using ByteRegister = std::int8_t __attribute__((vector_size(kRegisterBytes / 4)));
template <class Narrow>
WEFT_INLINE Integers widen(const void* p) {
  Integers result;
  for (std::size_t i = 0; i < kRegisters; ++i) {
    Narrow narrow;
    std::memcpy(&narrow, static_cast<const char*>(p) + i * sizeof narrow, sizeof narrow);
    result.part[i] = __builtin_convertvector(narrow, IntegerRegister);
  }
  return result;
}

// Bits of 16 f16 (no infinities or NaN among scales) to f32: the exponent moves over by a multiplication, which also
// gets subnormal numbers right.
WEFT_INLINE Vector half_to_float(const std::uint8_t* bytes) {
  const Integers bits = widen<HalfRegister>(bytes);
  const Vector magnitude = bits_as_float((bits & 0x7fff) << 13) * 0x1p112f;
  return bits_as_float(bits_of(magnitude) | (bits & 0x8000) << 16);
}

// kLanes numbers of a cache, whatever it keeps them as.
WEFT_INLINE Vector load_numbers(const float* p) { return load(p); }

WEFT_INLINE Vector load_numbers(const Half* p) {
#if defined(__AVX512F__)
  return {{reinterpret_cast<FloatRegister>(_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))))}};
#elif defined(__F16C__)
  const auto* halves = reinterpret_cast<const __m128i*>(p);
  return {{reinterpret_cast<FloatRegister>(_mm256_cvtph_ps(_mm_loadu_si128(halves))),
           reinterpret_cast<FloatRegister>(_mm256_cvtph_ps(_mm_loadu_si128(halves + 1)))}};
#elif defined(__aarch64__)
  Vector result;
  for (std::size_t i = 0; i < kRegisters; ++i) {
    result.part[i] = reinterpret_cast<FloatRegister>(vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(reinterpret_cast<const std::uint16_t*>(p + 4 * i)))));
  }
  return result;
#else
  return half_to_float(reinterpret_cast<const std::uint8_t*>(p));
#endif
}

WEFT_INLINE Vector load_numbers(const std::int8_t* p) {
#if defined(__AVX512F__)
  return {{reinterpret_cast<FloatRegister>(
      _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))))}};
#elif defined(__AVX2__)
  const auto eight = [](const std::int8_t* at) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(at))));
  };
  return {{reinterpret_cast<FloatRegister>(eight(p)), reinterpret_cast<FloatRegister>(eight(p + 8))}};
#elif defined(__aarch64__)
  const int8x16_t bytes = vld1q_s8(p);
  const int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_high_s8(bytes);
  const auto four = [](int32x4_t x) { return reinterpret_cast<FloatRegister>(vcvtq_f32_s32(x)); };
  return {{four(vmovl_s16(vget_low_s16(low))), four(vmovl_high_s16(low)), four(vmovl_s16(vget_low_s16(high))), four(vmovl_high_s16(high))}};
#else
  return to_float(widen<ByteRegister>(p));
#endif
}

// To f16, rounded to nearest with ties to even, for |x| <= 65504.
WEFT_INLINE void store_halves(Half* p, Vector x) {
#if defined(__AVX512F__)
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(reinterpret_cast<__m512>(x.part[0]), _MM_FROUND_TO_NEAREST_INT));
#elif defined(__F16C__)
  for (std::size_t i = 0; i < kRegisters; ++i) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p) + i, _mm256_cvtps_ph(reinterpret_cast<__m256>(x.part[i]), _MM_FROUND_TO_NEAREST_INT));
  }
#elif defined(__aarch64__)
  for (std::size_t i = 0; i < kRegisters; ++i) {
    vst1_u16(reinterpret_cast<std::uint16_t*>(p + 4 * i), vreinterpret_u16_f16(vcvt_f16_f32(reinterpret_cast<float32x4_t>(x.part[i]))));
  }
#else
  // A number of f16 has 11 bits, or is a multiple of 2^-24: adding and taking away a power of two that is 2^13 of its last place
  // rounds to that; then the bits move over.
  const Vector magnitude = absolute(x);
  const Integers exponent = bits_of(magnitude) & 0x7f800000;
  const Vector unit = bits_as_float(exponent + (13 << 23));
  const Vector least = broadcast(0x1p-1f);  // 2^-14 * 2^13
  const Vector magic = larger(unit, least) * 1.5f;
  const Vector rounded = (magnitude + magic) - magic;
  const Integers half = bits_of(rounded * 0x1p-112f) >> 13;
  for (std::size_t i = 0; i < kRegisters; ++i) {
    for (std::size_t lane = 0; lane < kRegisterBytes / 4; ++lane) {
      const std::size_t at = i * kRegisterBytes / 4 + lane;
      p[at].bits = static_cast<std::uint16_t>(half.part[i][lane] | (x.part[i][lane] < 0 ? 0x8000 : 0));
    }
  }
#endif
}

}  // namespace
}  // namespace weft::kernels::WEFT_VARIANT
