#!/usr/bin/env python3
"""weft beside llama.cpp on the very same GGUF, in one run: load, first token, prefill, decode, peak memory.

    .venv/bin/python bench/compare.py                    # the default model, at all cores
    .venv/bin/python bench/compare.py --threads 1 --json results.json

Programs take turns, one process a measurement, so that a machine whose speed drifts favours none; the table shows medians
and, in brackets, the smallest and largest. llama-cpp-python is installed from PyPI into an environment of its own
(compiled there: about ten minutes once), and measured with flash attention off and on. Run it on a machine that does nothing else:
llama.cpp's threads wait by spinning.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "python"))

LLAMA_VERSION = "0.3.36"
KEYS = {  # of `weft bench --json`: heading, larger is better
    "load_ms": ("load (ms)", False),
    "ttft_ms": ("first token (ms)", False),
    "prefill_tok_s": ("prefill (tok/s)", True),
    "decode_tok_s": ("decode (tok/s)", True),
    "peak_rss_mb": ("peak memory (MB)", False),
}

# Runs in the peer's environment. The same work as `weft bench`: load, a warm-up, then a prompt of random tokens and greedy tokens.
LLAMA = """
import json, random, resource, sys, time
import llama_cpp
model, prompt_tokens, decode_tokens, threads, flash = sys.argv[1], *map(int, sys.argv[2:6])
start = time.perf_counter()
llama = llama_cpp.Llama(model, n_ctx=prompt_tokens + decode_tokens + 8, n_batch=512, n_threads=threads, n_threads_batch=threads,
                        flash_attn=bool(flash), verbose=False)
load = time.perf_counter() - start
random.seed(0)
prompt = [random.randrange(llama.n_vocab()) for _ in range(prompt_tokens)]
def run():
    llama.reset()
    start = time.perf_counter()
    llama.eval(prompt)
    token = llama.sample(temp=0.0)
    first = time.perf_counter()
    for _ in range(decode_tokens - 1):
        llama.eval([token])
        token = llama.sample(temp=0.0)
    end = time.perf_counter()
    return first - start, (decode_tokens - 1) / (end - first)
run()
first, decode = run()
print(json.dumps({"load_ms": load * 1e3, "ttft_ms": first * 1e3, "prefill_tok_s": prompt_tokens / first, "decode_tok_s": decode,
                  "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def llama_python(folder: Path, wheels: str | None) -> Path:
    """The Python of an environment that has llama-cpp-python."""
    python = folder / "bin" / "python"
    if not python.is_file():
        venv.create(folder, with_pip=True)
    if subprocess.run([python, "-c", "import llama_cpp"], capture_output=True, check=False).returncode != 0:
        print(f"installing llama-cpp-python {LLAMA_VERSION} into {folder}", file=sys.stderr)
        extra = ["--find-links", wheels] if wheels else []
        subprocess.run([python, "-m", "pip", "install", "-q", *extra, f"llama-cpp-python=={LLAMA_VERSION}"], check=True, stdout=sys.stderr)
    return python


def measure(command: list) -> dict[str, float]:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"failed: {' '.join(str(word) for word in command[:4])} ...\n{done.stderr}")
    return json.loads(done.stdout)


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompt", type=int, default=512, metavar="N")
    parser.add_argument("--decode", type=int, default=64, metavar="N")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--rounds", type=int, default=5, metavar="R")
    parser.add_argument("--peers", type=Path, default=ROOT / "build" / "peers", help="folder of the peer's environment")
    parser.add_argument("--wheels", help="folder with a ready wheel of llama-cpp-python")
    parser.add_argument("--json", type=Path, help="file to write all measurements to")
    options = parser.parse_args()

    from weft.export.default_model import default_output, fetch_default_model
    from weft.export.progress import Progress

    gguf = fetch_default_model(Progress())
    program = Path(os.environ.get("WEFT_BIN", ROOT / "build" / "bin" / "weft"))
    contenders: dict[str, list] = {}
    for backend in ("aoti", "executorch"):
        subprocess.run([program, "inspect", "--backend", backend], check=True, stdout=subprocess.DEVNULL, env={**os.environ, "WEFT_PYTHON": sys.executable})
        # llama.cpp rounds activations to 8 bits; the default model doesn't, unless it is exported so.
        rounded = options.peers / default_output(backend).name
        if not rounded.is_file():
            options.peers.mkdir(parents=True, exist_ok=True)
            command = [sys.executable, "-m", "weft.export", "--default", "--backend", backend, "--activations", "int8", "-o", rounded]
            subprocess.run(command, check=True, env={**os.environ, "WEFT_BIN": str(program), "PYTHONPATH": str(ROOT / "python")})
        for activations, path in (("int8", rounded), ("float32", default_output(backend))):
            contenders[f"weft, {backend}, {activations} activations"] = [
                program, "bench", path, "--prompt", options.prompt, "--decode", options.decode,
                "--threads", options.threads, "--repeat", 1, "--json",
            ]  # fmt: skip
    python = llama_python(options.peers, options.wheels)
    for flash, name in ((0, "flash attention off"), (1, "flash attention on")):
        contenders[f"llama.cpp, {name}"] = [python, "-c", LLAMA, gguf, options.prompt, options.decode, options.threads, flash]

    runs: dict[str, list[dict[str, float]]] = {name: [] for name in contenders}
    for number in range(options.rounds):
        for name, command in contenders.items():
            print(f"round {number + 1} of {options.rounds}: {name}", file=sys.stderr)
            runs[name].append(measure(command))

    print(f"SmolLM2-135M-Instruct Q4_1, prompt {options.prompt}, decode {options.decode}, {options.threads} threads, {options.rounds} rounds;")
    print(f"{processor()}, load average before {os.getloadavg()[2]:.1f}; llama-cpp-python {LLAMA_VERSION}\n")
    print("| | " + " | ".join(heading for heading, _ in KEYS.values()) + " |")
    print("|---|" + "---|" * len(KEYS))
    for name, results in runs.items():
        cells = []
        for key in KEYS:
            values = [result[key] for result in results]
            cells.append(f"{statistics.median(values):.0f} ({min(values):.0f}–{max(values):.0f})")
        print(f"| {name} | " + " | ".join(cells) + " |")
    for key, (heading, larger) in KEYS.items():
        medians = {name: statistics.median(result[key] for result in results) for name, results in runs.items()}
        peer = (max if larger else min)(value for name, value in medians.items() if name.startswith("llama"))
        ratios = ", ".join(f"{name.removeprefix('weft, ')} {value / peer:.2f}" for name, value in medians.items() if name.startswith("weft"))
        print(f"\n{heading}, weft / the better llama.cpp: {ratios}")
    if options.json:
        options.json.write_text(json.dumps({"processor": processor(), "options": {**vars(options), "peers": None, "wheels": None, "json": None}, "runs": runs}, indent=1))


if __name__ == "__main__":
    main()
