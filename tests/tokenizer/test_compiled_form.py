"""A compiled tokenizer answers as the file that it was made of, for every kind of file."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import corpus
import synthetic_files
import synthetic_models

SHARED = Path(__file__).resolve().parents[3] / "shared" / "tokenizers"
# What a file's name doesn't say.
OPTIONS = {"p50k": {"encoding": "p50k_base"}, "cl100k": {"encoding": "cl100k_base"}, "llama3-tiktoken": {"encoding": "llama3"}}


def questions(size, name):
    """Everything that can be asked, about texts that all files see."""
    rng = random.Random(name)
    texts = corpus.torture()[:: 4 if size < 5000 else 2] + corpus.random_texts(name, 60, ["<s>", "</s>", "<|endoftext|>", "[SEP]"])
    for text in texts:
        for specials in ("text", "tokens"):
            yield {"encode": [[text, specials]]}
        yield {"encoding": [[[text, "tokens"]], [[text[::-1], "text"]]], "options": {"as_file_says": len(text) % 2 == 0}}
    for _ in range(100):
        ids = [rng.randrange(size) for _ in range(rng.randrange(30))]
        yield {"decode": ids, "specials": rng.choice(["text", "tokens"])}
        yield {"stream": ids, "specials": rng.choice(["text", "tokens"])}
    for id in sorted(rng.sample(range(size), min(size, 2000))):
        yield from ({"piece": id}, {"is_special": id})


def assert_compiles(ask, ask_raw, path, compiled, **options):
    size, _ = ask(path, [{"vocab_size": True}, {"compile": str(compiled)}], **options)
    asked = list(questions(size, path.parent.name))
    source, again = ask_raw(path, asked, **options), ask_raw(compiled, asked)
    assert again.returncode == 0, again.stderr
    # Not splitlines(): texts have line ends of their own.
    wanted, answers = source.stdout.split("\n")[:-1], again.stdout.split("\n")[:-1]
    for question, want, have in zip(asked, wanted, answers, strict=True):
        assert have == want, f"for {question!a}"
    pieces = [json.loads(line) for question, line in zip(asked, answers, strict=True) if "piece" in question]
    finds = [{"find": piece} for piece in pieces]
    assert ask(compiled, finds) == ask(path, finds, **options)


@pytest.mark.parametrize("name", synthetic_files.FILES)
def test_tokenizer_json(ask, ask_raw, tmp_path, name):
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(synthetic_files.FILES[name]()), encoding="utf-8")
    assert_compiles(ask, ask_raw, path, tmp_path / "tokenizer.weft")


@pytest.mark.parametrize("name", synthetic_models.FILES)
def test_sentencepiece_model(ask, ask_raw, tmp_path, name):
    path = tmp_path / "tokenizer.model"
    path.write_bytes(synthetic_models.FILES[name]())
    assert_compiles(ask, ask_raw, path, tmp_path / "tokenizer.weft")


# Beside them lie vocabularies of other libraries, settings and texts.
NAMES = {"tokenizer.json", "tekken.json", "tokenizer.bin"}
ENDINGS = {".model", ".tiktoken", ".gguf"}


PUBLISHED = sorted(path for path in SHARED.glob("*/*") if path.name in NAMES or path.suffix in ENDINGS)


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_published_file(ask, ask_raw, tmp_path, path):
    assert_compiles(ask, ask_raw, path, tmp_path / "tokenizer.weft", **OPTIONS.get(path.parent.name, {}))
