"""Transformers on PyTorch, in weft's environment. Setting mode: eager, or compiled (the step of one token, over a static cache)."""

from __future__ import annotations

import time

import peer


def make(options) -> None:
    """Nothing: the source is the model."""


def load(options) -> peer.Generate:
    import torch
    import transformers

    torch.set_num_threads(options.threads)
    torch.set_grad_enabled(False)
    dtype = {16: torch.bfloat16, 32: torch.float32}[options.bits]
    model = transformers.AutoModelForCausalLM.from_pretrained(options.model, dtype=dtype).eval()
    compiled = options.setting["mode"] == "compiled"
    step = model
    if compiled:
        import torch._inductor.config

        torch._inductor.config.freezing = True  # weights laid out for the matrix products
        step = torch.compile(model, dynamic=False)
        # One for all prompts: what was compiled counts on in the tensors of the cache that it has seen.
        static = transformers.StaticCache(config=model.config, max_cache_len=options.prompt + options.decode)

    def generate(prompt, n):
        if compiled:
            static.reset()
        cache = static if compiled else transformers.DynamicCache(config=model.config)
        ids = torch.tensor([prompt])
        position = torch.arange(len(prompt))
        times = []
        call = model
        while True:
            logits = call(ids, past_key_values=cache, cache_position=position, use_cache=True, logits_to_keep=1).logits
            ids = logits[:, -1].argmax(-1, keepdim=True)
            times.append(time.perf_counter())
            if len(times) == n:
                return times
            position = position[-1:] + 1
            call = step

    return generate


if __name__ == "__main__":
    peer.main(make, load, ["torch", "transformers.models.llama.modeling_llama"])
