"""weft's operators as a tracer sees them: schemas and output shapes. Their kernels are C++ (include/weft/kernels).

The same schemas stand in backends/aoti/operators.cpp and backends/executorch/operators.cpp; tests/export
holds both sides together by running exported files.
"""

from __future__ import annotations

import torch

_ATTENTION = (
    "(Tensor query, Tensor key, Tensor value, Tensor positions, Tensor context, int layer, float scale, "
    "int window, float softcap, Tensor? sinks"
)
_ROTARY_ATTENTION = (
    "(Tensor states, Tensor cos, Tensor sin, Tensor positions, Tensor context, int layer, int heads, int kv_heads, float scale, "
    "int window, float softcap, Tensor? sinks"
)
_QUANTIZED_LINEAR = (
    "(Tensor input, Tensor weight, Tensor? bias, Tensor? residual, Tensor? norm_weight, float norm_epsilon, "
    "int features, int bits, bool minimum, int gate, int activations"
)
_QUANTIZED_EXPERTS = (
    "(Tensor input, Tensor experts, Tensor weight, Tensor? bias, int n_experts, int features, int bits, bool minimum, int activations"
)
_QUANTIZED_EMBEDDING = "(Tensor ids, Tensor weight, int rows, int columns, int bits, bool minimum"

_library = torch.library.Library("weft", "FRAGMENT")


def _define_once(name: str, schema: str) -> None:
    """Unless the plug-in of the AOTInductor backend is in this process, and has defined it (backends/aoti/operators.cpp)."""
    operator, _, overload = name.partition(".")
    # Not torch.ops.weft: it would remember the overloads of now.
    if overload not in {known.overload_name for known in torch._C._jit_get_schemas_for_operator(f"weft::{operator}")}:
        _library.define(name + schema)


# Names of those that an exported graph may call.
OPERATORS = ("attention", "rotary_attention", "linear", "quantized_linear", "quantized_experts", "quantized_embedding")

_define_once("linear", "(Tensor input, Tensor weight, Tensor? bias) -> Tensor")


def _define(name: str, arguments: str, shape):
    """Defines an operator whose output is f32 of `shape(*arguments)`, with the `.out` overload that ExecuTorch lowers to."""
    _define_once(name, f"{arguments}) -> Tensor")
    _define_once(f"{name}.out", f"{arguments}, *, Tensor(a!) out) -> Tensor(a!)")

    def functional(*args):
        return args[0].new_empty(shape(*args), dtype=torch.float32)

    def out_variant(*args, out):
        return out.resize_(shape(*args))

    torch.library.register_fake(f"weft::{name}", functional, lib=_library)
    torch.library.impl(_library, f"{name}.out", "Meta")(out_variant)


# query f32 [1, Hq, T, D], key [1, Hkv, T, D], value [1, Hkv, T, Dv] -> [1, T, Hq, Dv].
_define("attention", _ATTENTION, lambda query, key, value, *_: (1, query.shape[2], query.shape[1], value.shape[3]))
# states f32 [1, T, (Hq + 2 Hkv) D]: queries, keys and values end to end; cos, sin f32 [1, T, D] turn the first two -> [1, T, Hq, D].
_define(
    "rotary_attention",
    _ROTARY_ATTENTION,
    lambda states, *rest: (1, states.shape[1], rest[5], states.shape[2] // (rest[5] + 2 * rest[6])),
)
# input f32 [..., K] -> [..., features]. gate: 0 none, 1 SiLU, 2 GELU by tanh, and then the weight has 2 * features rows;
# activations: bits of each input value, 8, 16 or 32 (include/weft/kernels/quantized_linear.h).
_define("quantized_linear", _QUANTIZED_LINEAR, lambda input, *rest: (*input.shape[:-1], rest[5]))
# input f32 [R, K], experts i64 [R], of n_experts matrices of `features` rows each -> [R, features].
_define("quantized_experts", _QUANTIZED_EXPERTS, lambda input, *rest: (input.shape[0], rest[4]))
# ids i64 [...] -> [..., columns].
_define("quantized_embedding", _QUANTIZED_EMBEDDING, lambda ids, weight, rows, columns, *_: (*ids.shape, columns))


@torch.library.register_fake("weft::linear", lib=_library)
def _linear(input, weight, bias):
    """input f32 [..., K], weight [N, K], bias [N] -> [..., N]."""
    return input.new_empty((*input.shape[:-1], weight.shape[0]))
