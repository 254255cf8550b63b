"""Help, versions, and command lines that can't be used."""

import pytest

COMMANDS = ["chat", "generate", "export", "inspect", "tokenize", "bench", "profile", "eval", "logits"]


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_begins_with_an_example_and_fits_a_screen(weft, command):
    done = weft(*command.split(), "--help")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].startswith(f"Example: weft {command}".rstrip())
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80


def test_help_lists_every_command(weft):
    listed = [line.split()[0] for line in weft("--help").out.splitlines() if line.startswith("  ")]
    assert set(COMMANDS) <= set(listed)


def test_version_is_told(weft):
    done = weft("--version")
    assert done.code == 0
    assert done.out.startswith("weft 0.")


def test_no_command_shows_help_and_fails(weft):
    done = weft()
    assert (done.code, done.out) == (2, "")
    assert "a command is missing" in done.err
    assert "Usage: weft" in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("nonsense", "nonsense"),
        ("generate --nonsense -p x", "--nonsense"),
        ("generate m -p x --temperature -1", "--temperature: '-1' is not a number of at least 0"),
        ("generate m -p x --temperature nan", "'nan' is not a number of at least 0"),
        ("generate m -p x --temperature inf", "'inf' is not a number of at least 0"),
        ("generate m -p x --temperature 1e99", "'1e99' is not"),
        ("generate m -p x --temperature warm", "'warm' is not"),
        ("generate m -p x --top-p 0", "'0' is not a number above 0, at most 1"),
        ("generate m -p x --top-p 1.01", "'1.01' is not a number above 0, at most 1"),
        ("generate m -p x --min-p 1", "'1' is not a number from 0 to below 1"),
        ("generate m -p x --top-k -1", "'-1' is not a whole number from 0"),
        ("generate m -p x --top-k 1.5", "'1.5' is not a whole number"),
        ("generate m -p x --max-tokens 0", "'0' is not a whole number from 1"),
        ("generate m -p x --repeat-penalty 0", "'0' is not a number above 0"),
        ("generate m -p x --seed 18446744073709551616", "is not a whole number from 0 to 18446744073709551615"),
        ("generate m -p x --threads 0", "'0' is not a whole number from 1 to 1024"),
        ("generate m -p x --backend onnx", "'onnx' is neither executorch nor aoti"),
        ("generate m -p x --cache-type int4", "'int4' is not float32, float16, bfloat16 or int8"),
        ("generate m -p x --stop=", "--stop"),
        ("generate m -p", "-p"),
        ("generate m", "there is no prompt: give -p TEXT, -f FILE, or -"),
        ("generate", "there is no prompt"),
        ("generate m -p x -f y", "more than one prompt"),
        ("generate m -p x -", "more than one prompt"),
        ("generate m - -", "not expected: -"),
        ("generate - -", "- is given twice"),
        ("generate m hello", "unexpected argument 'hello': a prompt goes after -p"),
        ("generate m - extra", "extra"),
        ("chat a b", "b"),
        ("tokenize", "FILE is required"),
        ("tokenize f --decode", "--decode goes with --jsonl"),
        ("tokenize f text --jsonl", "leave TEXT out"),
        ("tokenize f --jsonl --count", "exclude each other"),
        ("tokenize f --specials no", "'no' is neither text nor tokens"),
        ("bench m --prompt 0", "'0' is not a whole number from 1"),
        ("bench m --decode 1", "'1' is not a whole number from 2"),
        ("bench m --repeat 0", "'0' is not a whole number from 1"),
        ("logits m -o x", "--tokens is required"),
        ("logits m --tokens x", "-o"),
        ("export", "there is no SOURCE"),
    ],
)
def test_wrong_usage_is_told_and_exits_with_2(weft, arguments, words):
    done = weft(*arguments.split(" "))
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("weft: ")
    assert words in done.err
    assert "fix: see weft" in done.err and "--help" in done.err


def test_values_that_look_like_options_are_values(weft, model):
    for prompt in ["-hello", "--json", "--", "-5 + 3", "[a,b]"]:
        done = weft("generate", model, "-p", prompt)
        assert (done.code, done.out) == (0, "Paris."), prompt
    assert weft("generate", model, "-p", "x", "--stop", "[END]", "--stop", "[r,i]").out == "Paris."
