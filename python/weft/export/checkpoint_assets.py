"""What goes into a model file from a checkpoint folder besides the weights: tokenizer, chat template, defaults.

Every file is checked here: a broken one should stop the export, not the first user of its result.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from weft.errors import Error, first_line

_FETCH_AGAIN = "fetch the file again from where the checkpoint came from"
_SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token")
# What Transformers can make a tokenizer.json from.
_SLOW_TOKENIZERS = ("tokenizer.model", "spiece.model", "vocab.json", "vocab.txt", "tekken.json")


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in `path`; None if there is no such file. Raises weft.Error (io, corrupt)."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Error("io", f"can't be read: {error.strerror}", path, "check its permissions") from error
    except (ValueError, RecursionError) as error:
        raise Error("corrupt", f"is no JSON: {error}", path, _FETCH_AGAIN) from error
    if not isinstance(value, dict):
        raise Error("corrupt", f"holds a {type(value).__name__} where an object was expected", path, _FETCH_AGAIN)
    return value


def folder_assets(folder: Path, config: dict[str, Any]) -> dict[str, bytes]:
    """tokenizer.json, tokenizer_config.json, generation_config.json and, for models that chat, chat_template.jinja.

    config: the folder's config.json. Raises weft.Error (not_found, corrupt, unsupported, io).
    """
    tokenizer_config = read_json(folder / "tokenizer_config.json") or {}
    tokenizer = _tokenizer_json(folder)
    template = _chat_template(folder, tokenizer_config)
    assets = {
        "tokenizer.json": tokenizer,
        "tokenizer_config.json": _dump(_complete_tokenizer_config(folder, tokenizer_config, tokenizer)),
        "generation_config.json": _dump(_generation_config(folder, config)),
    }
    if template:
        assets["chat_template.jinja"] = template.encode()
    return assets


def _tokenizer_json(folder: Path) -> bytes:
    path = folder / "tokenizer.json"
    if (document := read_json(path)) is not None:
        if "model" not in document:
            raise Error("corrupt", "has no model: this isn't a Hugging Face tokenizer", path, _FETCH_AGAIN)
        text = path.read_bytes()
        _load(text, path)
        return text
    for name in _SLOW_TOKENIZERS:
        if (folder / name).is_file():
            return _converted(folder, name)
    raise Error(
        "not_found",
        "is missing: the checkpoint has no tokenizer",
        path,
        "put the model's tokenizer.json into the folder",
    )


def _load(text: bytes, where: Path) -> Any:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_str(text.decode())
    except Exception as error:  # the package raises no narrower one
        raise Error("corrupt", f"makes no tokenizer: {error}", where, _FETCH_AGAIN) from error


def _converted(folder: Path, name: str) -> bytes:
    """tokenizer.json as Transformers makes it from an older format."""
    import transformers

    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        return tokenizer.backend_tokenizer.to_str().encode()
    except Exception as error:  # of many kinds: each format has its own reader
        message = f"can't be turned into a tokenizer.json: {first_line(error)}"
        raise Error("unsupported", message, folder / name, "put the model's tokenizer.json into the folder") from error


def _chat_template(folder: Path, tokenizer_config: dict[str, Any]) -> str | None:
    """The template, taken out of `tokenizer_config` if it is there."""
    inside = tokenizer_config.pop("chat_template", None)
    path = folder / "chat_template.jinja"
    try:
        if path.is_file():
            return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Error("corrupt", f"is not UTF-8 at byte {error.start}", path, _FETCH_AGAIN) from error
    except OSError as error:
        raise Error("io", f"can't be read: {error.strerror}", path, "check its permissions") from error
    path = folder / "chat_template.json"
    if (document := read_json(path)) is not None:
        return _default_template(document.get("chat_template"), path)
    return _default_template(inside, folder / "tokenizer_config.json")


def _default_template(value: Any, where: Path) -> str | None:
    """One text, or several by name: as {"default": text} or [{"name": "default", "template": text}]."""
    if isinstance(value, list) and all(isinstance(entry, dict) for entry in value):
        value = {entry.get("name"): entry.get("template") for entry in value}
    if isinstance(value, dict):
        value = value.get("default")
    if value is None or isinstance(value, str):
        return value
    raise Error("corrupt", "chat_template is neither a text nor a list of named ones", where, _FETCH_AGAIN)


def _complete_tokenizer_config(folder: Path, config: dict[str, Any], tokenizer: bytes) -> dict[str, Any]:
    """With the special tokens that older checkpoints keep apart, and whether a text begins with BOS."""
    kept_apart = read_json(folder / "special_tokens_map.json") or {}
    for name in _SPECIAL_TOKENS:
        if config.get(name) is None and kept_apart.get(name) is not None:
            config[name] = kept_apart[name]
    if config.get("add_bos_token") is None:
        bos = config.get("bos_token")
        text = bos.get("content") if isinstance(bos, dict) else bos
        if text is not None:
            # Where the config is silent, tokenizer.json's post-processor decides.
            loaded = _load(tokenizer, folder / "tokenizer.json")
            config["add_bos_token"] = loaded.encode("a").ids[:1] == [loaded.token_to_id(text)]
    return config


def _generation_config(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    generation = read_json(folder / "generation_config.json") or {}
    text_config = config.get("text_config") if isinstance(config.get("text_config"), dict) else {}
    for name in ("bos_token_id", "eos_token_id"):
        value = config.get(name, text_config.get(name))
        if generation.get(name) is None and value is not None:
            generation[name] = value
    return generation


def _dump(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=2).encode()
