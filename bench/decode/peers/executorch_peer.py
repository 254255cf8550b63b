"""ExecuTorch's own runner, from its wheel, on what its own export_llm makes. In weft's environment."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import peer

NAMES = {
    "model.embed_tokens": "tok_embeddings",
    "model.norm": "norm",
    "lm_head": "output",
    "self_attn.q_proj": "attention.wq",
    "self_attn.k_proj": "attention.wk",
    "self_attn.v_proj": "attention.wv",
    "self_attn.o_proj": "attention.wo",
    "mlp.gate_proj": "feed_forward.w1",
    "mlp.down_proj": "feed_forward.w2",
    "mlp.up_proj": "feed_forward.w3",
    "input_layernorm": "attention_norm",
    "post_attention_layernorm": "ffn_norm",
}
# Tokens of the cache, which it allocates as a whole. And of a prompt: it doesn't go through one in parts.
MAX_CONTEXT = 2304


def make(options) -> None:
    import torch
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(options.source, dtype=torch.float32)
    config = model.config
    state = {}
    for name, tensor in model.state_dict().items():
        named = name.removeprefix("model.layers.")
        for theirs, ours in NAMES.items():
            named = named.replace(theirs, ours)
        state["layers." + named if named[0].isdigit() else named] = tensor
    state.setdefault("output.weight", state["tok_embeddings.weight"])
    parameters = {
        "dim": config.hidden_size,
        "hidden_dim": config.intermediate_size,
        "n_heads": config.num_attention_heads,
        "n_kv_heads": config.num_key_value_heads,
        "n_layers": config.num_hidden_layers,
        "norm_eps": config.rms_norm_eps,
        "rope_theta": config.rope_parameters["rope_theta"],
        "vocab_size": config.vocab_size,
        "use_scaled_rope": False,
        "use_hf_rope": True,
    }
    options.out.mkdir()
    with tempfile.TemporaryDirectory(dir=options.out) as folder:
        torch.save(state, Path(folder, "model.pth"))
        Path(folder, "params.json").write_text(json.dumps(parameters))
        del model, state
        # An id that random greedy text doesn't reach by chance ends nothing.
        end = {"get_bos_id": 0, "get_eos_ids": [config.vocab_size - 1]}
        command = [
            sys.executable, "-m", "executorch.extension.llm.export.export_llm",
            "base.model_class=llama3", f"base.checkpoint={folder}/model.pth", f"base.params={folder}/params.json",
            f"base.metadata='{json.dumps(end)}'",
            "model.use_kv_cache=True", "model.use_sdpa_with_kv_cache=True", "model.dtype_override=fp32",
            f"export.max_seq_length={MAX_CONTEXT}", f"export.max_context_length={MAX_CONTEXT}",
            "backend.xnnpack.enabled=True", "backend.xnnpack.extended_ops=True",
            f"export.output_name={options.out / 'model.pte'}", f"hydra.run.dir={folder}",
        ]  # fmt: skip
        if options.bits == 4:
            command += ["quantization.qmode=8da4w", "quantization.group_size=32"]
        subprocess.run(command, check=True)
    (options.out / "tokenizer.json").write_bytes((options.source / "tokenizer.json").read_bytes())


def load(options) -> peer.Generate:
    import torch  # noqa: F401  # the runner's library needs it
    from executorch.extension.llm.custom_ops import custom_ops  # noqa: F401  # llama::custom_sdpa and llama::update_cache
    from executorch.extension.llm.runner import GenerationConfig, TextLLMRunner
    from executorch.extension.pybindings.portable_lib import _unsafe_reset_threadpool

    _unsafe_reset_threadpool(options.threads)
    runner = TextLLMRunner(str(options.model / "model.pte"), str(options.model / "tokenizer.json"))

    def generate(prompt, n):
        times = []
        runner.reset()
        # It takes text only: " the" is one token.
        config = GenerationConfig(echo=False, max_new_tokens=n, temperature=0.0)
        runner.generate(" the" * len(prompt), config, lambda _piece: times.append(time.perf_counter()))
        return times

    return generate


if __name__ == "__main__":
    peer.main(
        make, load, ["torch", "executorch.extension.llm.custom_ops.custom_ops", "executorch.extension.llm.runner"]
    )
