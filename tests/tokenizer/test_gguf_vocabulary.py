"""weft::tokenizer gives the ids that llama.cpp gives for the vocabularies in its own test files."""

from __future__ import annotations

import struct

import pytest

FILES = ["gguf-gpt-2/ggml-vocab-gpt-2.gguf", "gguf-llama-spm/ggml-vocab-llama-spm.gguf"]


@pytest.mark.parametrize("name", FILES)
def test_published_file(ask, shared_file, name):
    path = shared_file(name)
    # llama.cpp's own texts and ids; its tests parse control tokens.
    texts = path.with_suffix(".gguf.inp").read_bytes().decode().split("\n__ggml_vocab_test__\n")
    want = [[int(id) for id in line.split()] for line in path.with_suffix(".gguf.out").read_text().split("\n")]
    got = ask(path, [{"encode": [[text, "tokens"]]} for text in texts])
    for text, ids, ours in zip(texts, want, got, strict=False):
        assert ours == ids, f"for {text!a}"
    decoded = ask(path, [{"decode": ids, "specials": "tokens"} for ids in got])
    assert decoded == texts


def text(value):
    return struct.pack("<Q", len(value.encode())) + value.encode()


def gguf(*pairs):
    """A GGUF file without tensors. A pair is a key and its value, already with its type."""
    body = b"".join(text(key) + value for key, value in pairs)
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs)) + body


def string(value):
    return struct.pack("<I", 8) + text(value)


def strings(values):
    return struct.pack("<IIQ", 9, 8, len(values)) + b"".join(map(text, values))


def test_cut_files_are_errors(ask, tmp_path):
    whole = gguf(("tokenizer.ggml.model", string("gpt2")), ("tokenizer.ggml.tokens", strings(["a", "b"])))
    path = tmp_path / "cut.gguf"
    for size in range(4, len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(AssertionError, match="ends inside of its metadata"):
            ask(path, [])
        if size > 20:
            break


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([], "holds no tokenizer"),
        ([("tokenizer.ggml.model", string("plamo2"))], "plamo2.* is not supported; these are: bert"),
        ([("tokenizer.ggml.model", string("gpt2"))], "holds no vocabulary"),
        (
            [
                ("tokenizer.ggml.model", string("gpt2")),
                ("tokenizer.ggml.tokens", strings(["a"])),
                ("tokenizer.ggml.pre", string("unheard-of")),
            ],
            "unheard-of.* is not supported; these are: ",
        ),
        (
            [
                ("tokenizer.ggml.model", string("gpt2")),
                ("tokenizer.ggml.tokens", struct.pack("<IIQ", 9, 8, 1 << 60)),
            ],
            "ends inside of its metadata",
        ),
    ],
)
def test_wrong_files_are_errors(ask, tmp_path, pairs, message):
    path = tmp_path / "wrong.gguf"
    path.write_bytes(gguf(*pairs))
    with pytest.raises(AssertionError, match=message):
        ask(path, [])
