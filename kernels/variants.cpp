#include "kernels/variants.h"

#if defined(WEFT_KERNELS_X86)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(WEFT_KERNELS_ARM64) && defined(__APPLE__)
#include <sys/sysctl.h>
#elif defined(WEFT_KERNELS_ARM64)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace weft::kernels {
namespace {

#if defined(WEFT_KERNELS_X86)
// AMD's family 1Ah, and what follows it: "Revision Guide for AMD Family 1Ah Models 00h-0Fh Processors".
bool is_zen5() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__builtin_cpu_is("amd") || __get_cpuid(1, &a, &b, &c, &d) == 0) return false;
  const unsigned family = (a >> 8 & 15) + (a >> 20 & 255);
  return family >= 0x1a;
}

// AMX's registers are large: Linux gives them only to a process that has asked (Documentation/arch/x86/xstate.rst), and refuses
// one with an alternative signal stack too small for them.
bool take_amx() {
#if defined(__linux__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kTile = 1u << 24, kInt8 = 1u << 25;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & kTile) == 0 || (d & kInt8) == 0) return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}
#elif defined(WEFT_KERNELS_ARM64)
struct ArmFeatures {
  bool dot_products, int8_matrices, bfloat16;
};

#if defined(__APPLE__)
ArmFeatures arm_features() {
  const auto has = [](const char* name) {
    int value = 0;
    std::size_t size = sizeof value;
    return sysctlbyname(name, &value, &size, nullptr, 0) == 0 && value != 0;
  };
  return {has("hw.optional.arm.FEAT_DotProd"), has("hw.optional.arm.FEAT_I8MM"), has("hw.optional.arm.FEAT_BF16")};
}
#else
ArmFeatures arm_features() {
  constexpr unsigned long kInt8Matrices = 1ul << 13, kBFloat16 = 1ul << 14;  // HWCAP2_*, which older headers lack
  const unsigned long more = getauxval(AT_HWCAP2);
  return {(getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0, (more & kInt8Matrices) != 0, (more & kBFloat16) != 0};
}
#endif
#endif

}  // namespace

std::vector<const Variant*> runnable_variants() {
  std::vector<const Variant*> found;
#if defined(WEFT_KERNELS_X86)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw")) {
    if (__builtin_cpu_supports("avx512vnni")) {
      if (__builtin_cpu_supports("avx512bf16")) {
        if (take_amx()) found.push_back(&amx::variant);
        if (is_zen5()) found.push_back(&zen5::variant);
        found.push_back(&avx512_bf16::variant);
      }
      found.push_back(&avx512_vnni::variant);
    }
    found.push_back(&avx512::variant);
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")) found.push_back(&avx2::variant);
#elif defined(WEFT_KERNELS_ARM64)
  const ArmFeatures features = arm_features();
  if (features.dot_products) {
    if (features.int8_matrices && features.bfloat16) found.push_back(&i8mm::variant);
    found.push_back(&dotprod::variant);
  }
#endif
  found.push_back(&baseline::variant);
  return found;
}

const Variant& variant() noexcept {
  static const Variant& chosen = *runnable_variants().front();
  return chosen;
}

}  // namespace weft::kernels
