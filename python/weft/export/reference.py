"""`weft::attention` in plain PyTorch: it says, before anything is compiled, whether a model can do with the operator.

    wrapper = RaggedModel(model, positions, operator=attention)
    with sequences([state], [5]) as context:
        logits = wrapper(tokens, positions, rows, context)   # state has read 5 tokens more

Slow, and written to be read: each sequence's keys and values are tensors that grow.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


class SequenceState:
    """The keys and values of one sequence: of each layer, f32 [Hkv, rows, D] and [Hkv, rows, Dv]."""

    def __init__(self) -> None:
        self.layers: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def truncate(self, n_tokens: int) -> None:
        self.layers = {layer: (key[:, :n_tokens], value[:, :n_tokens]) for layer, (key, value) in self.layers.items()}


_calls: dict[int, tuple[list[SequenceState], list[int]]] = {}


@contextlib.contextmanager
def sequences(states: list[SequenceState], n_tokens: list[int]) -> Iterator[torch.Tensor]:
    """The `context` of a call in which sequence i's next n_tokens[i] tokens lie end to end."""
    handle = max(_calls, default=0) + 1
    _calls[handle] = (states, n_tokens)
    try:
        yield torch.tensor([handle])
    finally:
        del _calls[handle]


def attention(query, key, value, positions, context, layer, scale, window, softcap, sinks):
    states, counts = _calls[int(context)]
    query, key, value = query[0], key[0], value[0]
    out, first = [], 0
    for state, n in zip(states, counts, strict=True):
        now = slice(first, first + n)
        first += n
        new_key, new_value = key[:, now], value[:, now]
        if layer in state.layers:
            new_key = torch.cat([state.layers[layer][0], new_key], dim=1)
            new_value = torch.cat([state.layers[layer][1], new_value], dim=1)
        state.layers[layer] = (new_key, new_value)

        rows, at = torch.arange(new_key.shape[1]), positions[now][:, None]
        visible = rows <= at
        if window > 0:
            visible = visible & (rows > at - window)
        elif window < 0:
            visible = visible & (rows // -window == at // -window)
        group = query.shape[0] // key.shape[0]
        scores = query[:, now] @ new_key.repeat_interleave(group, dim=0).transpose(1, 2) * scale  # [Hq, n, rows]
        if softcap > 0:
            scores = torch.tanh(scores / softcap) * softcap
        scores = scores.masked_fill(~visible, float("-inf"))
        if sinks is not None:  # one more column of scores, whose value is nothing
            scores = torch.cat([scores, sinks.reshape(-1, 1, 1).expand(-1, n, 1)], dim=-1)
        weights = torch.softmax(scores, dim=-1)[..., : new_key.shape[1]]
        out.append(weights @ new_value.repeat_interleave(group, dim=0))
    return torch.cat(out, dim=1).transpose(0, 1)[None].contiguous()
