"""Writes a small corpus for each fuzz target.

    python fuzz/make_corpus.py FOLDER [TARGET...]

Compiled tokenizers are made by the program tokenizer_jsonl of the build in WEFT_BUILD_DIR, or build/.
"""

import base64
import json
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "tokenizer"))

import corpus as texts  # noqa: E402
import gguf_files  # noqa: E402

WORDS = ["a", "b", "ab", "abc", " a", "the", "é", "字", "<s>", "</s>"]


def tokenizer_json():
    """Files that together have every component, cut down to a few pieces."""
    import synthetic_files

    for name, make in synthetic_files.FILES.items():
        data = json.loads(json.dumps(make()))
        model = data["model"]
        if isinstance(model.get("vocab"), dict) and len(model["vocab"]) > 400:
            kept = set(list(model["vocab"])[:300])
            model["vocab"] = {piece: id for piece, id in model["vocab"].items() if piece in kept}
            if "merges" in model:
                model["merges"] = [pair for pair in model["merges"] if {*pair, "".join(pair)} <= kept]
        elif isinstance(model.get("vocab"), list):
            model["vocab"] = model["vocab"][:200]
        yield name, json.dumps(data, ensure_ascii=False).encode()


def sentencepiece():
    from sentencepiece import sentencepiece_model_pb2 as proto

    for kind in (1, 2, 3, 4):
        for fallback in (False, True):
            model = proto.ModelProto()
            for piece, type in [("<unk>", 2), ("<s>", 3), ("</s>", 3), ("<sep>", 4), ("▁", 1), ("un", 5)]:
                model.pieces.add(piece=piece, score=-1.0, type=type)
            for rank, piece in enumerate(["a", "b", "ab", "▁a", "▁ab", "é", "u", "n"]):
                model.pieces.add(piece=piece, score=-2.0 - rank)
            if fallback:
                for byte in range(256):
                    model.pieces.add(piece=f"<0x{byte:02X}>", type=6)
            model.trainer_spec.model_type = kind
            model.trainer_spec.byte_fallback = fallback
            model.normalizer_spec.precompiled_charsmap = base64.b64decode(
                json.loads((ROOT / "tests/tokenizer/gguf_goldens.json").read_text())["charsmap"])
            yield f"{kind}-{fallback}", model.SerializeToString()


def tiktoken():
    ranks = [bytes([byte]) for byte in range(256)] + [b"he", b"ll", b"hell", b"hello", b" w", "é".encode()]
    lines = [base64.b64encode(token) + b" " + str(rank).encode() for rank, token in enumerate(ranks)]
    yield "ranks", b"\n".join(lines) + b"\n"
    yield "hole", b"\n".join(lines[:100] + lines[101:])
    yield "crlf", b"\r\n".join(lines)
    # Found by fuzzing: what an error quotes need not be UTF-8, and may end within a character.
    yield "ill-formed", b"AA== 1\nAQ== 1\nA\0Q=\1\x1f\xff\xff\xe0\xcf\xf4\xfb\xff\xff\xff\xff "
    yield "half-a-character", b"AA== 1\nAQ== 1\nQQ== \xf0"


def tekken():
    ranks = [bytes([byte]) for byte in range(256)] + [b"he", b"ll", b"hello"]
    vocab = [{"rank": rank, "token_bytes": base64.b64encode(token).decode(), "token_str": None} for rank, token in enumerate(ranks)]
    config = {"pattern": r"\p{L}+|\s+|.", "num_vocab_tokens": len(vocab), "default_vocab_size": len(vocab) + 4,
              "default_num_special_tokens": 4, "version": "v3"}
    yield "old", json.dumps({"config": config, "vocab": vocab}).encode()
    special = [{"rank": 0, "token_str": "<unk>", "is_control": True}, {"rank": 1, "token_str": "<s>", "is_control": True}]
    yield "new", json.dumps({"config": config, "vocab": vocab, "special_tokens": special}).encode()


