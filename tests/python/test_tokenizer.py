"""weft.Tokenizer: the same ids as the library that wrote the file, NumPy in and out, errors with their code."""

import sys
import threading

import numpy as np
import pytest
from tiny_models import tiny_tokenizer

import weft

TEXTS = ["", "hello world", "the quick brown fox\n\n  jumps", "naïve 你好 🦜", "<|im_start|>user", "a\u0000b"]


@pytest.fixture(scope="module")
def reference():
    return tiny_tokenizer()


@pytest.fixture(scope="module")
def tokenizer(reference, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    reference.save_pretrained(folder)
    return weft.Tokenizer.load(folder / "tokenizer.json")


@pytest.mark.parametrize("text", TEXTS)
def test_control_tokens_are_the_references(tokenizer, reference, text):
    ids = tokenizer.encode(text, specials=weft.Specials.AS_TOKENS)
    assert isinstance(ids, np.ndarray) and ids.dtype == np.int32
    assert ids.tolist() == reference.encode(text, add_special_tokens=False)


def test_a_saved_one_answers_alike(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "tokenizer.weft")
    again = weft.Tokenizer.load(tmp_path / "tokenizer.weft")
    for text in TEXTS:
        ids = tokenizer.encode(text, specials=weft.Specials.AS_TOKENS)
        assert again.encode(text, specials=weft.Specials.AS_TOKENS).tolist() == ids.tolist()
        assert again.decode(ids) == tokenizer.decode(ids)
    with pytest.raises(weft.Error, match="can't be written"):
        tokenizer.save(tmp_path / "none" / "tokenizer.weft")


def test_a_users_text_makes_no_control_token(tokenizer, reference):
    ids = tokenizer.encode("<|im_start|>user")
    assert not any(tokenizer.is_special(token) for token in ids.tolist())
    assert tokenizer.decode(ids) == "<|im_start|>user"
    assert reference.convert_tokens_to_ids("<|im_start|>") not in ids


def test_a_prompt_has_control_tokens_where_its_template_wrote_them(tokenizer):
    AS_TEXT, AS_TOKENS = weft.Specials.AS_TEXT, weft.Specials.AS_TOKENS
    prompt = [weft.TextPart("<|im_start|>", specials=AS_TOKENS), weft.TextPart("<|im_start|>", specials=AS_TEXT)]
    ids = tokenizer.encode(prompt)
    start = tokenizer.find("<|im_start|>")
    assert ids[0] == start and start not in ids[1:]
    assert tokenizer.decode(ids, specials=AS_TOKENS) == "<|im_start|><|im_start|>"


@pytest.mark.parametrize(
    "make",
    [list, tuple, np.array, lambda ids: np.array(ids, np.int64), lambda ids: np.repeat(np.array(ids, np.int32), 2)[::2], lambda ids: np.array(ids, np.uint16)],
)
def test_ids_are_taken_as_programs_hold_them(tokenizer, make):
    ids = tokenizer.encode("hello world").tolist()
    assert tokenizer.decode(make(ids)) == "hello world"


def test_torch_tensors_are_taken(tokenizer):
    torch = pytest.importorskip("torch")
    assert tokenizer.decode(torch.tensor(tokenizer.encode("hello").tolist())) == "hello"


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ([1, 2.5], r"tokens\[1\]: 2.5 is no token id"),
        ([1 << 40], r"tokens\[0\]: 1099511627776 is no token id"),
        ([1 << 80], r"tokens\[0\]: 1208925819614629174706176 is no token id"),
        ([3, -1], r"tokens\[1\]: -1 is no token id"),
        (np.array([-1]), r"tokens\[0\]: -1 is no token id"),
        (np.array([0.5]), "another type than whole numbers"),
        (np.zeros((2, 2), np.int64), "an array of 2 dimensions"),
        ("hello", "is a text"),
        (object(), "is a object"),
        ([300, 316], "id 316 is outside of the vocabulary"),
    ],
)
def test_what_are_no_ids_is_told(tokenizer, ids, words):
    with pytest.raises(weft.Error, match=words) as raised:
        tokenizer.decode(ids)
    assert raised.value.code == "invalid_argument"


def test_streaming_never_gives_half_a_character(tokenizer):
    text = "naïve 你好 🦜 done"
    decoder = weft.StreamDecoder(tokenizer)
    pieces = [decoder.push(token) for token in tokenizer.encode(text).tolist()] + [decoder.finish()]
    assert "".join(pieces) == text and "" in pieces
    assert all("\ufffd" not in piece for piece in pieces)


def test_vocabulary_can_be_looked_at(tokenizer, reference):
    assert tokenizer.vocab_size == len(reference) == 316
    end = tokenizer.find("<|im_end|>")
    assert end == reference.eos_token_id and tokenizer.is_special(end) and tokenizer.piece(end) == "<|im_end|>"
    assert tokenizer.find("no such piece") is None


def test_errors_keep_code_words_and_place(tmp_path):
    with pytest.raises(weft.Error) as raised:
        weft.Tokenizer.load(tmp_path / "none.json")
    assert raised.value.code == "not_found" and raised.value.where == str(tmp_path / "none.json") and raised.value.fix
    with pytest.raises(weft.Error) as raised:
        weft.Tokenizer.parse(b"{}", name="my.json")
    assert raised.value.code in ("corrupt", "unsupported") and raised.value.where.startswith("my.json")


def test_options_are_keyword_only(tokenizer):
    with pytest.raises(TypeError):
        tokenizer.decode([1], weft.Specials.AS_TEXT)


def test_threads_run_while_a_text_is_encoded(tokenizer):
    """The GIL is released: this thread counts on while another encodes.

    Python itself takes the GIL from no thread here (the switch interval), so that each turn was one that
    `encode` gave; how many fit into one call is the scheduler's affair, so calls go on until enough were seen.
    """
    text = "the quick brown fox jumps over the lazy dog " * 40_000
    turns = 0
    done = threading.Event()

    def encode():
        for _ in range(300):
            if turns > 3:
                break
            tokenizer.encode(text)
        done.set()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(60)
    try:
        worker = threading.Thread(target=encode)
        worker.start()
        while not done.is_set():
            turns += 1
            done.wait(0.001)
        worker.join()
    finally:
        sys.setswitchinterval(interval)
    assert turns > 3


def test_a_batch_has_the_fields_that_are_named(tokenizer):
    texts = ["Hello, world", "", "ein zweiter Text"]
    whole = weft.encode_batch(tokenizer, texts)
    for encoding, ids_alone in zip(whole, weft.encode_batch(tokenizer, texts, fields=["ids"]), strict=True):
        assert ids_alone.ids.tolist() == encoding.ids.tolist()
        assert len(ids_alone.offsets) == len(ids_alone.words) == len(ids_alone.attention_mask) == 0
        assert len(encoding.offsets) == len(encoding.ids)
    for encoding, some in zip(whole, weft.encode_batch(tokenizer, texts, fields=["offsets", "attention_mask"]), strict=True):
        assert some.offsets.tolist() == encoding.offsets.tolist() and some.attention_mask.tolist() == encoding.attention_mask.tolist()
    with pytest.raises(weft.Error, match="'tokens' is no field of an encoding") as raised:
        weft.encode_batch(tokenizer, texts, fields=["ids", "tokens"])
    assert "specials_mask" in raised.value.fix
