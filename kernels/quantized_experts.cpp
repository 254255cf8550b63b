#include "weft/kernels/quantized_experts.h"

#include <algorithm>
#include <vector>

namespace weft::kernels {
namespace {

// Kept by each thread between the calls of a token loop.
struct Sorted {
  std::vector<std::size_t> first;  // where each expert's rows begin in `rows`
  std::vector<std::size_t> rows;   // by expert
  std::vector<float> input, out;   // of one expert's rows
};

}  // namespace

const char* quantized_experts(const QuantizedExpertsArguments& a, const ParallelFor& parallel_for) {
  const std::size_t columns = a.weight.columns, features = a.features;
  if (features == 0 || features % kTileRows != 0 || a.weight.rows % features != 0) {
    return "weft::quantized_experts: the weight is not made of experts of so many features, a multiple of 16";
  }
  const std::size_t n_experts = a.weight.rows / features;
  thread_local Sorted sorted;
  sorted.first.assign(n_experts + 1, 0);
  for (const std::int64_t expert : a.experts) {
    if (expert < 0 || static_cast<std::size_t>(expert) >= n_experts) return "weft::quantized_experts: a row's expert is none of them";
    ++sorted.first[static_cast<std::size_t>(expert) + 1];
  }
  for (std::size_t e = 0; e < n_experts; ++e) sorted.first[e + 1] += sorted.first[e];
  sorted.rows.resize(a.experts.size());
  for (std::size_t row = 0; row < a.experts.size(); ++row) {
    sorted.rows[sorted.first[static_cast<std::size_t>(a.experts[row])]++] = row;
  }

  QuantizedMatrix matrix = a.weight;
  matrix.rows = features;
  const std::size_t bytes = matrix.bytes();
  std::size_t begin = 0;
  for (std::size_t e = 0; e < n_experts; begin = sorted.first[e++]) {  // filling moved each beginning to the next one's
    const std::span rows = std::span<const std::size_t>(sorted.rows).subspan(begin, sorted.first[e] - begin);
    if (rows.empty()) continue;
    matrix.data = a.weight.data + e * bytes;
    QuantizedLinearArguments linear{.input = a.input + rows[0] * columns, .rows = rows.size(), .weight = matrix, .out = a.out + rows[0] * features};
    linear.bias = a.bias == nullptr ? nullptr : a.bias + e * features;
    linear.activations = a.activations;
    const bool together = rows.back() - rows[0] + 1 == rows.size();
    if (!together) {
      sorted.input.resize(rows.size() * columns);
      sorted.out.resize(rows.size() * features);
      for (std::size_t i = 0; i < rows.size(); ++i) std::copy_n(a.input + rows[i] * columns, columns, sorted.input.data() + i * columns);
      linear.input = sorted.input.data();
      linear.out = sorted.out.data();
    }
    if (const char* problem = quantized_linear(linear, parallel_for)) return problem;
    if (together) continue;
    for (std::size_t i = 0; i < rows.size(); ++i) std::copy_n(sorted.out.data() + i * features, features, a.out + rows[i] * features);
  }
  return nullptr;
}

}  // namespace weft::kernels
