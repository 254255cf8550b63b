"""The command `python -m weft.export`: arguments, exit codes, words."""

import logging
import os
import subprocess
import sys
import types
import warnings
from pathlib import Path

import pytest

import weft.export
from weft import Error
from weft.export import __main__ as command
from weft.export.pass_names import PASS_NAMES

PYTHON_FOLDER = Path(__file__).parents[2] / "python"


@pytest.fixture(autouse=True)
def quiet_state():
    """The command silences the whole process."""
    environment, level = dict(os.environ), logging.root.manager.disable
    with warnings.catch_warnings():
        yield
    logging.disable(level)
    os.environ.clear()
    os.environ.update(environment)


@pytest.fixture
def exported(monkeypatch):
    """Stands in for weft.export.export(), and keeps what it was called with. `outcome` is raised if it is set."""
    calls = types.SimpleNamespace(outcome=None, arguments=None, perplexity=None)

    def export(source, out, **options):
        calls.arguments = {"source": source, "out": out, **options}
        if calls.outcome is not None:
            raise calls.outcome
        Path(out).write_bytes(bytes(2_000_000))
        return types.SimpleNamespace(path=Path(out), perplexity=calls.perplexity)

    monkeypatch.setattr(weft.export, "export", export)
    monkeypatch.setattr(command, "_import_libraries", lambda _: None)
    return calls


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


def test_passes_the_defaults_on(exported, checkpoint, tmp_path, capsys):
    out = tmp_path / "model.pte"
    assert command.main([str(checkpoint), "-o", str(out)]) == 0
    arguments = exported.arguments
    assert arguments.pop("progress") is not None
    assert arguments == {
        "source": str(checkpoint),
        "out": out,
        "max_context": None,
        "dtype": "float32",
        "quantize": None,
        "quantize_layers": {},
        "calibration": None,
        "perplexity": None,
        "activations": "rounded",
        "allow_pickle": False,
        "passes": PASS_NAMES,
        "check": True,
        "name": None,
        "backend": None,
    }
    assert capsys.readouterr() == ("", f"wrote {out} (2 MB)\n")


def test_passes_every_option_on(exported, checkpoint, tmp_path):
    options = [
        "--backend",
        "aoti",
        "--max-context",
        "512",
        "--dtype",
        "bfloat16",
        "--quantize",
        "int4-g64",
        "--quantize-layer",
        "lm_head=int8",
        "--quantize-layer",
        "*.0.*=none",
        "--calibrate",
        "books.txt",
        "--perplexity",
        "wiki.txt",
        "--name",
        "Tiny",
    ]
    assert command.main([str(checkpoint), "--out", str(tmp_path / "model"), *options, "--no-passes", "--no-check", "--allow-pickle"]) == 0
    expected = {
        "backend": "aoti",
        "max_context": 512,
        "dtype": "bfloat16",
        "quantize": "int4-g64",
        "quantize_layers": {"lm_head": "int8", "*.0.*": "none"},
        "calibration": "books.txt",
        "perplexity": "wiki.txt",
        "name": "Tiny",
    }
    assert expected.items() <= exported.arguments.items()
    assert (exported.arguments["passes"], exported.arguments["check"]) == ((), False)
    assert exported.arguments["allow_pickle"] is True


@pytest.mark.parametrize(
    ("options", "passes"),
    [
        (["--passes", "norm_in_linear,cache_outside"], ("cache_outside", "norm_in_linear")),
        (["--without-pass", "tile_linears", "--without-pass", "drop_no_ops"], tuple(n for n in PASS_NAMES if n not in ("tile_linears", "drop_no_ops"))),
        (["--passes", "norm_in_linear,cache_outside", "--without-pass", "cache_outside"], ("norm_in_linear",)),
    ],
)  # fmt: skip
def test_passes_are_chosen_by_name(exported, checkpoint, tmp_path, options, passes):
    assert command.main([str(checkpoint), "-o", str(tmp_path / "model.pte"), *options]) == 0
    assert exported.arguments["passes"] == passes


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--passes", "norm"], "'norm' is no pass; choose of cache_outside, "),
        (["--without-pass", "all"], "'all' is no pass"),
        (["--no-passes", "--passes", "drop_no_ops"], "--no-passes excludes --passes"),
    ],
)
def test_wrong_names_of_passes_are_told(exported, checkpoint, tmp_path, capsys, options, words):
    assert command.main([str(checkpoint), "-o", str(tmp_path / "model.pte"), *options]) == 2
    assert words in capsys.readouterr().err


