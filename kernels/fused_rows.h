// RMS norm, and the gate of a gated feed-forward layer: what stands between two linears.
//
// M rows, K columns, N features; compiled once for each instruction set (kernels/variants.h).
#pragma once

#include <cmath>

#include "kernels/exponential.h"
#include "kernels/vector.h"

namespace weft::kernels::WEFT_VARIANT {
namespace {

// x / (1 + exp(-x)), without overflow.
WEFT_INLINE Vector silu(Vector x) {
  const Vector power = exp_nonpositive(-absolute(x));
  const Vector reciprocal = broadcast(1.0f) / (power + 1.0f);
  return x * select(x < 0.0f, power * reciprocal, reciprocal);
}

// 0.5 x (1 + tanh(u)) = x / (1 + exp(-2 u)), u = sqrt(2 / pi) (x + 0.044715 x^3): Gemma's.
WEFT_INLINE Vector gelu_tanh(Vector x) {
  const Vector twice = (x + x * x * x * 0.044715f) * 1.5957691216057308f;
  const Vector power = exp_nonpositive(-absolute(twice));
  const Vector reciprocal = broadcast(1.0f) / (power + 1.0f);
  return x * select(x < 0.0f, power * reciprocal, reciprocal);
}

template <class Function>
inline void gate_all(const GateRows& rows, const Function& function) {
  for (std::size_t row = 0; row < rows.m; ++row) {
    float* gate = rows.gate + row * rows.gate_stride;
    const float* up = rows.up + row * rows.up_stride;
    for (std::size_t i = 0; i < rows.n; i += kLanes) store(gate + i, function(load(gate + i)) * load(up + i));
  }
}

}  // namespace

void norm_rows(const NormRows& rows, std::size_t begin, std::size_t end) {
  for (std::size_t row = begin; row < end; ++row) {
    const float* input = rows.input + row * rows.columns;
    float* out = rows.out + row * rows.columns;
    Vector squares{};
    std::size_t i = 0;
    for (; i + kLanes <= rows.columns; i += kLanes) squares += load(input + i) * load(input + i);
    float total = sum(squares);
    for (; i < rows.columns; ++i) total += input[i] * input[i];
    const float inverse = 1.0f / std::sqrt(total / static_cast<float>(rows.columns) + rows.epsilon);
    for (i = 0; i < rows.columns; ++i) out[i] = input[i] * inverse * rows.weight[i];
  }
}

void gate_rows(const GateRows& rows) {
  if (rows.function == Gate::kSilu) return gate_all(rows, [](Vector x) { return silu(x); });
  gate_all(rows, [](Vector x) { return gelu_tanh(x); });
}

}  // namespace weft::kernels::WEFT_VARIANT
