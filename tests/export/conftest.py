"""Small models and files for the tests of python/weft/export: nothing here needs the network."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from weft.export.progress import Progress

CORPUS = [
    "The capital of France is Paris. What is the capital of Italy? It is Rome.",
    "def main(numbers):\n    return [number + 1 for number in numbers]\n",
    "12 apples and 345 pears; it's what they've said, isn't it?\t\n  two  spaces",
    "Grüße aus Köln, naïve café, 東京は日本の首都です。 🙂👍🏽",
] * 4
TEXTS = [*CORPUS[:4], "", " ", "a", "Paris  Rome\n\n\n x", "unseen wörds 9876 ☃ \U0001f9f6", "\u00e9 e\u0301"]
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
VOCAB_SIZE = 384


@pytest.fixture
def progress() -> Progress:
    """Shows nothing."""
    return Progress(io.StringIO())


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    """A byte-level BPE tokenizer with ids 0, 1, 2 for <|endoftext|>, <|im_start|>, <|im_end|>."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIALS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(CORPUS, trainer)
    return made


def tiny_model(model_type: str = "llama", **settings) -> transformers.PreTrainedModel:
    """A random-weight model of two layers, the same for the same arguments. Norms and biases are random too."""
    sizes = {
        "vocab_size": VOCAB_SIZE,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "max_position_embeddings": 128,
        "rms_norm_eps": 1e-5,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": None,
    }
    config = transformers.AutoConfig.for_model(model_type, **{**sizes, **settings})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.AutoModelForCausalLM.from_config(config).eval().requires_grad_(False)
        for name, parameter in model.named_parameters():
            if "norm" in name or name.endswith("bias"):
                parameter.add_(torch.randn_like(parameter) * 0.2)
            else:
                parameter.mul_(5)
    return model


@torch.no_grad()
def logits(model: transformers.PreTrainedModel) -> torch.Tensor:
    ids = torch.arange(3, 43)[None]
    return model(input_ids=ids).logits


@pytest.fixture
def make_checkpoint(tmp_path: Path, tokenizer: Tokenizer) -> Callable[..., Path]:
    """make_checkpoint(model_type, **config) writes a Transformers checkpoint and gives its folder."""

    def make(model_type: str = "llama", *, max_shard_size: str = "1GB", **settings) -> Path:
        folder = tmp_path / f"tiny-{model_type}"
        model = tiny_model(model_type, **settings)
        model.save_pretrained(folder, max_shard_size=max_shard_size)
        tokenizer.save(str(folder / "tokenizer.json"))
        config = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "chat_template": TEMPLATE}
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
        return folder

    return make


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
        "attention.key_length": config.head_dim,
        "attention.value_length": config.head_dim,
        "attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        "rope.freq_base": float(rope["rope_theta"]),
    }
    return {f"{architecture}.{key}": value for key, value in own.items()}


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
        stored = f"{names.get_name(base)}.{ending}"
        values = parameter.detach().numpy()
        if architecture == "llama" and (".attn_q." in stored or ".attn_k." in stored):
            half = model.config.head_dim // 2
            values = values.reshape(-1, 2, half, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)
        if architecture.startswith("gemma") and stored.endswith("norm.weight"):
            values = values + 1
        tensors[stored] = np.ascontiguousarray(values)
    return tensors


def write_gguf(
    path: Path, architecture: str, metadata: dict, tensors: dict[str, np.ndarray], kind: str = "F32"
) -> Path:
    """Matrices are quantised to `kind`, the rest is F32. None in `metadata` leaves a key out."""
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in metadata.items():
        if value is not None:
            _add(writer, key, value)
    for name, values in tensors.items():
        number = gguf.GGMLQuantizationType[kind if values.ndim == 2 else "F32"]
        writer.add_tensor(name, gguf.quants.quantize(values, number), raw_dtype=number)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def make_gguf(tmp_path: Path, tokenizer: Tokenizer) -> Callable[..., Path]:
    """make_gguf(model, architecture, kind, **metadata) writes a GGUF file of the model and gives its path.

    Dots in the names of further metadata are written as two underscores; None leaves a key out. `tensors` replaces some.
    """

    def make(
        model: transformers.PreTrainedModel | None = None,
        architecture: str = "llama",
        kind: str = "F32",
        *,
        pre: str = "gpt-2",
        tensors: dict[str, np.ndarray | None] | None = None,
        **metadata,
    ) -> Path:
        model = model or tiny_model()
        fields = {**model_metadata(model, architecture), **tokenizer_metadata(tokenizer, pre)}
        fields |= {key.replace("__", "."): value for key, value in metadata.items()}
        stored = {**model_tensors(model, architecture), **(tensors or {})}
        stored = {name: values for name, values in stored.items() if values is not None}
        return write_gguf(tmp_path / f"tiny-{architecture}-{kind}.gguf", architecture, fields, stored, kind)

    return make
