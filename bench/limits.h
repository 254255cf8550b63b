// What this machine does at most: bytes read, multiply-adds of f32, of bfloat16 and of 8 bits. Everything else is measured against it.
//
// Each loop is written for the widest instructions that the processor has, without any of weft's kernels: a kernel can't be its
// own limit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "weft/kernels/parallel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace weft::bench {

// All accumulate in this many registers: enough to hide the latency of every processor's multiply-add. An empty assembler line keeps the
// compiler from seeing that all of them get the same, which it would compute once.
inline constexpr std::size_t kChains = 12;
using Floats = float[kChains * 16];

#if defined(__x86_64__)
#define WEFT_TARGET(features) __attribute__((target(features)))

// Four streams, asked for 2 KiB ahead: what gets the most from memory on every processor that was tried.
WEFT_TARGET("avx2") inline std::uint64_t read_avx2(const std::uint8_t* data, std::size_t bytes) {
  __m256i sum[4] = {};
  const std::size_t each = bytes / 4;
  for (std::size_t i = 0; i < each; i += 128) {
    for (std::size_t stream = 0; stream < 4; ++stream) {
      const std::uint8_t* p = data + stream * each + i;
      __builtin_prefetch(p + 2048, 0, 3);
      __builtin_prefetch(p + 2048 + 64, 0, 3);
      for (std::size_t j = 0; j < 4; ++j) sum[j] = _mm256_xor_si256(sum[j], _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32 * j)));
    }
  }
  for (std::size_t j = 1; j < 4; ++j) sum[0] = _mm256_xor_si256(sum[0], sum[j]);
  std::uint64_t out[4];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), sum[0]);
  return out[0];
}

WEFT_TARGET("avx512f") inline std::uint64_t read_avx512(const std::uint8_t* data, std::size_t bytes) {
  __m512i sum[2] = {};
  const std::size_t each = bytes / 4;
  for (std::size_t i = 0; i < each; i += 128) {
    for (std::size_t stream = 0; stream < 4; ++stream) {
      const std::uint8_t* p = data + stream * each + i;
      __builtin_prefetch(p + 2048, 0, 3);
      __builtin_prefetch(p + 2048 + 64, 0, 3);
      sum[0] = _mm512_xor_si512(sum[0], _mm512_loadu_si512(p));
      sum[1] = _mm512_xor_si512(sum[1], _mm512_loadu_si512(p + 64));
    }
  }
  std::uint64_t out[8];
  _mm512_storeu_si512(out, _mm512_xor_si512(sum[0], sum[1]));
  return out[0];
}

WEFT_TARGET("avx2,fma") inline std::size_t f32_avx2(std::size_t n, Floats& out) {
  __m256 sum[kChains] = {}, x = _mm256_set1_ps(out[0]), y = _mm256_set1_ps(out[1]);
  for (auto& chain : sum) __asm__ volatile("" : "+x"(chain));
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < kChains; ++j) sum[j] = _mm256_fmadd_ps(x, y, sum[j]);
    __asm__ volatile("" : "+x"(x), "+x"(y));
  }
  for (std::size_t j = 0; j < kChains; ++j) _mm256_storeu_ps(out + 16 * j, sum[j]);
  return 8;
}

WEFT_TARGET("avx512f") inline std::size_t f32_avx512(std::size_t n, Floats& out) {
  __m512 sum[kChains] = {};
  __m512 x = _mm512_set1_ps(out[0]), y = _mm512_set1_ps(out[1]);
  for (auto& chain : sum) __asm__ volatile("" : "+v"(chain));
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < kChains; ++j) sum[j] = _mm512_fmadd_ps(x, y, sum[j]);
    __asm__ volatile("" : "+v"(x), "+v"(y));
  }
  for (std::size_t j = 0; j < kChains; ++j) _mm512_storeu_ps(out + 16 * j, sum[j]);
  return 16;
}

