"""weft::tokenizer gives the ids and the text that the sentencepiece package gives, for every kind of `.model`."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

spm = pytest.importorskip("sentencepiece")

import corpus  # noqa: E402
import random_models  # noqa: E402
import synthetic_models  # noqa: E402
from test_random_files import FILES, FIRST, GROUP  # noqa: E402

REAL = [
    "bpemb-en/en.wiki.bpe.model",
    "spm-test/test_model.model",
    "spm-test-ja/test_ja_model.model",
    "xlnet/spiece.model",
    "llama2c/tokenizer.model",
    "mistral-v1/tokenizer.model",
]
# How many generated texts each file gets; more take longer.
TEXTS = int(os.environ.get("WEFT_TOKENIZER_TEXTS", "500"))


def assert_all_equal(inputs, expected, got):
    for given, want, have in zip(inputs, expected, got, strict=True):
        assert have == want, f"for {given!a}"


def offsets_of(reference, text, by_word):
    """The library's offsets in bytes; but what became bytes, a character or `by_word` a word, is each one's, not the last one's alone."""
    pieces = reference.encode(text, return_type="proto").pieces
    offsets = [[piece.begin, piece.end] for piece in pieces]
    for i in range(len(pieces) - 2, -1, -1):
        # Of two characters that one became, the first has nothing: a byte's place is that of the bytes that continue it.
        continues = by_word or (reference.is_byte(pieces[i + 1].id) and pieces[i + 1].piece[3:4] in "89AB")
        if reference.is_byte(pieces[i].id) and continues and offsets[i][0] == pieces[i].end and offsets[i + 1][0] == offsets[i][0]:
            offsets[i][1] = offsets[i + 1][1]
    return offsets


def assert_equal_to_reference(ask, path, streams=True):
    reference = spm.SentencePieceProcessor(model_file=str(path))
    pieces = [reference.id_to_piece(id) for id in range(reference.vocab_size())]
    texts = corpus.torture() + corpus.random_texts(path.name, TEXTS, pieces[:20])
    ids = reference.encode(texts)
    assert_all_equal(texts, ids, ask(path, [{"encode": [[text, "text"]]} for text in texts]))

    options = {"add_special_tokens": False}
    encodings = ask(path, [{"encoding": [[[text, "text"]], None], "options": options} for text in texts])
    expected = [offsets_of(reference, text, path.name.startswith("word")) for text in texts]
    assert_all_equal(texts, expected, [encoding["offsets"] for encoding in encodings])

    rng = random.Random(2)
    ids += [[rng.randrange(len(pieces)) for _ in range(rng.randrange(1, 40))] for _ in range(TEXTS)]
    decoded = [reference.decode(tokens) for tokens in ids]
    assert_all_equal(ids, decoded, ask(path, [{"decode": tokens, "specials": "text"} for tokens in ids]))
    if streams:
        streamed = ask(path, [{"stream": tokens, "specials": "text"} for tokens in ids])
        assert_all_equal(ids, decoded, ["".join(parts) for parts in streamed])


@pytest.mark.parametrize("name", REAL)
def test_published_file(ask, shared_file, name):
    assert_equal_to_reference(ask, shared_file(name))


@pytest.mark.parametrize("name", synthetic_models.FILES)
def test_kind(ask, tmp_path, name):
    path = tmp_path / f"{name}.model"
    path.write_bytes(synthetic_models.FILES[name]())
    # A denormalizer changes what is already out when more comes: no stream can be equal to it.
    assert_equal_to_reference(ask, path, streams="denormalizer" not in name)


@pytest.mark.parametrize("start", range(FIRST, FIRST + FILES, GROUP))
def test_random_changes(ask, tmp_path, start):
    """What one reads the other reads, to the same ids and texts."""
    path = tmp_path / "random.model"
    for seed in range(start, start + GROUP):
        data, what = random_models.make(seed)
        path.write_bytes(data)
        try:
            reference = spm.SentencePieceProcessor(model_proto=data)
        except RuntimeError:  # such as two pieces of one text
            with pytest.raises(AssertionError):
                ask(path, [])
            continue
        rng = random.Random(seed)
        pieces = [reference.id_to_piece(id) for id in range(reference.vocab_size())]
        texts = rng.sample(corpus.torture(), 25) + corpus.random_texts(seed, 40, rng.sample(pieces, 20))
        ids = reference.encode(texts)
        for text, want, have in zip(texts, ids, ask(path, [{"encode": [[text, "text"]]} for text in texts]), strict=True):
            assert have == want, f"seed {seed}, {what}: {text!a}"
        ids += [[rng.randrange(len(pieces)) for _ in range(rng.randrange(1, 40))] for _ in range(60)]
        for tokens, have in zip(ids, ask(path, [{"decode": tokens, "specials": "text"} for tokens in ids]), strict=True):
            assert have == reference.decode(tokens), f"seed {seed}, {what}: {tokens}"


def test_pieces_and_ids_are_those_of_the_reference(ask, tmp_path):
    path = tmp_path / "symbols.model"
    path.write_bytes(synthetic_models.FILES["bpe_symbols"]())
    reference = spm.SentencePieceProcessor(model_file=str(path))
    ids = range(reference.vocab_size())
    assert ask(path, [{"vocab_size": True}]) == [reference.vocab_size()]
    assert ask(path, [{"piece": id} for id in ids]) == [reference.id_to_piece(id) for id in ids]
    assert ask(path, [{"find": reference.id_to_piece(id)} for id in ids]) == list(ids)
    assert ask(path, [{"is_special": id} for id in ids]) == [reference.is_control(id) for id in ids]


def test_control_symbols_are_found_where_they_are_trusted(ask, tmp_path):
    """What lies between two of them is encoded by itself, as a text of its own."""
    path = tmp_path / "symbols.model"
    path.write_bytes(synthetic_models.FILES["bpe_symbols_raw"]())
    reference = spm.SentencePieceProcessor(model_file=str(path))
    inst, end = reference.piece_to_id("[INST]"), reference.piece_to_id("</s>")
    (ids,) = ask(path, [{"encode": [["[INST]hello world</s>x", "tokens"]]}])
    assert ids == [inst, *reference.encode("hello world"), end, *reference.encode("x")]
    assert ask(path, [{"decode": ids, "specials": "tokens"}]) == ["[INST]hello world</s>x"]
    (ids,) = ask(path, [{"encode": [["[INST]", "tokens"], ["a</s>b", "text"]]}])
    assert ids == [inst, *reference.encode("a</s>b")]


def test_ill_formed_bytes_are_read_as_replacement_characters(ask, tmp_path):
    path = tmp_path / "bytes.model"
    path.write_bytes(synthetic_models.FILES["bpe_bytes"]())
    reference = spm.SentencePieceProcessor(model_file=str(path))
    rng = random.Random(4)
    texts = [bytes(rng.randrange(256) for _ in range(rng.randrange(1, 40))) for _ in range(TEXTS)]
    want = reference.encode([text.decode("utf-8", "replace") for text in texts])
    assert_all_equal(texts, want, ask(path, [{"encode_bytes": text.hex(), "specials": "text"} for text in texts]))
