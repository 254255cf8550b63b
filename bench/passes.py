#!/usr/bin/env python3
"""What each pass of the export is worth: the same weights with all passes, and with all but one.

    .venv/bin/python bench/passes.py                          # the default model's GGUF, activations in 8 bits, both backends
    .venv/bin/python bench/passes.py --model FOLDER --options "--quantize none" --backend aoti --rounds 5

The default model takes about a minute for each file, several where the cache stays in the graph. Every file is measured in turn, round
after round; medians count. A pass that opens the way for others takes theirs with it when it is left out. Speeds are ratios to the file with all passes, of the same run. On a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "python"))

from weft.export import BACKENDS, PASS_NAMES  # noqa: E402
from weft.export.default_model import fetch_default_model  # noqa: E402
from weft.export.pass_names import parse_passes  # noqa: E402
from weft.export.progress import Progress  # noqa: E402

ENDINGS = {backend: ending for ending, backend in BACKENDS.items()}
VARIANTS = {"all": [], **{name: ["--without-pass", name] for name in PASS_NAMES}, "none": ["--no-passes"]}


def export(model: Path, out: Path, options: list[str]) -> None:
    command = [sys.executable, "-m", "weft.export", str(model), "-o", str(out), "--no-check", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    subprocess.run(command, check=True, env=environment, stderr=subprocess.DEVNULL)


def measure(program: Path, out: Path, threads: int, prompt: int, decode: int) -> dict[str, float]:
    command = [program, "bench", out, "--json", "--repeat", "3", "--threads", threads, "--prompt", prompt, "--decode", decode]
    result = json.loads(subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout)
    return {"decode": result["decode_tok_s"], "prefill": result["prefill_tok_s"], "bytes": out.stat().st_size}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a checkpoint's folder or a GGUF; the default model's, if not given")
    parser.add_argument("--options", default="--quantize keep", help="of weft export, in one text")
    parser.add_argument("--backend", choices=list(ENDINGS), help="only this one")
    parser.add_argument("--only", type=parse_passes, metavar="NAME,...", help="leave out only these, one by one")
    parser.add_argument("--weft", type=Path, default=ROOT / "build" / "bin" / "weft")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prompt", type=int, default=256)
    parser.add_argument("--decode", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    variants = {name: how for name, how in VARIANTS.items() if name == "all" or not options.only or name in options.only}
    model = options.model or fetch_default_model(Progress())
    backends = [options.backend] if options.backend else list(ENDINGS)
    results: dict[str, dict[str, list]] = {}
    with tempfile.TemporaryDirectory(prefix="weft-bench-passes-") as folder:
        files = {}
        for backend in backends:
            for variant, arguments in variants.items():
                if variant == "few_row_linears" and backend != "aoti":
                    continue
                files[backend, variant] = Path(folder, f"{variant}{ENDINGS[backend]}")
                export(model, files[backend, variant], [*options.options.split(), *arguments])
                print(f"exported {backend} {variant}", file=sys.stderr)
        for _ in range(options.rounds):
            for (backend, variant), path in files.items():
                one = measure(options.weft, path, options.threads, options.prompt, options.decode)
                results.setdefault(backend, {}).setdefault(variant, []).append(one)
    print("| without | " + " | ".join(f"{backend}: decode | prefill | file" for backend in backends) + " |")
    print("|---|" + "---|---|---|" * len(backends))
    for variant in variants:
        cells = []
        for backend in backends:
            if variant not in results[backend]:
                cells += ["", "", ""]
                continue
            medians, all_of_them = (
                {key: statistics.median(run[key] for run in results[backend][name]) for key in ("decode", "prefill", "bytes")}
                for name in (variant, "all")
            )
            if variant == "all":
                cells += [f"{medians['decode']:.0f} tok/s", f"{medians['prefill']:.0f} tok/s", f"{medians['bytes'] / 1e6:.0f} MB"]
            else:
                cells += [f"{medians[key] / all_of_them[key]:.2f}" for key in ("decode", "prefill", "bytes")]
        print(f"| {'nothing' if variant == 'all' else 'all' if variant == 'none' else f'`{variant}`'} | " + " | ".join(cells) + " |")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
