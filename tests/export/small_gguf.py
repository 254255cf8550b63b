"""GGUF files of small models, as llama.cpp's converter writes them."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
import transformers
from small_models import TEMPLATE
from tokenizers import Tokenizer

_WRITERS = {
    np.dtype(np.uint32): gguf.GGUFWriter.add_uint32,
    np.dtype(np.float32): gguf.GGUFWriter.add_float32,
}


def _add(writer: gguf.GGUFWriter, key: str, value) -> None:
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    elif isinstance(value, list):
        writer.add_array(key, value)
    else:
        _WRITERS[np.result_type(np.uint32 if isinstance(value, int) else np.float32)](writer, key, value)


def model_metadata(model: transformers.PreTrainedModel, architecture: str) -> dict:
    """What llama.cpp's converter writes about the model itself."""
    config = model.config
    rope = config.rope_parameters.get("full_attention", config.rope_parameters)
    own = {
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "block_count": config.num_hidden_layers,
        "feed_forward_length": config.intermediate_size,
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": config.num_key_value_heads,
        "attention.key_length": _head_size(config),
        "attention.value_length": _head_size(config),
        **(
            {"attention.layer_norm_rms_epsilon": config.rms_norm_eps}
            if not hasattr(config, "norm_epsilon")
            else {"attention.layer_norm_epsilon": config.norm_epsilon}
        ),
        "rope.freq_base": float(rope["rope_theta"]),
    }
    return {f"{architecture}.{key}": value for key, value in own.items()}


def _head_size(config) -> int:
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def tokenizer_metadata(tokenizer: Tokenizer, pre: str = "gpt-2") -> dict:
    """What llama.cpp's converter writes about a byte-level tokenizer."""
    document = json.loads(tokenizer.to_str())
    tokens = sorted(document["model"]["vocab"], key=document["model"]["vocab"].get)
    added = {token["content"]: token["special"] for token in document["added_tokens"]}
    types = [{None: 1, True: 3, False: 4}[added.get(token)] for token in tokens]
    merges = [" ".join(merge) for merge in document["model"]["merges"]]
    fields = {"model": "gpt2", "pre": pre, "tokens": tokens, "token_type": types, "merges": merges}
    fields |= {"bos_token_id": 1, "eos_token_id": 2, "unknown_token_id": 0, "add_bos_token": False}
    return {**{f"tokenizer.ggml.{key}": value for key, value in fields.items()}, "tokenizer.chat_template": TEMPLATE}


def model_tensors(model: transformers.PreTrainedModel, architecture: str) -> dict[str, np.ndarray]:
    """The tensors as llama.cpp's converter makes them (its conversion/llama.py and gemma.py): renamed, q and k of Llama
    reordered, Gemma's norms with one added."""
    number = next(number for number, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    names = gguf.get_tensor_name_map(number, model.config.num_hidden_layers)
    tensors = {}
    for name, parameter in model.named_parameters():  # tied weights once
        base, _, ending = name.rpartition(".")
        if ending == "gate_up_proj":  # of experts: two tensors there
            for part, values in zip(("gate", "up"), parameter.detach().chunk(2, dim=1), strict=True):
                tensors[f"{names.get_name(f'{base}.{part}_proj')}.weight"] = np.ascontiguousarray(values.numpy())
            continue
        stored = f"{names.get_name(base)}.{ending}" if names.get_name(name) is None else f"{names.get_name(name)}.weight"
        values = parameter.detach().numpy()
        if architecture == "llama" and (".attn_q." in stored or ".attn_k." in stored):
            half = model.config.head_dim // 2
            values = values.reshape(-1, 2, half, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)
        if architecture.startswith("gemma") and stored.endswith("norm.weight"):
            values = values + 1
        tensors[stored] = np.ascontiguousarray(values)
    return tensors


def write_gguf(
    path: Path, architecture: str, metadata: dict, tensors: dict[str, np.ndarray], kind: str = "F32", floats: tuple[str, ...] = ()
) -> Path:
    """Matrices (and those of experts) are quantised to `kind`, the rest is F32; bytes are blocks of `kind` already. None in `metadata` leaves a key out.

    floats: tensors that stay F32.
    """
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in metadata.items():
        if value is not None:
            _add(writer, key, value)
    for name, values in tensors.items():
        number = gguf.GGMLQuantizationType[kind if values.ndim >= 2 and name not in floats else "F32"]
        blocks = values if values.dtype == np.uint8 else gguf.quants.quantize(values, number)
        writer.add_tensor(name, blocks, raw_dtype=number)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
