"""Lowers an exported program to an ExecuTorch file (.pte): XNNPACK where it can, portable kernels for the rest."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from executorch.exir._serialize._cord import FileBackedData
from torch.export import ExportedProgram

from weft.export.graph_edits import calls, finish, insert, replace

# Delegates keep their weights as named data too; the prefix keeps the assets apart (backends/executorch).
_ASSET_PREFIX = "weft/"

# Each of XNNPACK's passes interprets its whole graph anew, and there are as many graphs as delegates, a dozen for two layers: half
# of a small model's lowering. These do nothing where no operator has one of the words in its name, and are left out there.
_PASSES_FOR = {
    "XNNPACKRemoveCloneOpsTransform": ("clone", "dim_order"),
    "DimOrderOpsRevertPass": ("dim_order",),
    "ConvertToUpsampleBilinear2d": ("upsample",),
    "ConvertToLinearPass": ("mm.",),
    "PropagateCustomMetaPass": ("quantize",),
    "ConvertToSDPAPass": ("softmax", "scaled_dot_product"),
    "FuseBatchNormPass": ("batch_norm",),
    "DecomposeBatchNorm": ("batch_norm",),
    "FuseActivationPass": ("relu", "hardtanh"),
    "DecomposeConcatenate": ("cat.",),
    "RemoveGetItemPass": ("max", "min"),
    "InsertPadQDQPass": ("pad",),
    "Conv1dUnsqueezePass": ("convolution",),
    "PReLUReshapePass": ("prelu",),
    "ChannelsLastTaggedReshapePass": ("convolution", "upsample", "mean", "max", "pool", "prelu"),
    "RemoveRedundantCopyPass": ("_to_copy",),
}


@contextlib.contextmanager
def needed_passes_only() -> Iterator[None]:
    """Within the block, XNNPACK's lowering leaves out what would do nothing: the same bytes, sooner."""
    from executorch.backends.xnnpack._passes import XNNPACKPassManager

    transform = XNNPACKPassManager.transform

    def transform_where_needed(manager):
        passes, program = manager.passes, manager.exported_program
        for each in passes:
            words = _PASSES_FOR.get(each.__name__)
            operators = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
            if words is None or any(word in operator for operator in operators for word in words):
                manager.passes, manager._exported_program = [each], program
                program = transform(manager)
        return program

    XNNPACKPassManager.transform = transform_where_needed
    try:
        yield
    finally:
        XNNPACKPassManager.transform = transform


@contextlib.contextmanager
def weights_shared() -> Iterator[None]:
    """Within the block, XNNPACK's lowering doesn't copy the weights of all delegates before it begins: it changes none of them."""
    from executorch.backends.xnnpack.xnnpack_preprocess import XnnpackBackend

    def copy_without_weights(program, compile_specs):
        tensors = [*program.state_dict.values(), *program.constants.values()]
        return copy.deepcopy(program, {id(tensor): tensor for tensor in tensors if isinstance(tensor, torch.Tensor)})

    XnnpackBackend.copy_exported_program_for_preprocess = staticmethod(copy_without_weights)
    try:
        yield
    finally:
        del XnnpackBackend.copy_exported_program_for_preprocess


class _Bytes(np.ndarray):
    """u8: a constant's memory, which a copy of the program that refers to it refers to, too."""

    def __deepcopy__(self, _):
        return self


class _BytesToWrite(FileBackedData):
    """The same where Cord, ExecuTorch's list of what will be written, takes bytes or what lies in a file."""

    def __init__(self, data: _Bytes) -> None:
        self._data = data

    def __len__(self) -> int:
        return len(self._data)

    def write_to_file(self, outfile) -> None:
        outfile.write(self._data)

    def to_bytes(self) -> bytes:
        return self._data.tobytes()


@contextlib.contextmanager
def constants_in_place() -> Iterator[None]:
    """Within the block, programs refer to their constants' memory: ExecuTorch's emitter would copy all of the weights once more."""
    from executorch.exir._serialize._cord import Cord
    from executorch.exir.emit import _emitter

    append = Cord.append
    _emitter.bytes = lambda memory: np.frombuffer(memory, np.uint8).view(_Bytes)
    Cord.append = lambda cord, data: append(cord, _BytesToWrite(data) if isinstance(data, _Bytes) else data)
    try:
        yield
    finally:
        del _emitter.bytes
        Cord.append = append


def fill_empty_tensors(program: ExportedProgram) -> None:
    """empty -> zeros. ExecuTorch's own `empty` takes no size that is only known in the call: the program would be made for the size
    of the tracer's example alone (DeepSeek-V3's keys).
    """
    aten = torch.ops.aten
    filled = {
        aten.empty.memory_format: aten.zeros.default,
        aten.empty_like.default: aten.zeros_like.default,
        aten.new_empty.default: aten.new_zeros.default,
    }
    for node in program.graph.nodes:
        if node.op == "call_function" and node.target in filled:
            node.target = filled[node.target]
            if node.target is aten.zeros.default:
                node.kwargs = {key: value for key, value in node.kwargs.items() if key != "memory_format"}


def spell_out_gelu(program: ExportedProgram) -> None:
    """GELU by tanh -> its formula (Hendrycks and Gimpel 2016): XNNPACK's lowering takes it for the exact GELU, which is off by 5e-4."""
    aten = torch.ops.aten
    for node in calls(program, aten.gelu.default):
        if node.kwargs.get("approximate") != "tanh":
            continue
        x = node.args[0]
        cube = insert(program, node, aten.mul.Tensor, (insert(program, node, aten.mul.Tensor, (x, x)), x))
        inner = insert(program, node, aten.add.Tensor, (x, insert(program, node, aten.mul.Tensor, (cube, 0.044715))))
        tanh = insert(program, node, aten.tanh.default, (insert(program, node, aten.mul.Tensor, (inner, math.sqrt(2 / math.pi))),))
        half = insert(program, node, aten.mul.Tensor, (x, 0.5))
        replace(program, node, aten.mul.Tensor, (half, insert(program, node, aten.add.Tensor, (tanh, 1.0))))


def partitioner():
    """XNNPACK's, but for the largest of a dimension: it claims that whichever it is, and then fails for a dimension counted from the end."""
    from executorch.backends.xnnpack.partition.config import ALL_PARTITIONER_CONFIGS
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner

    return XnnpackPartitioner(configs=[config for config in ALL_PARTITIONER_CONFIGS if config.target_name != "max.dim"])


def lower(program: ExportedProgram, assets: dict[str, bytes], out: Path) -> None:
    """Writes `out`. Every asset becomes a named data segment of the file."""
    from executorch.exir import EdgeCompileConfig, ExecutorchBackendConfig, to_edge_transform_and_lower
    from executorch.exir.passes import MemoryPlanningPass

    fill_empty_tensors(program)
    spell_out_gelu(program)
    finish(program)
    with needed_passes_only(), weights_shared():
        edge = to_edge_transform_and_lower(
            program,
            partitioner=[partitioner()],
            # The operator weft::attention is outside of the core ATen set that the check knows.
            compile_config=EdgeCompileConfig(_check_ir_validity=False),
        )
    for name, data in assets.items():
        # Tables of tokenizer.weft are used where they are mapped.
        edge._named_data_store.add_named_data(_ASSET_PREFIX + name, data, alignment=64)
    # The caller lends its own memory for inputs: nothing is copied into planned buffers.
    config = ExecutorchBackendConfig(memory_planning_pass=MemoryPlanningPass(alloc_graph_input=False), extract_delegate_segments=True)
    with constants_in_place(), open(out, "wb") as file:
        edge.to_executorch(config).write_to_file(file)
