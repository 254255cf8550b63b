"""Text to ids and back on the command line."""

import json
import os
import subprocess

import pytest

TEXTS = ["", "hello world", "  the\n\ntheory ", "über Straße 日本語 🙂", "a<|im_end|>b", "\u0000\t\r\n", "x" * 3000]


def test_shows_ids_and_pieces(weft, tokenizer_file, small_tokenizer):
    done = weft("tokenize", tokenizer_file, "hello über")
    assert done.code == 0
    expected = small_tokenizer.encode("hello über")
    rows = [(int(row.split(maxsplit=1)[0]), json.loads(row.split(maxsplit=1)[1])) for row in done.out.splitlines()]
    assert rows == list(zip(expected.ids, expected.tokens, strict=True))


def test_counts(weft, tokenizer_file, small_tokenizer):
    assert weft("tokenize", tokenizer_file, "hello world", "--count").out == f"{len(small_tokenizer.encode('hello world').ids)}\n"
    assert weft("tokenize", tokenizer_file, "", "--count").out == "0\n"


def test_reads_stdin_without_a_text(weft, tokenizer_file):
    assert weft("tokenize", tokenizer_file, stdin="hello").out == weft("tokenize", tokenizer_file, "hello").out
    assert weft("tokenize", tokenizer_file, "-", stdin="hello").out == weft("tokenize", tokenizer_file, "hello").out


def test_takes_a_model_and_a_folder(weft, tokenizer_file, make_model):
    expected = weft("tokenize", tokenizer_file, "hello").out
    assert weft("tokenize", tokenizer_file.parent, "hello").out == expected
    tokenizer_file.unlink()
    model = make_model(name="one/model.pte")
    assert weft("tokenize", model, "hello").out == expected
    assert weft("tokenize", model.parent, "hello").out == expected


def test_jsonl_encodes_as_the_reference_does(weft, tokenizer_file, small_tokenizer):
    texts = [text for text in TEXTS if "<|" not in text]
    done = weft("tokenize", tokenizer_file, "--jsonl", stdin="".join(json.dumps(text) + "\n" for text in texts))
    assert done.code == 0
    ids = [json.loads(line) for line in done.out.splitlines()]
    assert ids == [small_tokenizer.encode(text, add_special_tokens=False).ids for text in texts]


def test_jsonl_goes_there_and_back(weft, tokenizer_file):
    encoded = weft("tokenize", tokenizer_file, "--jsonl", stdin="\n".join(json.dumps(text, ensure_ascii=False) for text in TEXTS))
    decoded = weft("tokenize", tokenizer_file, "--jsonl", "--decode", stdin=encoded.out)
    assert decoded.code == 0
    assert [json.loads(line) for line in decoded.out.splitlines()] == TEXTS


def test_compiles_into_a_file_that_answers_alike(weft, tokenizer_file, tmp_path):
    compiled = tmp_path / "tokenizer.weft"
    assert weft("tokenize", tokenizer_file, "--compile", compiled).code == 0
    texts = "".join(json.dumps(text) + "\n" for text in TEXTS)
    assert weft("tokenize", compiled, "--jsonl", stdin=texts).out == weft("tokenize", tokenizer_file, "--jsonl", stdin=texts).out
    again = tmp_path / "again.weft"
    assert weft("tokenize", compiled, "--compile", again).code == 0
    assert again.read_bytes() == compiled.read_bytes()
    refused = weft("tokenize", tokenizer_file, "a text", "--compile", again)
    assert refused.code != 0 and "--compile reads no text" in refused.err


def test_specials_say_what_control_tokens_are(weft, tokenizer_file, small_tokenizer):
    end = small_tokenizer.token_to_id("<|im_end|>")
    as_text, as_tokens = (
        json.loads(weft("tokenize", tokenizer_file, "--jsonl", "--specials", kind, stdin='"a<|im_end|>"').out)
        for kind in ("text", "tokens")
    )
    assert end not in as_text and as_tokens[-1] == end
    assert json.loads(weft("tokenize", tokenizer_file, "--jsonl", stdin='"a<|im_end|>"').out) == as_text
    decode = ["tokenize", tokenizer_file, "--jsonl", "--decode", "--specials"]
    assert weft(*decode, "text", stdin=f"[{end}]").out == '""\n'
    assert weft(*decode, "tokens", stdin=f"[{end}]").out == '"<|im_end|>"\n'


def test_each_line_is_answered_at_once(weft, tokenizer_file):
    running = weft.start("tokenize", tokenizer_file, "--jsonl", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for _ in range(3):
        running.stdin.write(b'"hello"\n')
        running.stdin.flush()
        assert json.loads(running.stdout.readline())
    running.stdin.close()
    assert running.wait(timeout=30) == 0
    running.stdout.close()


@pytest.mark.parametrize(
    ("options", "line", "words"),
    [
        ([], "5", "is no JSON string"),
        ([], "", "is no JSON string"),
        ([], "hello", "is no JSON string"),
        ([], '"a', "is no JSON string"),
        ([], '"a" "b"', "is no JSON string"),
        ([], '"\\ud800"', "is no JSON string"),
        (["--decode"], '"a"', "is no JSON array of ids"),
        (["--decode"], "[1, 2", "is no JSON array of ids"),
        (["--decode"], "[1, -1]", "element 1 is not an id from 0 to"),
        (["--decode"], "[1, 2, 100000]", "element 2 is not an id from 0 to"),
        (["--decode"], "[1.5]", "element 0 is not an id from 0 to"),
        (["--decode"], "[" * 10000, "is no JSON array of ids"),
    ],
)
def test_a_wrong_line_is_told_with_its_number(weft, tokenizer_file, options, line, words):
    good = "[1]" if options else '"a"'
    done = weft("tokenize", tokenizer_file, "--jsonl", *options, stdin=f"{good}\n{line}\n{good}\n")
    assert done.code == 1
    assert len(done.out.splitlines()) == 1
    assert "standard input, line 2: " in done.err and words in done.err


def test_ill_formed_utf8_is_told(weft, tokenizer_file):
    assert "TEXT: is not UTF-8: byte 1" in weft("tokenize", tokenizer_file, b"a\xff").err
    done = weft("tokenize", tokenizer_file, stdin=b"ab\xff")
    assert done.code == 2 and "standard input: is not UTF-8: byte 2 is 0xFF" in done.err
    assert "line 1: is no JSON string" in weft("tokenize", tokenizer_file, "--jsonl", stdin=b'"\xff"').err


def test_what_is_no_tokenizer_is_told(weft, tmp_path):
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}")
    done = weft("tokenize", wrong, "hello")
    assert (done.code, done.out) == (1, "")
    assert "wrong.json" in done.err
    missing = weft("tokenize", tmp_path / "none.json", "hello")
    assert missing.code == 1 and "none.json: No such file" in missing.err


def test_a_reader_that_goes_away_ends_it_quietly(weft, tokenizer_file):
    reading, writing = os.pipe()
    os.close(reading)
    done = weft.start("tokenize", tokenizer_file, "hello", stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    _, err = done.communicate(timeout=30)
    assert (done.returncode, err) == (141, b"")
