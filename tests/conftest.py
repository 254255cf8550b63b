"""What tests of several parts share: the built programs, and models exported once for each state of the exporter."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from built import ENDINGS, ROOT, build_dir, built_program
from filelock import FileLock
from tiny_models import tiny_model, tiny_tokenizer

# Under nohup, or in the background of a script, signals are ignored, and by all that tests start as well.
for _signal, _default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_signal) == signal.SIG_IGN:
        signal.signal(_signal, _default)

# The glue between the kernels of a .pt2, unoptimised: a third of the compiler's time, and the same numbers.
os.environ.setdefault("AOT_INDUCTOR_COMPILE_WRAPPER_OPT_LEVEL", "O0")


@pytest.fixture(scope="session")
def weft_bin() -> Path:
    """The `weft` program."""
    return built_program("weft")


def _exporter_state() -> str:
    """A name that changes whenever an export may come out differently."""
    digest = hashlib.sha256()
    for source in sorted([*(ROOT / "python" / "weft").rglob("*.py"), Path(__file__)]):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """checkpoint(architecture) -> a Transformers checkpoint folder of the tiny model with its tokenizer."""
    made: dict[str, Path] = {}

    def make(architecture: str) -> Path:
        if architecture not in made:
            folder = tmp_path_factory.mktemp(f"checkpoint-{architecture}")
            tiny_model(architecture).save_pretrained(folder)
            tiny_tokenizer().save_pretrained(folder)
            made[architecture] = folder
        return made[architecture]

    return make


@pytest.fixture(scope="session")
def exported(checkpoint):
    """exported(architecture, backend, passes=True) -> the file, made by weft.export and kept in the build folder."""

    def make(architecture: str, backend: str, *, passes: bool = True) -> Path:
        program = built_program("weft")
        if not (build_dir() / "lib" / "weft" / f"weft_{backend}.so").is_file():
            pytest.skip(f"the backend {backend} is not built")
        folder = build_dir() / "test-models" / _exporter_state()
        path = folder / f"{architecture}{'' if passes else '-no-passes'}{ENDINGS[backend]}"
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):  # another worker may be at it
            if not path.is_file():
                from weft.export import export

                os.environ["WEFT_BIN"] = str(program)
                export(checkpoint(architecture), path, passes=passes, name=f"tiny-{architecture}")
        return path

    return make


@pytest.fixture(scope="session")
def default_model(weft_bin):
    """default_model(backend) -> the exported default model, made and kept in the user's cache folder as `weft chat` does."""
    def make(backend: str) -> Path:
        with FileLock(build_dir() / "default-model.lock"):
            made = subprocess.run(
                [weft_bin, "inspect", "--backend", backend],
                capture_output=True,
                text=True,
                check=False,
                env={**os.environ, "WEFT_PYTHON": sys.executable},
            )
        if made.returncode != 0:
            pytest.skip(f"the default model can't be had here: {made.stderr.strip().splitlines()[-1] if made.stderr.strip() else made.returncode}")
        cache = Path(os.environ.get("WEFT_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "weft")
        return cache / "models" / f"smollm2-135m-instruct{ENDINGS[backend]}"

    return make
