// The vector of kLanes f32 that the inner loops are written in: GCC's and Clang's vector types become
// the widest registers that an instruction set has. Included by kernels/*_rows.h inside of a variant.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/variants.h"

namespace weft::kernels::WEFT_VARIANT {
namespace {

using Vector = float __attribute__((vector_size(kLanes * sizeof(float)), aligned(4)));
using Integers = std::int32_t __attribute__((vector_size(kLanes * sizeof(float)), aligned(4)));

inline Vector load(const float* p) {
  Vector v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline void store(float* p, Vector v) { std::memcpy(p, &v, sizeof v); }
inline Vector broadcast(float x) { return Vector{} + x; }

// By halves, so that it becomes a few shuffles.
inline float sum(Vector v) {
  float part[kLanes];
  store(part, v);
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) part[i] += part[i + half];
  }
  return part[0];
}

}  // namespace
}  // namespace weft::kernels::WEFT_VARIANT
