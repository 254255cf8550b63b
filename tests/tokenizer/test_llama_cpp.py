"""Every kind of vocabulary that a GGUF file may have gives llama.cpp's ids.

What llama.cpp answers is in gguf_goldens.json (make_gguf_goldens.py). Where llama-cpp-python is installed, it is also asked
itself, about many more texts: WEFT_TOKENIZER_TEXTS says how many.
"""

import base64
import json
import os
import re
import zlib
from importlib.util import find_spec
from pathlib import Path

import gguf_files
import pytest
from corpus import random_texts, torture

GOLDENS = Path(__file__).with_name("gguf_goldens.json")
SPECIALS = [token for token, _ in gguf_files.SPECIALS] + ["<s>", "</s>", "[SEP]", "[UNK]", "<unk>", "<extra_id_0>"]
# llama.cpp 0.3.36 has the tables of Unicode 15.1, where these are unassigned; weft knows what they have become since.
NEW_SINCE_UNICODE_15 = re.compile(
    "[\u0897\u1b4e\u1b4f\u1b7f\u1c89\u1c8a\u2427-\u2429\u31e4\u31e5\ua7cb-\ua7cf\ua7d2\ua7d4\ua7da-\ua7dc\U000105c0-\U000105f3"
    "\U00010d40-\U00010d8f\U00010ec2-\U00010ec4\U00010efc\U00011380-\U000113e2\U000116d0-\U000116e3\U00011bc0-\U00011bf9"
    "\U00011f5a\U00013460-\U000143fa\U00016100-\U00016139\U00016d40-\U00016d79\U00016ea0-\U00016ed3\U00018cff\U0001cc00-\U0001ceb3"
    "\U0001e5d0-\U0001e5ff\U0001f8b2-\U0001f8c1\U0001fa89\U0001fa8f\U0001fabe\U0001fac6\U0001fadc\U0001fadf\U0001fae9"
    "\U0001fbcb-\U0001fbef]"
)


def comparable(text):
    # llama.cpp's UGM takes the start of a user-defined token ("<e" of "<extra_id_0>") for all of it, and then maps no
    # character that begins inside: a mistake that isn't followed.
    return not NEW_SINCE_UNICODE_15.search(text) and "<e\u0301" not in text


def checksum(ids):
    return f"{zlib.crc32(json.dumps(ids).encode()):08x}"


def golden_texts():
    texts = torture()[::5] + random_texts(11, 120, SPECIALS)
    return [text for text in texts if comparable(text)]


def every_character():
    """All code points, some glued together, some between letters and numbers."""
    points = [c for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000]
    texts = ["a1 ".join(map(chr, points[i : i + 200])) for i in range(0, 0x30000, 200)]
    return [NEW_SINCE_UNICODE_15.sub("", text) for text in texts]


def files():
    data = json.loads(GOLDENS.read_text())
    return gguf_files.all_files(data["vocabularies"], base64.b64decode(data["charsmap"])), data["results"]


FILES, RESULTS = files()


def encodings(ask, tmp_path, name, texts):
    path = tmp_path / "file.gguf"
    path.write_bytes(gguf_files.gguf(FILES[name]))
    options = {"add_special_tokens": True, "fields": 1}
    return [answer["ids"] for answer in ask(path, [{"encoding": [[[text, "tokens"]], None], "options": options} for text in texts])]


@pytest.mark.parametrize("name", RESULTS)
def test_goldens(ask, tmp_path, name):
    texts = golden_texts()
    for text, ids, want in zip(texts, encodings(ask, tmp_path, name, texts), RESULTS[name].split(), strict=True):
        assert checksum(ids) == want, f"{ids} for {text!a}"


@pytest.mark.parametrize("name", FILES)
def test_every_file_loads(ask, tmp_path, name):
    assert encodings(ask, tmp_path, name, [""]) is not None


@pytest.mark.parametrize("name", RESULTS)
def test_the_compiled_form_answers_the_same(ask, tmp_path, name):
    path, compiled = tmp_path / "file.gguf", tmp_path / "tokenizer.weft"
    path.write_bytes(gguf_files.gguf(FILES[name]))
    size, _ = ask(path, [{"vocab_size": True}, {"compile": str(compiled)}])
    texts = golden_texts()[::3] + [f"a {special}{blank} b" for special in SPECIALS for blank in (" ", "\t", "\x85", "\xa0", "\u3000")]
    asked = [{"encoding": [[[text, "tokens"]], None]} for text in texts]
    asked += [{kind: [id], "specials": specials} for kind in ("decode", "stream") for id in range(size) for specials in ("text", "tokens")]
    for question, want, have in zip(asked, ask(path, asked), ask(compiled, asked), strict=True):
        assert have == want, f"for {question!a}"


NOT_INSTALLED = pytest.mark.skip(reason="llama-cpp-python isn't installed: compared with gguf_goldens.json only")


@pytest.mark.parametrize("name", FILES if find_spec("llama_cpp") else [pytest.param("every file", marks=NOT_INSTALLED)])
def test_llama_cpp_itself(ask, tmp_path, name):
    from llama_cpp_reference import LlamaCpp

    count = int(os.environ.get("WEFT_TOKENIZER_TEXTS", "300"))
    texts = [text for text in torture() + random_texts(3, count, SPECIALS) if comparable(text)]
    if name in RESULTS:
        texts += every_character()
    ours = encodings(ask, tmp_path, name, texts)
    reference = LlamaCpp(tmp_path / "file.gguf")
    for text, ids in zip(texts, ours, strict=True):
        assert ids == reference.encode(text, add_special=True), f"for {text!a}"
    tokens, types = FILES[name]["tokenizer.ggml.tokens"], FILES[name]["tokenizer.ggml.token_type"]
    control = [token for token, kind in zip(tokens, types, strict=True) if kind in (gguf_files.CONTROL, gguf_files.UNKNOWN)]
    # What is no character any more when it is decoded aside, the pieces are the text.
    some = ours[:200]
    decoded = ask(tmp_path / "file.gguf", [{"decode": ids, "specials": "tokens"} for ids in some])
    for text, ids, answer in zip(texts, some, decoded, strict=False):
        try:
            pieces = reference.decode(ids).decode()
        except UnicodeDecodeError:
            continue
        if "[UNK_BYTE_" in pieces:  # what llama.cpp makes of letters that stand for no byte; here they stand for themselves
            continue
        if FILES[name].get("tokenizer.ggml.add_space_prefix", name == "spm"):
            pieces = pieces.removeprefix(" ")
            for special in control:  # what follows one is decoded as a text's beginning is (docs/tokenizer.md)
                pieces = pieces.replace(special + " ", special)
        assert answer == pieces, f"for {text!a}"
