"""Runs the `weft` program, piped or on a terminal."""

from __future__ import annotations

import dataclasses
import os
import pty
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclasses.dataclass
class Weft:
    """Runs the program in an empty environment of its own."""

    program: Path
    env: dict[str, str]

    def __call__(self, *arguments, stdin: str | bytes = b"", env: dict[str, str] | None = None, **options):
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [self.program, *arguments],
            input=data,
            capture_output=True,
            env=self.env | (env or {}),
            timeout=60,
            check=False,
            **options,
        )
        return Result(done.returncode, done.stdout.decode("utf-8", "strict"), done.stderr.decode("utf-8", "replace"))

    def start(self, *arguments, **options) -> subprocess.Popen:
        return subprocess.Popen([self.program, *arguments], env=self.env, **options)

    def terminal(self, *arguments) -> Terminal:
        return Terminal([str(self.program), *map(str, arguments)], self.env | {"TERM": "xterm"})


@dataclasses.dataclass
class Result:
    code: int
    out: str
    err: str


class Terminal:
    """The program with a terminal for stdin, stdout and stderr."""

    def __init__(self, command: list[str], env: dict[str, str]):
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.execve(command[0], command, env)
        self.seen = ""
        self.code: int | None = None

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def expect(self, text: str) -> str:
        """Reads until `text` appears; gives and forgets what came up to its end."""
        while text not in self.seen:
            if not self._read():
                pytest.fail(f"the program ended before it wrote {text!r}; it wrote {self.seen!r}")
        before, _, self.seen = self.seen.partition(text)
        return before + text

    def wait(self) -> int:
        """Reads to the program's end; gives its exit code."""
        while self._read():
            pass
        if self.code is None:
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.code

    def close(self) -> None:
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)

    def _read(self, seconds: float = 30) -> bool:
        if not select.select([self.master], [], [], seconds)[0]:
            pytest.fail(f"the program wrote nothing for {seconds} s after {self.seen!r}")
        try:
            data = os.read(self.master, 65536)
        except OSError:  # how Linux tells that the other end is closed
            return False
        self.seen += data.decode("utf-8", "replace")
        return bool(data)


def wait_until(condition, seconds: float = 30) -> None:
    """For what another process does and doesn't tell."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail("waited in vain")
        time.sleep(0.01)
