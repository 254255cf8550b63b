"""weft::tokenizer gives the ids and the text that Hugging Face's tokenizers gives, for every kind of byte-level file."""

from __future__ import annotations

import json
import os
import random
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import corpus
import synthetic_files
from tokenizers import Tokenizer

REAL = ["llama3", "phi-2", "falcon", "whisper-tiny", "roberta-base", "clip"]
KINDS = ["gpt2", "qwen2", "llama3", "o200k", "starcoder", "deepseek", "neox", "olmo", "flags", "overlaps"]
# How many generated texts each file gets; more take longer.
TEXTS = int(os.environ.get("WEFT_TOKENIZER_TEXTS", "1000"))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """saved(name) -> the path of a file of synthetic_files, made once."""
    folder = tmp_path_factory.mktemp("tokenizers")

    def save(name):
        path = folder / f"{name}.json"
        if not path.is_file():
            path.write_text(json.dumps(synthetic_files.FILES[name]()), encoding="utf-8")
        return path

    return save


def load(path):
    reference = Tokenizer.from_file(str(path))
    reference.no_truncation()
    reference.no_padding()
    return reference


def added_contents(reference):
    return [token.content for token in reference.get_added_tokens_decoder().values()]


def encode_all(reference, texts, specials):
    reference.encode_special_tokens = specials == "text"
    return [encoding.ids for encoding in reference.encode_batch(texts, add_special_tokens=False)]


def assert_all_equal(inputs, expected, got):
    for given, want, have in zip(inputs, expected, got, strict=True):
        assert have == want, f"for {given!a}"