// vpmaddubsw and vpmaddwd, the way of processors without a byte product that sums to 32 bits.
WEFT_TARGET("avx2") inline std::size_t int8_avx2(std::size_t n, Floats& out) {
  __m256i sum[kChains] = {}, x = _mm256_castps_si256(_mm256_set1_ps(out[0])), y = x;
  const __m256i ones = _mm256_set1_epi16(1);
  for (auto& chain : sum) __asm__ volatile("" : "+x"(chain));
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < kChains; ++j) {
      __m256i products = _mm256_maddubs_epi16(x, y);
      __asm__ volatile("" : "+x"(products));  // or the compiler would multiply once for all chains
      sum[j] = _mm256_add_epi32(sum[j], _mm256_madd_epi16(products, ones));
    }
  }
  for (std::size_t j = 0; j < kChains; ++j) _mm256_storeu_ps(out + 16 * j, _mm256_castsi256_ps(sum[j]));
  return 32;
}

WEFT_TARGET("avx512f,avx512vnni") inline std::size_t int8_vnni(std::size_t n, Floats& out) {
  __m512i sum[kChains] = {}, x = _mm512_castps_si512(_mm512_set1_ps(out[0])), y = x;
  for (auto& chain : sum) __asm__ volatile("" : "+v"(chain));
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < kChains; ++j) sum[j] = _mm512_dpbusd_epi32(sum[j], x, y);
    __asm__ volatile("" : "+v"(x), "+v"(y));
  }
  for (std::size_t j = 0; j < kChains; ++j) _mm512_storeu_ps(out + 16 * j, _mm512_castsi512_ps(sum[j]));
  return 64;
}

WEFT_TARGET("avx512f,avx512bf16") inline std::size_t bf16_avx512(std::size_t n, Floats& out) {
  __m512 sum[kChains] = {};
  __m512i x = _mm512_castps_si512(_mm512_set1_ps(out[0])), y = x;
  for (auto& chain : sum) __asm__ volatile("" : "+v"(chain));
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < kChains; ++j) sum[j] = _mm512_dpbf16_ps(sum[j], (__m512bh)x, (__m512bh)y);
    __asm__ volatile("" : "+v"(x), "+v"(y));
  }
  for (std::size_t j = 0; j < kChains; ++j) _mm512_storeu_ps(out + 16 * j, sum[j]);
  return 32;
}

// Four accumulators of 16 x 16 from two tiles of each side, as a matrix product has them.
WEFT_TARGET("amx-tile,amx-int8") inline void int8_amx(std::size_t n) {
  struct alignas(64) {
    std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
    std::uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  } config;
  __asm__ volatile("" : "+m"(config));  // GCC's intrinsic says that it reads eight bytes of it
  _tile_loadconfig(&config);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (std::size_t i = 0; i < n; ++i) {
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  }
  _tile_release();
}

/// Whether the processor has AMX and the system lets this process use it.
inline bool have_amx() {
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)
  unsigned eax = 7, ebx = 0, ecx = 0, edx = 0;
  __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
  return (edx >> 25 & 1) != 0 && ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}
#undef WEFT_TARGET

#elif defined(__aarch64__)

inline std::size_t f32_neon(std::size_t n, Floats& out) {
  float32x4_t sum[kChains] = {}, x = vdupq_n_f32(out[0]), y = vdupq_n_f32(out[1]);
  for (auto& chain : sum) __asm__ volatile("" : "+w"(chain));
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < kChains; ++j) sum[j] = vfmaq_f32(sum[j], x, y);
    __asm__ volatile("" : "+w"(x), "+w"(y));
  }
  for (std::size_t j = 0; j < kChains; ++j) vst1q_f32(out + 16 * j, sum[j]);
  return 4;
}

__attribute__((target("arch=armv8.2-a+dotprod"))) inline std::size_t int8_dot(std::size_t n, Floats& out) {
  int32x4_t sum[kChains] = {};
  int8x16_t x = vreinterpretq_s8_f32(vdupq_n_f32(out[0])), y = x;
  for (auto& chain : sum) __asm__ volatile("" : "+w"(chain));
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < kChains; ++j) sum[j] = vdotq_s32(sum[j], x, y);
    __asm__ volatile("" : "+w"(x), "+w"(y));
  }
  for (std::size_t j = 0; j < kChains; ++j) vst1q_f32(out + 16 * j, vreinterpretq_f32_s32(sum[j]));
  return 16;
}
#endif

