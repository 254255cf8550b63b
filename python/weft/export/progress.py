"""Progress on stderr: a bar on a terminal, one quiet line per stage elsewhere.

progress = Progress()
with progress.stage("downloading", size=98_000_000) as stage:
    stage.advance(4096)                       # bytes done: percentage and time left
with progress.stage("lowering", seconds=35):  # a guess: the bar nears its end as the time passes
    ...
with progress.stage("tracing"):               # unknown: the seconds that have passed
    ...
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from typing import TextIO

_BAR_COLUMNS = 24
_REDRAW_SECONDS = 0.1
_CLEAR_LINE = "\r\x1b[K"


class Stage:
    """One thing that is being done. advance() may be called from any thread."""

    def __init__(self, title: str, seconds: float | None, size: int | None) -> None:
        self.title = title
        self._seconds = seconds
        self._size = size
        self._done = 0
        self._start = time.monotonic()
        self._lock = threading.Lock()

    def advance(self, amount: int) -> None:
        """`amount` more bytes (or whatever `size` counts) are done."""
        with self._lock:
            self._done += amount

    def elapsed(self) -> float:
        return time.monotonic() - self._start

    def line(self, columns: int) -> str:
        """The stage as one line of at most `columns` columns."""
        elapsed = self.elapsed()
        if self._size:
            share = min(self._done / self._size, 1.0)
            left = _duration(elapsed * (1 - share) / share) + " left" if share > 0 else ""
            amounts = f"{_amount(min(self._done, self._size))} of {_amount(self._size)}"
            tail = f"{_bar(share)} {share:4.0%}  {amounts}  {left}"
        elif self._seconds:
            # Never full before the end: an estimate that was too short must not look like a stuck program.
            share = (
                elapsed / (elapsed + self._seconds / 4) if elapsed > self._seconds else 0.8 * elapsed / self._seconds
            )
            tail = f"{_bar(share)}  {_duration(elapsed)} of about {self._seconds:.0f} s"
        else:
            tail = _duration(elapsed)
        return f"{self.title}  {tail}".rstrip()[: max(columns - 1, 1)]


class Progress:
    """Shows stages, one at a time, on `stream` (default: stderr)."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self.terminal = self._stream.isatty()  # false: lines, no bars

    def note(self, text: str) -> None:
        """A line that stays."""
        self._write(f"{_CLEAR_LINE if self.terminal else ''}{text}\n")

    @contextlib.contextmanager
    def stage(self, title: str, *, seconds: float | None = None, size: int | None = None) -> Iterator[Stage]:
        """Shows `title` until the block ends. `size`: how much there is to do; `seconds`: about how long it takes."""
        stage = Stage(title, seconds, size)
        if not self.terminal:
            about = f" (about {seconds:.0f} s)" if seconds else ""
            self._write(f"{title}{about}\n")
            yield stage
            return

        ended = threading.Event()
        artist = threading.Thread(target=self._draw_until, args=(ended, stage), name="weft-progress", daemon=True)
        artist.start()
        outcome = "stopped"
        try:
            yield stage
            outcome = _duration(stage.elapsed())
        finally:
            ended.set()
            artist.join()
            self._write(f"{_CLEAR_LINE}{title}  {outcome}\n")

    def _draw_until(self, ended: threading.Event, stage: Stage) -> None:
        while not ended.wait(_REDRAW_SECONDS):
            self._write(_CLEAR_LINE + stage.line(shutil.get_terminal_size().columns))

    def _write(self, text: str) -> None:
        # A reader that went away is no reason to stop the work.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()


def _bar(share: float) -> str:
    full = int(share * _BAR_COLUMNS)
    return "[" + "#" * full + "." * (_BAR_COLUMNS - full) + "]"


def _duration(seconds: float) -> str:
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02} s"


def _amount(number_of_bytes: int) -> str:
    return f"{number_of_bytes / 1e9:.2f} GB" if number_of_bytes >= 1e9 else f"{number_of_bytes / 1e6:.1f} MB"
