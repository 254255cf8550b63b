import errno
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from weft import Error
from weft.export.outfile import atomic_output, check_output

PYTHON_FOLDER = Path(__file__).parents[2] / "python"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "model.pte"


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def run(code: str, out: Path) -> subprocess.Popen:
    """Runs Python `code`, which finds the output path in sys.argv[1]."""
    head = "import sys, signal, resource\nfrom pathlib import Path\nfrom weft.export.outfile import atomic_output\n"
    return subprocess.Popen(
        [sys.executable, "-c", head + textwrap.dedent(code), str(out)],
        env={**os.environ, "PYTHONPATH": str(PYTHON_FOLDER)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_replaces_the_file_when_the_block_ends(out):
    out.write_text("old")
    with atomic_output(out, 10) as unfinished:
        assert unfinished.parent == out.parent
        assert unfinished.suffix == out.suffix
        unfinished.write_text("new")
        assert out.read_text() == "old"
    assert out.read_text() == "new"
    assert files_in(out.parent) == ["model.pte"]


def test_gives_the_file_the_mode_of_any_new_file(out):
    other = out.with_name("other")
    other.touch()
    with atomic_output(out, 0):
        pass
    assert out.stat().st_mode == other.stat().st_mode


@pytest.mark.parametrize("reason", [ValueError("x"), KeyboardInterrupt(), SystemExit(1), Error("backend", "x")])
def test_leaves_nothing_behind_whatever_is_raised(out, reason):
    out.write_text("old")
    with pytest.raises(type(reason)) as raised, atomic_output(out, 0) as unfinished:
        unfinished.write_text("half")
        raise reason
    assert raised.value is reason
    assert files_in(out.parent) == ["model.pte"]
    assert out.read_text() == "old"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_leaves_nothing_behind_when_a_signal_ends_the_program(out, number):
    process = run(
        """
        with atomic_output(Path(sys.argv[1]), 0) as unfinished:
            unfinished.write_text("half")
            print("ready", flush=True)
            signal.pause()
        """,
        out,
    )
    assert process.stdout.readline() == "ready\n"
    assert len(files_in(out.parent)) == 1
    process.send_signal(number)
    _, complaints = process.communicate(timeout=60)
    assert files_in(out.parent) == []
    if number == signal.SIGINT:
        assert "KeyboardInterrupt" in complaints
    else:
        assert process.returncode == 128 + number


def test_gives_signals_back_to_their_handlers(out):
    before = signal.getsignal(signal.SIGTERM)
    with atomic_output(out, 0):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_works_outside_of_the_main_thread(out):
    def write():
        with atomic_output(out, 0) as unfinished:
            unfinished.write_text("new")

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    assert out.read_text() == "new"


@pytest.mark.parametrize("ask", [check_output, lambda out: atomic_output(out, 0).__enter__()])
class TestRefusesBeforeTheWork:
    def test_a_folder(self, ask, tmp_path):
        with pytest.raises(Error, match=r"is a folder\nfix: name a file in it, such as .*/model.pte") as raised:
            ask(tmp_path)
        assert raised.value.code == "invalid_argument"

    def test_a_file_in_a_folder_that_is_not_there(self, ask, tmp_path):
        with pytest.raises(Error, match=r"No such file or directory\nfix: make the folder first") as raised:
            ask(tmp_path / "nowhere" / "model.pte")
        assert raised.value.code == "not_found"

    def test_a_file_in_a_file(self, ask, out):
        out.touch()
        with pytest.raises(Error, match=r"Not a directory\nfix: write to a folder"):
            ask(out / "model.pte")

    @pytest.mark.parametrize(
        ("number", "words"),
        [
            (errno.EACCES, "Permission denied\nfix: write to a folder that you may write to"),
            (errno.EPERM, "Operation not permitted\nfix: write to a folder that you may write to"),
            (errno.EROFS, "Read-only file system\nfix: write to a folder that isn't read-only"),
            (errno.ENOSPC, "No space left on device\nfix: free space there"),
            (errno.EDQUOT, "Disk quota exceeded\nfix: free space there"),
            (errno.ENAMETOOLONG, "File name too long\nfix: choose a shorter name"),
        ],
    )
    def test_what_the_system_refuses(self, ask, out, monkeypatch, number, words):
        def refuse(path, *_):
            raise OSError(number, os.strerror(number), os.fspath(path))

        monkeypatch.setattr(os, "open", refuse)
        with pytest.raises(Error, match=words) as raised:
            ask(out)
        assert raised.value.code == "io"
        assert raised.value.where == str(out)


def test_refuses_to_begin_without_room_for_the_end(out, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 0, 5_000_000))
    with (
        pytest.raises(Error, match="5 MB are free, but about 600 MB are needed") as raised,
        atomic_output(out, 600_000_000),
    ):
        pytest.fail("began")
    assert raised.value.code == "io"
    assert raised.value.where == str(out.parent)
    assert files_in(out.parent) == []


def test_reports_a_file_that_outgrows_the_limit(out):
    process = run(
        """
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        with atomic_output(Path(sys.argv[1]), 0) as unfinished:
            unfinished.write_bytes(bytes(100_000))
        """,
        out,
    )
    _, complaints = process.communicate(timeout=60)
    assert f"weft.errors.Error: {out}: can't be written: File too large\nfix: " in complaints
    assert files_in(out.parent) == []


def test_reports_a_disk_that_filled_up_elsewhere(out):
    def write():
        raise OSError(errno.ENOSPC, "No space left on device", "/tmp/elsewhere")

    with pytest.raises(Error, match="/tmp/elsewhere: can't be written: No space left on device"), atomic_output(out, 0):
        write()


def test_blames_a_full_disk_for_what_a_writer_of_the_backends_could_not_name(out, monkeypatch):
    with pytest.raises(Error, match="the disk is full\nfix: free space there") as raised, atomic_output(out, 0):
        monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 0))
        raise RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0")
    assert raised.value.code == "io"
    assert raised.value.where == str(out.parent)


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), FileNotFoundError(errno.ENOENT, "no g++", "g++")])
def test_leaves_errors_alone_that_have_nothing_to_do_with_the_file(out, error):
    with pytest.raises(type(error)) as raised, atomic_output(out, 0):
        raise error
    assert raised.value is error
