"""OpenVINO GenAI, with models that Optimum Intel converts and NNCF compresses. Setting attention: PA (paged) or SDPA."""

from __future__ import annotations

import time

import peer


def make(options) -> None:
    from optimum.intel import OVModelForCausalLM, OVWeightQuantizationConfig

    # 64 divides every row of both models; `all_layers` also takes the embedding and the head.
    compression = {
        4: OVWeightQuantizationConfig(bits=4, sym=True, group_size=64, ratio=1.0, all_layers=True),
        8: OVWeightQuantizationConfig(bits=8, sym=True),
    }
    precision = {} if options.bits < 16 else {"load_in_8bit": False}
    model = OVModelForCausalLM.from_pretrained(
        options.source, export=True, compile=False, quantization_config=compression.get(options.bits), **precision
    )
    model.save_pretrained(options.out)


def load(options) -> peer.Generate:
    import numpy as np
    import openvino as ov
    import openvino_genai

    settings = {
        "INFERENCE_NUM_THREADS": options.threads,
        "PERFORMANCE_HINT": "LATENCY",
        "ATTENTION_BACKEND": options.setting["attention"],
    }
    if options.bits == 32:
        settings["INFERENCE_PRECISION_HINT"] = "f32"
    pipeline = openvino_genai.LLMPipeline(str(options.model), "CPU", **settings)

    class Clock(openvino_genai.StreamerBase):
        def __init__(self):
            super().__init__()
            self.times = []

        def write(self, _token):
            self.times.append(time.perf_counter())
            return openvino_genai.StreamingStatus.RUNNING

        def end(self):
            pass

    def generate(prompt, n):
        clock = Clock()
        settings = openvino_genai.GenerationConfig(max_new_tokens=n, ignore_eos=True, do_sample=False)
        pipeline.generate(ov.Tensor(np.array([prompt], dtype=np.int64)), settings, clock)
        return clock.times

    return generate


if __name__ == "__main__":
    peer.main(make, load, ["openvino_genai", "openvino", "numpy"])
