// Every compiled variant that this processor runs, to be held against each other.
#pragma once

#include <vector>

#include "kernels/variants.h"

namespace weft::kernels {

inline std::vector<Variant> runnable_variants() {
  std::vector<Variant> variants = {{"baseline", baseline::attention_rows, baseline::linear_rows, baseline::quantized_rows}};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    variants.push_back({"avx2", avx2::attention_rows, avx2::linear_rows, avx2::quantized_rows});
  }
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
    variants.push_back({"avx512", avx512::attention_rows, avx512::linear_rows, avx512::quantized_rows});
  }
#endif
  return variants;
}

}  // namespace weft::kernels
