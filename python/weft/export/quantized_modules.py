"""Modules with quantised weights, which take the places of a model's own before it is traced."""

from __future__ import annotations

import types

import torch

import weft.export.operators  # noqa: F401 (defines torch.ops.weft)
from weft.export.experts import exchange_experts
from weft.export.quantize import QuantizedWeight, activation_bits


class _Quantized(torch.nn.Module):
    """What both kinds of module hold."""

    def __init__(self, packed: torch.Tensor, weight: QuantizedWeight):
        super().__init__()
        self.packed = torch.nn.Parameter(packed, requires_grad=False)  # a buffer would be copied, in case that the program changes it
        self.rows, self.columns = weight.codes.shape
        self.bits, self.has_minimum = weight.bits, weight.minimum is not None


class QuantizedLinear(_Quantized):
    """input [..., K] -> [..., N]."""

    def __init__(self, packed: torch.Tensor, weight: QuantizedWeight, linear: torch.nn.Linear, activations: str):
        super().__init__(packed, weight)
        bias = linear.bias
        # Models ask for its type before they call the module (Mamba's head). Not a tensor: what would compute with it must fail.
        self.weight = types.SimpleNamespace(dtype=linear.weight.dtype, device=linear.weight.device, shape=linear.weight.shape)
        self.activation_bits = activation_bits(weight, activations)
        self.register_buffer("bias", None if bias is None else bias.float())

    def forward(self, input):
        out = torch.ops.weft.quantized_linear(
            input.float(), self.packed, self.bias, None, None, 0.0, self.rows, self.bits, self.has_minimum, 0, self.activation_bits
        )
        return out.to(input.dtype)


class QuantizedEmbedding(_Quantized):
    """ids [...] -> [..., K]."""

    def __init__(self, packed: torch.Tensor, weight: QuantizedWeight, dtype: torch.dtype, scale: float):
        super().__init__(packed, weight)
        self.dtype, self.scale = dtype, scale

    def forward(self, ids):
        out = torch.ops.weft.quantized_embedding(ids, self.packed, self.rows, self.columns, self.bits, self.has_minimum).to(self.dtype)
        return out if self.scale == 1.0 else out * self.scale


def exchange_modules(model, weights: dict[str, QuantizedWeight], activations: str) -> None:
    """Puts quantised modules in the place of the linears, embeddings and experts that `weights` names. Tied weights stay one.

    activations: what the linears multiply, one of weft.export.ACTIVATIONS.
    """
    packed: dict[int, tuple[torch.Tensor, QuantizedWeight]] = {}
    parameters = dict(model.named_parameters(remove_duplicate=False))
    by_parameter = {id(parameters[name]): weight for name, weight in weights.items()}
    for name, module in list(model.named_modules()):
        exchange_experts(module, name, weights, activations)
        if not isinstance(module, (torch.nn.Linear, torch.nn.Embedding)) or id(module.weight) not in by_parameter:
            continue
        key = id(module.weight)
        if key not in packed:
            packed[key] = (by_parameter[key].pack(), by_parameter[key])
        if isinstance(module, torch.nn.Linear):
            new: torch.nn.Module = QuantizedLinear(*packed[key], module, activations)
        else:
            # Gemma's embedding multiplies by a constant of its own.
            new = QuantizedEmbedding(*packed[key], module.weight.dtype, float(getattr(module, "scalar_embed_scale", 1.0)))
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, new)
