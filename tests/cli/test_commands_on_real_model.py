"""The commands on the default model, where it can be had."""

import json
import os
import subprocess

import pytest

QUESTION = "What is the capital of France?"


BACKENDS = ["executorch", "aoti"]


@pytest.fixture(params=BACKENDS)
def real_model(request, default_model):
    return default_model(request.param)


@pytest.fixture
def real_weft(weft):
    """Without the fake backend: the plug-ins beside the program."""
    del weft.env["WEFT_PLUGIN_PATH"]
    return weft


def test_knows_the_capital_of_france(real_weft, real_model):
    answer = json.loads(real_weft("generate", real_model, "-p", QUESTION, "--max-tokens", "40", "--json").out)
    assert "Paris" in answer["text"]


def test_both_backends_give_the_same_tokens(real_weft, default_model):
    answers = [
        json.loads(real_weft("generate", path, "-p", QUESTION, "--temperature", "0", "--max-tokens", "40", "--json").out)
        for path in map(default_model, BACKENDS)
    ]
    assert answers[0]["token_ids"] == answers[1]["token_ids"]


def test_a_conversation_remembers(real_weft, real_model):
    done = real_weft("chat", real_model, "--max-tokens", "40", stdin="My name is Ada.\nWhat is my name?\n")
    assert done.code == 0
    assert "Ada" in done.out


def test_inspect_shows_all_of_it(real_weft, real_model):
    done = real_weft("inspect", real_model)
    assert (done.code, done.err) == (0, "")
    for words in ("LlamaForCausalLM", "49152", "forward", "inside: "):
        assert words in done.out


def test_a_cut_file_is_told(real_weft, real_model, tmp_path):
    cut = tmp_path / real_model.name
    with open(real_model, "rb") as whole:
        cut.write_bytes(whole.read(os.path.getsize(real_model) // 2))
    done = real_weft("generate", cut, "-p", QUESTION)
    assert (done.code, done.out) == (1, "")
    assert str(cut) in done.err and "fix: " in done.err


@pytest.mark.parametrize(("program", "backend"), [("et_run", "executorch"), ("aoti_run", "aoti")])
def test_the_smallest_programs_answer(weft_bin, default_model, program, backend):
    path = weft_bin.parent / program
    if not path.exists():
        pytest.skip(f"{program} is not built")
    done = subprocess.run([path, default_model(backend), QUESTION, "40"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert "Paris" in done.stdout
    assert "tok/s" in done.stderr
