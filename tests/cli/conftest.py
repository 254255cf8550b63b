"""The `weft` program under test, and models for it that need no SDK and no network."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from driver import CHATML, Terminal, Weft

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


@pytest.fixture(scope="session")
def fake_plugins(weft_bin: Path) -> Path:
    """The folder of the fake backend (tests/model/fake_backend.cpp)."""
    path = weft_bin.parents[1] / "tests" / "model" / "plugins"
    if not path.is_dir():
        pytest.skip(f"{path} is not built")
    return path


@pytest.fixture
def weft(weft_bin: Path, fake_plugins: Path, tmp_path: Path) -> Weft:
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "WEFT_CACHE": str(tmp_path / "cache"),
        "WEFT_PLUGIN_PATH": str(fake_plugins),
    }
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS"):
        if name in os.environ:
            env[name] = os.environ[name]
    return Weft(weft_bin, env)


@pytest.fixture
def lone_weft(weft: Weft, tmp_path: Path) -> Weft:
    """A copy of the program with the fake backend alone, whatever was built beside the original."""
    (tmp_path / "bin").mkdir()
    return Weft(Path(shutil.copy(weft.program, tmp_path / "bin/weft")), weft.env)


@pytest.fixture
def terminal(weft: Weft):
    """Starts the program on a terminal; ends what is left of it."""
    started: list[Terminal] = []

    def start(*arguments) -> Terminal:
        started.append(weft.terminal(*arguments))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture(scope="session")
def small_tokenizer():
    """A byte-level BPE tokenizer made by Hugging Face's library: 256 bytes, some merges, three control tokens."""
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=SPECIALS,
        initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["hello world, hello there", "the theory of the thing", "über Straße"] * 4, trainer)
    return tokenizer


@pytest.fixture
def tokenizer_file(small_tokenizer, tmp_path: Path) -> Path:
    path = tmp_path / "tokenizer.json"
    small_tokenizer.save(str(path))
    return path


@pytest.fixture
def make_model(small_tokenizer, tmp_path: Path):
    """Writes a model of the fake backend that answers every prompt with `answer` (no character twice)."""

    def make(answer: str = "Paris.", *, endless: bool = False, name: str = "model.pte", max_context: int = 4096, **assets):
        ids = [small_tokenizer.token_to_id(piece) for piece in small_tokenizer.pre_tokenizer.pre_tokenize_str("\n")[0][0]]
        end = small_tokenizer.token_to_id("<|im_end|>")
        followers: dict[str, int] = {}
        last = ids[-1]
        for character in answer:
            piece = small_tokenizer.pre_tokenizer.pre_tokenize_str(character)[0][0]
            following = small_tokenizer.token_to_id(piece)
            followers[str(last)] = following
            last = following
        followers[str(last)] = last if endless else end
        texts = {
            "weft.json": json.dumps({"format": 1, "name": "Fake", "architecture": "FakeForCausalLM", "contract": "ragged"}),
            "tokenizer.json": small_tokenizer.to_str(),
            "tokenizer_config.json": json.dumps({"bos_token": "<|im_start|>", "eos_token": "<|im_end|>"}),
            "chat_template.jinja": CHATML,
        }
        for asset, text in assets.items():
            key = {"weft_json": "weft.json", "chat_template": "chat_template.jinja"}.get(asset, asset + ".json")
            texts.pop(key, None)
            if text is not None:
                texts[key] = text
        body = {
            "assets": texts,
            "vocab_size": small_tokenizer.get_vocab_size(),
            "max_context": max_context,
            "next": followers,
        }
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\x20\0\0\0ET12" + json.dumps(body).encode())
        return path

    return make


@pytest.fixture
def model(make_model) -> Path:
    return make_model()
