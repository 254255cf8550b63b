"""Turns a checkpoint into one file that weft runs: an ExecuTorch program (.pte) or an AOTInductor package (.pt2).

    from weft.export import export
    export("path/to/checkpoint", "model.pte")

    model = weft.export("path/to/checkpoint", backend="aoti")    # the module itself: exports, and loads what it wrote

The file holds the program, its weights, tokenizer, chat template, generation defaults and metadata (docs/model-file.md).
Before the call returns, the file has been run, and its logits held against the eager model's.
"""

from __future__ import annotations

import copy
import dataclasses
import importlib.metadata
import json
import os
import shutil
import sys
import tempfile
import types
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.errors import Error
from weft.export.pass_names import PASS_NAMES, choose_passes
from weft.export.schemes import Plan, make_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from weft.export.progress import Progress
    from weft.export.quantize import QuantizedWeight
    from weft.export.sources import Source
    from weft.model import Model

__all__ = ["ACTIVATIONS", "BACKENDS", "DTYPES", "PASS_NAMES", "ExportResult", "export"]

# Which backend a file's ending asks for.
BACKENDS = {".pte": "executorch", ".pt2": "aoti"}
DTYPES = ("float32", "bfloat16", "float16")
# What linears multiply: their inputs rounded as is fastest with weights so short (to 8 bits in groups of 32 with 4 and 8 bits, to bfloat16
# with bfloat16), or as they are.
ACTIVATIONS = ("rounded", "float32")

# A context longer than this is cut unless the caller asks for it: programs plan memory for it.
_DEFAULT_MAX_CONTEXT = 8192


@dataclasses.dataclass(frozen=True)
class ExportResult:
    """What export() wrote."""

    path: Path
    metadata: dict[str, Any]  # weft.json
    largest_difference: float | None  # of any logit from the eager model's; None if not checked
    perplexity: tuple[float, float] | None = None  # of the eager model as it was, and of the file; None if not asked for


