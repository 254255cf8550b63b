#!/usr/bin/env python3
"""What an export costs: seconds, the most memory that it held, and the file's size beside the weights'.

    .venv/bin/python bench/export.py                       # a Llama of 100M parameters, float32, to .pte and .pt2
    .venv/bin/python bench/export.py --model FOLDER|GGUF --options "--quantize keep"

The model has random weights, its head tied to its embedding unless --untied. Each export is a process of its own, as a user starts it.
Memory is the most that it and the processes that it starts held privately (not the files that they map), less what a process
holds that has only loaded PyTorch, Transformers and ExecuTorch, which is told too. The compiler's caches are warm unless --cold.
On a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "tests")]

GOALS = {"executorch": 1.02, "aoti": 1.05}
ENDINGS = {"executorch": ".pte", "aoti": ".pt2"}


def make_checkpoint(folder: Path, tied: bool) -> None:
    import torch
    import transformers
    from tiny_models import tiny_tokenizer

    config = transformers.LlamaConfig(
        vocab_size=32000,
        hidden_size=640,
        intermediate_size=1792,
        num_hidden_layers=16,
        num_attention_heads=10,
        num_key_value_heads=5,
        max_position_embeddings=2048,
        tie_word_embeddings=tied,
    )
    torch.manual_seed(0)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)


def weights_bytes(model: Path) -> int:
    if model.is_file():
        return model.stat().st_size
    return sum(path.stat().st_size for path in model.glob("*.safetensors"))


class Watch(threading.Thread):
    """The largest sum over a process and its children of what they hold privately, read from /proc ten times a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.peak, self.stopped = pid, 0, threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(0.1):
            self.peak = max(self.peak, sum(map(private_bytes, family(self.pid))))


def family(pid: int) -> list[int]:
    pids = [pid]
    for parent in pids:
        try:
            pids += map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())
        except OSError:
            continue
    return pids


def private_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith(("RssAnon:", "RssShmem:")))


LIBRARIES = "import torch, transformers.models.llama.modeling_llama, executorch.exir, torch._inductor.compile_fx"


def run(arguments: list[str], environment: dict[str, str]) -> tuple[float, int]:
    """Seconds and peak bytes of a Python process."""
    command = [sys.executable, *arguments]
    start = time.perf_counter()
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        watch = Watch(process.pid)
        watch.start()
        said = process.communicate()[1]
        watch.stopped.set()
    if process.returncode != 0:
        sys.exit(said)
    return time.perf_counter() - start, watch.peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="a checkpoint's folder or a GGUF; default: 100M random weights")
    parser.add_argument("--options", default="", help="of weft export, in one text")
    parser.add_argument("--backend", choices=list(ENDINGS), help="only this one")
    parser.add_argument("--untied", action="store_true", help="the random model's head has weights of its own")
    parser.add_argument("--cold", action="store_true", help="with the compiler's caches empty")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory(prefix="weft-bench-export-") as folder:
        model = arguments.model
        if model is None:
            model = Path(folder, "model")
            make_checkpoint(model, not arguments.untied)
        weights = weights_bytes(model)
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
        if arguments.cold:
            environment["TORCHINDUCTOR_CACHE_DIR"] = str(Path(folder, "inductor"))
        import importlib.metadata as metadata

        versions = ", ".join(f"{package} {metadata.version(package)}" for package in ("torch", "executorch", "transformers"))
        print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores; {versions}; {weights / 1e6:.0f} MB of weights")
        loaded = run(["-c", LIBRARIES], environment)[1]
        print(f"loaded libraries: {loaded / 1e6:.0f} MB")
        print("| backend | seconds | peak memory / weights | file / weights |\n|---|---|---|---|")
        for backend in [arguments.backend] if arguments.backend else ENDINGS:
            out = Path(folder, f"out{ENDINGS[backend]}")
            command = ["-m", "weft.export", str(model), "-o", str(out), *arguments.options.split()]
            seconds, peak = run(command, environment)
            peak -= loaded
            size = out.stat().st_size
            results.append({"backend": backend, "seconds": seconds, "peak": peak, "size": size, "weights": weights})
            print(f"| {backend} | {seconds:.1f} | {peak / weights:.2f} | {size / weights:.3f} (goal {GOALS[backend]}) |", flush=True)
            out.unlink()
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