inline std::uint64_t read_plain(const std::uint8_t* data, std::size_t bytes) {
  std::uint64_t sum[16] = {};
  const std::size_t each = bytes / 8 / 4;
  for (std::size_t i = 0; i < each; i += 16) {
    for (std::size_t stream = 0; stream < 4; ++stream) {
      const std::uint64_t* p = reinterpret_cast<const std::uint64_t*>(data) + stream * each + i;
      __builtin_prefetch(p + 256, 0, 3);
      __builtin_prefetch(p + 256 + 8, 0, 3);
      for (std::size_t j = 0; j < 16; ++j) sum[j] ^= p[j];
    }
  }
  for (std::size_t j = 1; j < 16; ++j) sum[0] ^= sum[j];
  return sum[0];
}

inline std::uint64_t read_bytes(const std::uint8_t* data, std::size_t bytes) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return read_avx512(data, bytes);
  if (__builtin_cpu_supports("avx2")) return read_avx2(data, bytes);
#endif
  return read_plain(data, bytes);
}

/// n times kChains multiply-adds of a register; gives the lanes of one. 0: there is no such instruction.
inline std::size_t f32_multiply_adds(std::size_t n, Floats& out) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return f32_avx512(n, out);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return f32_avx2(n, out);
#elif defined(__aarch64__)
  return f32_neon(n, out);
#endif
  (void)n;
  (void)out;
  return 0;
}

inline std::size_t bf16_multiply_adds(std::size_t n, Floats& out) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bf16")) return bf16_avx512(n, out);
#endif
  (void)n;
  (void)out;
  return 0;
}

inline std::size_t int8_multiply_adds(std::size_t n, Floats& out) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512vnni")) return int8_vnni(n, out);
  if (__builtin_cpu_supports("avx2")) return int8_avx2(n, out);
#elif defined(__aarch64__)
  return int8_dot(n, out);
#endif
  (void)n;
  (void)out;
  return 0;
}

struct Limits {
  double read_gbs = 0;    ///< From memory: 1 GiB, more than caches hold.
  double cached_gbs = 0;  ///< Of 96 MiB again and again, what a model of 135M parameters has in 4 bits.
  double f32_gops = 0;    ///< A multiply-add is two operations.
  double bf16_gops = 0;   ///< 0: the processor has none of its own.
  double int8_gops = 0;   ///< Of vectors.
  double amx_gops = 0;    ///< Of tiles of 8 bits; 0 without.
};

/// @param fastest  Gives the seconds of a fast one of several calls.
inline Limits measure_limits(const kernels::ParallelFor& parallel_for, std::size_t threads,
                             const std::function<double(const std::function<void()>&)>& fastest) {
  Limits limits;
  const auto reading = [&](std::size_t bytes) {
    constexpr std::size_t kPieces = 64;
    const std::vector<std::uint8_t> data(bytes, 1);
    std::vector<std::uint64_t> sums(kPieces);
    const double seconds = fastest([&] {
      parallel_for(kPieces, [&](std::size_t begin, std::size_t end) {
        for (std::size_t piece = begin; piece < end; ++piece) {
          sums[piece] += read_bytes(data.data() + piece * (bytes / kPieces), bytes / kPieces);
        }
      });
    });
    return static_cast<double>(bytes) / seconds / 1e9;
  };
  limits.read_gbs = reading(std::size_t{1} << 30);
  limits.cached_gbs = reading(std::size_t{96} << 20);

  const auto computing = [&](const std::function<double(std::size_t)>& multiply_adds) {
    constexpr std::size_t kTimes = 20000;
    std::vector<double> done(threads * 4);
    const double seconds = fastest([&] {
      parallel_for(done.size(), [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) done[i] = multiply_adds(kTimes);
      });
    });
    double sum = 0;
    for (const double each : done) sum += each;
    return 2 * sum / seconds / 1e9;
  };
  const auto vectors = [&](std::size_t (*run)(std::size_t, Floats&)) {
    return computing([&](std::size_t n) {
      Floats out = {1, 1};
      return static_cast<double>(n * kChains * run(n, out));
    });
  };
  limits.f32_gops = vectors(f32_multiply_adds);
  limits.bf16_gops = vectors(bf16_multiply_adds);
  limits.int8_gops = vectors(int8_multiply_adds);
#if defined(__x86_64__)
  if (have_amx()) {
    limits.amx_gops = computing([](std::size_t n) {
      int8_amx(n / 16);
      return static_cast<double>(n / 16 * 4) * 16 * 16 * 64;
    });
  }
#endif
  return limits;
}

}  // namespace weft::bench
