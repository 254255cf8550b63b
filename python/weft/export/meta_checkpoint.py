"""Meta's own checkpoints of Llama 2 and 3: params.json, consolidated.NN.pth, tokenizer.model.

The weights of one layer are spread over the files along one of their dimensions (model parallelism), and query and key rows stand
as rotary pairs (2i, 2i + 1), where Transformers has (i, i + D/2).
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.errors import Error, first_line
from weft.export.checkpoint_assets import folder_assets, read_json

if TYPE_CHECKING:
    import torch
    import transformers

    from weft.export.progress import Progress

_FETCH_AGAIN = "fetch the checkpoint again"

# Meta's name, Transformers' name, and the dimension that the files share out (None: each file has the whole).
_LAYER = (
    ("attention.wq", "self_attn.q_proj", 0),
    ("attention.wk", "self_attn.k_proj", 0),
    ("attention.wv", "self_attn.v_proj", 0),
    ("attention.wo", "self_attn.o_proj", 1),
    ("feed_forward.w1", "mlp.gate_proj", 0),
    ("feed_forward.w3", "mlp.up_proj", 0),
    ("feed_forward.w2", "mlp.down_proj", 1),
    ("attention_norm", "input_layernorm", None),
    ("ffn_norm", "post_attention_layernorm", None),
)
# Splits text into words: Llama 3's tokenizer.py.
_LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LLAMA3_SPECIALS = 256


def is_meta_checkpoint(folder: Path) -> bool:
    return (folder / "params.json").is_file() and not (folder / "config.json").is_file()


def load_meta_checkpoint(
    folder: Path, dtype: torch.dtype, progress: Progress
) -> tuple[transformers.PreTrainedModel, dict[str, bytes]]:
    """The model, and the assets that stand beside it. Raises weft.Error (corrupt, unsupported, not_found, io)."""
    import torch
    import transformers

    params = read_json(folder / "params.json") or {}
    shards = _open_shards(folder)
    vocab_size, config = _config(folder, params, shards)
    assets = _assets(folder, config, vocab_size)
    with torch.device("meta"):
        model = transformers.LlamaForCausalLM(config).to(dtype)
    model.to_empty(device="cpu")
    with progress.stage("reading weights"), torch.no_grad():
        _fill(model, config, shards, folder)
    model.model.rotary_emb = type(model.model.rotary_emb)(config)  # its frequencies are no weights
    return model.eval().requires_grad_(False), assets


def _open_shards(folder: Path) -> list[dict[str, torch.Tensor]]:
    import torch

    paths = sorted(folder.glob("consolidated.*.pth"))
    if not paths:
        raise Error("not_found", "holds no consolidated.00.pth", folder, _FETCH_AGAIN)
    shards = []
    for path in paths:
        try:
            # weights_only refuses code; mmap reads what is asked for.
            shards.append(torch.load(path, map_location="cpu", mmap=True, weights_only=True))
        except Exception as error:  # of many kinds: pickle's, zip's and torch's own
            raise Error("corrupt", f"can't be read: {first_line(error)}", path, _FETCH_AGAIN) from error
    return shards


def _config(folder: Path, params: dict[str, Any], shards) -> tuple[int, Any]:
    import transformers

    where = folder / "params.json"
    if unknown := {"moe", "vision_chunk_size", "vision_num_layers", "quantization_args"} & set(params):
        raise Error("unsupported", f"{sorted(unknown)[0]} is of a model that isn't known in this format", where, "give its Transformers checkpoint")
    try:
        width, heads, layers = int(params["dim"]), int(params["n_heads"]), int(params["n_layers"])
        first = shards[0]
        vocab_size = sum(shard["output.weight"].shape[0] for shard in shards)
        intermediate = sum(shard["layers.0.feed_forward.w1.weight"].shape[0] for shard in shards)
        scaled = bool(params.get("use_scaled_rope", False))
        rope: dict[str, Any] = {"rope_type": "default", "rope_theta": float(params.get("rope_theta", 10000.0))}
        if scaled:
            # params.json doesn't say it: Llama 3.1 and 3.3 scale by 8, the two small text models of 3.2 by 32.
            factor = float(params.get("rope_scaling_factor", 32.0 if width in (2048, 3072) else 8.0))
            rope |= {"rope_type": "llama3", "factor": factor, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
            rope |= {"original_max_position_embeddings": 8192}
        is_llama3 = rope["rope_theta"] > 10000
        return vocab_size, transformers.LlamaConfig(
            vocab_size=vocab_size,
            hidden_size=width,
            intermediate_size=intermediate,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=int(params.get("n_kv_heads") or heads),
            rms_norm_eps=float(params["norm_eps"]),
            max_position_embeddings=131072 if scaled else 8192 if is_llama3 else 4096,
            rope_parameters=rope,
            tie_word_embeddings=False,
            bos_token_id=vocab_size - _LLAMA3_SPECIALS if is_llama3 else 1,
            eos_token_id=vocab_size - _LLAMA3_SPECIALS + 1 if is_llama3 else 2,
            dtype=first["norm.weight"].dtype,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Error("corrupt", f"isn't what its weights ask for: {type(error).__name__}: {first_line(error)}", where, _FETCH_AGAIN) from error


def _fill(model, config, shards, folder: Path) -> None:
    import torch

    def put(target: torch.nn.Parameter, name: str, dimension: int | None, heads: int | None = None) -> None:
        try:
            parts = [shard[name] for shard in (shards if dimension is not None else shards[:1])]
            whole = parts[0] if len(parts) == 1 else torch.cat(parts, dim=dimension)
        except (KeyError, RuntimeError) as error:
            raise Error("corrupt", f"{name} is missing or of another shape: {first_line(error)}", folder, _FETCH_AGAIN) from error
        if heads is not None:  # (2i, 2i + 1) -> (i, i + D/2)
            whole = whole.view(heads, -1, 2, whole.shape[1]).transpose(1, 2).reshape(whole.shape)
        if whole.shape != target.shape:
            raise Error("corrupt", f"{name} has the shape {list(whole.shape)}, not {list(target.shape)}", folder, _FETCH_AGAIN)
        target.copy_(whole)

    # Llama 2's embedding is shared out by columns, Llama 3's by rows: their sum tells.
    rows = sum(shard["tok_embeddings.weight"].shape[0] for shard in shards)
    put(model.model.embed_tokens.weight, "tok_embeddings.weight", 0 if rows == config.vocab_size else 1)
    put(model.lm_head.weight, "output.weight", 0)
    put(model.model.norm.weight, "norm.weight", None)
    heads = {"attention.wq": config.num_attention_heads, "attention.wk": config.num_key_value_heads}
    for i, layer in enumerate(model.model.layers):
        for theirs, ours, dimension in _LAYER:
            put(layer.get_submodule(ours).weight, f"layers.{i}.{theirs}.weight", dimension, heads.get(theirs))


def _assets(folder: Path, config, vocab_size: int) -> dict[str, bytes]:
    """As for a Transformers folder that holds the same tokenizer."""
    path = folder / "tokenizer.model"
    with tempfile.TemporaryDirectory(prefix="weft-tokenizer-") as made:
        temporary = Path(made)
        if (folder / "tokenizer.json").is_file():
            (temporary / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
            tokens: dict[str, Any] = read_json(folder / "tokenizer_config.json") or {}
        elif not path.is_file():
            raise Error("not_found", "is missing: the checkpoint has no tokenizer", path, "put the model's tokenizer.model into the folder")
        elif _is_tiktoken(path):
            (temporary / "tokenizer.json").write_bytes(_from_tiktoken(path, vocab_size, config))
            tokens = {"bos_token": "<|begin_of_text|>", "eos_token": "<|end_of_text|>", "add_bos_token": True}
        else:
            (temporary / "tokenizer.json").write_bytes(_from_sentencepiece(path))
            tokens = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "add_bos_token": True}
        (temporary / "tokenizer_config.json").write_text(json.dumps(tokens))
        return folder_assets(temporary, {"bos_token_id": config.bos_token_id, "eos_token_id": config.eos_token_id})


def _is_tiktoken(path: Path) -> bool:
    with path.open("rb") as file:
        return re.match(rb"[A-Za-z0-9+/=]+ \d+\r?\n", file.readline(512)) is not None


def _from_sentencepiece(path: Path) -> bytes:
    import transformers

    try:
        with tempfile.TemporaryDirectory(prefix="weft-tokenizer-") as made:
            folder = Path(made)
            (folder / "tokenizer.model").write_bytes(path.read_bytes())
            (folder / "config.json").write_text('{"model_type": "llama"}')
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            return tokenizer.backend_tokenizer.to_str().encode()
    except Exception as error:  # of many kinds: each format has its own reader
        raise Error("unsupported", f"can't be turned into a tokenizer.json: {first_line(error)}", path, "put a tokenizer.json beside it") from error


def _from_tiktoken(path: Path, vocab_size: int, config) -> bytes:
    from transformers.convert_slow_tokenizer import TikTokenConverter

    first, last = ["<|begin_of_text|>", "<|end_of_text|>"], []
    if config.rope_parameters["rope_type"] == "llama3":  # Llama 3.1 and later
        named = {4: "<|finetune_right_pad_id|>", 6: "<|start_header_id|>", 7: "<|end_header_id|>", 8: "<|eom_id|>", 9: "<|eot_id|>", 10: "<|python_tag|>"}
    else:
        named = {6: "<|start_header_id|>", 7: "<|end_header_id|>", 9: "<|eot_id|>"}
    reserved = 0
    for i in range(2, _LLAMA3_SPECIALS):
        if i not in named:
            last.append(f"<|reserved_special_token_{reserved}|>")
            reserved += 1
        else:
            last.append(named[i])
    try:
        converted = TikTokenConverter(
            vocab_file=str(path), pattern=_LLAMA3_PATTERN, add_prefix_space=False, extra_special_tokens=first + last
        ).converted()
    except Exception as error:  # of many kinds
        raise Error("corrupt", f"makes no tokenizer: {first_line(error)}", path, _FETCH_AGAIN) from error
    if converted.get_vocab_size() != vocab_size:
        message = f"has {converted.get_vocab_size()} tokens with the special ones, but the model {vocab_size}"
        raise Error("corrupt", message, path, "give the tokenizer.model that came with the weights")
    return converted.to_str().encode()
