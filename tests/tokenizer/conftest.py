"""What the tests of this folder share: the program that answers for weft::tokenizer, and where real files are."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def ask():
    """ask(path, questions, **options) -> answers, as tokenizer_jsonl.cpp says."""
    program = Path(os.environ.get("WEFT_BUILD_DIR", ROOT / "build")) / "bin" / "tokenizer_jsonl"
    if not program.is_file():
        pytest.skip(f"{program} is not built")

    def ask_program(path, questions, **options):
        lines = "".join(json.dumps(question) + "\n" for question in questions)
        done = subprocess.run(
            [program, path, json.dumps(options)], input=lines, capture_output=True, text=True, check=False, encoding="utf-8"
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.split("\n")[:-1]]

    return ask_program


@pytest.fixture(scope="session")
def shared_file():
    """shared_file("xlnet/spiece.model") -> the path of a published file."""
    folder = ROOT.parent / "shared" / "tokenizers"

    def find(name):
        path = folder / name
        if not path.is_file():
            pytest.skip(f"{path} is not here")
        return path

    return find


@pytest.fixture(scope="session")
def real_file(shared_file):
    """real_file(name) -> the path of a published tokenizer.json."""
    return lambda name: shared_file(f"{name}/tokenizer.json")


@pytest.fixture(scope="session")
def smollm2_file(tmp_path_factory):
    """The tokenizer.json of the default model, as the exporter makes it from the vocabulary in the GGUF file."""
    from weft.errors import Error
    from weft.export.default_model import fetch_default_model
    from weft.export.gguf import GgufFile
    from weft.export.gguf_tokenizer import tokenizer_assets
    from weft.export.progress import Progress

    try:
        gguf = fetch_default_model(Progress())
    except Error as error:
        pytest.skip(f"the default model can't be had here: {error}")
    path = tmp_path_factory.mktemp("smollm2") / "tokenizer.json"
    path.write_bytes(tokenizer_assets(GgufFile(gguf))["tokenizer.json"])
    return path
