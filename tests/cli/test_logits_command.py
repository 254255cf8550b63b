"""Logits for the exporter's check."""

import array
import json

import pytest


def read(path) -> list[float]:
    values = array.array("f")
    values.frombytes(path.read_bytes())
    return values.tolist()


def test_writes_a_row_for_each_token(weft, model, tmp_path, small_tokenizer):
    vocab_size = small_tokenizer.get_vocab_size()
    (tmp_path / "ids.json").write_text("[5, 6, 7]")
    done = weft("logits", model, "--tokens", tmp_path / "ids.json", "-o", tmp_path / "out.f32")
    assert (done.code, done.out, done.err) == (0, "", "")
    values = read(tmp_path / "out.f32")
    assert len(values) == 3 * vocab_size
    rows = [values[i * vocab_size : (i + 1) * vocab_size] for i in range(3)]
    assert [row.index(max(row)) for row in rows] == [6, 7, 8]


def test_chunks_follow_each_other(weft, model, tmp_path):
    (tmp_path / "whole.json").write_text("[5, 6, 7, 8]")
    (tmp_path / "chunks.json").write_text("[[5], [6, 7], [8]]")
    for name in ("whole", "chunks"):
        assert weft("logits", model, "--tokens", tmp_path / f"{name}.json", "-o", tmp_path / name).code == 0
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "chunks").read_bytes()


def test_goes_back_before_it_reads_on(weft, model, tmp_path):
    (tmp_path / "straight.json").write_text("[[5], [6, 7]]")
    (tmp_path / "back.json").write_text('[[5, 9, 9], {"keep": 1, "ids": [6, 7]}]')
    for name in ("straight", "back"):
        assert weft("logits", model, "--tokens", tmp_path / f"{name}.json", "-o", tmp_path / name).code == 0
    straight, back = read(tmp_path / "straight"), read(tmp_path / "back")
    rows = len(straight) // 3
    assert back[3 * rows :] == straight[rows:]


def test_needs_no_tokenizer(weft, make_model, tmp_path):
    (tmp_path / "ids.json").write_text("[1]")
    done = weft("logits", make_model(tokenizer=None), "--tokens", tmp_path / "ids.json", "-o", tmp_path / "out")
    assert done.code == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no list of token ids"),
        ("{}", "is no list of token ids"),
        ("[]", "is no list of token ids"),
        ("[[1], []]", "ids.json: [1]: is no list of token ids"),
        ("[[1], 2]", "ids.json: [1]: is no list of token ids"),
        ("[1, -1]", "ids.json[1]: is not an id from 0 to"),
        ("[[1], [2, 100000]]", "ids.json: [1][1]: is not an id from 0 to"),
        ('[[1], {"keep": 2, "ids": [1]}]', "ids.json: [1]: keep is not a number from 0 to 1"),
        ('[[1], {"keep": 1}]', "ids.json: [1]: is no list of token ids"),
        ('["a"]', "ids.json[0]: is not an id from 0 to"),
    ],
)
def test_wrong_ids_are_told_and_nothing_is_written(weft, model, tmp_path, text, words):
    (tmp_path / "ids.json").write_text(text)
    done = weft("logits", model, "--tokens", tmp_path / "ids.json", "-o", tmp_path / "out.f32")
    assert done.code == 1
    assert words in done.err
    assert not list(tmp_path.glob("out.f32*"))


def test_tokens_beyond_the_context_leave_nothing_behind(weft, make_model, tmp_path):
    (tmp_path / "ids.json").write_text(json.dumps([[1] * 6, [1] * 6]))
    (tmp_path / "out.f32").write_text("older")
    done = weft("logits", make_model(max_context=8), "--tokens", tmp_path / "ids.json", "-o", tmp_path / "out.f32")
    assert done.code == 1
    assert [path.name for path in tmp_path.glob("out.f32*")] == ["out.f32"]
    assert (tmp_path / "out.f32").read_text() == "older"


def test_a_full_disk_is_told(weft, model, tmp_path):
    (tmp_path / "ids.json").write_text("[1, 2]")
    done = weft("logits", model, "--tokens", tmp_path / "ids.json", "-o", "/dev/full")
    assert done.code == 1
    assert "/dev/full: writing failed: No space left on device" in done.err


def test_a_folder_that_is_not_there_is_told(weft, model, tmp_path):
    (tmp_path / "ids.json").write_text("[1, 2]")
    done = weft("logits", model, "--tokens", tmp_path / "ids.json", "-o", tmp_path / "none/out")
    assert done.code == 1
    assert "can't be written: No such file or directory" in done.err
