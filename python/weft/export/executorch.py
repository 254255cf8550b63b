"""Lowers an exported program to an ExecuTorch file (.pte): XNNPACK where it can, portable kernels for the rest."""

from __future__ import annotations

from pathlib import Path

from torch.export import ExportedProgram

# Delegates keep their weights as named data too; the prefix keeps the assets apart (backends/executorch).
_ASSET_PREFIX = "weft/"


def lower(program: ExportedProgram, assets: dict[str, bytes], out: Path) -> None:
    """Writes `out`. Every asset becomes a named data segment of the file."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import EdgeCompileConfig, ExecutorchBackendConfig, to_edge_transform_and_lower
    from executorch.exir.passes import MemoryPlanningPass

    edge = to_edge_transform_and_lower(
        program,
        partitioner=[XnnpackPartitioner()],
        # The operator weft::attention is outside of the core ATen set that the check knows.
        compile_config=EdgeCompileConfig(_check_ir_validity=False),
    )
    for name, data in assets.items():
        # Tables of tokenizer.weft are used where they are mapped.
        edge._named_data_store.add_named_data(_ASSET_PREFIX + name, data, alignment=64)
    # The caller lends its own memory for inputs: nothing is copied into planned buffers.
    lowered = edge.to_executorch(
        ExecutorchBackendConfig(memory_planning_pass=MemoryPlanningPass(alloc_graph_input=False), extract_delegate_segments=True)
    )
    with open(out, "wb") as file:
        lowered.write_to_file(file)
