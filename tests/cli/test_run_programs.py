"""et_run and aoti_run: one backend each, linked in."""

import subprocess

import pytest


@pytest.fixture(params=["et_run", "aoti_run"])
def program(request, weft_bin):
    path = weft_bin.parent / request.param
    if not path.exists():
        pytest.skip(f"{request.param} is not built")
    return path


def run(program, *arguments):
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_help_begins_with_an_example(program):
    done = run(program, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Example: ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "usage: "),
        (["model"], "usage: "),
        (["model", "prompt", "1", "more"], "usage: "),
        (["model", "prompt", "0"], "MAX_TOKENS '0' is no number of at least 1"),
        (["model", "prompt", "many"], "MAX_TOKENS 'many'"),
        (["model", b"a\xff"], "PROMPT: is not UTF-8: byte 1"),
    ],
)
def test_wrong_usage_exits_with_2(program, arguments, words):
    done = run(program, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


def test_a_missing_and_a_wrong_file_are_told(program, tmp_path):
    missing = run(program, tmp_path / "none", "x")
    assert missing.returncode == 1 and f"{tmp_path}/none" in missing.stderr
    (tmp_path / "wrong").write_text("hello")
    wrong = run(program, tmp_path / "wrong", "x")
    assert wrong.returncode == 1 and "wrong: is no" in wrong.stderr and "fix: " in wrong.stderr


def test_links_only_its_own_sdk(program):
    libraries = run("ldd", program).stdout
    names = [line.split()[0] for line in libraries.splitlines()]
    if program.name == "aoti_run":
        assert "executorch" not in libraries
    else:
        assert not any(name.startswith(("libtorch", "libc10")) for name in names)


def test_the_full_program_links_no_sdk(weft_bin):
    libraries = run("ldd", weft_bin).stdout
    assert "libtorch" not in libraries and "executorch" not in libraries and "libc10" not in libraries
