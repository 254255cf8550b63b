#include "kernels/variants.h"

namespace weft::kernels {
namespace {

Variant choose() noexcept {
#if defined(WEFT_KERNELS_X86)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
    return {"avx512", avx512::attention_rows, avx512::linear_rows, avx512::quantized_rows};
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return {"avx2", avx2::attention_rows, avx2::linear_rows, avx2::quantized_rows};
  }
#endif
  return {"baseline", baseline::attention_rows, baseline::linear_rows, baseline::quantized_rows};
}

}  // namespace

const Variant& variant() noexcept {
  static const Variant chosen = choose();
  return chosen;
}

}  // namespace weft::kernels
