"""weft::tokenizer gives the ids, the offsets and the text that Hugging Face's tokenizers gives, for every kind of file.

WEFT_TOKENIZER_TEXTS=100000 python -m pytest tests/tokenizer compares that many generated texts for each published file
and each kind.
"""

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

REAL = [
    "bert-base-uncased", "chatglm", "clip", "falcon", "llama3", "nmt", "phi-2", "phi-3-mini", "roberta-base", "t5-small",
    "whisper-tiny",
]  # fmt: skip
KINDS = ["gpt2", "qwen2", "llama3", "o200k", "starcoder", "deepseek", "neox", "olmo", "flags", "overlaps"]
KINDS += synthetic_files.TEXT_KINDS
# How many generated texts each file gets; more take longer.
TEXTS = int(os.environ.get("WEFT_TOKENIZER_TEXTS", "400"))
CHUNK = 5000  # texts that are compared at a time


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


def encode_batch(reference, inputs, add_special_tokens):
    """The reference's encodings; None where it panics, as it does on some overlaps of added tokens."""
    try:
        return reference.encode_batch(inputs, add_special_tokens=add_special_tokens)
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        if len(inputs) == 1:
            return [None]
    half = len(inputs) // 2
    return [
        encoding
        for part in (inputs[:half], inputs[half:])
        for encoding in encode_batch(reference, part, add_special_tokens)
    ]


def encode_all(reference, texts, specials):
    reference.encode_special_tokens = specials == "text"
    return [None if encoding is None else encoding.ids for encoding in encode_batch(reference, texts, False)]


def assert_all_equal(inputs, expected, got):
    for given, want, have in zip(inputs, expected, got, strict=True):
        if want is not None:
            assert have == want, f"for {given!a}"


def byte_places(text):
    """Where each character of `text` starts in its UTF-8, and where the text ends."""
    places = [0]
    for character in text:
        places.append(places[-1] + len(character.encode()))
    return places


def fields_of(encoding, *texts):
    """A reference's encoding as tokenizer_jsonl writes one; its offsets are in characters."""
    places = [byte_places(text) for text in texts]
    sequences = [0 if s is None else s for s in encoding.sequence_ids]
    if len(texts) == 2 and encoding.n_sequences == 1:  # truncation without a post-processor forgets them
        sequences = [min(type_id, 1) for type_id in encoding.type_ids]
    return {
        "size": len(encoding.ids),
        "ids": encoding.ids,
        "offsets": [
            [places[s][min(a, len(texts[s]))], places[s][min(b, len(texts[s]))]]
            for (a, b), s in zip(encoding.offsets, sequences, strict=True)
        ],
        "words": [-1 if word is None else word for word in encoding.word_ids],
        "type_ids": encoding.type_ids,
        "specials_mask": encoding.special_tokens_mask,
        "attention_mask": encoding.attention_mask,
        # Where both of a pair were cut, the library's parts repeat others of the list as their own overflowing ones.
        "overflowing": [fields_of(part, *texts) | {"overflowing": []} for part in encoding.overflowing],
    }


def assert_encodings_equal(ask, path, reference, inputs, options=None):
    """Of texts, or of pairs, everything that an Encoding holds."""
    options = options or {}
    reference.encode_special_tokens = False
    add = options.get("add_special_tokens", True)
    pairs = [(text, None) if isinstance(text, str) else text for text in inputs]
    want = [
        None if encoding is None else fields_of(encoding, *(text for text in pair if text is not None))
        for pair, encoding in zip(pairs, encode_batch(reference, inputs, add), strict=True)
    ]
    questions = [
        {"encoding": [[[a, "tokens"]], None if b is None else [[b, "tokens"]]], "options": options} for a, b in pairs
    ]
    for pair, expected, got in zip(pairs, want, ask(path, questions), strict=True):
        assert "error" not in got, f"for {pair!a}: {got}"
        for field in expected or ():
            assert got[field] == expected[field], f"{field} for {pair!a}"


def assert_text_is_text(ask, path, reference, texts):
    """Control tokens that mean nothing: equal to the reference, unless its model makes them of text by itself."""
    special = {id for id, token in reference.get_added_tokens_decoder().items() if token.special}
    special -= {reference.token_to_id(getattr(reference.model, "unk_token", None) or "<unk>")}
    ids = encode_all(reference, texts, "text")
    for text, want, have in zip(texts, ids, ask(path, [{"encode": [[text, "text"]]} for text in texts]), strict=True):
        if want is not None and special.isdisjoint(want):
            assert have == want, f"for {text!a}"
    return ids


