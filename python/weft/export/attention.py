"""Attention, exchanged through Transformers' own hook (`AttentionInterface`), with no change to a model's code.

The implementation `"weft"` is the operator `weft::attention`, whose caches live outside of the graph, behind a handle. What a
token may see is not a tensor there but a `Visible`: the mask hook below reads it off the mask that the model asks for.

Shapes: Hq query heads, Hkv key/value heads (Hq a multiple of Hkv), T tokens, D and Dv head sizes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import types
from collections.abc import Callable, Iterator

import torch
from torch.utils._python_dispatch import _disable_current_modes
from transformers import AttentionInterface, AttentionMaskInterface

import weft.export.operators  # noqa: F401 (defines torch.ops.weft)


class Unsupported(Exception):
    """What the operator can't express; the model is exported with its caches in the graph instead."""


@dataclasses.dataclass
class AttentionScope:
    """What the attention of one forward pass works with, besides query, key and value."""

    positions: torch.Tensor  # i64 [T]: each token's index in its sequence
    context: torch.Tensor  # i64 [1]: the handle of this call's caches
    operator: Callable = torch.ops.weft.attention  # or what stands for it in Python (weft.export.reference)
    # Caches are numbered in the order of the calls: a model's own layer numbers may skip layers, or have two attentions.
    layers: int = 0


_scope: AttentionScope | None = None


@contextlib.contextmanager
def attention_scope(scope: AttentionScope) -> Iterator[None]:
    """Makes `scope` the one that the attention function below sees. Not re-entrant, not for threads: export is neither."""
    global _scope
    previous, _scope = _scope, scope
    try:
        yield
    finally:
        _scope = previous


@dataclasses.dataclass(frozen=True)
class Visible:
    """What a token may see, in the words of the operator's `window`; handed through the model in the mask's place."""

    window: int  # 0: everything before it; w > 0: itself and the w - 1 before it; -c: what is in its own chunk of c

    def __getitem__(self, _):  # models cut their masks to the length of the keys
        return self


# What a mask looks like is tried around these tokens; more, around the multiples of its window.
_PROBES = (0, 1, 2, 5)


def _read_mask(mask_function, local_size: int | None) -> Visible:
    """The `Visible` that equals the model's mask wherever they were compared; raises Unsupported."""
    size = int(local_size or 0)
    around = {multiple * size + offset for multiple in (1, 2, 3) for offset in (-1, 0, 1)} if size else set()
    queries = torch.tensor(sorted({q for q in (*_PROBES, *around) if q >= 0}), device="cpu")
    # Keys: the first few, and those where a window or a chunk may begin or end.
    keys = torch.tensor(sorted({max(int(q) + d, 0) for q in (*queries, *(queries - size)) for d in (-2, -1, 0, 1, 2)}), device="cpu")
    asked = mask_function(0, 0, queries[:, None], keys[None, :]).expand(len(queries), len(keys))
    causal = keys[None, :] <= queries[:, None]
    candidates = [(0, causal)]
    if size:
        candidates.append((size, causal & (keys[None, :] > queries[:, None] - size)))
        candidates.append((-size, causal & (keys[None, :] // size == queries[:, None] // size)))
    for window, visible in candidates:
        if torch.equal(asked, visible):
            return Visible(window)
    raise Unsupported("its mask is neither causal nor a causal window or chunk")


def _untraced(function):
    """`function` with zeros in the place of the tensors that it has closed over: a tracer's have no values. (No padding.)"""
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    if not cells:
        return function

    def replace(value):
        if isinstance(value, torch.Tensor):
            return torch.zeros(tuple(map(int, value.shape)), dtype=value.dtype, device="cpu")
        if isinstance(value, tuple):
            return tuple(map(replace, value))
        return _untraced(value) if isinstance(value, types.FunctionType) else value

    closure = tuple(types.CellType(replace(value)) for value in cells)
    return types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, closure
    )


def _visible(
    batch_size, q_length, kv_length, q_offset=0, kv_offset=0, mask_function=None, attention_mask=None, local_size=None, **_
):
    with _disable_current_modes():  # the mask is read while a model is traced
        return _read_mask(_untraced(mask_function), local_size)


def _operator_attention(
    module, query, key, value, attention_mask, scaling=None, dropout=0.0, sliding_window=None, softcap=None, s_aux=None, **_
):
    if _scope is None:
        raise RuntimeError("weft's attention was called outside of attention_scope()")
    if not getattr(module, "is_causal", True):
        raise Unsupported("it has attention that is not causal")
    if attention_mask is None:
        window = int(sliding_window or 0)
    elif isinstance(attention_mask, Visible):
        window = attention_mask.window
    else:
        raise Unsupported("its attention has a mask or bias of its own")
    out = attend(query, key, value, scale=scaling, window=window, softcap=softcap or 0.0, sinks=s_aux)
    return out, None


def is_attending() -> bool:
    """Whether an AttentionScope is open."""
    return _scope is not None


def attend(query, key, value, *, scale: float | None = None, window: int = 0, softcap: float = 0.0, sinks=None):
    """The operator of the open scope, with the next layer's cache: query [1, Hq, T, D], key [1, Hkv, T, D], value -> [1, T, Hq, Dv]."""
    layer, _scope.layers = _scope.layers, _scope.layers + 1
    # The caches and the sums are f32, whatever the model computes in.
    out = _scope.operator(
        query.float(),
        key.float(),
        value.float(),
        _scope.positions,
        _scope.context,
        layer,
        float(scale if scale is not None else query.shape[-1] ** -0.5),
        window,
        float(softcap),
        None if sinks is None else sinks.float(),
    )
    return out.to(query.dtype)


AttentionInterface.register("weft", _operator_attention)
AttentionMaskInterface.register("weft", _visible)
