"""Small models and files for the tests of python/weft/export: nothing here needs the network."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import transformers
from small_gguf import model_metadata, model_tensors, tokenizer_metadata, write_gguf
from small_models import CORPUS, SPECIALS, TEMPLATE, VOCAB_SIZE, tiny_model
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from weft.export.progress import Progress


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
        floats: tuple[str, ...] = (),
        **metadata,
    ) -> Path:
        model = model or tiny_model()
        fields = {**model_metadata(model, architecture), **tokenizer_metadata(tokenizer, pre)}
        fields |= {key.replace("__", "."): value for key, value in metadata.items()}
        stored = {**model_tensors(model, architecture), **(tensors or {})}
        stored = {name: values for name, values in stored.items() if values is not None}
        return write_gguf(tmp_path / f"tiny-{architecture}-{kind}.gguf", architecture, fields, stored, kind, floats)

    return make
