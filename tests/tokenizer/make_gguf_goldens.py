"""Writes gguf_goldens.json: what llama.cpp makes of the texts of test_llama_cpp.py. Needs llama-cpp-python.

python tests/tokenizer/make_gguf_goldens.py

Training isn't the same twice: the vocabularies stay those of the file that is there, if any.
"""

import base64
import io
import json
import re
import tempfile
from pathlib import Path

import gguf_files
import llama_cpp
import sentencepiece
from corpus import random_texts, torture
from llama_cpp_reference import LlamaCpp
from sentencepiece import sentencepiece_model_pb2
from test_llama_cpp import GOLDENS, checksum, comparable, golden_texts


def small_charsmap():
    """A map with rules of one and of several characters, as SentencePiece compiles it."""
    rules = {
        "\ufb01": "fi", "\u212b": "\xc5", "\u3000": " ", "\xa0": " ", "\uff46": "f", "\u2460": "1", "\xad": "", "e\u0301": "\xe9",
        "\u337f": "\u682a\u5f0f\u4f1a\u793e", "\t": " ",
    }
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "rules.tsv"
        table.write_text("".join(
            " ".join(f"{ord(c):X}" for c in source) + "\t" + " ".join(f"{ord(c):X}" for c in target) + "\n"
            for source, target in rules.items()))
        out = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["a b c d e f g h i j"] * 10), model_writer=out, vocab_size=30, hard_vocab_limit=False,
            normalization_rule_tsv=str(table), minloglevel=2)
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(out.getvalue())
    return model.normalizer_spec.precompiled_charsmap


def train():
    learned = [text for text in torture() + random_texts(7, 600) if comparable(text)]
    return {
        "bytes": gguf_files.train(learned, byte_level=True, size=900),
        "characters": gguf_files.train(learned, byte_level=False, size=1100),
    }


def main():
    vocabularies = json.loads(GOLDENS.read_text())["vocabularies"] if GOLDENS.exists() else train()
    charsmap = small_charsmap()
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, values in gguf_files.one_of_each(gguf_files.all_files(vocabularies, charsmap)).items():
            path = Path(folder) / "file.gguf"
            path.write_bytes(gguf_files.gguf(values))
            reference = LlamaCpp(path)
            results[name] = " ".join(checksum(reference.encode(text, add_special=True)) for text in golden_texts())
    data = {
        "made by": f"{Path(__file__).name} with llama-cpp-python {llama_cpp.__version__}",
        "vocabularies": vocabularies,
        "charsmap": base64.b64encode(charsmap).decode(),
        "results": results,
    }
    GOLDENS.write_text(re.sub(r'("tokens"|"merges"|"results"|"vocabularies")', r"\n\1", json.dumps(data, ensure_ascii=True)) + "\n")
    print(f"{GOLDENS}: {len(results)} files, {len(golden_texts())} texts, {GOLDENS.stat().st_size} bytes")


if __name__ == "__main__":
    main()
