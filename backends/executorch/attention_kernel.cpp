// weft::attention as an ExecuTorch kernel: checks what ExecuTorch's verifier can't, then calls the shared one.

#include "backends/executorch/attention_kernel.h"

#include <executorch/extension/kernel_util/make_boxed_from_unboxed_functor.h>
#include <executorch/runtime/kernel/kernel_includes.h>

#include <array>
#include <exception>
#include <mutex>
#include <string>

#include "weft/kernels/attention.h"

namespace weft::executorch_kernels {
namespace {

using executorch::aten::ScalarType;
using executorch::aten::Tensor;
using executorch::runtime::KernelRuntimeContext;

thread_local std::string problem;

// f32 [1, H, T, D], contiguous. No data where it isn't that.
kernels::HeadsView heads_view(const Tensor& tensor) {
  if (tensor.scalar_type() != ScalarType::Float || tensor.dim() != 4 || tensor.size(0) != 1) return {};
  const auto heads = static_cast<std::size_t>(tensor.size(1)), tokens = static_cast<std::size_t>(tensor.size(2));
  const auto size = static_cast<std::size_t>(tensor.size(3));
  return {tensor.const_data_ptr<float>(), heads, tokens, size, tokens * size, size};
}

const char* run(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& positions, const Tensor& context,
                int64_t layer, double scale, int64_t window, double softcap,
                const executorch::aten::optional<Tensor>& sinks, Tensor& out) {
  kernels::AttentionArguments arguments{.query = heads_view(query), .key = heads_view(key), .value = heads_view(value)};
  if (arguments.query.data == nullptr || arguments.key.data == nullptr || arguments.value.data == nullptr) {
    return "weft::attention: query, key and value are not all f32 [1, heads, tokens, size]";
  }
  if (positions.scalar_type() != ScalarType::Long || positions.dim() != 1 || context.scalar_type() != ScalarType::Long ||
      context.numel() != 1) {
    return "weft::attention: positions is not i64 [tokens], or context not i64 [1]";
  }
  if (sinks.has_value() && sinks->scalar_type() != ScalarType::Float) return "weft::attention: sinks is not f32";

  const std::array<executorch::aten::SizesType, 4> sizes{1, static_cast<executorch::aten::SizesType>(arguments.query.tokens),
                                                         static_cast<executorch::aten::SizesType>(arguments.query.heads),
                                                         static_cast<executorch::aten::SizesType>(arguments.value.size)};
  if (out.scalar_type() != ScalarType::Float ||
      executorch::runtime::resize_tensor(out, {sizes.data(), sizes.size()}) != executorch::runtime::Error::Ok) {
    return "weft::attention: the output is not f32, or has no room";
  }
  arguments.positions = {positions.const_data_ptr<int64_t>(), static_cast<std::size_t>(positions.numel())};
  arguments.context = context.const_data_ptr<int64_t>()[0];
  arguments.layer = layer;
  arguments.scale = static_cast<float>(scale);
  arguments.window = window;
  arguments.softcap = static_cast<float>(softcap);
  if (sinks.has_value()) arguments.sinks = {sinks->const_data_ptr<float>(), static_cast<std::size_t>(sinks->numel())};
  arguments.out = out.mutable_data_ptr<float>();
  return kernels::attention(arguments);
}

Tensor& attention_out(KernelRuntimeContext& runtime, const Tensor& query, const Tensor& key, const Tensor& value,
                      const Tensor& positions, const Tensor& context, int64_t layer, double scale, int64_t window,
                      double softcap, const executorch::aten::optional<Tensor>& sinks, Tensor& out) {
  try {
    const char* found = run(query, key, value, positions, context, layer, scale, window, softcap, sinks, out);
    problem = found == nullptr ? "" : found;
  } catch (const std::exception& e) {  // ExecuTorch is built without exceptions: none may pass through it
    problem = std::string("weft::attention: ") + e.what();
  }
  if (!problem.empty()) runtime.fail(executorch::runtime::Error::InvalidArgument);
  return out;
}

constexpr char kName[] = "weft::attention.out";

}  // namespace

void register_kernels() {
  static std::once_flag once;
  std::call_once(once, [] {
    (void)executorch::runtime::register_kernel(
        executorch::extension::make_boxed_kernel(kName, EXECUTORCH_FN(attention_out, kName)));
  });
}

std::string take_problem() { return std::exchange(problem, {}); }

}  // namespace weft::executorch_kernels
