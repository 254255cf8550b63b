"""A file that is there in full or not at all: written under another name beside it, then renamed.

with atomic_output(Path("model.pte"), bytes_needed=600_000_000) as unfinished:
    lower(program, unfinished)
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from weft.errors import Error

# Where so little is left, a failed write is put down to a full disk: the writers of both backends don't say it.
_FULL_BYTES = 1 << 20

_FIXES = {
    errno.ENOSPC: "free space there, or write to another disk",
    errno.EDQUOT: "free space there, or write to another disk",
    errno.EFBIG: "write to a file system that takes files of this size, or raise the limit (ulimit -f)",
    errno.EROFS: "write to a folder that isn't read-only",
    errno.EACCES: "write to a folder that you may write to, or change its permissions",
    errno.EPERM: "write to a folder that you may write to, or change its permissions",
    errno.ENOENT: "make the folder first",
    errno.ENOTDIR: "write to a folder",
    errno.ENAMETOOLONG: "choose a shorter name",
}

# These say that a disk failed, whoever ran into them; the others only if it was about our own file.
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


@contextlib.contextmanager
def atomic_output(out: Path, bytes_needed: int) -> Iterator[Path]:
    """Gives the path to write to, in the folder of `out` and with its ending; renames it to `out` when the block ends.

    If the block raises, or SIGINT, SIGTERM or SIGHUP ends the program, nothing stays behind and `out` is as it was.
    `bytes_needed` is an estimate; less free space than that is an error before the block begins.

    Raises weft.Error (io, invalid_argument, not_found).
    """
    check_output(out)
    unfinished = _unfinished_name(out)
    with termination_as_exit():
        try:
            _claim(unfinished)
            _check_space(out.parent, bytes_needed)
            yield unfinished
            _sync(unfinished)
            unfinished.replace(out)
            _sync(out.parent)
        except OSError as error:
            ours = error.filename in (str(unfinished), str(out), str(out.parent))
            if error.errno in _DISK_ERRORS or (ours and error.errno in _FIXES):
                raise _as_error(error, out if ours else error.filename or out) from error
            raise
        except Error:
            raise
        except Exception as error:
            for folder in (out.parent, Path(tempfile.gettempdir())):
                if shutil.disk_usage(folder).free < _FULL_BYTES:
                    raise Error("io", "the disk is full", folder, _FIXES[errno.ENOSPC]) from error
            raise
        finally:
            _discard(unfinished)


def check_output(out: Path) -> None:
    """Raises what atomic_output() would: for asking before the work is done that is to be written."""
    if out.is_dir():
        raise Error("invalid_argument", "is a folder", out, f"name a file in it, such as {out / 'model.pte'}")
    unfinished = _unfinished_name(out)
    try:
        _claim(unfinished)
    except OSError as error:
        raise _as_error(error, out) from error
    finally:
        _discard(unfinished)


@contextlib.contextmanager
def termination_as_exit() -> Iterator[None]:
    """Within the block, SIGTERM and SIGHUP unwind the program (SystemExit) as SIGINT does, so that it cleans up."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python lets only the main thread have handlers.
        return
    previous = {}
    try:
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:  # not under nohup, and not if the host program has its own
                previous[number] = signal.signal(number, _exit)
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _exit(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def _unfinished_name(out: Path) -> Path:
    return out.with_name(f".{out.stem}.{secrets.token_hex(4)}.unfinished{out.suffix}")


def _discard(unfinished: Path) -> None:
    with contextlib.suppress(OSError):  # of the folder: it has been reported already
        unfinished.unlink(missing_ok=True)


def _claim(unfinished: Path) -> None:
    # Not tempfile's: its files are for the owner alone, and the mode would stay on the finished file.
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666))


def _check_space(folder: Path, bytes_needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < bytes_needed:
        message = f"{free / 1e6:.0f} MB are free, but about {bytes_needed / 1e6:.0f} MB are needed"
        raise Error("io", message, folder, _FIXES[errno.ENOSPC])


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some file systems have no fsync, for folders above all
            raise
    finally:
        os.close(descriptor)


def _as_error(error: OSError, where: str | os.PathLike[str]) -> Error:
    code = "not_found" if error.errno in (errno.ENOENT, errno.ENOTDIR) else "io"
    fix = _FIXES.get(error.errno or 0, "choose another place")
    return Error(code, f"can't be written: {error.strerror or error}", where, fix)
