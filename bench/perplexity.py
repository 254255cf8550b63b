#!/usr/bin/env python3
"""Perplexity of one GGUF file on one text by weft on both backends, by Transformers and by llama.cpp, over the same windows.

    .venv/bin/python bench/perplexity.py                              # the default model, on a text of Python's own
    .venv/bin/python bench/perplexity.py --text wiki.txt --max-tokens 8192

Transformers computes in float32 with the file's weights dequantised; weft with rounded activations, and with
exact ones; llama.cpp (llama-cpp-python, in the environment that bench/decode makes) rounds them to 8 bits. Speed is not what is measured here.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "bench" / "decode")]

# Runs in the peer's environment: ids and windows on standard input, the sum and count of the scored tokens on standard output.
LLAMA = """
import json, sys
import llama_cpp, numpy as np
ids, context, stride, threads = json.load(sys.stdin)
llama = llama_cpp.Llama(sys.argv[1], n_ctx=context, n_batch=context, n_threads=threads, n_threads_batch=threads,
                        logits_all=True, verbose=False)
total, scored, scored_to = 0.0, 0, 1
for begin in range(0, len(ids), stride):
    end = min(begin + context, len(ids))
    first = max(scored_to, begin + 1) - begin
    if first < end - begin:
        llama.reset()
        llama.eval(ids[begin:end])
        logits = llama.scores[first - 1 : end - begin - 1].astype(np.float64)
        largest = logits.max(1)
        wanted = np.array(ids[begin + first : end])
        picked = logits[np.arange(len(wanted)), wanted]
        total += (np.log(np.exp(logits - largest[:, None]).sum(1)) + largest - picked).sum()
        scored += len(wanted)
    scored_to = end
    if end == len(ids):
        break
print(json.dumps([total, scored]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gguf", type=Path, help="the default model's, if not given")
    parser.add_argument("--text", type=Path, help="UTF-8; without it, the help texts of Python's own reference")
    parser.add_argument("--max-tokens", type=int, default=4096)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--stride", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peers", type=Path, default=ROOT / "build" / "peers", help="as of bench/decode")
    parser.add_argument("--skip", nargs="*", default=[], choices=["executorch", "aoti", "transformers", "llama.cpp"])
    options = parser.parse_args()

    import pydoc_data.topics

    import torch
    from contenders import Workshop

    from weft.export import export
    from weft.export.default_model import fetch_default_model
    from weft.export.perplexity import eager_perplexity, file_perplexity, text_ids
    from weft.export.progress import Progress
    from weft.export.sources import load_source

    torch.set_num_threads(options.threads)
    progress = Progress()
    gguf = options.gguf or fetch_default_model(progress)
    windows = {"context": options.context, "stride": options.stride}
    results: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="weft-perplexity-") as folder:
        text = options.text or Path(folder, "topics.txt")
        if options.text is None:
            text.write_text("".join(pydoc_data.topics.topics.values()), encoding="utf-8")
        source = load_source(gguf, dtype=torch.float32, progress=progress)
        ids = text_ids(source.assets, text.read_text(encoding="utf-8"))[: options.max_tokens]
        if "transformers" not in options.skip:
            results["transformers, float32"] = eager_perplexity(source.model, ids, **windows)
        del source
        for backend, ending in (("executorch", ".pte"), ("aoti", ".pt2")):
            if backend in options.skip:
                continue
            path = Path(folder, "model" + ending)
            export(gguf, path, check=False, activations="rounded", progress=progress)
            windowed = [
                "--max-tokens",
                len(ids),
                "--threads",
                options.threads,
                "--context",
                options.context,
                "--stride",
                options.stride,
            ]
            for activations, flags in (("rounded", []), ("float32", ["--float-activations"])):
                measured = file_perplexity(path, text, *map(str, windowed), *flags)
                results[f"weft, {backend}, {activations}"] = measured["perplexity"]
        if "llama.cpp" not in options.skip:
            python = Workshop(
                options.peers, ROOT / "build" / "bin" / "weft", lambda text: print(text, file=sys.stderr)
            ).python("llama.cpp")
            question = json.dumps([ids, options.context, options.stride, options.threads])
            done = subprocess.run(
                [python, "-c", LLAMA, gguf], input=question, capture_output=True, text=True, check=True
            )
            total, scored = json.loads(done.stdout)
            results["llama.cpp"] = float(torch.tensor(total / scored, dtype=torch.float64).exp())
    print(f"{Path(gguf).name}, {len(ids)} tokens of {text.name}, windows of {options.context} each {options.stride}")
    base = next(iter(results.values()))
    for name, value in results.items():
        print(f"{name:26} {value:10.4f}  {value / base - 1:+.3%}")


if __name__ == "__main__":
    main()