def llama2c():
    pieces = [b"<unk>", b"\n<s>\n", b"\n</s>\n"] + [f"<0x{byte:02X}>".encode() for byte in range(256)] + [b" ", b"a", b"b", b"ab", b" a"]
    longest = max(map(len, pieces))
    yield "small", struct.pack("<i", longest) + b"".join(
        struct.pack("<fi", -float(rank), len(piece)) + piece for rank, piece in enumerate(pieces))


def gguf():
    small = {"tokens": [chr(c) for c in range(0x21, 0x7F)] + ["▁", "ab", "▁a", "▁ab", "é", "<0x41"], "merges": ["a b", "▁ a", "▁a b"]}
    byte_level = {"tokens": [*small["tokens"], "Ġ", "Ġa", "Ã"], "merges": ["a b", "Ġ a"]}
    charsmap = base64.b64decode(json.loads((ROOT / "tests/tokenizer/gguf_goldens.json").read_text())["charsmap"])
    files = gguf_files.all_files({"bytes": byte_level, "characters": small}, charsmap)
    for name, values in gguf_files.one_of_each(files).items():
        yield name, gguf_files.gguf(values)


def compiled():
    """What stands behind the header of compiled files, of every kind of model and of component."""
    program = Path(os.environ.get("WEFT_BUILD_DIR", ROOT / "build")) / "bin" / "tokenizer_jsonl"
    header_bytes = 64
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "source", Path(folder) / "compiled"
        for make in (tokenizer_json, sentencepiece, llama2c, gguf):
            for name, data in make():
                source.write_bytes(data)
                out.unlink(missing_ok=True)
                # Some files are meant to be refused, and some have pieces that can't be compiled.
                subprocess.run([program, source, "{}"], input=json.dumps({"compile": str(out)}) + "\n", text=True,
                               capture_output=True, check=False)
                if out.exists() and out.stat().st_size < 1 << 16:
                    yield f"{make.__name__}-{name}", out.read_bytes()[header_bytes:]


def regex():
    import synthetic_files

    patterns = [*synthetic_files.PATTERNS.values()] if isinstance(synthetic_files.PATTERNS, dict) else list(synthetic_files.PATTERNS)
    patterns += [r"(a|b|ab)*+c", r"(?<!x)(?:y{2,3}?|\p{^Lu}[[:alpha:]&&[^a-f]])+", r"^\s*$|\bword\B", r"(?i:stra(?:ß|ss)e)", r"\X\h\R(?#c)", "[\\x{1F600}-\\x{1F64F}]"]
    sample = "".join(texts.CONTRACTIONS + texts.NUMBERS)[:200]
    for index, pattern in enumerate(patterns):
        if isinstance(pattern, str):
            yield str(index), f"{pattern}\n{sample}".encode()


def encode():
    for index, text in enumerate(texts.torture()[::4] + texts.random_texts(5, 40, ["<s>", "  <t>"])):
        yield str(index), text.encode()
    yield "ill-formed", b"\xff\xc3\xe2\x82 \xf0\x9f\x98a\xed\xa0\x80\x00"


def template():
    yield "chatml", b"""{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] | trim }}{% endfor %}"""
    yield "tools", b"""{%- if tools %}{{ tools | tojson(indent=2) }}{% endif %}{% set ns = namespace(n=0) %}{% for m in messages if m.role != 'x' %}
{%- set ns.n = ns.n + 1 %}{{ loop.index0 ~ m.content[1:3] }}{% if loop.last and not m.tool_calls is defined %}{{ eos_token }}{% endif %}{% endfor %}"""
    yield "macro", b"""{% macro f(a, b=2) -%}{{ a * b }}{%- endmacro %}{{ f(3) }}{{ [1, 2] | map('string') | join(', ') }}{{ raise_exception('no') }}"""


TARGETS = {f.__name__: f for f in (tokenizer_json, sentencepiece, tiktoken, tekken, llama2c, gguf, compiled, regex, encode, template)}


def main(folder, *targets):
    for target in targets or TARGETS:
        place = Path(folder) / target
        place.mkdir(parents=True, exist_ok=True)
        for name, data in TARGETS[target]():
            (place / name.replace("/", "_").replace(" ", "_")).write_bytes(data)


if __name__ == "__main__":
    main(*sys.argv[1:])
