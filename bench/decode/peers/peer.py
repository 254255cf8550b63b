"""What every peer's script does: `make` its model files, and `run` them, which measures one process. Runs in the peer's environment.

    python llama_peer.py make --source HF_FOLDER --gguf FILE|- --bits 4 --out FILE_OR_FOLDER
    python llama_peer.py run --model FILE_OR_FOLDER --prompt 512 --decode 64 --threads 2 --vocabulary 49152 [--setting flash=1]

`run` loads, answers a prompt of random tokens for a few tokens (the cold run), then another one as long for all of them: that is what
counts. Not the same one: some keep what they have read of it. The last line of stdout is a JSON object with the keys of `weft bench --json`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

# Answers the prompt with n tokens, whatever they are; gives time.perf_counter() of each.
Generate = Callable[[Sequence[int], int], Sequence[float]]

WARM_UP_TOKENS = 8


def peak_rss_mb() -> float:
    """Of this program's memory alone: getrusage() counts that of the process which started it, too."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmHWM in /proc/self/status")


def measure(load: Callable[[argparse.Namespace], Generate], options: argparse.Namespace) -> dict[str, float]:
    start = time.perf_counter()
    generate = load(options)
    loaded = time.perf_counter()
    random.seed(1)
    warm_up, prompt = ([random.randrange(options.vocabulary) for _ in range(options.prompt)] for _ in range(2))
    cold = generate(warm_up, WARM_UP_TOKENS)[0]
    begin = time.perf_counter()
    times = generate(prompt, options.decode)
    if len(times) != options.decode:
        raise RuntimeError(f"{len(times)} tokens instead of {options.decode}")
    first = times[0] - begin
    return {
        "load_ms": (loaded - start) * 1e3,
        "cold_ms": (cold - start) * 1e3,
        "ttft_ms": first * 1e3,
        "prefill_tok_s": options.prompt / first,
        "decode_tok_s": (len(times) - 1) / (times[-1] - times[0]),
        "peak_rss_mb": peak_rss_mb(),
    }


def main(
    make: Callable[[argparse.Namespace], None], load: Callable[[argparse.Namespace], Generate], modules: Sequence[str]
) -> None:
    """modules: what load() imports, which is done before it and not measured."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    maker = commands.add_parser("make")
    maker.add_argument("--source", type=Path, required=True, help="a folder as Transformers saves it")
    maker.add_argument(
        "--gguf", type=Path, help="the GGUF that it came from; the giver of a tokenizer, if it came from none"
    )
    maker.add_argument("--same-gguf", action="store_true", help="the GGUF is the very model")
    maker.add_argument("--bits", type=int, required=True)
    maker.add_argument("--out", type=Path, required=True)
    runner = commands.add_parser("run")
    runner.add_argument("--model", type=Path, required=True)
    for name in ("prompt", "decode", "threads", "vocabulary", "bits"):
        runner.add_argument(f"--{name}", type=int, required=True)
    runner.add_argument(
        "--setting", action="append", default=[], type=lambda text: text.split("=", 1), help="NAME=VALUE"
    )
    options = parser.parse_args()
    if options.command == "make":
        make(options)
    else:
        options.setting = dict(options.setting)
        for module in modules:
            importlib.import_module(module)
        print(json.dumps(measure(load, options)))
