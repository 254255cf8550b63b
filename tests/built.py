"""The build that the tests run on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ENDINGS = {"executorch": ".pte", "aoti": ".pt2"}


def build_dir() -> Path:
    return Path(os.environ.get("WEFT_BUILD_DIR", ROOT / "build"))


def built_program(name: str) -> Path:
    """A program of the build, or a visible skip."""
    path = build_dir() / "bin" / name
    if not path.is_file():
        pytest.skip(f"{path} is not built")
    os.environ.setdefault("WEFT_BIN", str(build_dir() / "bin" / "weft"))
    return path
