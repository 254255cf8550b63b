"""Where the compiled parts of weft are: inside the installed package, or in the build folder of the source tree."""

from __future__ import annotations

import os
from pathlib import Path

from weft.errors import Error

_PACKAGE = Path(__file__).resolve().parent
# Each holds bin/weft, and in lib/weft the plug-ins with weft._native beside them.
PREFIXES = (_PACKAGE, Path(os.environ.get("WEFT_BUILD_DIR") or _PACKAGE.parents[1] / "build"))


def find_program() -> Path:
    """The `weft` program: $WEFT_BIN, then the installed package's, then the build folder's."""
    for candidate in (os.environ.get("WEFT_BIN"), *(prefix / "bin" / "weft" for prefix in PREFIXES)):
        if candidate and os.access(candidate, os.X_OK) and Path(candidate).is_file():
            return Path(candidate)
    raise Error("not_found", "the weft program is not built", "weft", "build it (./weft setup, or pip install .), or set WEFT_BIN to it")