def test_tells_the_perplexity_where_it_was_asked_for(exported, checkpoint, tmp_path, capsys):
    exported.perplexity = (12.34567, 13.5)
    assert command.main([str(checkpoint), "-o", str(tmp_path / "model.pte"), "--perplexity", "wiki.txt"]) == 0
    assert capsys.readouterr().err.startswith("perplexity: 12.3457 before, 13.5000 after\n")


@pytest.mark.parametrize(
    ("arguments", "backend", "out"),
    [
        (["--default"], "executorch", "cache/models/smollm2-135m-instruct.pte"),
        (["--default", "--backend", "aoti"], "aoti", "cache/models/smollm2-135m-instruct.pt2"),
        (["--default", "-o", "my.pt2"], "aoti", "my.pt2"),
        (["--default", "-o", "my.pte"], "executorch", "my.pte"),
    ],
)
def test_exports_the_default_model(exported, tmp_path, monkeypatch, arguments, backend, out):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(command, "fetch_default_model", lambda _: tmp_path / "default.gguf")
    assert command.main(arguments) == 0
    assert exported.arguments["source"] == tmp_path / "default.gguf"
    assert exported.arguments["activations"] == "float32"
    assert exported.arguments["name"] == "SmolLM2-135M-Instruct"
    assert exported.arguments["backend"] == backend
    assert Path(exported.arguments["out"]) == (Path(out) if out.startswith("my") else tmp_path / out)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "there is no SOURCE\nfix: give a checkpoint folder, a hub id or a .gguf file"),
        (["model"], "there is no output file\nfix: add -o OUT.pte for ExecuTorch or OUT.pt2 for AOTInductor"),
        (["model", "-o", "model.onnx"], "model.onnx: ends in neither .pte nor .pt2\nfix: name it OUT.pte"),
        (["model", "--default"], "model: there is a SOURCE and --default\nfix: leave one of the two out"),
        (["a", "b", "-o", "c.pte"], "unrecognized arguments: b\nfix: see weft export --help"),
        (["a", "-o"], "argument -o/--out: expected one argument\nfix: see"),
        (["a", "-o", "b.pte", "--max-context", "many"], "argument --max-context: invalid int value: 'many'\nfix: see"),
        (["a", "-o", "b.pte", "--dtype", "int3"], "argument --dtype: invalid choice: 'int3'"),
        (["a", "-o", "b.pte", "--quantize", "int3"], "argument --quantize: 'int3' is no way to quantise; choose one of: none, bf16, int8, int4; "),
        (["a", "-o", "b.pte", "--quantize", "int4-g16"], "argument --quantize: 'int4-g16' asks for groups of 16; groups are multiples of 32"),
        (["a", "-o", "b.pte", "--quantize-layer", "int8"], "argument --quantize-layer: 'int8' is not PATTERN=SCHEME; write it like"),
        (["a", "-o", "b.pte", "--backend", "onnx"], "argument --backend: invalid choice: 'onnx'"),
        (["a", "-o", "b.pte", "--no-pass"], "unrecognized arguments: --no-pass"),
    ],
)
def test_explains_wrong_arguments(exported, capsys, arguments, words):
    assert command.main(arguments) == 2
    printed, complaints = capsys.readouterr()
    assert printed == ""
    assert complaints.startswith(f"weft export: {words}")
    assert exported.arguments is None