def export(
    source: Any,
    out: str | os.PathLike[str],
    *,
    max_context: int | None = None,
    dtype: str = "float32",
    quantize: Any = None,
    quantize_layers: Mapping[str, str] | None = None,
    calibration: str | os.PathLike[str] | None = None,
    perplexity: str | os.PathLike[str] | None = None,
    activations: str = "rounded",
    passes: bool | Iterable[str] = True,
    check: bool = True,
    name: str | None = None,
    backend: str | None = None,
    allow_pickle: bool = False,
    progress: Progress | None = None,
) -> ExportResult:
    """Exports `source` to the one file `out`.

    source: a checkpoint folder, a hub id, a .gguf file, a loaded `transformers.PreTrainedModel`, a `torch.nn.Module` or
        `torch.export.ExportedProgram` of one's own (docs/python.md says which), or (one of these, its tokenizer or the tokenizer's folder).
    out: ends in .pte (ExecuTorch) or .pt2 (AOTInductor), unless `backend` ("executorch" or "aoti") says which.
    max_context: the most tokens of one sequence; None: what the model was made for, but at most 8192.
    dtype: of weights and activations, one of DTYPES.
    quantize: "none", "keep", "bf16", "int8", "int4", or a configuration of torchao's for its `quantize_`. A group's size and symmetry may
        follow: "int4-g64", "int8-asym". "keep" stores what the source holds quantised (a GGUF's groups of 32, torchao's
        tensors) as it is; "bf16" what most checkpoints hold, exactly, in half the memory of f32. None: "keep" where there is something to keep, else "none". docs/quantization.md has the whole of it.
    quantize_layers: other choices for modules whose name a pattern matches: {"lm_head": "int8", "model.layers.0.*": "none"}.
    calibration: a text file on which weights are rounded by GPTQ, instead of to nearest.
    perplexity: a text file to measure on, before and after; it takes two more runs over its first 16384 tokens.
    activations: one of ACTIVATIONS, for the linears whose weights are quantised: "rounded" rounds their inputs, as llama.cpp does (to 8
        bits in groups of 32; to bfloat16 where the weights are), and is up to several times as fast; with "float32" the file gives the
        logits of the dequantised weights.
    passes: the optional transformations, by name (PASS_NAMES; docs/speed.md says what each does); True: all of them. False leaves every
        one out: the caches are in the graph, all logits are computed.
    check: False skips running the written file.
    allow_pickle: True reads pickled weights too (.bin, .pth, Meta's), which may run code of those who made them.

    Raises weft.Error; then nothing is left at `out` that wasn't there before.
    """
    out = Path(out)
    _check_arguments(out, backend, dtype, max_context)
    if activations not in ACTIVATIONS:
        raise Error("unsupported", f"'{activations}' is not supported", "activations", f"choose one of {', '.join(ACTIVATIONS)}")
    passes = choose_passes(passes)
    _check_quantization(quantize, quantize_layers, calibration)
    backend = backend or BACKENDS[out.suffix]

    import torch

    from weft.export import check as checking
    from weft.export.compiled_tokenizer import compiled_tokenizer
    from weft.export.failures import explained_failures
    from weft.export.outfile import atomic_output
    from weft.export.program import ProgramShape, ragged_positions
    from weft.export.progress import Progress
    from weft.export.quantize import activation_bits
    from weft.export.quantized_modules import exchange_modules
    from weft.export.replacements.rope import has_changing_rope, settle_rope
    from weft.export.sources import load_source

    progress = progress or Progress()
    if isinstance(own := source[0] if isinstance(source, tuple) else source, torch.export.ExportedProgram):
        if quantize is not None or quantize_layers or calibration is not None or perplexity is not None or dtype != "float32":
            message = "an ExportedProgram is lowered as it is: its weights and types can't be chosen any more"
            raise Error("unsupported", message, "source", "give the module that it was made from")
        return _export_program(own, source, out, backend, max_context, passes=passes, check=check, name=name, progress=progress)
    loaded = load_source(
        source, dtype=getattr(torch, dtype), progress=progress, allow_pickle=allow_pickle, max_context=max_context
    )
    context = _choose_context(loaded, max_context)
    shape = ProgramShape(max_context=context, max_tokens=min(ProgramShape.max_tokens, context), vocab_size=_vocab_size(loaded))
    if has_changing_rope(loaded.model):
        loaded = _with_own_model(source, loaded)
        settle_rope(loaded.model, context)
    text = _PerplexityText(perplexity, loaded, context) if perplexity is not None else None
    before = text.eager(loaded.model, progress) if text else None
    loaded, plan, weights = _quantize(source, loaded, quantize, quantize_layers, calibration, passes, progress)
    # The eager logits of what the file will hold, while the model still has its plain modules.
    reference = checking.eager_logits(loaded.model) if check else None
    positions = None
    if "cache_outside" in passes:
        with progress.stage("choosing where the cache lies"):
            positions, problem = ragged_positions(loaded.model)
        if problem is not None:
            progress.note(f"the cache stays in the graph, which is slower: {problem}")

    described = _metadata(loaded, shape, name=name, dtype=dtype, quantize=_describe(plan, loaded, calibration is not None))
    inputs = min((activation_bits(weight, activations) for weight in weights.values()), default=32)
    rounded = inputs < 32 or any(weight.bits < 16 for weight in weights.values())
    if rounded:
        # Rounding keys and values to 11 bits is little beside weights so short; to 8 bits, beside inputs that are rounded as well.
        cache_type = "bfloat16" if inputs < 32 else "float16"
        described |= {"activations": {8: "int8", 16: "bfloat16", 32: "float32"}[inputs], "cache_type": cache_type}
    state = {tensor.data_ptr(): tensor.nbytes for tensor in loaded.model.state_dict().values()}
    largest = None
    with explained_failures(loaded.model), atomic_output(out, sum(state.values())) as unfinished:
        with progress.stage("tracing the model"):
            program, contract = trace(loaded.model, positions, shape, lambda: exchange_modules(loaded.model, weights, activations))
        metadata = described | contract
        assets = {
            **loaded.assets,
            **compiled_tokenizer(loaded.assets, progress),
            "weft.json": json.dumps(metadata, indent=1).encode(),
        }
        with progress.stage(f"lowering to {backend}", seconds=_expected_seconds(loaded.parameters)):
            lower_program(program, backend, assets, unfinished, passes=passes)
        if reference is not None:
            with progress.stage("holding the file against the eager model"):
                largest = checking.compare(unfinished, reference, dtype=dtype, rounded=rounded)
        after = text.of_file(unfinished, progress) if text else None
    return ExportResult(out, metadata, largest, (before, after) if text else None)


