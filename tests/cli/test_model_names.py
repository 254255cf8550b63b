"""MODEL on the command line: names, the cache folder, and the export of the default model."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from driver import wait_until

# Stands for Python: writes down how it was called, then does what $FAKE_EXPORT says.
FAKE_PYTHON = f"""#!{sys.executable}
import json, os, shutil, sys, time
arguments = sys.argv[1:]
with open(os.environ["FAKE_LOG"], "w") as log:
    json.dump({{"arguments": arguments, "pythonpath": os.environ.get("PYTHONPATH"), "bin": os.environ.get("WEFT_BIN")}}, log)
print("on stdout")
print("progress", file=sys.stderr)
action = os.environ["FAKE_EXPORT"]
if action == "wait":
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        open(os.environ["FAKE_LOG"] + ".cleaned", "w").close()
        sys.exit(130)
if action.isdigit():
    sys.exit(int(action))
if action != "nothing":
    shutil.copyfile(action, arguments[arguments.index("-o") + 1])
"""


@pytest.fixture
def fake_python(weft, tmp_path):
    """Makes `weft` call FAKE_PYTHON; gives a function that tells how it was called."""
    python = tmp_path / "fake-python"
    python.write_text(FAKE_PYTHON)
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    weft.env |= {"WEFT_PYTHON": str(python), "FAKE_LOG": str(tmp_path / "log.json"), "FAKE_EXPORT": "0"}
    return lambda: json.loads((tmp_path / "log.json").read_text())


@pytest.fixture
def both_backends(weft, tmp_path):
    """The fake backend under both names."""
    fake = Path(weft.env["WEFT_PLUGIN_PATH"]) / "weft_executorch.so"
    folder = tmp_path / "plugins"
    folder.mkdir()
    for name in ("executorch", "aoti"):
        shutil.copy(fake, folder / f"weft_{name}.so")
    weft.env["WEFT_PLUGIN_PATH"] = str(folder)


def test_the_default_model_is_made_once(weft, fake_python, both_backends, model, tmp_path):
    expected = tmp_path / "cache/models/smollm2-135m-instruct.pte"
    weft.env["FAKE_EXPORT"] = str(model)
    first = weft("generate", "-p", "x")
    assert (first.code, first.out) == (0, "Paris.")
    assert "progress" in first.err and "on stdout" in first.err
    called = fake_python()
    assert called["arguments"] == ["-m", "weft.export", "--default", "--backend", "executorch", "-o", str(expected)]
    assert Path(called["bin"]).name == "weft"
    (tmp_path / "log.json").unlink()
    for again in (weft("generate", "-p", "x"), weft("generate", "smollm2-135m-instruct", "-p", "x")):
        assert (again.code, again.out) == (0, "Paris.")
    assert not (tmp_path / "log.json").exists()


def test_a_build_of_one_backend_makes_the_default_model_for_it(lone_weft, both_backends, fake_python, tmp_path):
    (tmp_path / "plugins/weft_executorch.so").unlink()
    lone_weft.env["FAKE_EXPORT"] = "nothing"
    lone_weft("generate", "-p", "x")
    expected = tmp_path / "cache/models/smollm2-135m-instruct.pt2"
    assert fake_python()["arguments"][2:] == ["--default", "--backend", "aoti", "-o", str(expected)]


def test_what_is_already_there_is_taken(weft, fake_python, both_backends, make_model, tmp_path):
    make_model(name="cache/models/smollm2-135m-instruct.pt2")
    assert weft("generate", "-p", "x").out == "Paris."
    assert not (tmp_path / "log.json").exists()


def test_the_package_of_the_source_tree_is_found(weft, fake_python):
    weft("export", "source", "-o", "out.pte", env={"PYTHONPATH": "/mine"})
    path = fake_python()["pythonpath"].split(":")
    assert path[-1] == "/mine"
    if len(path) > 1:  # none without a source tree
        assert (Path(path[0]) / "weft/export").is_dir()


@pytest.mark.parametrize(("backend", "ending"), [("executorch", ".pte"), ("aoti", ".pt2")])
def test_each_backend_has_an_export_of_its_own(weft, fake_python, both_backends, backend, ending):
    weft.env["FAKE_EXPORT"] = "nothing"
    done = weft("generate", "-p", "x", "--backend", backend)
    assert fake_python()["arguments"][2:5] == ["--default", "--backend", backend]
    assert fake_python()["arguments"][-1].endswith(f"smollm2-135m-instruct{ending}")
    assert done.code == 1 and "wrote no file" in done.err


def test_a_failed_export_is_told(weft, fake_python):
    weft.env["FAKE_EXPORT"] = "7"
    done = weft("generate", "-p", "x")
    assert (done.code, done.out) == (1, "")
    assert "the export ended with code 7" in done.err


def test_no_backend_is_told_before_the_export(lone_weft, fake_python, tmp_path):
    done = lone_weft("generate", "-p", "x", "--backend", "aoti")
    assert done.code == 1
    assert "weft_aoti.so isn't in any of" in done.err
    assert not (tmp_path / "log.json").exists()


def test_no_python_is_told(weft):
    done = weft("export", "source", "-o", "out.pte", env={"WEFT_PYTHON": "/no/such/python"})
    assert done.code == 1
    assert "Python '/no/such/python': doesn't start" in done.err and "set WEFT_PYTHON" in done.err


def test_export_passes_arguments_output_and_exit_code_on(weft, fake_python):
    weft.env["FAKE_EXPORT"] = "2"
    arguments = ["some folder", "-o", "out.pt2", "--quantize", "none", "--max-context", "512", "--no-check", "--help"]
    done = weft("export", *arguments)
    assert (done.code, done.out) == (2, "on stdout\n")
    assert "progress" in done.err
    assert fake_python()["arguments"] == ["-m", "weft.export", *arguments]


def test_ctrl_c_lets_the_export_clean_up(weft, fake_python, tmp_path):
    weft.env["FAKE_EXPORT"] = "wait"
    running = weft.start("export", "x", "-o", "y", stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    running.stderr.readline()
    wait_until(lambda: (tmp_path / "log.json").exists())
    # As a terminal does: to the whole group. Once more if Python wasn't sleeping yet.
    os.killpg(running.pid, signal.SIGINT)
    running.communicate(timeout=30)
    assert running.returncode == 130


def test_a_cache_folder_that_cannot_be_written_is_told(weft, fake_python, tmp_path):
    (tmp_path / "file").touch()
    done = weft("generate", "-p", "x", env={"WEFT_CACHE": str(tmp_path / "file/cache")})
    assert (done.code, done.out) == (1, "")
    assert f"cache folder {tmp_path}/file/cache/models: can't be written" in done.err
    assert "set WEFT_CACHE" in done.err


def test_no_home_is_told(weft, fake_python):
    del weft.env["WEFT_CACHE"], weft.env["HOME"]
    done = weft("generate", "-p", "x")
    assert done.code == 1
    assert "cache folder: there is no place for it: HOME is not set" in done.err


@pytest.mark.parametrize(("variable", "folder"), [("XDG_CACHE_HOME", "xdg/weft"), ("HOME", "home/.cache/weft")])
def test_the_cache_folder_follows_xdg(weft, fake_python, both_backends, model, tmp_path, variable, folder):
    weft.env["FAKE_EXPORT"] = str(model)
    del weft.env["WEFT_CACHE"]
    if variable == "XDG_CACHE_HOME":
        weft.env[variable] = str(tmp_path / "xdg")
    assert weft("generate", "-p", "x").code == 0
    assert (tmp_path / folder / "models/smollm2-135m-instruct.pte").exists()


def test_a_name_is_a_file_of_the_cache_folder(weft, make_model):
    make_model(name="cache/models/my-model.pte")
    assert weft("generate", "my-model", "-p", "x").out == "Paris."


def test_an_unknown_name_is_told_with_the_known_ones(weft, make_model):
    make_model(name="cache/models/my-model.pte")
    done = weft("generate", "nonsense", "-p", "x")
    assert (done.code, done.out) == (1, "")
    assert "nonsense: there is neither a file nor a model by this name" in done.err
    assert "holds: my-model.pte" in done.err


def test_a_path_that_is_not_there_is_no_name(weft, tmp_path):
    for path in (tmp_path / "none", tmp_path / "none.pte", Path("none.pte")):
        done = weft("generate", path, "-p", "x")
        assert done.code == 1
        assert f"weft: {path}: No such file or directory" in done.err


def test_a_folder_with_a_checkpoint_is_told_to_be_exported(weft, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    done = weft("generate", tmp_path, "-p", "x")
    assert done.code == 1
    assert f"weft export {tmp_path}" in done.err
