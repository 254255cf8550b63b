"""Rotary frequencies that depend on how long a sequence has become: for an exported program, on how long it may become.

Transformers chooses them anew in each call, by its largest position. In a batch that position is another sequence's, and keys
in a cache were turned by other frequencies before. The context that a file is made for decides once: LongRoPE (Phi-3) has its short
factors in a context of up to the original length, and its long ones in a longer one, as llama.cpp has it; dynamic NTK scaling
changes nothing, since a context is never longer than what the model was made for.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS


def has_changing_rope(model: torch.nn.Module) -> bool:
    return any(True for _ in _changing(model))


def settle_rope(model: torch.nn.Module, max_context: int) -> None:
    """Gives the model's rotary embeddings the frequencies of a context of max_context tokens, whatever is read."""
    for module, layer_type, kind in list(_changing(model)):
        if kind == "longrope":
            frequencies = getattr(module, "inv_freq" if layer_type is None else f"{layer_type}_inv_freq")
            frequencies.copy_(_long_or_short(module, layer_type, max_context, frequencies))
        if layer_type is None:
            module.rope_type = "default"
        else:
            module.rope_type[layer_type] = "default"


def _changing(model: torch.nn.Module) -> Iterator[tuple[torch.nn.Module, str | None, str]]:
    """(module, kind of layer or None for all, kind of scaling)."""
    for module in model.modules():
        kinds = getattr(module, "rope_type", None)
        for layer_type, kind in kinds.items() if isinstance(kinds, dict) else ((None, kinds),):
            if kind == "longrope" or (isinstance(kind, str) and "dynamic" in kind):
                yield module, layer_type, kind


def _long_or_short(module, layer_type: str | None, max_context: int, frequencies: torch.Tensor) -> torch.Tensor:
    named = {} if layer_type is None else {"layer_type": layer_type}
    settings = module.config.rope_parameters if layer_type is None else module.config.rope_parameters[layer_type]
    original = settings["original_max_position_embeddings"]
    length = original + 1 if max_context > original else original
    return ROPE_INIT_FUNCTIONS["longrope"](module.config, frequencies.device, seq_len=length, **named)[0]