def assert_equal_to_reference(ask, path, texts):
    reference = load(path)
    for specials in ("tokens", "text"):
        ids = encode_all(reference, texts, specials)
        assert_all_equal(texts, ids, ask(path, [{"encode": [[text, specials]]} for text in texts]))
        assert_decodes_as_reference(ask, path, reference, ids, specials)
    rng = random.Random(2)
    noise = [
        [rng.randrange(reference.get_vocab_size()) for _ in range(rng.randrange(1, 40))] for _ in range(len(texts) // 2)
    ]
    for specials in ("tokens", "text"):
        assert_decodes_as_reference(ask, path, reference, noise, specials)


def assert_decodes_as_reference(ask, path, reference, ids, specials):
    texts = reference.decode_batch(ids, skip_special_tokens=specials == "text")
    assert_all_equal(ids, texts, ask(path, [{"decode": tokens, "specials": specials} for tokens in ids]))
    pieces = ask(path, [{"stream": tokens, "specials": specials} for tokens in ids])
    assert_all_equal(ids, texts, ["".join(streamed) for streamed in pieces])


@pytest.mark.parametrize("name", REAL)
def test_published_file(ask, real_file, name):
    path = real_file(name)
    texts = corpus.torture() + corpus.random_texts(name, 2 * TEXTS, added_contents(load(path)))
    assert_equal_to_reference(ask, path, texts)


@pytest.mark.model
def test_default_model(ask, smollm2_file):
    texts = corpus.torture() + corpus.random_texts("smollm2", 2 * TEXTS, added_contents(load(smollm2_file)))
    assert_equal_to_reference(ask, smollm2_file, texts)


@pytest.mark.parametrize("name", KINDS)
def test_kind(ask, saved, name):
    path = saved(name)
    texts = corpus.torture() + corpus.random_texts(name, TEXTS, added_contents(load(path)))
    assert_equal_to_reference(ask, path, texts)


@pytest.mark.parametrize("name", [name for name in synthetic_files.FILES if name not in KINDS])
def test_variant(ask, saved, name):
    """Each component and option by itself."""
    path = saved(name)
    reference = load(path)
    texts = corpus.torture() + corpus.random_texts(name, TEXTS // 5, added_contents(reference))
    ids = encode_all(reference, texts, "tokens")
    assert_all_equal(texts, ids, ask(path, [{"encode": [[text, "tokens"]]} for text in texts]))
    want = reference.decode_batch(ids, skip_special_tokens=True)
    assert_all_equal(ids, want, ask(path, [{"decode": tokens, "specials": "text"} for tokens in ids]))


def exported_pre_tokenizers():
    """Name -> steps: one name for each of the splits that the exporter writes for GGUF files."""
    from weft.export.gguf_tokenizer import _PRE_TOKENIZERS

    return {json.dumps(steps): name for name, steps in reversed(_PRE_TOKENIZERS.items())}


@pytest.mark.parametrize(("steps", "name"), exported_pre_tokenizers().items(), ids=exported_pre_tokenizers().values())
def test_pre_tokenizer_of_an_exported_gguf(ask, saved, tmp_path, steps, name):
    data = json.loads(saved("gpt2").read_text(encoding="utf-8"))
    data["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": json.loads(steps)}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    texts = corpus.torture() + corpus.random_texts(name, TEXTS // 5)
    ids = encode_all(load(path), texts, "text")
    assert_all_equal(texts, ids, ask(path, [{"encode": [[text, "text"]]} for text in texts]))


def test_pieces_and_ids_are_those_of_the_reference(ask, saved):
    path = saved("neox")
    reference = load(path)
    vocabulary = reference.get_vocab(with_added_tokens=True)
    assert ask(path, [{"vocab_size": True}]) == [max(vocabulary.values()) + 1]
    assert ask(path, [{"find": piece} for piece in vocabulary]) == list(vocabulary.values())
    assert ask(path, [{"piece": id} for id in vocabulary.values()]) == list(vocabulary)
    special = [token.special for token in reference.get_added_tokens_decoder().values()]
    assert ask(path, [{"is_special": id} for id in reference.get_added_tokens_decoder()]) == special


# --- several authors ------------------------------------------------------------------------------------------------


def random_parts(rng, texts, specials):
    parts = []
    for _ in range(rng.randrange(1, 6)):
        text = "".join(rng.choice([rng.choice(texts), rng.choice(specials)]) for _ in range(rng.randrange(3)))
        parts.append([text, rng.choice(["text", "tokens"])])
    # Cut somewhere else than between words and tokens.
    if len(parts) > 1 and rng.random() < 0.5:
        joined = parts[0][0] + parts[1][0]
        cut = rng.randrange(len(joined) + 1)
        parts[0][0], parts[1][0] = joined[:cut], joined[cut:]
    return parts


def expected_ids(reference, parts, special):
    """What lies between the control tokens is one text each, in which control tokens mean nothing."""
    merged = []
    for text, specials in parts:
        if text and merged and merged[-1][1] == specials:
            merged[-1][0] += text
        elif text:
            merged.append([text, specials])
    ids, pending = [], ""
    pattern = "|".join(re.escape(token) for token in sorted(special, key=len, reverse=True))
    for text, specials in merged:
        done = 0
        for match in re.finditer(pattern, text) if specials == "tokens" else ():
            ids += encode_all(reference, [pending + text[done : match.start()]], "text")[0] + [special[match[0]]]
            pending, done = "", match.end()
        pending += text[done:]
    return ids + encode_all(reference, [pending], "text")[0]


@pytest.mark.parametrize("name", ["gpt2", "qwen2", "llama3", "starcoder", "o200k"])
def test_control_tokens_count_only_where_the_template_wrote_them(ask, saved, name):
    path = saved(name)
    reference = load(path)
    special = {token.content: id for id, token in reference.get_added_tokens_decoder().items() if token.special}
    rng = random.Random(name)
    texts = corpus.random_texts(name, 100)
    prompts = [random_parts(rng, texts, list(special)) for _ in range(TEXTS // 2)]
    want = [expected_ids(reference, parts, special) for parts in prompts]
    assert_all_equal(prompts, want, ask(path, [{"encode": parts} for parts in prompts]))


@pytest.mark.parametrize("name", ["neox", "flags", "overlaps"])
def test_parts_by_one_author_are_one_text(ask, saved, name):
    path = saved(name)
    rng = random.Random(name)
    texts = corpus.random_texts(name, TEXTS // 4, added_contents(load(path)))
    for specials in ("text", "tokens"):
        cuts = [sorted(rng.randrange(len(text) + 1) for _ in range(3)) for text in texts]
        whole = ask(path, [{"encode": [[text, specials]]} for text in texts])
        parts = [
            [[text[a:b], specials] for a, b in zip([0, *cut], [*cut, len(text)], strict=True)]
            for text, cut in zip(texts, cuts, strict=True)
        ]
        assert_all_equal(texts, whole, ask(path, [{"encode": part} for part in parts]))


@pytest.mark.parametrize("name", ["neox", "flags", "overlaps", "special_pieces"])
def test_no_text_of_a_user_becomes_a_control_token(ask, saved, name):
    path = saved(name)
    reference = load(path)
    special = {
        id for id, token in reference.get_added_tokens_decoder().items() if token.special and len(token.content) > 1
    }
    texts = corpus.torture() + corpus.random_texts(name, TEXTS // 2, added_contents(reference))
    for text, ids in zip(texts, ask(path, [{"encode": [[text, "text"]]} for text in texts]), strict=True):
        assert not special & set(ids), ascii(text)


# --- ill-formed UTF-8 -----------------------------------------------------------------------------------------------


def test_ill_formed_bytes_are_read_as_replacement_characters(ask, saved):
    path = saved("gpt2")
    reference = load(path)
    rng = random.Random(3)
    lead = [
        b"\xc3",
        b"\xe2\x82",
        b"\xf0\x9f\x98",
        b"\xed\xa0\x80",
        b"\xc0\xaf",
        b"\xf4\x90\x80\x80",
        b"\xff",
        b"\x80",
        b"a",
        "é".encode(),
        "😀".encode(),
    ]
    texts = [b"".join(rng.choice(lead) for _ in range(rng.randrange(1, 12))) for _ in range(TEXTS)]
    texts += [bytes(rng.randrange(256) for _ in range(rng.randrange(1, 40))) for _ in range(TEXTS)]
    # Python's "replace" is one U+FFFD for each maximal ill-formed subsequence.
    want = encode_all(reference, [text.decode("utf-8", "replace") for text in texts], "text")
    assert_all_equal(texts, want, ask(path, [{"encode_bytes": text.hex(), "specials": "text"} for text in texts]))
