"""Loads what people export: a checkpoint folder, a model of the Hugging Face hub, a GGUF file, or a loaded model.

source = load_source("SmolLM2-135M-Instruct.Q4_1.gguf", dtype=torch.float32, progress=Progress())
source.model, source.assets["tokenizer.json"]
"""

from __future__ import annotations

import copy
import dataclasses
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.errors import Error, first_line
from weft.export.checkpoint_assets import folder_assets, read_json
from weft.export.meta_checkpoint import is_meta_checkpoint, load_meta_checkpoint

# Nothing here imports torch before a source has been found: it takes seconds.
if TYPE_CHECKING:
    import torch
    import transformers

    from weft.export.progress import Progress
    from weft.export.quantize import QuantizedWeight

_FETCH_AGAIN = "fetch the checkpoint again"
_HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
_HUB_FILES = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
_CAUSAL_HEADS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")


@dataclasses.dataclass(frozen=True)
class Source:
    """A model that is ready to be exported, and what goes into the file beside it."""

    model: transformers.PreTrainedModel  # in eval mode, on the CPU, with the attention that Transformers chose
    config: transformers.PretrainedConfig
    name: str
    # "tokenizer.json", "tokenizer_config.json", "generation_config.json"; "chat_template.jinja" if the model chats
    assets: dict[str, bytes]
    parameters: int
    source: str  # what it was read from: "gguf Q4_1"
    # What the source itself holds in groups of 32 (weft.export.quantize), by parameter name; `model` has its values.
    stored: Mapping[str, QuantizedWeight]


def load_source(
    source: Any, *, dtype: torch.dtype, progress: Progress, allow_pickle: bool = False, max_context: int | None = None
) -> Source:
    """Loads `source` with weights and activations in `dtype`.

    source: the path of a checkpoint folder (Transformers' or Meta's) or of a .gguf file, a hub id ("HuggingFaceTB/SmolLM2-135M-Instruct"), a
    `transformers.PreTrainedModel`, a `torch.nn.Module` (weft.export.user_module), or a pair of one and its tokenizer. A loaded model is
    put into eval mode; one of another dtype is copied.
    max_context: of a module, which need not say it itself.
    allow_pickle: reads weights from pickles too (.bin, .pth). They are read without running code that is in them, as far as
        torch can tell; trust those who made them all the same.

    Raises weft.Error (not_found, io, corrupt, unsupported, invalid_argument, too_large).
    """
    if not isinstance(source, str | os.PathLike):
        return _from_model(source, dtype, max_context, progress)
    path = find_source(source)
    if path is None:
        hub_id = os.fspath(source)
        folder = _fetch_from_hub(hub_id, progress)
        return _from_folder(folder, dtype, progress, name=hub_id.rpartition("/")[2], source=f"huggingface.co/{hub_id}")
    if path.is_file():
        return _from_gguf(path, dtype, progress)
    if is_meta_checkpoint(path):
        if not allow_pickle:
            raise _pickled(path / "params.json", "Meta's checkpoints are pickles")
        model, assets = load_meta_checkpoint(path, dtype, progress)
        return _source(model, name=path.resolve().name, assets=assets, source="Meta checkpoint")
    return _from_folder(path, dtype, progress, name=path.resolve().name, source="Transformers checkpoint", allow_pickle=allow_pickle)


def find_source(source: str | os.PathLike[str]) -> Path | None:
    """The folder or file that `source` names, looked at from outside; None for what can only be a hub id.

    Raises weft.Error (not_found, unsupported, io).
    """
    text = os.fspath(source)
    path = Path(text)
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:
        raise Error("io", f"can't be read: {error.strerror}", text, "check the path and its permissions") from error
    if is_folder:
        if not (path / "config.json").is_file() and not is_meta_checkpoint(path):
            raise _no_checkpoint(path)
        return path
    if is_file:
        if path.suffix in (".pte", ".pt2"):
            raise Error("unsupported", "has been exported already", path, "run it: weft chat " + text)
        if path.suffix in (".safetensors", ".bin", ".pt", ".pth", ".json"):
            raise Error(
                "unsupported", "is one file of a checkpoint", path, f"give the folder: {path.absolute().parent}"
            )
        return path
    if (
        not isinstance(source, str)
        or not _HUB_ID.fullmatch(text)
        or path.suffix in (".gguf", ".pte", ".pt2", ".safetensors")
    ):
        raise Error("not_found", "is not there", text, "check the path")
    return None


