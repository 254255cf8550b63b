"""weft's operators as a tracer sees them: schemas and output shapes. Their kernels are C++ (include/weft/kernels).

The same schemas stand in backends/aoti/operators.cpp and backends/executorch/attention_kernel.cpp; tests/export
holds both sides together by running exported files.
"""

from __future__ import annotations

import torch

_ATTENTION = (
    "(Tensor query, Tensor key, Tensor value, Tensor positions, Tensor context, int layer, float scale, "
    "int window, float softcap, Tensor? sinks"
)

_library = torch.library.Library("weft", "DEF")
_library.define(f"attention{_ATTENTION}) -> Tensor")
# ExecuTorch looks for the `.out` overload when it turns the graph into out-variants.
_library.define(f"attention.out{_ATTENTION}, *, Tensor(a!) out) -> Tensor(a!)")
_library.define("linear(Tensor input, Tensor weight, Tensor? bias) -> Tensor")


@torch.library.register_fake("weft::attention", lib=_library)
def _attention(query, key, value, positions, context, layer, scale, window, softcap, sinks):
    """query f32 [1, Hq, T, D], key [1, Hkv, T, D], value [1, Hkv, T, Dv] -> [1, T, Hq, Dv]."""
    return query.new_empty((1, query.shape[2], query.shape[1], value.shape[3]))


@torch.library.impl(_library, "attention.out", "Meta")
def _attention_out(query, key, value, positions, context, layer, scale, window, softcap, sinks, *, out):
    out.resize_((1, query.shape[2], query.shape[1], value.shape[3]))
    return out


@torch.library.register_fake("weft::linear", lib=_library)
def _linear(input, weight, bias):
    """input f32 [..., K], weight [N, K], bias [N] -> [..., N]."""
    return input.new_empty((*input.shape[:-1], weight.shape[0]))
