"""CTranslate2, with its own converter. It has no 4-bit weights on a CPU. Setting type: the compute type."""

from __future__ import annotations

import json
import time

import peer


def make(options) -> None:
    import ctranslate2.converters

    kept = {8: "int8", 16: "bfloat16", 32: "float32"}[options.bits]
    ctranslate2.converters.TransformersConverter(str(options.source)).convert(str(options.out), quantization=kept)


def load(options) -> peer.Generate:
    import ctranslate2

    generator = ctranslate2.Generator(
        str(options.model), device="cpu", compute_type=options.setting["type"], intra_threads=options.threads
    )
    vocabulary = json.loads((options.model / "vocabulary.json").read_text())

    def generate(prompt, n):
        times = []

        def clock(_step):
            times.append(time.perf_counter())
            return False

        tokens = [[vocabulary[token] for token in prompt]]
        generator.generate_batch(tokens, max_length=n, min_length=n, include_prompt_in_result=False, callback=clock)
        return times

    return generate


if __name__ == "__main__":
    peer.main(make, load, ["ctranslate2"])
