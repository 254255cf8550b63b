"""Lowers an exported program to an AOTInductor package (.pt2).

The weights lie beside the compiled library as records of the archive, uncompressed and 64-byte aligned, so that a runner
maps them from the file: nothing is unpacked, copied or held twice. backends/aoti reads them back.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from torch.export import ExportedProgram

from weft.export.operators import OPERATORS


def _constants(program: ExportedProgram) -> dict[str, torch.Tensor]:
    """Every tensor that the compiled program may ask for, by its name."""
    signature = program.graph_signature
    named = {**signature.inputs_to_parameters, **signature.inputs_to_buffers, **signature.inputs_to_lifted_tensor_constants}
    # A tied weight is an input under each of its names, of which the graph may read one.
    used = {node.name for node in program.graph.nodes if node.op == "placeholder" and node.users}
    changed = set(signature.buffers_to_mutate.values())
    wanted = {name for node, name in named.items() if node in used or name in changed}
    tensors = {**program.state_dict, **{name: value for name, value in program.constants.items() if isinstance(value, torch.Tensor)}}
    return {name: tensor.detach() for name, tensor in tensors.items() if name in wanted}


# How AOTInductor's C interface passes what a schema calls so (backends/aoti/operators.cpp has the other side).
_C_TYPES = {"Tensor": "AtenTensorHandle", "Optional[Tensor]": "AtenTensorHandle*", "int": "int64_t", "float": "double", "bool": "int32_t"}


def _c_functions() -> dict[torch._ops.OpOverload, list[str]]:
    """For each of weft's operators the C function by which a compiled program calls it: a call through torch's dispatcher takes some 5
    microseconds, half as long as the operator itself. The function's address is asked from an operator `..._address`, once, so
    that a process in which nobody has registered weft's operators gets torch's error, and no symbol is looked for.
    """
    functions = {}
    for name in OPERATORS:
        operator = getattr(torch.ops.weft, name).default
        types = [_C_TYPES[str(argument.type)] for argument in operator._schema.arguments]
        parameters = ", ".join(f"{kind} a{i}" for i, kind in enumerate(types))
        values = ", ".join(f"a{i}" for i in range(len(types)))
        functions[operator] = [
            f"""inline AOTITorchError aoti_torch_cpu_{name}({parameters}, AtenTensorHandle* out) {{
                using Function = AOTITorchError (*)({", ".join(types)}, AtenTensorHandle*);
                static const Function function = [] {{
                    StableIValue address = 0;
                    AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_call_dispatcher("weft::{name}_address", "", &address));
                    return reinterpret_cast<Function>(address);
                }}();
                return function({values}, out);
            }}"""
        ]
    return functions


def lower(program: ExportedProgram, assets: dict[str, bytes], out: Path) -> None:
    """Writes `out`. Every asset becomes a file under `extra/` in the archive."""
    from torch._inductor import aot_compile
    from torch.export.pt2_archive._package import PT2ArchiveWriter, _package_aoti_files

    args, kwargs = program.example_inputs
    options = {
        "aot_inductor.package": True,
        "aot_inductor.package_constants_in_so": False,
        # The compiler would fix the number of threads, and its OpenMP barriers cost more than small operators take; what
        # is large runs in weft's operators, on the runner's own threads.
        "cpp.threads": 1,
        "aot_inductor.custom_ops_to_c_shims": _c_functions(),
    }
    files = aot_compile(program.module(check_guards=False), args, kwargs, options=options)
    files = [file for file in files if not (isinstance(file, str) and file.endswith(".cpp"))]

    with PT2ArchiveWriter(os.fspath(out)) as archive:
        _package_aoti_files(archive, files)
        for name, data in assets.items():
            archive.write_bytes(f"extra/{name}", data)
        index, records = [], {}
        for name, tensor in _constants(program).items():
            tensor = tensor.contiguous()
            # Tied weights are one tensor under two names, and are stored once.
            key = (tensor.data_ptr(), tensor.shape, tensor.dtype) if tensor.numel() else name
            if key not in records:
                records[key] = f"weights/{len(records)}"
                storage = tensor.untyped_storage()
                start, size = tensor.storage_offset() * tensor.element_size(), tensor.numel() * tensor.element_size()
                whole = start == 0 and size == storage.nbytes()
                storage = storage if whole else tensor.clone().untyped_storage()
                archive.archive_file.write_record(f"extra/{records[key]}", storage, size)
            dtype = str(tensor.dtype).removeprefix("torch.")
            index.append({"name": name, "dtype": dtype, "sizes": list(tensor.shape), "record": records[key]})
        archive.write_bytes("extra/weights.json", json.dumps(index).encode())
