#include "kernels/variants.h"

#if defined(WEFT_KERNELS_ARM64)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace weft::kernels {

std::vector<const Variant*> runnable_variants() {
  std::vector<const Variant*> found;
#if defined(WEFT_KERNELS_X86)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw")) {
    if (__builtin_cpu_supports("avx512vnni")) found.push_back(&avx512_vnni::variant);
    found.push_back(&avx512::variant);
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")) found.push_back(&avx2::variant);
#elif defined(WEFT_KERNELS_ARM64)
  if ((getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0) found.push_back(&dotprod::variant);
#endif
  found.push_back(&baseline::variant);
  return found;
}

const Variant& variant() noexcept {
  static const Variant& chosen = *runnable_variants().front();
  return chosen;
}

}  // namespace weft::kernels
