"""The fuzz targets, without a fuzzer: each file of the corpus, and some hundred mutations that a seed tells."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ["tokenizer_json", "sentencepiece", "tiktoken", "tekken", "llama2c", "gguf", "compiled", "regex", "encode", "template"]


@pytest.mark.parametrize("target", TARGETS)
def test_keeps_its_promises(target, tmp_path):
    program = Path(os.environ.get("WEFT_BUILD_DIR", ROOT / "build")) / "bin" / f"fuzz_{target}"
    if not program.is_file():
        pytest.skip(f"{program} is not built")
    subprocess.run([sys.executable, ROOT / "fuzz" / "make_corpus.py", tmp_path, target], check=True)
    mutations = os.environ.get("WEFT_FUZZ_MUTATIONS", "300")
    last = tmp_path / "last-input"
    done = subprocess.run(
        [program, "--mutations", mutations, "--seed", os.environ.get("WEFT_FUZZ_SEED", "1"), tmp_path / target],
        capture_output=True, text=True, errors="replace", check=False, env={**os.environ, "WEFT_FUZZ_LAST_INPUT": str(last)},
    )
    assert done.returncode == 0, f"{done.stderr[-2000:]}\nthe last mutation is {last.read_bytes()[:2000] if last.exists() else None}"