def in_chunks(items):
    return [items[i : i + CHUNK] for i in range(0, len(items), CHUNK)]


def assert_equal_to_reference(ask, path, all_texts):
    reference = load(path)
    rng = random.Random(2)
    for texts in in_chunks(all_texts):
        ids = encode_all(reference, texts, "tokens")
        assert_all_equal(texts, ids, ask(path, [{"encode": [[text, "tokens"]]} for text in texts]))
        assert_decodes_as_reference(ask, path, reference, ids, "tokens")
        as_text = assert_text_is_text(ask, path, reference, texts)
        assert_decodes_as_reference(ask, path, reference, as_text, "text")
        size = reference.get_vocab_size()
        noise = [[rng.randrange(size) for _ in range(rng.randrange(1, 40))] for _ in range(len(texts) // 4)]
        for specials in ("tokens", "text"):
            assert_decodes_as_reference(ask, path, reference, noise, specials)
        assert_encodings_equal(ask, path, reference, texts)
        pairs = list(zip(texts[::7], texts[3::7], strict=False))
        assert_encodings_equal(ask, path, reference, pairs)
        counts = [tokens if tokens is None else len(tokens) for tokens in ids[::5]]
        assert_all_equal(texts[::5], counts, ask(path, [{"count": text, "specials": "tokens"} for text in texts[::5]]))


def assert_decodes_as_reference(ask, path, reference, ids, specials):
    ids = [tokens for tokens in ids if tokens is not None]
    texts = reference.decode_batch(ids, skip_special_tokens=specials == "text")
    assert_all_equal(ids, texts, ask(path, [{"decode": tokens, "specials": specials} for tokens in ids]))
    pieces = ask(path, [{"stream": tokens, "specials": specials} for tokens in ids])
    assert_all_equal(ids, texts, ["".join(streamed) for streamed in pieces])


@pytest.mark.parametrize("name", REAL)
def test_published_file(ask, real_file, name):
    path = real_file(name)
    texts = corpus.torture() + corpus.random_texts(name, TEXTS, added_contents(load(path)))
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


BERT = [f"normalizer_{name}" for name in ("bert", "bert_clean", "bert_chinese", "bert_accents", "bert_cased")]


@pytest.mark.parametrize("name", BERT)
def test_long_runs_of_ascii_between_other_characters(ask, saved, name):
    path = saved(name)
    rng = random.Random(name)
    units = ["é", "e\u0301", "\u0301", "\u0316", "\u302e", "\u3099", "字", "Å", "İ", "Σ", "\u200d", "\x01", "\x7f", "\0", "\ufffd", "\x85", "\u3000"]
    texts = []
    for _ in range(TEXTS // 2):
        parts = []
        for _ in range(rng.randrange(1, 6)):
            parts += rng.choices(units, k=rng.randrange(4))
            ascii_units = rng.choice(["aB ", "\x01\x02", "\t\n\r X", "a\x01", "Zz.,!"])
            parts += rng.choices(ascii_units, k=rng.choice([1, 5, 31, 32, 33, 64, 100]))
        texts.append("".join(parts))
    assert_equal_to_reference(ask, path, texts)


@pytest.mark.parametrize("name", [name for name in synthetic_files.FILES if name not in KINDS])
def test_variant(ask, saved, name):
    """Each component and option by itself."""
    path = saved(name)
    reference = load(path)
    texts = corpus.torture()[::3] + corpus.random_texts(name, TEXTS // 4, added_contents(reference))
    ids = encode_all(reference, texts, "tokens")
    assert_all_equal(texts, ids, ask(path, [{"encode": [[text, "tokens"]]} for text in texts]))
    assert_decodes_as_reference(ask, path, reference, ids, "text")
    assert_encodings_equal(ask, path, reference, texts[::2])
    if name.startswith("decoder"):
        rng = random.Random(name)
        noise = [[rng.randrange(reference.get_vocab_size()) for _ in range(rng.randrange(20))] for _ in range(TEXTS)]
        for specials in ("tokens", "text"):
            assert_decodes_as_reference(ask, path, reference, noise, specials)
    if name.startswith("post_processor"):
        pairs = list(zip(texts[::5], texts[3::5], strict=False))
        assert_encodings_equal(ask, path, reference, pairs)
        for inputs in (texts[::5], pairs):
            assert_encodings_equal(ask, path, reference, inputs, {"add_special_tokens": False})


# --- truncation and padding -------------------------------------------------------------------------------------------

TRUNCATED = ["post_processor_template", "post_processor_bert", "post_processor_roberta", "word_level", "post_processor_sequence"]


@pytest.mark.parametrize("name", TRUNCATED)
def test_truncation_and_padding(ask, saved, name):
    path = saved(name)
    rng = random.Random(name)
    texts = [text for text in corpus.random_texts(name, TEXTS // 4, added_contents(load(path))) if text]
    pairs = list(zip(texts, texts[::-1], strict=True))
    for _ in range(12):
        reference = load(path)
        truncation = {
            "max_length": rng.choice((5, 6, 7, 12, 30)),
            "stride": rng.choice((0, 0, 1)),
            "strategy": rng.choice(("longest_first", "longest_first", "only_first", "only_second")),
            "direction": rng.choice(("left", "right")),
        }
        padding = {
            "direction": rng.choice(("left", "right")),
            "pad_id": rng.choice((0, 1)),
            "pad_type_id": rng.choice((0, 3)),
            "length": rng.choice((None, None, 8, 16)),
            "pad_to_multiple_of": rng.choice((None, 8)),
        }
        reference.enable_truncation(**truncation)
        reference.enable_padding(**padding)
        options = {"truncation": truncation, "padding": {k: v for k, v in padding.items() if v is not None}}
        inputs = [(text, None) for text in texts[:15]] + pairs[:15]
        questions = [
            {"encoding": [None if text is None else [[text, "tokens"]] for text in pair], "options": options}
            for pair in inputs
        ]
        for pair, got in zip(inputs, ask(path, questions), strict=True):
            try:
                want = reference.encode(*pair)  # one by one: a batch would be padded to its longest
            except BaseException as error:  # the library panics on some strides
                assert "error" in got, f"{error} for {pair!a} with {options}"
                continue
            assert "error" not in got, f"{got} for {pair!a} with {options}"
            want = fields_of(want, *(text for text in pair if text is not None))
            for field in want:
                assert got[field] == want[field], f"{field} for {pair!a} with {options}"


def test_a_file_says_how_it_truncates_and_pads(ask, saved, tmp_path):
    reference = load(saved("post_processor_template"))
    reference.enable_truncation(9, stride=2, strategy="longest_first", direction="left")
    reference.enable_padding(direction="left", pad_id=2, pad_type_id=1, pad_token="</s>", length=12)
    path = tmp_path / "tokenizer.json"
    reference.save(str(path))
    assert_encodings_equal(ask, path, reference, corpus.torture()[::4], {"as_file_says": True})
    plain = load(path)
    assert_encodings_equal(ask, path, plain, corpus.torture()[::9])


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


# --- damaged files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["llama2", "word_piece", "unigram_t5", "post_processor_sequence", "clip"])
def test_a_damaged_file_is_an_error_or_a_tokenizer(ask_raw, saved, tmp_path, name):
    whole = saved(name).read_bytes()
    path = tmp_path / "damaged.json"
    rng = random.Random(name)
    for _ in range(max(20, TEXTS // 20)):
        data = bytearray(whole)
        if rng.random() < 0.3:
            del data[rng.randrange(len(data)) :]
        for _ in range(rng.randrange(4)):
            # Most of a file is its vocabulary; what says how things are done is at its start.
            place = rng.randrange(min(len(data), 4000)) if rng.random() < 0.7 else rng.randrange(len(data) or 1)
            if place < len(data):
                data[place] = rng.choice(b'[]{}",:0123456789-eul\\ \xff\x00') if rng.random() < 0.8 else rng.randrange(256)
        path.write_bytes(data)
        done = ask_raw(path, [{"encoding": [[["Hello <s> wörld 你好\n", "tokens"]], None]}, {"decode": [0, 1, 2, 5], "specials": "text"}])
        assert done.returncode in (0, 1), done.stderr
        if done.returncode == 1:
            assert done.stderr.startswith(str(path)), done.stderr
