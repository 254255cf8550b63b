// weft::attention as a torch operator: checks dtypes and layouts, then calls the shared kernel.

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <optional>

#include "weft/kernels/attention.h"

namespace weft {
namespace {

// f32 [1, H, T, D] with a contiguous last dimension; other strides are taken as they are, so that nothing is copied.
kernels::HeadsView heads_view(const at::Tensor& tensor, const char* name) {
  TORCH_CHECK(tensor.device().is_cpu() && tensor.scalar_type() == at::kFloat && tensor.dim() == 4 && tensor.size(0) == 1,
              "weft::attention: ", name, " is not f32 [1, heads, tokens, size] on the CPU");
  TORCH_CHECK(tensor.stride(3) == 1 || tensor.size(3) == 1, "weft::attention: ", name, "'s last dimension is not contiguous");
  return {tensor.const_data_ptr<float>(),         static_cast<std::size_t>(tensor.size(1)),
          static_cast<std::size_t>(tensor.size(2)),   static_cast<std::size_t>(tensor.size(3)),
          static_cast<std::size_t>(tensor.stride(1)), static_cast<std::size_t>(tensor.stride(2))};
}

// AOTInductor hands over what the compiler laid out; only an odd layout costs a copy.
at::Tensor with_contiguous_heads(const at::Tensor& tensor) {
  return tensor.dim() == 4 && tensor.stride(3) != 1 ? tensor.contiguous() : tensor;
}

at::Tensor attention(const at::Tensor& query_in, const at::Tensor& key_in, const at::Tensor& value_in, const at::Tensor& positions,
                     const at::Tensor& context, int64_t layer, double scale, int64_t window, double softcap,
                     const std::optional<at::Tensor>& sinks) {
  const at::Tensor query = with_contiguous_heads(query_in), key = with_contiguous_heads(key_in),
                   value = with_contiguous_heads(value_in);
  TORCH_CHECK(positions.scalar_type() == at::kLong && positions.dim() == 1 && positions.is_contiguous(),
              "weft::attention: positions is not i64 [tokens]");
  TORCH_CHECK(context.scalar_type() == at::kLong && context.numel() == 1, "weft::attention: context is not i64 [1]");
  kernels::AttentionArguments arguments{
      .query = heads_view(query, "query"), .key = heads_view(key, "key"), .value = heads_view(value, "value")};
  arguments.positions = {positions.const_data_ptr<int64_t>(), static_cast<std::size_t>(positions.numel())};
  arguments.context = context.const_data_ptr<int64_t>()[0];
  arguments.layer = layer;
  arguments.scale = static_cast<float>(scale);
  arguments.window = window;
  arguments.softcap = static_cast<float>(softcap);
  if (sinks.has_value()) {
    TORCH_CHECK(sinks->scalar_type() == at::kFloat && sinks->is_contiguous(), "weft::attention: sinks is not f32");
    arguments.sinks = {sinks->const_data_ptr<float>(), static_cast<std::size_t>(sinks->numel())};
  }
  at::Tensor out = at::empty({1, query.size(2), query.size(1), value.size(3)}, query.options());
  arguments.out = out.mutable_data_ptr<float>();
  const char* problem = kernels::attention(arguments);
  TORCH_CHECK(problem == nullptr, problem);
  return out;
}

}  // namespace

// The schema is python/weft/export/attention.py's.
TORCH_LIBRARY(weft, library) {
  library.def(
      "attention(Tensor query, Tensor key, Tensor value, Tensor positions, Tensor context, int layer, float scale, "
      "int window, float softcap, Tensor? sinks) -> Tensor");
}

TORCH_LIBRARY_IMPL(weft, CPU, library) { library.impl("attention", attention); }

/// Called by the backend, so that a linker keeps this file with its registration.
void register_torch_operators() {}

}  // namespace weft