def _export_program(program, source, out: Path, backend: str, max_context, *, passes, check, name, progress) -> ExportResult:
    """export() of a torch.export.ExportedProgram, or of one and its tokenizer."""
    import torch

    from weft.export import check as checking
    from weft.export.failures import explained_failures
    from weft.export.outfile import atomic_output
    from weft.export.sources import tokenizer_assets
    from weft.export.user_module import longest_context
    from weft.export.user_program import eager_logits, program_shape

    shape = program_shape(program, longest_context(program, max_context))
    assets = tokenizer_assets(source[1], progress) if isinstance(source, tuple) else tokenizer_assets(None, progress)
    with torch.no_grad():
        reference = eager_logits(program, checking.token_ids(shape.vocab_size), shape).float().numpy() if check else None
    parameters = sum(tensor.numel() for tensor in program.state_dict.values())
    metadata = _versions() | {
        "name": name or "program",
        "architecture": "ExportedProgram",
        "source": "an exported program",
        "dtype": "float32",
        "quantization": "none",
        "parameters": parameters,
        "vocab_size": shape.vocab_size,
        "max_context": shape.max_context,
        "max_tokens": shape.max_tokens,
        "contract": "in_graph",
    }
    largest = None
    with explained_failures(program), atomic_output(out, 4 * parameters) as unfinished:
        with progress.stage(f"lowering to {backend}", seconds=_expected_seconds(parameters)):
            weft_json = json.dumps(metadata, indent=1).encode()
            lower_program(copy.deepcopy(program), backend, {**assets, "weft.json": weft_json}, unfinished, passes=passes)
        if reference is not None:
            with progress.stage("holding the file against the eager model"):
                largest = checking.compare(unfinished, reference, dtype="float32", rounded=False)
    return ExportResult(out, metadata, largest)


def trace(model, positions, shape, exchange: Callable[[], None] | None = None) -> tuple[Any, dict[str, Any]]:
    """The exported program of a Transformers model, and what weft.json says of it.

    positions: weft.export.program.Positions for the ragged contract, None for the one in the graph.
    exchange: called when the model has been tried and before it is traced, to put modules into it that can only be traced.
    """
    from weft.export.program import export_in_graph, export_ragged, layer_shapes

    if positions is not None:
        if exchange is not None:
            exchange()
        program = export_ragged(model, shape, positions)
        return program, {"contract": "ragged", "max_rows": shape.max_rows, "layers": layer_shapes(program)}
    program, shape, recurrent = export_in_graph(model, shape, exchange)
    return program, {"contract": "in_graph", "max_tokens": shape.max_tokens} | ({"recurrent": True} if recurrent else {})


def lower_program(program, backend: str, assets: dict[str, bytes], out: Path, *, passes: Iterable[str] = PASS_NAMES) -> None:
    """Writes `out`. passes: names of PASS_NAMES."""
    from weft.export.complex_numbers import without_complex_numbers
    from weft.export.passes import passes_for, run_passes

    if backend == "executorch":
        from weft.export.executorch import lower
    else:
        from weft.export.aoti import lower
    lower(run_passes(without_complex_numbers(program), passes_for(backend, passes)), assets, out)


def _with_own_model(source, loaded: Source) -> Source:
    """With a model that may be changed: the caller's own stays as it is."""
    if isinstance(source, str | os.PathLike):
        return loaded
    return dataclasses.replace(loaded, model=copy.deepcopy(loaded.model))


def _quantize(source, loaded: Source, quantize, layers, calibration, passes: tuple[str, ...], progress) -> tuple[Source, Plan, dict[str, QuantizedWeight]]:
    """Chooses the weights' codes, in a copy of the model if it is the caller's own."""
    from weft.export.perplexity import read_text, text_ids
    from weft.export.quantization import choose_weights
    from weft.export.torchao_weights import is_quantized, take_weights

    config = None if quantize is None or isinstance(quantize, str) else quantize
    by_torchao = config is not None or is_quantized(loaded.model)
    if config is None and quantize is None:
        quantize = "keep" if by_torchao or (passes and loaded.stored) else "none"
    plan = make_plan("keep" if config is not None else quantize, layers)
    if by_torchao and not plan.keep:
        raise Error("invalid_argument", f"torchao has quantised the model; '{plan.name}' would round it once more", "quantize", "choose keep, or give the float model")
    if plan.quantizes or by_torchao:
        loaded = _with_own_model(source, loaded)
    if config is not None:
        import torchao

        with progress.stage("quantising with torchao"):
            torchao.quantize_(loaded.model, config)
    stored = {**loaded.stored, **take_weights(loaded.model, progress)} if by_torchao else loaded.stored
    ids = text_ids(loaded.assets, read_text(Path(calibration))) if calibration is not None else None
    return loaded, plan, choose_weights(loaded.model, plan, stored, calibration=ids, progress=progress)


