"""Attention, exchanged through Transformers' own hook (`AttentionInterface`), with no change to a model's code.

Two implementations, chosen by what stands in the `AttentionScope` around the model's forward:

- `"weft"`: the operator `weft::attention`, whose caches live outside of the graph, behind a handle (the default);
- `"weft_in_graph"`: plain PyTorch over caches that are buffers of the exported program (`--no-passes`).

Shapes: Hq query heads, Hkv key/value heads (Hq a multiple of Hkv), T tokens, D and Dv head sizes, C cache rows.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator

import torch
from transformers import AttentionInterface, AttentionMaskInterface

import weft.export.operators  # noqa: F401 (defines torch.ops.weft)

@dataclasses.dataclass
class AttentionScope:
    """What the attention of one forward pass works with, besides query, key and value."""

    positions: torch.Tensor  # i64 [T]: each token's index in its sequence
    context: torch.Tensor | None = None  # i64 [1]: the handle of this call's caches; for "weft"
    # For "weft_in_graph": gives a layer's caches (f32 [Hkv, C, D], [Hkv, C, Dv]), made on first use.
    caches: Callable[[int, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]] | None = None


_scope: AttentionScope | None = None


@contextlib.contextmanager
def attention_scope(scope: AttentionScope) -> Iterator[None]:
    """Makes `scope` the one that the attention functions below see. Not re-entrant, not for threads: export is neither."""
    global _scope
    previous, _scope = _scope, scope
    try:
        yield
    finally:
        _scope = previous


def _current_scope() -> AttentionScope:
    if _scope is None:
        raise RuntimeError("weft's attention was called outside of attention_scope()")
    return _scope


def _operator_attention(
    module, query, key, value, attention_mask, scaling=None, dropout=0.0, sliding_window=None, softcap=None, s_aux=None, **_
):
    scope = _current_scope()
    # The caches and the sums are f32, whatever the model computes in.
    out = torch.ops.weft.attention(
        query.float(),
        key.float(),
        value.float(),
        scope.positions,
        scope.context,
        module.layer_idx,
        float(scaling if scaling is not None else query.shape[-1] ** -0.5),
        int(sliding_window or 0),
        float(softcap or 0.0),
        None if s_aux is None else s_aux.float(),
    )
    return out.to(query.dtype), None


def _in_graph_attention(
    module, query, key, value, attention_mask, scaling=None, dropout=0.0, sliding_window=None, softcap=None, s_aux=None, **_
):
    scope = _current_scope()
    positions = scope.positions
    key_cache, value_cache = scope.caches(module.layer_idx, key, value)
    key_cache.index_copy_(1, positions, key[0])
    value_cache.index_copy_(1, positions, value[0])

    rows = torch.arange(key_cache.shape[1])
    visible = rows[None, :] <= positions[:, None]  # [T, C]
    if sliding_window:
        visible = visible & (rows[None, :] > positions[:, None] - sliding_window)
    heads, kv_heads = query.shape[1], key.shape[1]
    keys = key_cache.repeat_interleave(heads // kv_heads, dim=0)
    values = value_cache.repeat_interleave(heads // kv_heads, dim=0)
    scale = float(scaling if scaling is not None else query.shape[-1] ** -0.5)

    scores = (query[0] @ keys.transpose(1, 2)) * scale  # [Hq, T, C]
    if softcap:
        scores = torch.tanh(scores / softcap) * softcap
    scores = torch.where(visible[None], scores, float("-inf"))
    if s_aux is not None:  # a sink is one more column of scores, whose value is nothing
        sink = s_aux.reshape(-1, 1, 1).expand(-1, scores.shape[1], 1)
        probabilities = torch.softmax(torch.cat([scores, sink], dim=-1), dim=-1)[..., :-1]
    else:
        probabilities = torch.softmax(scores, dim=-1)
    return (probabilities @ values).transpose(0, 1)[None], None


def _no_mask(*_, **__):
    """Both attentions know from the positions what may be seen."""
    return None


for _name, _function in {"weft": _operator_attention, "weft_in_graph": _in_graph_attention}.items():
    AttentionInterface.register(_name, _function)
    AttentionMaskInterface.register(_name, _no_mask)
