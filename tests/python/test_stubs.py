"""The stubs that editors and type checkers read are those of the module that is built."""

import ast
import subprocess
import sys

import pytest
from built import ROOT

import weft

STUB = ROOT / "python" / "weft" / "_native.pyi"


def test_stubs_are_those_of_the_built_module(tmp_path):
    pytest.importorskip("nanobind")
    command = [sys.executable, "-m", "nanobind.stubgen", "-q", "-m", "weft._native", "-o", tmp_path / "stub.pyi"]
    subprocess.run(command, check=True, cwd=ROOT / "python")
    assert (tmp_path / "stub.pyi").read_text() == STUB.read_text(), f"make them anew: (cd python && {' '.join(map(str, command[1:-1]))} weft/_native.pyi)"


def test_every_public_name_is_there_and_typed():
    classes = {node.name for node in ast.parse(STUB.read_text()).body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    for name in weft.__all__:
        assert getattr(weft, name) is not None
        if getattr(getattr(weft, name), "__module__", "") == "weft._native":
            assert name in classes
    assert (ROOT / "python" / "weft" / "py.typed").is_file()
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        weft.Nothing
