"""weft::tokenizer gives the ids that llama.cpp gives for the vocabularies in its own test files."""

from __future__ import annotations

import struct

import gguf_files
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


def byte_level_file(tmp_path, tokens, types, merges):
    path = tmp_path / "file.gguf"
    values = {"model": "gpt2", "pre": "gpt-2", "tokens": tokens, "token_type": types, "merges": merges}
    path.write_bytes(gguf_files.gguf({f"tokenizer.ggml.{key}": value for key, value in values.items()}))
    return path


def test_what_tokens_of_other_types_are_decoded_to(ask, tmp_path):
    # Letters that would stand for bytes in the byte-level alphabet: of an ordinary token, of a user's, an unused and a control token.
    path = byte_level_file(tmp_path, ["b", "Ã", "¼", "ü", "[PAD7]", "é", "undefined", "Ã¼"], [1, 1, 1, 4, 5, 3, 0, 1], ["Ã ¼"])
    compiled = tmp_path / "tokenizer.weft"
    ask(path, [{"compile": str(compiled)}])
    for file in (path, compiled):
        wanted = {(1, 2): "ü", (3, 0): "üb", (4,): "", (0, 4, 0): "bb", (5, 6, 0): "éb", (1, 3, 2): "\ufffdü\ufffd"}
        for ids, decoded in wanted.items():
            whole, pieces = ask(file, [{"decode": ids, "specials": "tokens"}, {"stream": ids, "specials": "tokens"}])
            assert whole == "".join(pieces) == decoded, ids
        assert ask(file, [{"encode": [["übü", "text"]]}, {"decode": [5, 0], "specials": "text"}]) == [[3, 0, 3], "b"]


def test_nothing_merges_across_a_byte_that_the_vocabulary_lacks(ask, tmp_path):
    path = byte_level_file(tmp_path, ["Ġ", "ĠĠ", "a", "aa", "a" * 4], [1] * 5, ["Ġ Ġ", "a a", "aa aa"])
    compiled = tmp_path / "tokenizer.weft"
    ask(path, [{"compile": str(compiled)}])
    long = "a\x0b" * 50 + "aaaa"
    for file in (path, compiled):
        texts = {"  ": [1], " \x0b ": [0, 0], "\x0b": [], "\x0b  ": [1], "aa": [3], "a\x01a": [2, 2], long: [2] * 50 + [4]}
        for text, ids in texts.items():
            assert ask(file, [{"encode": [[text, "text"]]}]) == [ids], f"for {text!a}"
        (encoding,) = ask(file, [{"encoding": [[["a\x01a", "text"]], None], "options": {}}])
        assert encoding["offsets"] == [[0, 1], [2, 3]]


def test_versions_and_byte_orders_that_are_not_read(ask, tmp_path):
    path = tmp_path / "other.gguf"
    for head, message in ((struct.pack("<I", 1), "version 1 is not supported"), (struct.pack(">I", 3), "big-endian")):
        path.write_bytes(b"GGUF" + head + bytes(64))
        with pytest.raises(AssertionError, match=f"other.gguf: byte 4.*{message}"):
            ask(path, [])
