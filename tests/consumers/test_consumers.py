"""weft in other people's projects: installed, as a subdirectory, one part alone, and with one SDK alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from built import ROOT, build_dir, built_program

HERE = Path(__file__).parent
SDK_LIBRARIES = {"executorch": "libexecutorch", "aoti": "libtorch"}


def run(*command, **options) -> str:
    # The wheels of CMake and Ninja put their programs beside this Python.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, env={**os.environ, "PATH": path}, **options)
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


def refusal(*command) -> str:
    with pytest.raises(AssertionError) as raised:
        run(*command)
    return str(raised.value)


def configure(source: Path, build: Path, *options) -> None:
    launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    run("cmake", "-G", "Ninja", "-S", source, "-B", build, *launcher, *options)


def consumer(name: str, folder: Path, *options) -> Path:
    """The program of tests/consumers/<name>, built."""
    configure(HERE / name, folder, *options)
    run("cmake", "--build", folder, "--target", "consumer")
    return folder / "consumer"


def linked(program: Path) -> str:
    return run("ldd", program)


@pytest.fixture(scope="session")
def prefix(tmp_path_factory) -> Path:
    """The build, installed, and then moved to show that nothing remembers where it was."""
    built_program("weft")
    folder = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", build_dir(), "--prefix", folder / "installed")
    return (folder / "installed").rename(folder / "moved")


def test_installed_package_needs_no_sdk_unless_asked(prefix, tmp_path):
    program = consumer("installed", tmp_path, f"-DCMAKE_PREFIX_PATH={prefix}")
    assert run(program) == "[user] Hello\n"
    for library in SDK_LIBRARIES.values():
        assert library not in linked(program)


@pytest.mark.parametrize("backend", ["executorch", "aoti"])
def test_installed_package_gives_the_backend_that_is_asked_for(prefix, tmp_path, backend):
    if not (prefix / f"lib/cmake/weft/weft-{backend}.cmake").exists():
        pytest.skip(f"the build has no {backend}")
    program = consumer("installed", tmp_path, f"-DCMAKE_PREFIX_PATH={prefix}", f"-DBACKENDS={backend}")
    assert run(program) == f"[user] Hello\n{backend}\n"
    for name, library in SDK_LIBRARIES.items():
        assert (library in linked(program)) == (name == backend)


def test_installed_package_names_a_component_that_it_lacks(prefix, tmp_path):
    words = refusal("cmake", "-S", HERE / "installed", "-B", tmp_path, f"-DCMAKE_PREFIX_PATH={prefix}", "-DBACKENDS=cuda")
    assert "cuda" in words


def test_single_part_is_found_and_links_alone(prefix, tmp_path):
    program = consumer("single_part", tmp_path, f"-DCMAKE_PREFIX_PATH={prefix}")
    assert run(program, "abba") == "2\n1\n0\n"
    for library in SDK_LIBRARIES.values():
        assert library not in linked(program)


def test_subdirectory_adds_only_the_parts_that_are_asked_for(tmp_path):
    program = consumer("subdirectory", tmp_path, f"-DWEFT_SOURCE={ROOT}", "-DCMAKE_BUILD_TYPE=Release")
    assert run(program) == "1\n"


def test_installed_program_runs_where_it_was_moved_to(prefix):
    assert run(prefix / "bin/weft", "--version").strip()


@pytest.mark.parametrize(("backend", "program"), [("executorch", "et_run"), ("aoti", "aoti_run")])
def test_smallest_program_is_built_without_the_other_sdk(backend, program):
    other = next(name for name in SDK_LIBRARIES if name != backend)
    # Kept in the build folder: only what changed is compiled again.
    folder = build_dir() / f"only-{backend}"
    configure(
        ROOT,
        folder,
        f"-DWEFT_{backend.upper()}=ON",
        f"-DWEFT_{other.upper()}=OFF",
        "-DWEFT_TESTS=OFF",
        "-DWEFT_EXAMPLES=OFF",
        "-DWEFT_INSTRUCTION_SETS=native",
        f"-DWEFT_PYTHON={sys.executable}",
    )
    run("cmake", "--build", folder, "--target", program)
    assert SDK_LIBRARIES[backend] in linked(folder / "bin" / program)
    assert SDK_LIBRARIES[other] not in linked(folder / "bin" / program)
    assert f"usage: {folder / 'bin' / program} MODEL PROMPT" in run(folder / "bin" / program, "--help")


def test_backend_without_its_sdk_says_how_to_get_it(tmp_path):
    words = refusal("cmake", "-G", "Ninja", "-S", ROOT, "-B", tmp_path, "-DWEFT_AOTI=ON", "-DCMAKE_DISABLE_FIND_PACKAGE_Libtorch=ON", "-DWEFT_PARTS=aoti", "-DWEFT_TESTS=OFF")
    assert "CMake found no libtorch" in words
    assert "pip install torch" in words


def test_unknown_python_for_the_sdks_is_named(tmp_path):
    words = refusal("cmake", "-G", "Ninja", "-S", ROOT, "-B", tmp_path, "-DWEFT_AOTI=ON", "-DWEFT_PYTHON=/nowhere/python")
    assert "/nowhere/python doesn't exist" in words


def test_unknown_part_is_named_with_those_that_exist(tmp_path):
    words = refusal("cmake", "-G", "Ninja", "-S", ROOT, "-B", tmp_path, "-DWEFT_PARTS=tokeniser")
    assert "'tokeniser', which is no part of weft" in words
    assert "tokenizer sampler template" in words


def test_unknown_instruction_set_is_named_with_those_that_exist(tmp_path):
    words = refusal("cmake", "-G", "Ninja", "-S", ROOT, "-B", tmp_path, "-DWEFT_PARTS=kernels", "-DWEFT_INSTRUCTION_SETS=avx3;baseline")
    assert "'avx3', which is no instruction set of" in words
    assert "or all, or native" in words


def test_this_processors_instruction_sets_are_not_asked_for_another_processor(tmp_path):
    options = ["-DWEFT_PARTS=kernels", "-DWEFT_INSTRUCTION_SETS=native", "-DCMAKE_SYSTEM_NAME=Linux", "-DCMAKE_SYSTEM_PROCESSOR=aarch64"]
    words = refusal("cmake", "-G", "Ninja", "-S", ROOT, "-B", tmp_path, "-DWEFT_TESTS=OFF", *options)
    assert "asks the processor that weft is built on" in words
    assert "dotprod" in words
