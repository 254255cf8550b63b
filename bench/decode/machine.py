"""What the measurements were made on, and whether anybody else was at work there."""

from __future__ import annotations

import dataclasses
import os
import platform
import re
import subprocess
import time
from pathlib import Path

# A machine on which others take more than this share of the time is not quiet.
QUIET = 0.05


def describe() -> dict[str, object]:
    cpuinfo = Path("/proc/cpuinfo").read_text()

    def fact(name: str) -> str:
        found = re.search(rf"^{name}\s*:\s*(.*)$", cpuinfo, re.MULTILINE)
        return found[1] if found else ""

    flags = set(fact("flags").split())
    sets = [
        name
        for name in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimddp", "i8mm")
        if name in flags
    ]
    memory = re.search(r"MemTotal:\s*(\d+) kB", Path("/proc/meminfo").read_text())
    return {
        "processor": fact("model name") or platform.machine(),
        "family_model_stepping": "/".join(fact(name) for name in ("cpu family", "model", "stepping")),
        "instruction_sets": sets,
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory[1]) / 2**20, 1) if memory else None,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def measure_limits(kernels_bench: Path, threads: int) -> dict[str, float]:
    """The machine's own speeds, by the program kernels_bench: reads from memory and within 96 MiB in GB/s, multiply-adds in Gop/s."""
    done = subprocess.run(
        [kernels_bench, "--threads", str(threads), "--limits"], capture_output=True, text=True, check=True
    )
    return {name: float(value) for name, value in (line.split() for line in done.stdout.splitlines())}


@dataclasses.dataclass
class _Times:
    wall: float
    busy: float  # seconds of all cores together
    stolen: float  # by other guests of the host

    @staticmethod
    def now() -> _Times:
        tick = os.sysconf("SC_CLK_TCK")
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
        return _Times(time.monotonic(), (user + nice + system + irq + softirq) / tick, steal / tick)


class OthersWatch:
    """The share of the machine's time that others took between making it and asking."""

    def __init__(self) -> None:
        self._start = _Times.now()
        usage = os.times()
        self._own = sum(usage[:4])

    def share(self) -> float:
        now, usage = _Times.now(), os.times()
        own = sum(usage[:4]) - self._own  # of this process and of the children that it has waited for
        others = now.busy - self._start.busy - own + now.stolen - self._start.stolen
        return max(0.0, others / ((now.wall - self._start.wall) * (os.cpu_count() or 1)))


def wait_until_quiet(seconds: float, say) -> float:
    """Waits until others take less than QUIET of the machine's time, `seconds` at most; gives their share."""
    end = time.monotonic() + seconds
    while True:
        watch = OthersWatch()
        time.sleep(2)
        share = watch.share()
        if share < QUIET or time.monotonic() >= end:
            return share
        say(f"others use {share:.0%} of the machine; waiting")
        time.sleep(10)
