// weft's operators for torch: each checks dtypes and layouts, then calls the shared kernel.

#include <ATen/EmptyTensor.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/linear.h>
#include <torch/csrc/inductor/aoti_torch/utils.h>
#include <torch/library.h>

#include <cstdint>
#include <optional>
#include <string>

#include "backends/aoti/operators.h"
#include "weft/kernels/attention.h"
#include "weft/kernels/linear.h"
#include "weft/kernels/quantized_experts.h"
#include "weft/kernels/quantized_linear.h"

namespace weft {
namespace {

// Without the dispatcher, which takes as long as a small operator.
at::Tensor empty_floats(at::IntArrayRef sizes) { return at::Tensor(at::detail::empty_cpu(sizes, at::kFloat)); }

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

// What both attention operators do once they know where queries, keys and values lie.
at::Tensor run_attention(kernels::AttentionArguments arguments, const at::Tensor& positions, const at::Tensor& context, int64_t layer,
                         double scale, int64_t window, double softcap, const std::optional<at::Tensor>& sinks) {
  TORCH_CHECK(positions.scalar_type() == at::kLong && positions.dim() == 1 && positions.is_contiguous(),
              "weft::attention: positions is not i64 [tokens]");
  TORCH_CHECK(context.scalar_type() == at::kLong && context.numel() == 1, "weft::attention: context is not i64 [1]");
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
  at::Tensor out = empty_floats({1, static_cast<int64_t>(arguments.query.tokens), static_cast<int64_t>(arguments.query.heads),
                                 static_cast<int64_t>(arguments.value.size)});
  arguments.out = out.mutable_data_ptr<float>();
  const char* problem = kernels::attention(arguments);
  TORCH_CHECK(problem == nullptr, problem);
  return out;
}

at::Tensor attention(const at::Tensor& query_in, const at::Tensor& key_in, const at::Tensor& value_in, const at::Tensor& positions,
                     const at::Tensor& context, int64_t layer, double scale, int64_t window, double softcap,
                     const std::optional<at::Tensor>& sinks) {
  const at::Tensor query = with_contiguous_heads(query_in), key = with_contiguous_heads(key_in),
                   value = with_contiguous_heads(value_in);
  const kernels::AttentionArguments arguments{
      .query = heads_view(query, "query"), .key = heads_view(key, "key"), .value = heads_view(value, "value")};
  return run_attention(arguments, positions, context, layer, scale, window, softcap, sinks);
}

at::Tensor rotary_attention(const at::Tensor& states_in, const at::Tensor& cos_in, const at::Tensor& sin_in, const at::Tensor& positions,
                            const at::Tensor& context, int64_t layer, int64_t heads, int64_t kv_heads, double scale, int64_t window,
                            double softcap, const std::optional<at::Tensor>& sinks) {
  const at::Tensor states = states_in.contiguous(), cos = cos_in.contiguous(), sin = sin_in.contiguous();
  TORCH_CHECK(states.scalar_type() == at::kFloat && states.dim() == 3 && states.size(0) == 1 && heads > 0 && kv_heads > 0 &&
                  states.size(2) % (heads + 2 * kv_heads) == 0,
              "weft::rotary_attention: states is not f32 [1, tokens, (heads + 2 kv_heads) * size]");
  const int64_t tokens = states.size(1), size = states.size(2) / (heads + 2 * kv_heads);
  for (const at::Tensor* turn : {&cos, &sin}) {
    TORCH_CHECK(turn->scalar_type() == at::kFloat && turn->numel() == tokens * size, "weft::rotary_attention: cos or sin is not f32 [tokens, size]");
  }
  const float* data = states.const_data_ptr<float>();
  const auto view = [&](int64_t first, int64_t n) {
    return kernels::HeadsView{data + first * size, static_cast<std::size_t>(n), static_cast<std::size_t>(tokens),
                              static_cast<std::size_t>(size), static_cast<std::size_t>(size), static_cast<std::size_t>(states.size(2))};
  };
  kernels::AttentionArguments arguments{.query = view(0, heads), .key = view(heads, kv_heads), .value = view(heads + kv_heads, kv_heads)};
  arguments.rotary_cos = cos.const_data_ptr<float>();
  arguments.rotary_sin = sin.const_data_ptr<float>();
  return run_attention(arguments, positions, context, layer, scale, window, softcap, sinks);
}

// Few rows: the shared kernel. Many: libtorch's matrix product, which is made for them.
at::Tensor linear(const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias) {
  TORCH_CHECK(input.dim() >= 1 && weight.dim() == 2 && input.size(-1) == weight.size(1), "weft::linear: input and weight don't fit");
  const int64_t rows = weight.size(1) == 0 ? 0 : input.numel() / weight.size(1);
  const auto plain = [](const at::Tensor& tensor) { return tensor.scalar_type() == at::kFloat && tensor.is_contiguous(); };
  const bool few = rows <= static_cast<int64_t>(kernels::kLinearMaxRows) && plain(weight) && input.scalar_type() == at::kFloat &&
                   (!bias.has_value() || plain(*bias));
  if (!few) return at::linear(input, weight, bias);
  const at::Tensor contiguous = input.contiguous();
  at::DimVector sizes(input.sizes());
  sizes.back() = weight.size(0);
  at::Tensor out = empty_floats(sizes);
  kernels::linear({contiguous.const_data_ptr<float>(), weight.const_data_ptr<float>(),
                   bias.has_value() ? bias->const_data_ptr<float>() : nullptr, out.mutable_data_ptr<float>(),
                   static_cast<std::size_t>(rows), static_cast<std::size_t>(weight.size(0)), static_cast<std::size_t>(weight.size(1))},
                  kernels::ForwardScope::current_parallel_for());
  return out;
}

kernels::QuantizedMatrix quantized_matrix(const at::Tensor& weight, int64_t rows, int64_t columns, int64_t bits, bool minimum) {
  TORCH_CHECK(rows > 0 && columns > 0 && weight.scalar_type() == at::kByte && weight.is_contiguous(), "weft: a quantised weight is not u8");
  const kernels::QuantizedMatrix matrix{weight.const_data_ptr<uint8_t>(), static_cast<std::size_t>(rows),
                                        static_cast<std::size_t>(columns), static_cast<int>(bits), minimum};
  TORCH_CHECK(matrix.bytes() != 0 && static_cast<std::size_t>(weight.numel()) == matrix.bytes(),
              "weft: a quantised weight's bytes don't fit its shape");
  return matrix;
}

// The data of an optional f32 tensor of n values, or nullptr where there is none.
const float* optional_floats(const std::optional<at::Tensor>& tensor, int64_t n, const char* name) {
  if (!tensor.has_value()) return nullptr;
  TORCH_CHECK(tensor->scalar_type() == at::kFloat && tensor->is_contiguous() && tensor->numel() == n, "weft: the ", name, " is not f32 of ", n, " values");
  return tensor->const_data_ptr<float>();
}

at::Tensor quantized_linear(const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                            const std::optional<at::Tensor>& residual, const std::optional<at::Tensor>& norm_weight, double norm_epsilon,
                            int64_t features, int64_t bits, bool minimum, int64_t gate, int64_t activations) {
  TORCH_CHECK(input.scalar_type() == at::kFloat && input.dim() >= 1, "weft::quantized_linear: the input is not f32");
  TORCH_CHECK(gate >= 0 && gate <= 2, "weft::quantized_linear: unknown gate");
  const int64_t columns = input.size(-1);
  const auto matrix = quantized_matrix(weight, gate == 0 ? features : 2 * features, columns, bits, minimum);
  const at::Tensor contiguous = input.contiguous();
  at::DimVector sizes(input.sizes());
  sizes.back() = features;
  const at::Tensor added = residual.has_value() ? residual->contiguous() : at::Tensor();
  at::Tensor out = empty_floats(sizes);
  kernels::QuantizedLinearArguments arguments{.input = contiguous.const_data_ptr<float>(),
                                              .rows = static_cast<std::size_t>(input.numel() / columns),
                                              .weight = matrix,
                                              .out = out.mutable_data_ptr<float>()};
  arguments.bias = optional_floats(bias, static_cast<int64_t>(matrix.rows), "bias");
  arguments.residual = optional_floats(residual.has_value() ? std::optional(added) : std::nullopt, out.numel(), "residual");
  arguments.norm_weight = optional_floats(norm_weight, columns, "norm's weight");
  arguments.norm_epsilon = static_cast<float>(norm_epsilon);
  arguments.gate = static_cast<kernels::Gate>(gate);
  arguments.activations = kernels::chosen_activations(activations);
  const char* problem = kernels::quantized_linear(arguments, kernels::ForwardScope::current_parallel_for());
  TORCH_CHECK(problem == nullptr, problem);
  return out;
}

at::Tensor quantized_experts(const at::Tensor& input_in, const at::Tensor& experts_in, const at::Tensor& weight,
                             const std::optional<at::Tensor>& bias, int64_t n_experts, int64_t features, int64_t bits, bool minimum,
                             int64_t activations) {
  TORCH_CHECK(input_in.scalar_type() == at::kFloat && input_in.dim() == 2, "weft::quantized_experts: the input is not f32 [rows, columns]");
  TORCH_CHECK(experts_in.scalar_type() == at::kLong && experts_in.dim() == 1 && experts_in.numel() == input_in.size(0),
              "weft::quantized_experts: experts is not i64 [rows]");
  TORCH_CHECK(n_experts > 0 && n_experts <= INT32_MAX && features > 0 && features <= INT32_MAX, "weft::quantized_experts: no experts or features");
  const at::Tensor input = input_in.contiguous(), experts = experts_in.contiguous();
  const auto matrix = quantized_matrix(weight, n_experts * features, input.size(1), bits, minimum);
  at::Tensor out = empty_floats({input.size(0), features});
  kernels::QuantizedExpertsArguments arguments{
      .input = input.const_data_ptr<float>(),
      .experts = {experts.const_data_ptr<int64_t>(), static_cast<std::size_t>(experts.numel())},
      .weight = matrix,
      .features = static_cast<std::size_t>(features),
      .out = out.mutable_data_ptr<float>()};
  arguments.bias = optional_floats(bias, n_experts * features, "bias");
  arguments.activations = kernels::chosen_activations(activations);
  const char* problem = kernels::quantized_experts(arguments, kernels::ForwardScope::current_parallel_for());
  TORCH_CHECK(problem == nullptr, problem);
  return out;
}

at::Tensor quantized_embedding(const at::Tensor& ids, const at::Tensor& weight, int64_t rows, int64_t columns, int64_t bits, bool minimum) {
  TORCH_CHECK(ids.scalar_type() == at::kLong, "weft::quantized_embedding: ids are not i64");
  const auto matrix = quantized_matrix(weight, rows, columns, bits, minimum);
  const at::Tensor contiguous = ids.contiguous();
  at::DimVector sizes(ids.sizes());
  sizes.push_back(columns);
  at::Tensor out = empty_floats(sizes);
  const bool known = kernels::quantized_embedding({contiguous.const_data_ptr<int64_t>(), static_cast<std::size_t>(ids.numel())}, matrix,
                                                  out.mutable_data_ptr<float>());
  TORCH_CHECK(known, "weft::quantized_embedding: an id is outside of the table");
  return out;
}

// How AOTInductor's C interface passes an argument (torch/csrc/inductor/aoti_torch/c/shim.h): numbers as they are.
template <class T>
struct Passed {
  using Type = T;
  static T get(Type value) { return value; }
};
template <>
struct Passed<bool> {
  using Type = int32_t;
  static bool get(Type value) { return value != 0; }
};
template <>
struct Passed<const at::Tensor&> {
  using Type = AtenTensorHandle;
  static const at::Tensor& get(Type handle) { return *torch::aot_inductor::tensor_handle_to_tensor_pointer(handle); }
};
template <>
struct Passed<const std::optional<at::Tensor>&> {
  using Type = AtenTensorHandle*;
  static std::optional<at::Tensor> get(Type handle) { return torch::aot_inductor::pointer_to_optional<at::Tensor>(handle); }
};

// An operator as a C function, whose declaration python/weft/export/aoti.py makes of its schema.
template <auto function>
struct Shim;
template <class... Arguments, at::Tensor (*function)(Arguments...)>
struct Shim<function> {
  static AOTITorchError call(typename Passed<Arguments>::Type... arguments, AtenTensorHandle* out) {
    AOTI_TORCH_CONVERT_EXCEPTION_TO_ERROR_CODE(
        { *out = torch::aot_inductor::new_tensor_handle(function(Passed<Arguments>::get(arguments)...)); });
  }
  static int64_t address() { return static_cast<int64_t>(reinterpret_cast<std::intptr_t>(&call)); }
};

}  // namespace

// The schemas are those of python/weft/export/operators.py, which has defined them already where both are in one process.
TORCH_LIBRARY_FRAGMENT(weft, library) {
  const auto define = [&](const char* schema) {
    const std::string text(schema);
    const c10::OperatorName name("weft::" + text.substr(0, text.find('(')), "");
    if (!c10::Dispatcher::singleton().findSchema(name)) library.def(schema);
  };
  define(
      "attention(Tensor query, Tensor key, Tensor value, Tensor positions, Tensor context, int layer, float scale, "
      "int window, float softcap, Tensor? sinks) -> Tensor");
  define(
      "rotary_attention(Tensor states, Tensor cos, Tensor sin, Tensor positions, Tensor context, int layer, int heads, int kv_heads, "
      "float scale, int window, float softcap, Tensor? sinks) -> Tensor");
  define("linear(Tensor input, Tensor weight, Tensor? bias) -> Tensor");
  define(
      "quantized_linear(Tensor input, Tensor weight, Tensor? bias, Tensor? residual, Tensor? norm_weight, float norm_epsilon, "
      "int features, int bits, bool minimum, int gate, int activations) -> Tensor");
  define(
      "quantized_experts(Tensor input, Tensor experts, Tensor weight, Tensor? bias, int n_experts, int features, int bits, bool minimum, "
      "int activations) -> Tensor");
  define("quantized_embedding(Tensor ids, Tensor weight, int rows, int columns, int bits, bool minimum) -> Tensor");
  // For compiled programs, which call the operators' C functions themselves: a call through the dispatcher takes microseconds.
  library.def("attention_address() -> int", &Shim<&attention>::address);
  library.def("rotary_attention_address() -> int", &Shim<&rotary_attention>::address);
  library.def("linear_address() -> int", &Shim<&linear>::address);
  library.def("quantized_linear_address() -> int", &Shim<&quantized_linear>::address);
  library.def("quantized_experts_address() -> int", &Shim<&quantized_experts>::address);
  library.def("quantized_embedding_address() -> int", &Shim<&quantized_embedding>::address);
}

TORCH_LIBRARY_IMPL(weft, CPU, library) {
  library.impl("attention", attention);
  library.impl("rotary_attention", rotary_attention);
  library.impl("linear", linear);
  library.impl("quantized_linear", quantized_linear);
  library.impl("quantized_experts", quantized_experts);
  library.impl("quantized_embedding", quantized_embedding);
}

void register_torch_operators() {}

}  // namespace weft
