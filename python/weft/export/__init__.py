"""Turns a checkpoint into one file that weft runs: an ExecuTorch program (.pte) or an AOTInductor package (.pt2).

    from weft.export import export
    export("path/to/checkpoint", "model.pte")

The file holds the program, its weights, tokenizer, chat template, generation defaults and metadata (docs/model-file.md).
Before the call returns, the file has been run, and its logits held against the eager model's.
"""

from __future__ import annotations

import copy
import dataclasses
import importlib.metadata
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.errors import Error

if TYPE_CHECKING:
    from weft.export.progress import Progress
    from weft.export.sources import Source

__all__ = ["BACKENDS", "DTYPES", "QUANTIZATIONS", "ExportResult", "export"]

# Which backend a file's ending asks for.
BACKENDS = {".pte": "executorch", ".pt2": "aoti"}
DTYPES = ("float32", "bfloat16", "float16")
QUANTIZATIONS = ("none", "keep", "int8", "int4")

# A context longer than this is cut unless the caller asks for it: programs plan memory for it.
_DEFAULT_MAX_CONTEXT = 8192


@dataclasses.dataclass(frozen=True)
class ExportResult:
    """What export() wrote."""

    path: Path
    metadata: dict[str, Any]  # weft.json
    largest_difference: float | None  # of any logit from the eager model's; None if not checked


def export(
    source: Any,
    out: str | os.PathLike[str],
    *,
    max_context: int | None = None,
    dtype: str = "float32",
    quantize: str | None = None,
    passes: bool = True,
    check: bool = True,
    name: str | None = None,
    backend: str | None = None,
    progress: Progress | None = None,
) -> ExportResult:
    """Exports `source` to the one file `out`.

    source: a checkpoint folder, a hub id, a .gguf file, or a loaded `transformers.PreTrainedModel`.
    out: ends in .pte (ExecuTorch) or .pt2 (AOTInductor), unless `backend` ("executorch" or "aoti") says which.
    max_context: the most tokens of one sequence; None: what the model was made for, but at most 8192.
    dtype: of weights and activations, one of DTYPES.
    quantize: one of QUANTIZATIONS: "keep" stores a GGUF's own groups of 32 bit for bit; "int8" and "int4" round to nearest;
        None: "keep" where there is something to keep, else "none". Arithmetic stays in float in all of them.
    passes: False leaves every optional transformation out: the caches are in the graph, all logits are computed.
    check: False skips running the written file.

    Raises weft.Error; then nothing is left at `out` that wasn't there before.
    """
    out = Path(out)
    _check_arguments(out, backend, dtype, quantize, max_context)
    if not passes and quantize not in (None, "none"):
        raise Error("invalid_argument", f"'{quantize}' needs weft's own operators", "quantize", "leave --no-passes out")
    backend = backend or BACKENDS[out.suffix]

    import torch

    from weft.export import check as checking
    from weft.export.outfile import atomic_output
    from weft.export.progress import Progress
    from weft.export.program import ProgramShape, ragged_positions
    from weft.export.quantize import choose_weights, exchange_modules
    from weft.export.sources import load_source

    progress = progress or Progress()
    loaded = load_source(source, dtype=getattr(torch, dtype), progress=progress)
    context = _choose_context(loaded, max_context)
    shape = ProgramShape(max_context=context, vocab_size=_vocab_size(loaded))
    if quantize is None:
        quantize = "keep" if passes and loaded.stored else "none"
    if quantize != "none" and not isinstance(source, str | os.PathLike):  # the caller's own model stays as it is
        loaded = dataclasses.replace(loaded, model=copy.deepcopy(loaded.model))
    weights = choose_weights(loaded.model, quantize, loaded.stored)
    # The eager logits of what the file will hold, while the model still has its plain modules.
    reference = checking.eager_logits(loaded.model) if check else None
    positions = None
    if passes:
        with progress.stage("choosing where the cache lies"):
            positions, problem = ragged_positions(loaded.model)
        if problem is not None:
            progress.note(f"the cache stays in the graph, which is slower: {problem}")
            if quantize != "none":
                raise Error("unsupported", f"'{quantize}' needs the cache outside of the graph, but {problem}", "quantize", "choose none")
    exchange_modules(loaded.model, weights)

    described = _metadata(loaded, shape, name=name, dtype=dtype, quantize=_describe(quantize, loaded))
    state = {tensor.data_ptr(): tensor.nbytes for tensor in loaded.model.state_dict().values()}
    largest = None
    with atomic_output(out, sum(state.values())) as unfinished:
        with progress.stage("tracing the model"):
            program, contract_metadata = trace(loaded.model, positions, shape)
        metadata = described | contract_metadata
        assets = {**loaded.assets, "weft.json": json.dumps(metadata, indent=1).encode()}
        with progress.stage(f"lowering to {backend}", seconds=_expected_seconds(loaded.parameters, backend)):
            lower_program(program, backend, assets, unfinished)
        if reference is not None:
            with progress.stage("holding the file against the eager model"):
                largest = checking.compare(unfinished, reference, dtype=dtype)
    return ExportResult(out, metadata, largest)


