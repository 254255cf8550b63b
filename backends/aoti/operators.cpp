// weft's operators for torch: each checks dtypes and layouts, then calls the shared kernel.

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <torch/library.h>

#include <optional>
#include <string>

#include "backends/aoti/operators.h"
#include "weft/kernels/attention.h"
#include "weft/kernels/linear.h"
#include "weft/kernels/quantized_linear.h"

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

// Few rows: the shared kernel. Many: libtorch's matrix product, which is made for them.
at::Tensor linear(const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias) {
  TORCH_CHECK(input.dim() >= 1 && weight.dim() == 2 && input.size(-1) == weight.size(1), "weft::linear: input and weight don't fit");
  const int64_t rows = weight.size(1) == 0 ? 0 : input.numel() / weight.size(1);
  const auto plain = [](const at::Tensor& tensor) { return tensor.scalar_type() == at::kFloat && tensor.is_contiguous(); };
  const bool few = rows <= static_cast<int64_t>(kernels::kLinearMaxRows) && plain(weight) && input.scalar_type() == at::kFloat &&
                   (!bias.has_value() || plain(*bias));
  if (!few) return at::linear(input, weight, bias);
  const at::Tensor contiguous = input.contiguous();
  std::vector<int64_t> sizes = input.sizes().vec();
  sizes.back() = weight.size(0);
  at::Tensor out = at::empty(sizes, input.options());
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

at::Tensor quantized_linear(const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias, int64_t features,
                            int64_t bits, bool minimum) {
  TORCH_CHECK(input.scalar_type() == at::kFloat && input.dim() >= 1, "weft::quantized_linear: the input is not f32");
  const auto matrix = quantized_matrix(weight, features, input.size(-1), bits, minimum);
  TORCH_CHECK(!bias.has_value() || (bias->scalar_type() == at::kFloat && bias->is_contiguous() && bias->numel() == features),
              "weft::quantized_linear: the bias is not f32 [features]");
  const at::Tensor contiguous = input.contiguous();
  std::vector<int64_t> sizes = input.sizes().vec();
  sizes.back() = features;
  at::Tensor out = at::empty(sizes, input.options());
  kernels::quantized_linear(contiguous.const_data_ptr<float>(), static_cast<std::size_t>(input.numel()) / matrix.columns, matrix,
                            bias.has_value() ? bias->const_data_ptr<float>() : nullptr, out.mutable_data_ptr<float>(),
                            kernels::ForwardScope::current_parallel_for());
  return out;
}

at::Tensor quantized_embedding(const at::Tensor& ids, const at::Tensor& weight, int64_t rows, int64_t columns, int64_t bits, bool minimum) {
  TORCH_CHECK(ids.scalar_type() == at::kLong, "weft::quantized_embedding: ids are not i64");
  const auto matrix = quantized_matrix(weight, rows, columns, bits, minimum);
  const at::Tensor contiguous = ids.contiguous();
  std::vector<int64_t> sizes = ids.sizes().vec();
  sizes.push_back(columns);
  at::Tensor out = at::empty(sizes, at::TensorOptions().dtype(at::kFloat));
  const bool known = kernels::quantized_embedding({contiguous.const_data_ptr<int64_t>(), static_cast<std::size_t>(ids.numel())}, matrix,
                                                  out.mutable_data_ptr<float>());
  TORCH_CHECK(known, "weft::quantized_embedding: an id is outside of the table");
  return out;
}

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
  define("linear(Tensor input, Tensor weight, Tensor? bias) -> Tensor");
  define("quantized_linear(Tensor input, Tensor weight, Tensor? bias, int features, int bits, bool minimum) -> Tensor");
  define("quantized_embedding(Tensor ids, Tensor weight, int rows, int columns, int bits, bool minimum) -> Tensor");
}

TORCH_LIBRARY_IMPL(weft, CPU, library) {
  library.impl("attention", attention);
  library.impl("linear", linear);
  library.impl("quantized_linear", quantized_linear);
  library.impl("quantized_embedding", quantized_embedding);
}

void register_torch_operators() {}

}  // namespace weft
