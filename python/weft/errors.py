"""The one exception that crosses weft's public boundary, in the same words as include/weft/error.h."""

from __future__ import annotations

import os

CODES = (
    "invalid_argument",  # The caller passed something outside of the documented range.
    "not_found",  # A file, an asset of a model file, or a name isn't there.
    "io",  # Reading or writing failed: permissions, full disk, broken pipe.
    "corrupt",  # Bytes from outside break the format they claim to be.
    "unsupported",  # Valid, but not something that this version can do.
    "too_large",  # Beyond a documented bound, or what memory allows.
    "context_full",  # A sequence would outgrow its cache.
    "backend",  # ExecuTorch or libtorch reported a failure.
    "internal",  # A mistake of ours.
)


class Error(Exception):
    """What went wrong (`message`), where (a file, a place in it, an argument; may be ""), and how to mend it (`fix`)."""

    def __init__(self, code: str, message: str, where: str | os.PathLike[str] = "", fix: str = "") -> None:
        if code not in CODES:
            raise ValueError(f"{code!r} is no error code; these are: {', '.join(CODES)}")
        self.code = code
        self.message = message
        self.where = os.fspath(where)
        self.fix = fix
        super().__init__(code, message, self.where, fix)

    def __str__(self) -> str:
        """`<where>: <message>` and, on a line of its own, `fix: <fix>`, leaving out what is empty."""
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}\nfix: {self.fix}" if self.fix else text


def first_line(error: BaseException) -> str:
    """What another library's exception says, as the one line that a message has room for."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