def _no_checkpoint(folder: Path) -> Error:
    ggufs = sorted(folder.glob("*.gguf"))
    if ggufs:
        return Error("not_found", "holds no config.json, but GGUF files", folder, f"give one of them: {ggufs[0]}")
    return Error(
        "not_found", "holds no config.json, so it is no checkpoint", folder, "give the folder that config.json is in"
    )


def _fetch_from_hub(hub_id: str, progress: Progress) -> Path:
    import huggingface_hub
    from huggingface_hub.utils import disable_progress_bars

    progress.note(f"fetching {hub_id} from the Hugging Face hub")
    if not progress.terminal:
        disable_progress_bars()
    try:
        # Only what lies at the top: folders hold the same weights in other formats.
        folder = huggingface_hub.snapshot_download(hub_id, allow_patterns=_HUB_FILES, ignore_patterns=["*/*"])
    except (OSError, ValueError) as error:  # all of the hub's own errors are one of these
        reason = first_line(error.__cause__ or error)
        raise Error(
            "not_found",
            f"is neither a file nor a folder here, and the Hugging Face hub doesn't give it: {reason}",
            hub_id,
            "check the path or the id, and the network; or fetch the checkpoint elsewhere and give its folder",
        ) from error
    if not (Path(folder) / "config.json").is_file():
        message = "is on the Hugging Face hub, but has no config.json"
        raise Error(
            "unsupported",
            message,
            hub_id,
            "give a Transformers checkpoint; a GGUF file can be fetched and given itself",
        )
    return Path(folder)


def _from_gguf(path: Path, dtype: torch.dtype, progress: Progress) -> Source:
    import json

    from weft.export.gguf import GgufFile
    from weft.export.gguf_model import load_gguf_model, main_type
    from weft.export.gguf_tokenizer import tokenizer_assets

    file = GgufFile(path)
    assets = tokenizer_assets(file)
    generation = json.loads(assets["generation_config.json"])
    model, stored = load_gguf_model(file, generation, dtype, progress)
    name = file.text("general.name", "") or path.stem
    return _source(model, name=name, assets=assets, source=f"gguf {main_type(file)}", stored=stored)


def _pickled(path: Path, what: str) -> Error:
    return Error(
        "unsupported",
        f"{what}, which may run code when they are read; only safetensors are read unasked",
        path,
        "fetch the model's safetensors, or pass --allow-pickle if you trust those who made the file",
    )


def _from_folder(
    folder: Path, dtype: torch.dtype, progress: Progress, *, name: str, source: str, allow_pickle: bool = False
) -> Source:
    config = read_json(folder / "config.json") or {}
    pickled = _check_weights(folder, allow_pickle)
    assets = folder_assets(folder, config)
    with progress.stage("reading weights"):
        model = _load_checkpoint(folder, config, dtype, progress, pickled=pickled)
    return _source(model, name=name, assets=assets, source=source)