def trace(model, positions, shape) -> tuple[Any, dict[str, Any]]:
    """The exported program of a Transformers model, and what weft.json says of it.

    positions: weft.export.program.Positions for the ragged contract, None for the one in the graph. Raises weft.Error, which names the module that can't be exported.
    """
    from weft.export.attention import Unsupported
    from weft.export.failures import explain
    from weft.export.program import export_in_graph, export_ragged, layer_shapes

    try:
        if positions is not None:
            program = export_ragged(model, shape, positions)
            return program, {"contract": "ragged", "max_rows": shape.max_rows, "layers": layer_shapes(program)}
        program, shape, recurrent = export_in_graph(model, shape)
        return program, {"contract": "in_graph", "max_tokens": shape.max_tokens} | ({"recurrent": True} if recurrent else {})
    except Unsupported as error:
        raise Error("unsupported", f"can't be exported: {error}", type(model).__name__, "report the model") from error
    except (MemoryError, Error):
        raise
    except Exception as error:  # of many kinds: a tracer runs the model's own code
        raise explain(error, model) from error


def lower_program(program, backend: str, assets: dict[str, bytes], out: Path) -> None:
    """Writes `out`. Raises weft.Error, which names the operator that can't be lowered."""
    from weft.export.failures import explain
    from weft.export.passes import few_row_linears

    if backend == "executorch":
        from weft.export.executorch import lower
    else:
        from weft.export.aoti import lower

        program = few_row_linears(program)
    try:
        lower(program, assets, out)
    except (MemoryError, OSError, Error):
        raise
    except Exception as error:
        raise explain(error, program) from error


def _check_arguments(out: Path, backend: str | None, dtype: str, quantize: str | None, max_context: int | None) -> None:
    if backend is None and out.suffix not in BACKENDS:
        raise Error("invalid_argument", "ends in neither .pte nor .pt2", str(out), "name it OUT.pte for ExecuTorch or OUT.pt2 for AOTInductor")
    if backend is not None and backend not in BACKENDS.values():
        raise Error("invalid_argument", f"'{backend}' is no backend", "backend", "choose executorch or aoti")
    if dtype not in DTYPES:
        raise Error("invalid_argument", f"'{dtype}' is not supported", "dtype", f"choose one of {', '.join(DTYPES)}")
    if quantize not in (None, *QUANTIZATIONS):
        raise Error("unsupported", f"'{quantize}' is not supported", "quantize", f"choose one of {', '.join(QUANTIZATIONS)}")
    if max_context is not None and not 8 <= max_context <= 1 << 20:
        raise Error("invalid_argument", f"{max_context} is not from 8 to {1 << 20}", "max_context", "choose a number of tokens in that range")


def _choose_context(loaded: Source, wanted: int | None) -> int:
    config = loaded.config.get_text_config()
    trained = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None) or _DEFAULT_MAX_CONTEXT
    if wanted is None:
        return min(int(trained), _DEFAULT_MAX_CONTEXT)
    if wanted > trained:
        raise Error(
            "invalid_argument", f"{wanted} tokens, but the model was made for {trained}", "max_context", f"choose at most {trained}"
        )
    return wanted


def _vocab_size(loaded: Source) -> int:
    return int(loaded.model.get_output_embeddings().weight.shape[0])


def _metadata(loaded: Source, shape, *, name: str | None, dtype: str, quantize: str) -> dict[str, Any]:
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in ("torch", "transformers"))
    from weft import __version__

    return {
        "format": 1,
        "name": name or loaded.name,
        "architecture": type(loaded.model).__name__,
        "exporter": f"weft {__version__}, {versions}",
        "source": loaded.source,
        "dtype": dtype,
        "quantization": quantize,
        "parameters": loaded.parameters,
        "vocab_size": shape.vocab_size,
        "max_context": shape.max_context,
        "max_tokens": shape.max_tokens,
    }


def _describe(quantize: str, loaded: Source) -> str:
    return f"keep ({loaded.source})" if quantize == "keep" else quantize


def _expected_seconds(parameters: int, backend: str) -> float:
    """For the progress display alone: measured on two cores with models of 0.1M and 135M parameters."""
    base, per_million = {"executorch": (10, 0.6), "aoti": (10, 0.2)}[backend]
    return base + per_million * parameters / 1e6
