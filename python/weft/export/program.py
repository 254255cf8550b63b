"""The exported program: a Transformers causal language model behind weft's one method.

Two contracts (docs/model-file.md):

- *ragged* (`export_ragged`): `forward(tokens i64[T], positions i64[T], rows i64[R], context i64[1]) -> logits f32[R, V]`,
  tokens of one or many sequences end to end, caches outside of the graph;
- *in graph* (`export_in_graph`): `forward(tokens i64[1, T], positions i64[T]) -> logits f32[1, T, V]`, one sequence,
  caches as buffers of the program.
"""

from __future__ import annotations

import contextlib
import dataclasses

import torch
from torch.export import Dim, ExportedProgram

from weft.export.attention import AttentionScope, attention_scope


@dataclasses.dataclass(frozen=True)
class ProgramShape:
    """The bounds that an exported program is compiled for."""

    max_context: int  # most tokens in one sequence
    max_tokens: int = 256  # most tokens in one call (T)
    max_rows: int = 32  # most rows of logits in one call (R)
    vocab_size: int = 0


class RaggedModel(torch.nn.Module):
    """forward(tokens i64[T], positions i64[T], rows i64[R], context i64[1]) -> logits f32[R, V]."""

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model = model
        self._rows: torch.Tensor | None = None
        # The head is applied to the wanted rows alone: every other row's logits would be thrown away.
        head = model.get_output_embeddings()
        self._hook = head.register_forward_pre_hook(self._select_rows)

    def close(self) -> None:
        """Gives the model back as it was."""
        self._hook.remove()

    def _select_rows(self, _, args):
        return (args[0].index_select(1, self._rows),)

    def forward(self, tokens, positions, rows, context):
        self._rows = rows
        with attention_scope(AttentionScope(positions=positions, context=context)):
            logits = self.model(input_ids=tokens[None], position_ids=positions[None], use_cache=False).logits
        self._rows = None
        return logits[0].float()


class InGraphModel(torch.nn.Module):
    """forward(tokens i64[1, T], positions i64[T]) -> logits f32[1, T, V]; caches are buffers of this module."""

    def __init__(self, model: torch.nn.Module, max_context: int):
        super().__init__()
        self.model = model
        self.max_context = max_context

    def _caches(self, layer: int, key: torch.Tensor, value: torch.Tensor):
        for name, new in (("key", key), ("value", value)):
            if not hasattr(self, f"{name}_cache_{layer}"):
                shape = (new.shape[1], self.max_context, new.shape[3])
                self.register_buffer(f"{name}_cache_{layer}", torch.zeros(shape, dtype=new.dtype), persistent=False)
        return getattr(self, f"key_cache_{layer}"), getattr(self, f"value_cache_{layer}")

    def forward(self, tokens, positions):
        with attention_scope(AttentionScope(positions=positions, caches=self._caches)):
            return self.model(input_ids=tokens, position_ids=positions[None], use_cache=False).logits.float()


@contextlib.contextmanager
def _attention_implementation(model, name: str):
    previous = model.config._attn_implementation
    model.set_attn_implementation(name)
    try:
        yield
    finally:
        model.set_attn_implementation(previous)


@torch.no_grad()
def export_ragged(model, shape: ProgramShape) -> ExportedProgram:
    """Exports `model` with its caches outside of the graph."""
    tokens = Dim("tokens", min=1, max=shape.max_tokens)
    rows = Dim("rows", min=1, max=shape.max_rows)
    # Sizes other than 0 and 1, and different from each other, so that the tracer takes none for a constant.
    example = (torch.ones(5, dtype=torch.long), torch.arange(5), torch.tensor([1, 3, 4]), torch.zeros(1, dtype=torch.long))
    wrapper = RaggedModel(model)
    try:
        with _attention_implementation(model, "weft"):
            return torch.export.export(
                wrapper,
                example,
                dynamic_shapes={"tokens": {0: tokens}, "positions": {0: tokens}, "rows": {0: rows}, "context": None},
                strict=False,
            )
    finally:
        wrapper.close()


@torch.no_grad()
def export_in_graph(model, shape: ProgramShape) -> ExportedProgram:
    """Exports `model` with its caches as buffers."""
    tokens = Dim("tokens", min=1, max=shape.max_tokens)
    example = (torch.ones(1, 5, dtype=torch.long), torch.arange(5))
    wrapper = InGraphModel(model, shape.max_context)
    with _attention_implementation(model, "weft_in_graph"):
        wrapper(*example)  # makes the buffers: a tracer must find them there
        for name, buffer in wrapper.named_buffers():
            if "_cache_" in name:
                buffer.zero_()
        return torch.export.export(
            wrapper, example, dynamic_shapes={"tokens": {1: tokens}, "positions": {0: tokens}}, strict=False
        )


def layer_shapes(program: ExportedProgram) -> list[list[int]]:
    """[key/value heads, key size, value size] of every layer that keeps a cache, as the program's operators have them."""
    shapes: dict[int, list[int]] = {}
    for node in program.graph.nodes:
        if node.op == "call_function" and node.target is torch.ops.weft.attention.default:
            key, value, layer = node.args[1].meta["val"], node.args[2].meta["val"], node.args[5]
            shapes[layer] = [int(key.shape[1]), int(key.shape[3]), int(value.shape[3])]
    if sorted(shapes) != list(range(len(shapes))):
        raise ValueError(f"attention layers are numbered {sorted(shapes)}, not from 0 without a gap")
    return [shapes[layer] for layer in sorted(shapes)]
