#!/usr/bin/env python3
"""Writes gguf_goldens.json: what llama.cpp makes of texts, for small vocabularies in GGUF files.

    pip install llama-cpp-python==0.3.36 tokenizers==0.23.3 sentencepiece==0.2.3
    python make_gguf_goldens.py > gguf_goldens.json

Kept because llama-cpp-python takes ten minutes to build. synthetic_gguf.py makes the same files for the test.
"""

import json
import sys
import tempfile
from pathlib import Path

import corpus
import synthetic_gguf
from llama_cpp import Llama


def main():
    texts = synthetic_gguf.texts()
    goldens = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, make in synthetic_gguf.FILES.items():
            path = Path(folder) / f"{name}.gguf"
            path.write_bytes(make())
            try:
                model = Llama(str(path), vocab_only=True, verbose=False)
            except Exception as error:
                print(name, error, file=sys.stderr)
                continue
            goldens[name] = [model.tokenize(text.encode(), add_bos=False, special=False) for text in texts]
    json.dump(goldens, sys.stdout, separators=(",", ":"))


if __name__ == "__main__":
    main()
