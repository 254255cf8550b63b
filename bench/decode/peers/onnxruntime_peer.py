"""ONNX Runtime GenAI, with the models of its own builder: groups of 32, products of 8-bit integers (accuracy level 4)."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import peer

PRECISIONS = {4: "int4", 8: "int8", 32: "fp32"}


def make(options) -> None:
    command = [
        sys.executable,
        "-m",
        "onnxruntime_genai.models.builder",
        "-i",
        options.source,
        "-o",
        options.out,
        "-e",
        "cpu",
    ]
    command += ["-p", PRECISIONS[options.bits], "-c", options.out.parent / "onnxruntime-genai-cache"]
    if options.bits < 32:
        command += ["--extra_options", "block_size=32", "accuracy_level=4"]
    subprocess.run([str(word) for word in command], check=True)


def load(options) -> peer.Generate:
    import onnxruntime_genai as og

    config = og.Config(str(options.model))
    config.overlay(json.dumps({"model": {"decoder": {"session_options": {"intra_op_num_threads": options.threads}}}}))
    model = og.Model(config)

    def generate(prompt, n):
        parameters = og.GeneratorParams(model)
        length = len(prompt) + n
        parameters.set_search_options(do_sample=False, min_length=length, max_length=length)
        generator = og.Generator(model, parameters)
        generator.append_tokens(prompt)
        times = []
        for _ in range(n):
            generator.generate_next_token()
            times.append(time.perf_counter())
        return times

    return generate


if __name__ == "__main__":
    peer.main(make, load, ["onnxruntime_genai"])
