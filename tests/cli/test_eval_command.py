"""weft eval: each token scored once, in its window. The fake backend's logits make the perplexity known exactly."""

import json
import math

import pytest

TEXT = "hello world, hello there; the theory of the thing"


@pytest.fixture
def text_file(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


def evaluate(weft, *arguments):
    done = weft("eval", *map(str, arguments), "--json")
    assert (done.code, done.err) == (0, ""), done.err
    return json.loads(done.out)


def surprise(previous, token, vocab_size):
    """After token t the fake backend's logits are 20 for t + 1, and 0 for all others."""
    return math.log(math.exp(20) + vocab_size - 1) - (20 if token == (previous + 1) % vocab_size else 0)


@pytest.mark.parametrize(("context", "stride"), [(1024, 512), (8, 4), (8, 8), (8, 7), (5, 1), (2, 1)])
def test_perplexity_is_that_of_the_scored_tokens(weft, make_model, small_tokenizer, text_file, context, stride):
    model = make_model(answer="", max_context=1024)
    ids, vocab_size = small_tokenizer.encode(TEXT).ids, small_tokenizer.get_vocab_size()
    result = evaluate(weft, model, "--text", text_file, "--context", context, "--stride", stride)
    # Where windows don't overlap, nothing predicts their first tokens.
    scored = [i for i in range(1, len(ids)) if stride < context or i % context != 0]
    mean = sum(surprise(ids[i - 1], ids[i], vocab_size) for i in scored) / len(scored)
    assert result["tokens"] == len(scored)
    assert result["negative_log_likelihood"] == pytest.approx(mean, rel=1e-6)
    assert result["perplexity"] == pytest.approx(math.exp(mean), rel=1e-6)
    assert (result["context"], result["stride"], result["text"]) == (context, stride, str(text_file))
    assert result["windows"] == 1 + max(0, math.ceil((len(ids) - context) / stride))


def test_only_the_beginning_is_read_if_asked(weft, make_model, small_tokenizer, text_file):
    assert evaluate(weft, make_model(), "--text", text_file, "--max-tokens", "7")["tokens"] == 6


def test_the_default_window_is_what_the_model_holds(weft, make_model, text_file):
    result = evaluate(weft, make_model(max_context=20), "--text", text_file)
    assert (result["context"], result["stride"]) == (20, 10)


def test_people_get_two_lines(weft, make_model, text_file):
    done = weft("eval", make_model(), "--text", text_file)
    first, second = done.out.splitlines()
    assert first.startswith("perplexity ") and "tokens in 1 windows of " in second and second.endswith(" tok/s")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "--text is required"),
        (["--text", "no-such-file"], 2, "no-such-file"),
        (["--text", "TEXT", "--context", "1"], 2, "'1' is not a whole number from 2"),
        (["--text", "TEXT", "--context", "500"], 1, "context: 500 is not from 2 to the model's 64"),
        (["--text", "TEXT", "--context", "8", "--stride", "9"], 1, "stride: 9 is not from 1 to the context's 8"),
        (["--text", "SHORT"], 1, "has 1 tokens, too few to predict any"),
        (["--text", "BINARY"], 2, "UTF-8"),
    ],
)
def test_what_cannot_be_measured_is_told(weft, make_model, text_file, tmp_path, arguments, code, words):
    (tmp_path / "short.txt").write_text("a")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    places = {"TEXT": text_file, "SHORT": tmp_path / "short.txt", "BINARY": tmp_path / "binary.txt"}
    done = weft("eval", make_model(max_context=64), *[places.get(argument, argument) for argument in arguments])
    assert (done.code, done.out) == (code, "") and words in done.err, done.err