def _check_weights(folder: Path, allow_pickle: bool) -> bool:
    """The safetensors files are there, and whole; or pickles are, and allowed: True."""
    from safetensors import SafetensorError, safe_open

    index = read_json(folder / "model.safetensors.index.json")
    if index is not None:
        where = folder / "model.safetensors.index.json"
        placed = index.get("weight_map")
        if not isinstance(placed, dict) or not all(isinstance(shard, str) for shard in placed.values()):
            raise Error("corrupt", "weight_map is not a list of names and files", where, _FETCH_AGAIN)
        shards = sorted(set(placed.values()))
        if outside := [shard for shard in shards if Path(shard).name != shard]:
            raise Error("corrupt", f"names a file outside of its folder: {outside[0]}", where, _FETCH_AGAIN)
    elif (folder / "model.safetensors").is_file():
        placed, shards = {}, ["model.safetensors"]
    elif pickled := sorted([*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth")]):
        if allow_pickle:
            return True
        raise _pickled(pickled[0], "its weights are pickles")
    else:
        raise Error("not_found", "holds no weights (model.safetensors)", folder, _FETCH_AGAIN)

    for shard in shards:
        path = folder / shard
        try:
            with safe_open(path, framework="np") as file:
                names = set(file.keys())
        except FileNotFoundError as error:
            raise Error("not_found", "is missing", path, _FETCH_AGAIN) from error
        except OSError as error:
            raise Error("io", f"can't be read: {error}", path, "check its permissions") from error
        except SafetensorError as error:
            raise Error("corrupt", f"is cut short or damaged: {error}", path, "fetch the file again") from error
        if lacking := sorted(name for name, place in placed.items() if place == shard and name not in names):
            message = f"lacks {len(lacking)} of the tensors that the index places there: {lacking[0]}"
            raise Error("corrupt", message, path, _FETCH_AGAIN)
    return False


def _load_checkpoint(
    folder: Path, config: dict[str, Any], dtype: torch.dtype, progress: Progress, *, pickled: bool = False
) -> transformers.PreTrainedModel:
    import transformers

    from weft.export.support import check_config

    where = folder / "config.json"
    if "quantization_config" in config:
        method = (
            config["quantization_config"].get("quant_method", "unknown")
            if isinstance(config["quantization_config"], dict)
            else "unknown"
        )
        message = f"the checkpoint is quantised ({method}), which isn't supported"
        raise Error("unsupported", message, where, "give the original checkpoint, or a GGUF file")
    heads = config.get("architectures") or []
    if heads and not any(str(head).endswith(_CAUSAL_HEADS) for head in heads):
        raise Error("unsupported", f"{heads[0]} is no causal language model", where, "give a model that generates text")

    load_settings = {"local_files_only": True, "trust_remote_code": False}
    try:
        settings = transformers.AutoConfig.from_pretrained(folder, **load_settings)
        check_config(settings, where)
        with _without_progress_bars():
            model, report = transformers.AutoModelForCausalLM.from_pretrained(
                folder,
                config=settings,
                dtype=dtype,
                use_safetensors=not pickled,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # reported below, with the names
                **load_settings,
            )
    except Error:
        raise
    except Exception as error:  # of many kinds: every configuration checks itself in its own way
        if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
            fix = "use a machine with more memory, or --dtype bfloat16"
            raise Error("too_large", "doesn't fit into memory", folder, fix) from error
        fix = f"transformers {transformers.__version__} must know the model without code of the checkpoint's own"
        raise Error("unsupported", first_line(error), where, f"{fix}; give another") from error

    for key, words in (
        ("missing_keys", "are missing"),
        ("mismatched_keys", "have another shape than config.json says"),
    ):
        if report[key]:
            names = sorted(name if isinstance(name, str) else name[0] for name in report[key])
            raise Error("corrupt", f"{len(names)} weights {words}: {_some(names)}", folder, _FETCH_AGAIN)
    if report["unexpected_keys"]:
        names = sorted(report["unexpected_keys"])
        progress.note(f"{len(names)} weights of the checkpoint are not part of {type(model).__name__}: {_some(names)}")
    return model.eval().requires_grad_(False)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


class _without_progress_bars:
    """Keeps Transformers' own bars off the screen, which has one already."""

    def __enter__(self) -> None:
        from transformers.utils import logging

        self._had_bars = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()

    def __exit__(self, *_: object) -> None:
        from transformers.utils import logging

        if self._had_bars:
            logging.enable_progress_bar()


def _from_model(source: Any, dtype: torch.dtype, max_context: int | None, progress: Progress) -> Source:
    import torch
    import transformers

    model, tokenizer = source if isinstance(source, tuple) and len(source) == 2 else (source, None)
    if not isinstance(model, torch.nn.Module):
        message = f"is a {type(model).__name__}"
        fix = "give a path, a hub id, a transformers.PreTrainedModel, a torch.nn.Module, or (model, tokenizer)"
        raise Error("invalid_argument", message, "source", fix)
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    if device.type != "cpu":
        raise Error("invalid_argument", f"the model is on {device}", "source", "move it first: model.to('cpu')")
    if not isinstance(model, transformers.PreTrainedModel):
        return _from_module(model, tokenizer, dtype, max_context, progress)
    if model.get_output_embeddings() is None:
        raise Error(
            "unsupported",
            f"{type(model).__name__} has no language model head",
            "source",
            "load it with AutoModelForCausalLM",
        )
    assets = _tokenizer_assets(_tokenizer_of(model) if tokenizer is None else tokenizer, model.config.to_dict(), model.generation_config)
    if model.dtype != dtype:
        model = copy.deepcopy(model)
        model.config.dtype = dtype
        for parameter in model.parameters():  # not the buffers: rotary frequencies stay float32 in every dtype
            parameter.data = parameter.data.to(dtype)
    name = Path(model.config._name_or_path or type(model).__name__).name
    return _source(model.eval(), name=name, assets=assets, source="a loaded Transformers model")


def _from_module(module: torch.nn.Module, tokenizer: Any, dtype: torch.dtype, max_context: int | None, progress: Progress) -> Source:
    from weft.export.user_module import UserModule, longest_context

    module.eval()
    context = longest_context(module, max_context)
    if any(parameter.is_floating_point() and parameter.dtype != dtype for parameter in module.parameters()):
        module = copy.deepcopy(module)
        for parameter in module.parameters():
            if parameter.is_floating_point():
                parameter.data = parameter.data.to(dtype)
    assets = tokenizer_assets(tokenizer, progress)
    name = type(module).__name__
    return _source(UserModule(module, context), name=name, assets=assets, source=f"a {type(module).__module__.partition('.')[0]} module")


def tokenizer_assets(tokenizer: Any, progress: Progress) -> dict[str, bytes]:
    """Of what the user gave beside a module: a Transformers tokenizer, the folder of one, or None."""
    if tokenizer is None:
        progress.note("no tokenizer was given: the file takes and gives token ids only; give (module, tokenizer) for text")
        return {}
    return _tokenizer_assets(tokenizer, {}, None)


def _tokenizer_assets(tokenizer: Any, config: dict[str, Any], generation: Any) -> dict[str, bytes]:
    """tokenizer: a Transformers one, or the folder of one."""
    if isinstance(tokenizer, str | os.PathLike):
        return folder_assets(Path(tokenizer), config)
    with tempfile.TemporaryDirectory(prefix="weft-tokenizer-") as folder:
        tokenizer.save_pretrained(folder)
        if generation is not None:
            generation.save_pretrained(folder)
        return folder_assets(Path(folder), config)


def _tokenizer_of(model: transformers.PreTrainedModel) -> Any:
    import transformers

    origin = model.config._name_or_path
    try:
        if not origin:
            raise ValueError("it doesn't say where it came from")
        return transformers.AutoTokenizer.from_pretrained(origin, trust_remote_code=False)
    except Exception as error:  # of many kinds: each format has its own reader
        message = f"the model's tokenizer was not found: {first_line(error)}"
        raise Error("not_found", message, "source", "give (model, tokenizer)") from error


def _source(model: transformers.PreTrainedModel, **others: Any) -> Source:
    return Source(model=model, config=model.config, parameters=model.num_parameters(), **{"stored": {}, **others})