class _PerplexityText:
    """A text to measure on, before and after."""

    def __init__(self, path: str | os.PathLike[str], loaded: Source, max_context: int) -> None:
        from weft.export.perplexity import CONTEXT, MAX_TOKENS, read_text, text_ids

        self._path = Path(path)
        self._ids = text_ids(loaded.assets, read_text(self._path))[:MAX_TOKENS]
        if len(self._ids) < 2:
            raise Error("invalid_argument", f"has {len(self._ids)} tokens, too few to predict any", self._path, "give a longer text")
        self._context = min(CONTEXT, max_context)

    def eager(self, model, progress: Progress) -> float:
        from weft.export.perplexity import eager_perplexity

        with progress.stage("measuring the perplexity before"):
            return eager_perplexity(model, self._ids, self._context, self._context // 2)

    def of_file(self, path: Path, progress: Progress) -> float:
        from weft.export.perplexity import file_perplexity

        with progress.stage("measuring the perplexity after"):
            options = ("--max-tokens", len(self._ids), "--context", self._context, "--stride", self._context // 2)
            return file_perplexity(path, self._path, *map(str, options))["perplexity"]


def _check_arguments(out: Path, backend: str | None, dtype: str, max_context: int | None) -> None:
    if backend is None and out.suffix not in BACKENDS:
        raise Error("invalid_argument", "ends in neither .pte nor .pt2", str(out), "name it OUT.pte for ExecuTorch or OUT.pt2 for AOTInductor")
    if backend is not None and backend not in BACKENDS.values():
        raise Error("invalid_argument", f"'{backend}' is no backend", "backend", "choose executorch or aoti")
    if dtype not in DTYPES:
        raise Error("invalid_argument", f"'{dtype}' is not supported", "dtype", f"choose one of {', '.join(DTYPES)}")
    if max_context is not None and not 8 <= max_context <= 1 << 20:
        raise Error("invalid_argument", f"{max_context} is not from 8 to {1 << 20}", "max_context", "choose a number of tokens in that range")


def _check_quantization(quantize: Any, layers: Mapping[str, str] | None, calibration) -> None:
    plan = make_plan(quantize if isinstance(quantize, str) else "none", layers)
    if calibration is not None and not plan.quantizes:
        raise Error("invalid_argument", "nothing is to be rounded", "calibration", "choose int4 or int8, or leave it out")


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
    from weft.export.program import vocabulary_size

    return int(vocabulary_size(loaded.model))


def _metadata(loaded: Source, shape, *, name: str | None, dtype: str, quantize: str) -> dict[str, Any]:
    return _versions() | {
        "name": name or loaded.name,
        "architecture": type(getattr(loaded.model, "module", loaded.model)).__name__,
        "source": loaded.source,
        "dtype": dtype,
        "quantization": quantize,
        "parameters": loaded.parameters,
        "vocab_size": shape.vocab_size,
        "max_context": shape.max_context,
        "max_tokens": shape.max_tokens,
    }


def _versions() -> dict[str, Any]:
    from weft import __version__

    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in ("torch", "transformers"))
    return {"format": 1, "exporter": f"weft {__version__}, {versions}"}


def _describe(plan: Plan, loaded: Source, calibrated: bool) -> str:
    return plan.name + (f" ({loaded.source})" if plan.keep else "") + (", GPTQ" if calibrated else "")


def _expected_seconds(parameters: int) -> float:
    """Of a lowering, to either backend, for the progress display alone: measured on two cores with models of 0.1M to 1.2G parameters."""
    return 10 + 0.15 * parameters / 1e6


def _lacks_tokenizer(source: Any) -> bool:
    """A module or program of the user's own. (A Transformers model may tell where its tokenizer is.)"""
    if isinstance(source, tuple | str | os.PathLike) or "torch" not in sys.modules:
        return False
    import torch
    import transformers

    own = isinstance(source, torch.nn.Module | torch.export.ExportedProgram)
    return own and not isinstance(source, transformers.PreTrainedModel)


class _CallableModule(types.ModuleType):
    def __call__(
        self,
        source: Any,
        out: str | os.PathLike[str] | None = None,
        *,
        backend: str | None = None,
        threads: int = 0,
        **options: Any,
    ) -> Model:
        """Exports `source` as export() does, and loads the file; `model.export_result` is what export() gives.

        out: None writes a temporary file, which is gone when the model is.
        backend: "aoti" if neither it nor `out` says which: it is exported in a third of the time.
        threads: that compute; 0: one for each physical core.
        """
        from weft.model import Model

        if _lacks_tokenizer(source):
            message = f"a {type(source).__name__} comes without a tokenizer, which a loaded model needs"
            fix = "give (it, tokenizer), or only write the file: weft.export.export(source, out)"
            raise Error("invalid_argument", message, "source", fix)
        folder = None
        if out is None:
            backend = backend or "aoti"
            folder = tempfile.mkdtemp(prefix="weft-export-")
            endings = {name: ending for ending, name in BACKENDS.items()}
            out = Path(folder, "model" + endings.get(backend, ".pte"))
        try:
            result = export(source, out, backend=backend, **options)
            model = Model(result.path, threads=threads)
        except BaseException:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        model.export_result = result
        if folder is not None:
            weakref.finalize(model, shutil.rmtree, folder, ignore_errors=True)
        return model


# `weft.export(...)` is the call that people look for, `weft.export.export` the function behind the command.
sys.modules[__name__].__class__ = _CallableModule
