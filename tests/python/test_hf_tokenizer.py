"""weft.transformers_tokenizer() is used as the Transformers tokenizer it was made of, and gives the same."""

import copy

import pytest
from tiny_models import tiny_tokenizer

import weft

TEXTS = ["", "hello world", "the quick brown fox\n\n  jumps", "naïve 你好 🦜 é", "<|im_start|>user", "a b"]


@pytest.fixture(scope="module")
def real():
    tokenizer = tiny_tokenizer()
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    return tokenizer


@pytest.fixture(scope="module")
def ours(real):
    return weft.transformers_tokenizer(real)


def plain(encoding):
    return {key: value.tolist() if hasattr(value, "tolist") else value for key, value in encoding.items()}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"add_special_tokens": False},
        {"padding": True, "return_tensors": "np"},
        {"padding": "max_length", "max_length": 20, "truncation": True, "return_token_type_ids": True},
        {"truncation": True, "max_length": 5, "return_overflowing_tokens": True, "stride": 1},
        {"return_offsets_mapping": True, "return_special_tokens_mask": True, "return_length": True},
        {"split_special_tokens": True},
    ],
)
def test_calls_give_the_same(real, ours, options):
    assert plain(ours(TEXTS, **options)) == plain(real(TEXTS, **options))
    assert plain(ours(TEXTS, TEXTS[::-1], **options)) == plain(real(TEXTS, TEXTS[::-1], **options))
    if "padding" not in options:
        assert plain(ours(TEXTS[2], **options)) == plain(real(TEXTS[2], **options))


def test_decodes_the_same(real, ours):
    ids = [real(text)["input_ids"] for text in TEXTS]
    for skip in (True, False):
        assert ours.batch_decode(ids, skip_special_tokens=skip) == real.batch_decode(ids, skip_special_tokens=skip)
        assert [ours.decode(part, skip_special_tokens=skip) for part in ids] == [real.decode(part, skip_special_tokens=skip) for part in ids]


def test_knows_chats_and_words(real, ours):
    chat = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "a b"}]
    template = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}{% endfor %}"
    for tokenize in (True, False):
        want = real.apply_chat_template(chat, chat_template=template, tokenize=tokenize)
        got = ours.apply_chat_template(chat, chat_template=template, tokenize=tokenize)
        assert (plain(got) if tokenize else got) == (plain(want) if tokenize else want)
    mine, theirs = ours("hello world", "a b"), real("hello world", "a b")
    assert mine.tokens() == theirs.tokens()
    assert mine.word_ids() == theirs.word_ids()
    assert mine.sequence_ids() == theirs.sequence_ids()
    assert mine.char_to_token(7) == theirs.char_to_token(7)
    assert plain(ours([["hello", "world"]], is_split_into_words=True)) == plain(real([["hello", "world"]], is_split_into_words=True))
    assert len(ours) == len(real) and ours.convert_ids_to_tokens([1, 2]) == real.convert_ids_to_tokens([1, 2])


def test_takes_new_tokens_and_leaves_the_original_alone(real):
    mine, theirs, size = weft.transformers_tokenizer(real), copy.deepcopy(real), len(real)
    for tokenizer in (mine, theirs):
        tokenizer.add_tokens(["quick brown"])
        tokenizer.add_special_tokens({"additional_special_tokens": ["<x>"]})
    text = "the quick brown<x> fox"
    assert mine(text)["input_ids"] == theirs(text)["input_ids"]
    assert len(real) == size


def test_loads_a_folder(real, tmp_path):
    real.save_pretrained(tmp_path)
    assert weft.transformers_tokenizer(tmp_path)(TEXTS)["input_ids"] == real(TEXTS)["input_ids"]


def test_refuses_what_has_no_file():
    with pytest.raises(weft.Error) as caught:
        weft.transformers_tokenizer(object())
    assert caught.value.code == "unsupported"


def test_says_where_no_tokenizer_is(tmp_path):
    (tmp_path / "model.pte").write_bytes(b"not JSON")
    for path in (tmp_path / "none", tmp_path, tmp_path / "model.pte"):
        with pytest.raises(weft.Error, match="finds no tokenizer there") as caught:
            weft.transformers_tokenizer(path)
        assert caught.value.where == str(path)