def test_looks_at_source_and_output_before_the_work(exported, checkpoint, tmp_path, capsys):
    assert command.main([str(tmp_path / "none"), "-o", str(tmp_path / "model.pte")]) == 1
    assert capsys.readouterr().err == f"weft export: {tmp_path / 'none'}: is not there\nfix: check the path\n"
    assert command.main([str(checkpoint), "-o", str(tmp_path / "none" / "model.pte")]) == 1
    assert "No such file or directory\nfix: make the folder first" in capsys.readouterr().err
    folder = tmp_path / "folder.pte"
    folder.mkdir()
    assert command.main([str(checkpoint), "-o", str(folder)]) == 2
    assert f"{folder}: is a folder\nfix: name a file in it" in capsys.readouterr().err
    assert exported.arguments is None


@pytest.mark.parametrize(
    ("outcome", "code", "words"),
    [
        (
            Error("corrupt", "ends early", "model.gguf", "fetch it again"),
            1,
            "model.gguf: ends early\nfix: fetch it again\n",
        ),
        (
            Error("invalid_argument", "4 is too few", "max_context", "choose 8"),
            2,
            "max_context: 4 is too few\nfix: choose 8\n",
        ),
        (
            RuntimeError("bad node\nmore"),
            1,
            "RuntimeError: bad node\nfix: run it again with WEFT_DEBUG=1 for the whole story",
        ),
        (ValueError(), 1, "ValueError: ValueError\nfix: "),
        (KeyboardInterrupt(), 130, "interrupted; nothing was written\n"),
    ],
)
def test_says_what_failed_without_a_traceback(exported, checkpoint, tmp_path, capsys, outcome, code, words):
    exported.outcome = outcome
    assert command.main([str(checkpoint), "-o", str(tmp_path / "model.pte")]) == code
    printed, complaints = capsys.readouterr()
    assert printed == ""
    assert complaints.startswith(f"weft export: {words}")
    assert "Traceback" not in complaints
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint"]


def test_shows_the_traceback_when_debugging(exported, checkpoint, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("WEFT_DEBUG", "1")
    exported.outcome = Error("corrupt", "ends early", "model.gguf", "fetch it again")
    assert command.main([str(checkpoint), "-o", str(tmp_path / "model.pte")]) == 1
    complaints = capsys.readouterr().err
    assert complaints.startswith("Traceback")
    assert "weft.errors.Error: model.gguf: ends early" in complaints


@pytest.mark.parametrize(("debug", "shown"), [("0", False), ("1", True)])
def test_keeps_warnings_of_the_libraries_off_the_screen(checkpoint, tmp_path, debug, shown):
    code = (
        "import sys, warnings, logging, weft.export\n"
        "from weft.export import __main__ as command\n"
        "def export(*_, **__):\n"
        "    warnings.warn('one'); logging.warning('two'); logging.getLogger('torch').warning('three')\n"
        "    raise SystemExit(0)\n"
        "weft.export.export, command._import_libraries = export, lambda _: None\n"
        f"command.main([{str(checkpoint)!r}, '-o', {str(tmp_path / 'model.pte')!r}])\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(PYTHON_FOLDER), "WEFT_DEBUG": debug}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert [word in done.stderr for word in ("one", "two", "three")] == [shown] * 3


def test_answers_help_with_an_example_and_without_torch():
    code = (
        "import sys\n"
        "from weft.export.__main__ import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit as end:\n    print(end.code, sorted({'torch', 'transformers', 'numpy'} & set(sys.modules)))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(PYTHON_FOLDER)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("example: weft export ")
    assert lines[-1] == "0 []"
    assert len(lines) <= 34
    for option in ("--out", "--default", "--backend", "--quantize", "--max-context", "--dtype", "--name", "--no-check"):
        assert option in done.stdout


def test_runs_as_a_module():
    environment = {**os.environ, "PYTHONPATH": str(PYTHON_FOLDER)}
    done = subprocess.run(
        [sys.executable, "-m", "weft.export", "x"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("weft export: there is no output file\nfix: ")
