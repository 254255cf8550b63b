// Which of the instruction sets that kernels/variant_<set>.cpp is built for this processor runs: runs::<set>().
//
// For kernels/variants.cpp, and for kernels/native_sets.cpp while the build is configured.
#pragma once

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>

#include <cstddef>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace weft::kernels::runs {

#if defined(__x86_64__)
inline bool avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

inline bool avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
}

inline bool avx512_vnni() { return avx512() && __builtin_cpu_supports("avx512vnni"); }

inline bool avx512_bf16() { return avx512_vnni() && __builtin_cpu_supports("avx512bf16"); }

// AMD's family 1Ah, and what follows it: "Revision Guide for AMD Family 1Ah Models 00h-0Fh Processors".
inline bool zen5() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!avx512_bf16() || !__builtin_cpu_is("amd") || __get_cpuid(1, &a, &b, &c, &d) == 0) return false;
  const unsigned family = (a >> 8 & 15) + (a >> 20 & 255);
  return family >= 0x1a;
}

// AMX's registers are large: Linux gives them only to a process that has asked (Documentation/arch/x86/xstate.rst), and
// refuses one with an alternative signal stack too small for them.
inline bool amx() {
#if defined(__linux__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kTile = 1u << 24, kInt8 = 1u << 25;
  if (!avx512_bf16() || __get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & kTile) == 0 || (d & kInt8) == 0)
    return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}
#elif defined(__aarch64__) && defined(__APPLE__)
inline bool has(const char* name) {
  int value = 0;
  std::size_t size = sizeof value;
  return sysctlbyname(name, &value, &size, nullptr, 0) == 0 && value != 0;
}

inline bool dotprod() { return has("hw.optional.arm.FEAT_DotProd"); }

inline bool i8mm() { return dotprod() && has("hw.optional.arm.FEAT_I8MM") && has("hw.optional.arm.FEAT_BF16"); }
#elif defined(__aarch64__)
inline bool dotprod() { return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0; }

inline bool i8mm() {
  constexpr unsigned long kInt8Matrices = 1ul << 13, kBFloat16 = 1ul << 14;  // HWCAP2_*, which older headers lack
  const unsigned long more = getauxval(AT_HWCAP2);
  return dotprod() && (more & kInt8Matrices) != 0 && (more & kBFloat16) != 0;
}
#endif

inline bool baseline() { return true; }

}  // namespace weft::kernels::runs
