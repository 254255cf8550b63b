"""`pip install .` into a fresh environment. Minutes and a few GB: only with WEFT_TEST_INSTALL=1 (docs/building.md)."""

import os
import subprocess
import sys

import pytest
from built import ROOT

pytestmark = pytest.mark.skipif(os.environ.get("WEFT_TEST_INSTALL") != "1", reason="set WEFT_TEST_INSTALL=1")

# Not from the source tree: nothing of it is in sys.path, and the working folder is another one.
USES_IT = """
import pathlib, sys
import weft
assert pathlib.Path(weft.__file__).is_relative_to(sys.prefix), weft.__file__
assert weft.Tokenizer and weft.export.export
from weft.installation import find_program
assert find_program().is_relative_to(sys.prefix), find_program()
"""


def run(*command, folder):
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "WEFT_BIN", "WEFT_BUILD_DIR")}
    done = subprocess.run([*map(str, command)], cwd=folder, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


def test_a_fresh_environment_runs_what_pip_installed(tmp_path):
    run(sys.executable, "-m", "venv", tmp_path / "venv", folder=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    torch = next(line for line in (ROOT / "requirements.txt").read_text().splitlines() if line.startswith("torch=="))
    run(python, "-m", "pip", "install", "--quiet", torch, folder=tmp_path)
    run(python, "-m", "pip", "install", "--quiet", ROOT, folder=tmp_path)
    run(python, "-c", USES_IT, folder=tmp_path)
    assert "weft" in run(tmp_path / "venv" / "bin" / "weft", "--help", folder=tmp_path)
