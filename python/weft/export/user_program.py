"""A program that the user exported: `torch.export.export(net, (tokens, positions))`, lowered as it is.

    tokens i64 [1, T], positions i64 [T] -> logits [1, T, V], float; T fixed or dynamic; state in mutated buffers, by position
"""

from __future__ import annotations

import copy

import torch
from torch.export import ExportedProgram

from weft.errors import Error
from weft.export.program import ProgramShape

_FIX = "export forward(tokens i64 [1, T], positions i64 [T]) -> logits [1, T, V], all float32 (docs/python.md)"


def program_shape(program: ExportedProgram, max_context: int) -> ProgramShape:
    """The bounds of its calls. Raises weft.Error (unsupported)."""
    names = program.graph_signature.user_inputs
    inputs = [node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder" and node.name in names]
    outputs = next(node for node in program.graph.nodes if node.op == "output").args[0]
    results = [node.meta.get("val") for node in outputs if node.name in program.graph_signature.user_outputs]
    shapes = [list(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__ for value in (*inputs, *results)]
    described = f"its inputs and outputs are {', '.join(map(str, shapes))}"
    tensors = len(inputs) == 2 and len(results) == 1 and all(isinstance(value, torch.Tensor) for value in (*inputs, *results))
    if not tensors or [value.dim() for value in (*inputs, *results)] != [2, 1, 3]:
        raise Error("unsupported", described, "ExportedProgram", _FIX)
    tokens, positions, logits = *inputs, *results
    if tokens.dtype != torch.long or positions.dtype != torch.long or logits.dtype != torch.float32:
        raise Error("unsupported", f"{described}, of the types {tokens.dtype}, {positions.dtype}, {logits.dtype}", "ExportedProgram", _FIX)
    if tokens.shape[0] != 1 or tokens.shape[1] != positions.shape[0] or not isinstance(logits.shape[2], int):
        raise Error("unsupported", described, "ExportedProgram", _FIX)
    return ProgramShape(max_context=max_context, max_tokens=_most_tokens(program, tokens.shape[1]), vocab_size=logits.shape[2])


def _most_tokens(program: ExportedProgram, length) -> int:
    if isinstance(length, int):
        if length != 1:
            message = f"it takes {length} tokens in each call, no more and no fewer"
            raise Error("unsupported", message, "ExportedProgram", "make their number dynamic (torch.export.Dim), or 1")
        return length
    bounds = program.range_constraints[length.node.expr]
    return int(bounds.upper) if int(bounds.upper) < 1 << 20 else 256


@torch.no_grad()
def eager_logits(program: ExportedProgram, ids: torch.Tensor, shape: ProgramShape) -> torch.Tensor:
    """f32 [tokens, V] of ids [1, tokens], read from position 0 in the longest pieces that the program takes."""
    module = copy.deepcopy(program).module()  # it would fill the program's own buffers
    rows = [
        module(ids[:, at : at + shape.max_tokens], torch.arange(at, min(at + shape.max_tokens, ids.shape[1])))[0]
        for at in range(0, ids.shape[1], shape.max_tokens)
    ]
    return torch.cat(rows)
