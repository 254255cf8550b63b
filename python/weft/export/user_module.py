"""A module of the user's own, or a torchtune one, where the exporter expects a Transformers model.

    class Net(torch.nn.Module):
        def forward(self, tokens, positions):    # i64 [1, T], i64 [T] -> logits [1, T, V]
            ...
            F.scaled_dot_product_attention(query, key, value, is_causal=True)

What such a module may look like is in docs/python.md. Its causal attentions become the operator `weft::attention`, with the cache
outside of the graph, without a change to its code: `F.scaled_dot_product_attention` is caught while it runs. Whether that
is what it means, the same trial decides as for Transformers' models (weft.export.program).
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from transformers import PretrainedConfig
from transformers.modeling_outputs import CausalLMOutput

from weft.errors import Error, first_line
from weft.export.attention import Unsupported, attend, is_attending

_SIGNATURE = "give it forward(tokens i64 [1, T], positions i64 [T]) -> logits [1, T, V] (docs/python.md)"
# What torchtune and Transformers call a second argument of [1, T]; by any other name it is [T].
_BATCHED_POSITIONS = ("input_pos", "position_ids")
_LENGTHS = ("max_seq_len", "max_context", "max_position_embeddings", "block_size", "n_ctx")


class _AttentionCalls(TorchFunctionMode):
    """Within it, causal scaled_dot_product_attention is the operator of the open AttentionScope."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is not torch.nn.functional.scaled_dot_product_attention:
            return function(*args, **(kwargs or {}))
        call = inspect.signature(_scaled_dot_product_attention).bind(*args, **(kwargs or {})).arguments
        if call.get("attn_mask") is not None or not call.get("is_causal", False):
            raise Unsupported("its attention has a mask of its own, where is_causal=True is expected")
        query, key, value = call["query"], call["key"], call["value"]
        if query.dim() != 4 or query.shape[0] != 1:
            raise Unsupported(f"its attention's query has the shape {list(query.shape)}, not [1, heads, tokens, size]")
        return attend(query, key, value, scale=call.get("scale")).transpose(1, 2)


def _scaled_dot_product_attention(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False
): ...


class UserModule(torch.nn.Module):
    """`module` with the call of a Transformers model. A module that takes no positions reads its whole context in each call."""

    def __init__(self, module: torch.nn.Module, max_context: int):
        super().__init__()
        self.module = module
        self._positions = _positions_argument(module)
        with torch.no_grad():
            self._head, self._embedding, logits = _probe(self._run, module)
        self.config = PretrainedConfig(vocab_size=int(logits.shape[-1]), max_position_embeddings=max_context)
        self.config.model_type = type(module).__name__

    @property
    def device(self) -> torch.device:
        return next(self.module.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(p.dtype for p in self.module.parameters() if p.is_floating_point())

    @property
    def takes_positions(self) -> bool:
        return self._positions is not None

    def get_input_embeddings(self):
        return self._embedding

    def get_output_embeddings(self):
        return self._head

    def num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.module.parameters())

    def _run(self, tokens, positions):
        if self._positions is None:
            out = self.module(tokens)
        else:
            name, batched = self._positions
            out = self.module(tokens, **{name: positions[None] if batched else positions})
        return out if isinstance(out, torch.Tensor) else getattr(out, "logits", None)

    def forward(self, input_ids, past_key_values=None, position_ids=None, use_cache=False):
        positions = torch.arange(input_ids.shape[1]) if position_ids is None else position_ids[0]
        if not is_attending():
            return CausalLMOutput(logits=self._run(input_ids, positions))
        with _AttentionCalls():
            return CausalLMOutput(logits=self._run(input_ids, positions))


def _positions_argument(module) -> tuple[str, bool] | None:
    """(name, whether it is [1, T]) of the argument that takes positions."""
    parameters = list(inspect.signature(module.forward).parameters.values())
    required = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if not parameters or len(required) > 2:
        names = ", ".join(p.name for p in required) or "nothing"
        raise Error("unsupported", f"its forward wants {names}", type(module).__name__, _SIGNATURE)
    named = next((parameter for parameter in parameters if parameter.name in _BATCHED_POSITIONS), None)
    if named is not None:
        return named.name, True
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(places) >= 2 and (len(required) == 2 or "pos" in places[1].name):
        return places[1].name, False
    return None


def _probe(run, module):
    """(the linear whose output the logits are, the embedding that reads the tokens, the logits) of a short run."""
    tokens = torch.arange(1, 6)[None]
    linears: list[tuple[torch.nn.Linear, torch.Tensor]] = []
    embeddings: list[torch.nn.Embedding] = []

    def watch(part, args, out):
        if isinstance(part, torch.nn.Linear):
            linears.append((part, out))
        elif isinstance(part, torch.nn.Embedding) and args[0] is tokens:
            embeddings.append(part)

    hooks = [part.register_forward_hook(watch) for part in module.modules()]
    try:
        logits = run(tokens, torch.arange(5))
    except Exception as error:  # of many kinds: it is the user's own code
        message = f"its forward fails with tokens [1, 5]: {type(error).__name__}: {first_line(error)}"
        raise Error("unsupported", message, type(module).__name__, _SIGNATURE) from error
    finally:
        for hook in hooks:
            hook.remove()
    if not isinstance(logits, torch.Tensor) or logits.dim() != 3 or logits.shape[:2] != tokens.shape:
        shape = list(logits.shape) if isinstance(logits, torch.Tensor) else "no tensor"
        raise Error("unsupported", f"its forward gives {shape} for tokens [1, 5]", type(module).__name__, _SIGNATURE)
    head = next((linear for linear, out in linears if out is logits), None)
    return head, embeddings[0] if embeddings else None, logits


def longest_context(module: Any, wanted: int | None) -> int:
    """What the caller wants, or what the module says of itself."""
    if wanted is not None:
        return wanted
    for holder in (module, getattr(module, "config", None)):
        for name in _LENGTHS:
            if isinstance(value := getattr(holder, name, None), int) and value > 0:
                return value
    raise Error("invalid_argument", "a module doesn't say how many tokens it was made for", "max_context", "pass max_context=2048, say")
