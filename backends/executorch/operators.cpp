// weft's operators as ExecuTorch kernels: each checks what ExecuTorch's verifier can't, then calls the shared kernel.

#include "backends/executorch/operators.h"

#include <executorch/extension/kernel_util/make_boxed_from_unboxed_functor.h>
#include <executorch/runtime/kernel/kernel_includes.h>

#include <exception>
#include <initializer_list>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "weft/kernels/attention.h"
#include "weft/kernels/quantized_experts.h"
#include "weft/kernels/quantized_linear.h"

namespace weft::executorch_operators {
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

bool resize_output(Tensor& out, std::initializer_list<std::size_t> sizes) {
  std::vector<executorch::aten::SizesType> wanted(sizes.begin(), sizes.end());
  return out.scalar_type() == ScalarType::Float &&
         executorch::runtime::resize_tensor(out, {wanted.data(), wanted.size()}) == executorch::runtime::Error::Ok;
}

// What both attention operators do once they know where queries, keys and values lie.
const char* run_attention(kernels::AttentionArguments arguments, const Tensor& positions, const Tensor& context, int64_t layer,
                          double scale, int64_t window, double softcap, const executorch::aten::optional<Tensor>& sinks, Tensor& out) {
  if (positions.scalar_type() != ScalarType::Long || positions.dim() != 1 || context.scalar_type() != ScalarType::Long ||
      context.numel() != 1) {
    return "weft::attention: positions is not i64 [tokens], or context not i64 [1]";
  }
  if (sinks.has_value() && sinks->scalar_type() != ScalarType::Float) return "weft::attention: sinks is not f32";

  if (!resize_output(out, {1, arguments.query.tokens, arguments.query.heads, arguments.value.size})) {
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

const char* run_plain_attention(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& positions,
                                const Tensor& context, int64_t layer, double scale, int64_t window, double softcap,
                                const executorch::aten::optional<Tensor>& sinks, Tensor& out) {
  const kernels::AttentionArguments arguments{.query = heads_view(query), .key = heads_view(key), .value = heads_view(value)};
  if (arguments.query.data == nullptr || arguments.key.data == nullptr || arguments.value.data == nullptr) {
    return "weft::attention: query, key and value are not all f32 [1, heads, tokens, size]";
  }
  return run_attention(arguments, positions, context, layer, scale, window, softcap, sinks, out);
}

const char* run_rotary_attention(const Tensor& states, const Tensor& cos, const Tensor& sin, const Tensor& positions,
                                 const Tensor& context, int64_t layer, int64_t heads, int64_t kv_heads, double scale, int64_t window,
                                 double softcap, const executorch::aten::optional<Tensor>& sinks, Tensor& out) {
  if (heads <= 0 || kv_heads <= 0 || heads > INT32_MAX || kv_heads > INT32_MAX || states.scalar_type() != ScalarType::Float ||
      states.dim() != 3 || states.size(0) != 1 || states.size(2) % (heads + 2 * kv_heads) != 0) {
    return "weft::rotary_attention: states is not f32 [1, tokens, (heads + 2 kv_heads) * size]";
  }
  const auto tokens = static_cast<std::size_t>(states.size(1)), width = static_cast<std::size_t>(states.size(2));
  const std::size_t size = width / static_cast<std::size_t>(heads + 2 * kv_heads);
  for (const Tensor* turn : {&cos, &sin}) {
    if (turn->scalar_type() != ScalarType::Float || static_cast<std::size_t>(turn->numel()) != tokens * size) {
      return "weft::rotary_attention: cos or sin is not f32 [tokens, size]";
    }
  }
  const float* data = states.const_data_ptr<float>();
  const auto view = [&](int64_t first, int64_t n) {
    return kernels::HeadsView{data + static_cast<std::size_t>(first) * size, static_cast<std::size_t>(n), tokens, size, size, width};
  };
  kernels::AttentionArguments arguments{.query = view(0, heads), .key = view(heads, kv_heads), .value = view(heads + kv_heads, kv_heads)};
  arguments.rotary_cos = cos.const_data_ptr<float>();
  arguments.rotary_sin = sin.const_data_ptr<float>();
  return run_attention(arguments, positions, context, layer, scale, window, softcap, sinks, out);
}

// The matrix that `weight` holds, or nothing where it isn't as large as its shape says.
std::optional<kernels::QuantizedMatrix> quantized_matrix(const Tensor& weight, int64_t rows, int64_t columns, int64_t bits, bool minimum) {
  if (rows <= 0 || columns <= 0 || rows > INT32_MAX || columns > INT32_MAX || weight.scalar_type() != ScalarType::Byte) return {};
  const kernels::QuantizedMatrix matrix{weight.const_data_ptr<uint8_t>(), static_cast<std::size_t>(rows),
                                        static_cast<std::size_t>(columns), static_cast<int>(bits), minimum};
  if (matrix.bytes() == 0 || static_cast<std::size_t>(weight.numel()) != matrix.bytes()) return {};
  return matrix;
}

// Whether an optional tensor is f32 of n values, or not there; its data go to `data`.
bool optional_floats(const executorch::aten::optional<Tensor>& tensor, std::size_t n, const float*& data) {
  if (!tensor.has_value()) return true;
  if (tensor->scalar_type() != ScalarType::Float || static_cast<std::size_t>(tensor->numel()) != n) return false;
  data = tensor->const_data_ptr<float>();
  return true;
}

const char* run_quantized_linear(const Tensor& input, const Tensor& weight, const executorch::aten::optional<Tensor>& bias,
                                 const executorch::aten::optional<Tensor>& residual,
                                 const executorch::aten::optional<Tensor>& norm_weight, double norm_epsilon, int64_t features,
                                 int64_t bits, bool minimum, int64_t gate, int64_t activations, Tensor& out) {
  if (input.scalar_type() != ScalarType::Float || input.dim() < 1) return "weft::quantized_linear: the input is not f32";
  if (gate < 0 || gate > 2 || features <= 0 || features > INT32_MAX / 2) return "weft::quantized_linear: unknown gate, or no features";
  const auto matrix = quantized_matrix(weight, gate == 0 ? features : 2 * features, input.size(input.dim() - 1), bits, minimum);
  if (!matrix) return "weft::quantized_linear: the weight's bytes don't fit its shape";
  std::vector<executorch::aten::SizesType> sizes(input.sizes().begin(), input.sizes().end());
  sizes.back() = static_cast<executorch::aten::SizesType>(features);
  if (out.scalar_type() != ScalarType::Float ||
      executorch::runtime::resize_tensor(out, {sizes.data(), sizes.size()}) != executorch::runtime::Error::Ok) {
    return "weft::quantized_linear: the output is not f32, or has no room";
  }
  kernels::QuantizedLinearArguments arguments{.input = input.const_data_ptr<float>(),
                                              .rows = static_cast<std::size_t>(input.numel()) / matrix->columns,
                                              .weight = *matrix,
                                              .out = out.mutable_data_ptr<float>()};
  if (!optional_floats(bias, matrix->rows, arguments.bias) ||
      !optional_floats(residual, static_cast<std::size_t>(out.numel()), arguments.residual) ||
      !optional_floats(norm_weight, matrix->columns, arguments.norm_weight)) {
    return "weft::quantized_linear: bias, residual or the norm's weight is not f32, or not of the features' number";
  }
  arguments.norm_epsilon = static_cast<float>(norm_epsilon);
  arguments.gate = static_cast<kernels::Gate>(gate);
  arguments.activations = kernels::chosen_activations(activations);
  return kernels::quantized_linear(arguments, kernels::ForwardScope::current_parallel_for());
}

const char* run_quantized_experts(const Tensor& input, const Tensor& experts, const Tensor& weight,
                                  const executorch::aten::optional<Tensor>& bias, int64_t n_experts, int64_t features, int64_t bits,
                                  bool minimum, int64_t activations, Tensor& out) {
  if (input.scalar_type() != ScalarType::Float || input.dim() != 2) return "weft::quantized_experts: the input is not f32 [rows, columns]";
  if (experts.scalar_type() != ScalarType::Long || experts.dim() != 1 || experts.numel() != input.size(0)) {
    return "weft::quantized_experts: experts is not i64 [rows]";
  }
  if (n_experts <= 0 || n_experts > INT32_MAX || features <= 0 || features > INT32_MAX) return "weft::quantized_experts: no experts or features";
  const auto matrix = quantized_matrix(weight, n_experts * features, input.size(1), bits, minimum);
  if (!matrix) return "weft::quantized_experts: the weight's bytes don't fit its shape";
  const executorch::aten::SizesType sizes[] = {static_cast<executorch::aten::SizesType>(input.size(0)),
                                               static_cast<executorch::aten::SizesType>(features)};
  if (out.scalar_type() != ScalarType::Float || executorch::runtime::resize_tensor(out, {sizes, 2}) != executorch::runtime::Error::Ok) {
    return "weft::quantized_experts: the output is not f32, or has no room";
  }
  kernels::QuantizedExpertsArguments arguments{
      .input = input.const_data_ptr<float>(),
      .experts = {experts.const_data_ptr<int64_t>(), static_cast<std::size_t>(experts.numel())},
      .weight = *matrix,
      .features = static_cast<std::size_t>(features),
      .out = out.mutable_data_ptr<float>()};
  if (!optional_floats(bias, matrix->rows, arguments.bias)) return "weft::quantized_experts: the bias is not f32 [experts, features]";
  arguments.activations = kernels::chosen_activations(activations);
  return kernels::quantized_experts(arguments, kernels::ForwardScope::current_parallel_for());
}

const char* run_quantized_embedding(const Tensor& ids, const Tensor& weight, int64_t rows, int64_t columns, int64_t bits, bool minimum,
                                    Tensor& out) {
  if (ids.scalar_type() != ScalarType::Long) return "weft::quantized_embedding: ids are not i64";
  const auto matrix = quantized_matrix(weight, rows, columns, bits, minimum);
  if (!matrix) return "weft::quantized_embedding: the weight's bytes don't fit its shape";
  std::vector<executorch::aten::SizesType> sizes(ids.sizes().begin(), ids.sizes().end());
  sizes.push_back(static_cast<executorch::aten::SizesType>(columns));
  if (out.scalar_type() != ScalarType::Float ||
      executorch::runtime::resize_tensor(out, {sizes.data(), sizes.size()}) != executorch::runtime::Error::Ok) {
    return "weft::quantized_embedding: the output is not f32, or has no room";
  }
  const bool known = kernels::quantized_embedding({ids.const_data_ptr<int64_t>(), static_cast<std::size_t>(ids.numel())}, *matrix,
                                                  out.mutable_data_ptr<float>());
  return known ? nullptr : "weft::quantized_embedding: an id is outside of the table";
}

// Runs an operator's body. ExecuTorch is built without exceptions: none may pass through it.
template <class Run>
void guard(KernelRuntimeContext& runtime, const Run& run) {
  try {
    const char* found = run();
    problem = found == nullptr ? "" : found;
  } catch (const std::exception& e) {
    problem = std::string("a weft operator failed: ") + e.what();
  }
  if (!problem.empty()) runtime.fail(executorch::runtime::Error::InvalidArgument);
}

Tensor& attention_out(KernelRuntimeContext& runtime, const Tensor& query, const Tensor& key, const Tensor& value,
                      const Tensor& positions, const Tensor& context, int64_t layer, double scale, int64_t window,
                      double softcap, const executorch::aten::optional<Tensor>& sinks, Tensor& out) {
  guard(runtime, [&] { return run_plain_attention(query, key, value, positions, context, layer, scale, window, softcap, sinks, out); });
  return out;
}

Tensor& rotary_attention_out(KernelRuntimeContext& runtime, const Tensor& states, const Tensor& cos, const Tensor& sin,
                             const Tensor& positions, const Tensor& context, int64_t layer, int64_t heads, int64_t kv_heads, double scale,
                             int64_t window, double softcap, const executorch::aten::optional<Tensor>& sinks, Tensor& out) {
  guard(runtime, [&] {
    return run_rotary_attention(states, cos, sin, positions, context, layer, heads, kv_heads, scale, window, softcap, sinks, out);
  });
  return out;
}

Tensor& quantized_linear_out(KernelRuntimeContext& runtime, const Tensor& input, const Tensor& weight,
                             const executorch::aten::optional<Tensor>& bias, const executorch::aten::optional<Tensor>& residual,
                             const executorch::aten::optional<Tensor>& norm_weight, double norm_epsilon, int64_t features,
                             int64_t bits, bool minimum, int64_t gate, int64_t activations, Tensor& out) {
  guard(runtime, [&] {
    return run_quantized_linear(input, weight, bias, residual, norm_weight, norm_epsilon, features, bits, minimum, gate, activations, out);
  });
  return out;
}

Tensor& quantized_experts_out(KernelRuntimeContext& runtime, const Tensor& input, const Tensor& experts, const Tensor& weight,
                              const executorch::aten::optional<Tensor>& bias, int64_t n_experts, int64_t features, int64_t bits,
                              bool minimum, int64_t activations, Tensor& out) {
  guard(runtime, [&] { return run_quantized_experts(input, experts, weight, bias, n_experts, features, bits, minimum, activations, out); });
  return out;
}

Tensor& quantized_embedding_out(KernelRuntimeContext& runtime, const Tensor& ids, const Tensor& weight, int64_t rows,
                                int64_t columns, int64_t bits, bool minimum, Tensor& out) {
  guard(runtime, [&] { return run_quantized_embedding(ids, weight, rows, columns, bits, minimum, out); });
  return out;
}

constexpr char kAttention[] = "weft::attention.out";
constexpr char kRotaryAttention[] = "weft::rotary_attention.out";
constexpr char kQuantizedLinear[] = "weft::quantized_linear.out";
constexpr char kQuantizedExperts[] = "weft::quantized_experts.out";
constexpr char kQuantizedEmbedding[] = "weft::quantized_embedding.out";

}  // namespace

void register_operators() {
  static std::once_flag once;
  std::call_once(once, [] {
    const executorch::runtime::Kernel kernels[] = {
        executorch::extension::make_boxed_kernel(kAttention, EXECUTORCH_FN(attention_out, kAttention)),
        executorch::extension::make_boxed_kernel(kRotaryAttention, EXECUTORCH_FN(rotary_attention_out, kRotaryAttention)),
        executorch::extension::make_boxed_kernel(kQuantizedLinear, EXECUTORCH_FN(quantized_linear_out, kQuantizedLinear)),
        executorch::extension::make_boxed_kernel(kQuantizedExperts, EXECUTORCH_FN(quantized_experts_out, kQuantizedExperts)),
        executorch::extension::make_boxed_kernel(kQuantizedEmbedding, EXECUTORCH_FN(quantized_embedding_out, kQuantizedEmbedding)),
    };
    (void)executorch::runtime::register_kernels({kernels, std::size(kernels)});
  });
}

std::string take_problem() { return std::exchange(problem, {}); }

}  // namespace weft::executorch_operators
