"""What tests of several parts share: the built programs, and models exported once for each state of the exporter."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "python"))

ENDINGS = {"executorch": ".pte", "aoti": ".pt2"}


def build_dir() -> Path:
    return Path(os.environ.get("WEFT_BUILD_DIR", ROOT / "build"))


@pytest.fixture(scope="session")
def weft_bin() -> Path:
    """The `weft` program."""
    return built_program("weft")


def built_program(name: str) -> Path:
    """A program of the build, or a visible skip."""
    path = build_dir() / "bin" / name
    if not path.is_file():
        pytest.skip(f"{path} is not built")
    os.environ.setdefault("WEFT_BIN", str(build_dir() / "bin" / "weft"))
    return path


def _exporter_state() -> str:
    """A name that changes whenever an export may come out differently."""
    digest = hashlib.sha256()
    for source in sorted([*(ROOT / "python" / "weft").rglob("*.py"), Path(__file__)]):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def tiny_config(architecture: str):
    """A Transformers config of two layers whose greedy text visits many tokens."""
    import transformers

    common = {
        "vocab_size": 512,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        "initializer_range": 0.2,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 2,
    }
    if architecture == "llama":
        return transformers.LlamaConfig(**common, tie_word_embeddings=False)
    if architecture == "qwen2":
        return transformers.Qwen2Config(**common, tie_word_embeddings=True)
    if architecture == "gemma":
        return transformers.GemmaConfig(**common | {"num_key_value_heads": 1}, head_dim=32)
    raise ValueError(architecture)


def tiny_model(architecture: str):
    """The Transformers model of tiny_config(), the same weights each time."""
    import torch
    import transformers

    torch.manual_seed(1)
    return transformers.AutoModelForCausalLM.from_config(tiny_config(architecture), dtype=torch.float32).eval()


def tiny_tokenizer():
    """A byte-level BPE tokenizer of 512 tokens with a ChatML template, trained on a few lines."""
    import tokenizers
    import transformers

    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=["<|endoftext|>", "<|im_end|>", "<pad>", "<|im_start|>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["the quick brown fox jumps over the lazy dog", "system user assistant", "hello world"] * 20, trainer)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|endoftext|>", eos_token="<|im_end|>", pad_token="<pad>"
    )
    fast.chat_template = (
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )
    return fast


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """checkpoint(architecture) -> a Transformers checkpoint folder of the tiny model with its tokenizer."""
    made: dict[str, Path] = {}

    def make(architecture: str) -> Path:
        if architecture not in made:
            folder = tmp_path_factory.mktemp(f"checkpoint-{architecture}")
            tiny_model(architecture).save_pretrained(folder)
            tiny_tokenizer().save_pretrained(folder)
            made[architecture] = folder
        return made[architecture]

    return make


@pytest.fixture(scope="session")
def exported(checkpoint):
    """exported(architecture, backend, passes=True) -> the file, made by weft.export and kept in the build folder."""

    def make(architecture: str, backend: str, *, passes: bool = True) -> Path:
        program = built_program("weft")
        if not (build_dir() / "lib" / "weft" / f"weft_{backend}.so").is_file():
            pytest.skip(f"the backend {backend} is not built")
        folder = build_dir() / "test-models" / _exporter_state()
        path = folder / f"{architecture}{'' if passes else '-no-passes'}{ENDINGS[backend]}"
        if not path.is_file():
            from weft.export import export

            folder.mkdir(parents=True, exist_ok=True)
            os.environ["WEFT_BIN"] = str(program)
            export(checkpoint(architecture), path, passes=passes, name=f"tiny-{architecture}")
        return path

    return make


@pytest.fixture(scope="session")
def default_model(weft_bin):
    """default_model(backend) -> the exported default model, made and kept in the user's cache folder as `weft chat` does."""
    import subprocess

    def make(backend: str) -> Path:
        made = subprocess.run(
            [weft_bin, "inspect", "--backend", backend], capture_output=True, text=True, check=False, env={**os.environ, "WEFT_PYTHON": sys.executable}
        )
        if made.returncode != 0:
            pytest.skip(f"the default model can't be had here: {made.stderr.strip().splitlines()[-1] if made.stderr.strip() else made.returncode}")
        cache = Path(os.environ.get("WEFT_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "weft")
        return cache / "models" / f"smollm2-135m-instruct{ENDINGS[backend]}"

    return make
