"""Mixtures of experts whose weights are quantised: two operators instead of a gather of whole matrices.

Transformers marks the modules that hold all experts of a layer with `use_experts_implementation`, which says how their weights lie;
that mark is all that is looked at.

R rows (a token's for each of its experts), E experts, H hidden size, I intermediate size.
"""

from __future__ import annotations

import types
from collections.abc import Mapping

import torch

import weft.export.operators  # noqa: F401 (defines torch.ops.weft)
from weft.export.quantize import TILE_ROWS, QuantizedWeight, activation_bits


def expert_weights(module: torch.nn.Module) -> tuple[str, ...]:
    """The names of those parameters of `module` that hold a matrix of every expert; none if it isn't a layer's experts."""
    if not all(hasattr(module, mark) for mark in ("is_transposed", "has_gate", "has_bias", "_apply_gate")):
        return ()
    names = ("gate_up_proj" if module.has_gate else "up_proj", "down_proj")
    weights = [getattr(module, name, None) for name in names]
    whole = all(isinstance(weight, torch.nn.Parameter) and weight.dim() == 3 for weight in weights)
    # Each expert begins a tile of the layout.
    if not whole or any(weight.shape[-1 if module.is_transposed else -2] % TILE_ROWS != 0 for weight in weights):
        return ()
    return names


class _Product:
    """rows f32 [R, K], ids i64 [R] -> [R, N]: each row with its expert's matrix."""

    def __init__(self, module: torch.nn.Module, child: str, weight: QuantizedWeight, activations: str) -> None:
        shape = getattr(module, child).shape
        self._experts, self._features = shape[0], shape[2 if module.is_transposed else 1]
        self._bits, self._minimum, self._activations = weight.bits, weight.minimum is not None, activation_bits(weight, activations)
        self._packed = f"{child}_packed"
        module.register_parameter(self._packed, torch.nn.Parameter(weight.pack(), requires_grad=False))
        delattr(module, child)

    def __call__(self, module: torch.nn.Module, rows: torch.Tensor, ids: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        packed = getattr(module, self._packed)
        return torch.ops.weft.quantized_experts(
            rows.float(), ids, packed, bias, self._experts, self._features, self._bits, self._minimum, self._activations
        ).to(rows.dtype)


class _Gathered:
    """The same for weights that stay as they are."""

    def __init__(self, child: str) -> None:
        self._child = child

    def __call__(self, module: torch.nn.Module, rows: torch.Tensor, ids: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        matrices = getattr(module, self._child)[ids]
        out = torch.bmm(rows[:, None], matrices if module.is_transposed else matrices.transpose(1, 2))[:, 0]
        return out if bias is None else out + bias[ids]


def exchange_experts(module: torch.nn.Module, name: str, weights: Mapping[str, QuantizedWeight], activations: str) -> None:
    """Gives `module`, called `name`, the quantised matrices that `weights` has for it, and a forward that multiplies with them."""
    children = expert_weights(module)
    if not any(f"{name}.{child}" in weights for child in children):
        return
    products = []
    for child in children:
        weight = weights.get(f"{name}.{child}")
        products.append((child, _Gathered(child) if weight is None else _Product(module, child, weight, activations)))

    def forward(self, hidden_states, top_k_index, top_k_weights):  # [T, H], i64 [T, k], [T, k] -> [T, H]
        per_token = top_k_index.shape[-1]
        ids = top_k_index.reshape(-1)

        def multiply(product, rows):
            child, function = product
            return function(self, rows, ids, getattr(self, f"{child}_bias") if self.has_bias else None)

        rows = multiply(products[0], hidden_states.repeat_interleave(per_token, dim=0))
        rows = multiply(products[1], self._apply_gate(rows) if self.has_gate else self.act_fn(rows))
        if self.has_post_expert_norm:
            rows = self.post_expert_norm(rows)
        weighted = rows * top_k_weights.reshape(-1, 1)
        return weighted.view(-1, per_token, rows.shape[-1]).sum(dim=1).to(hidden_states.dtype)

    module.forward = types.MethodType(forward, module)
