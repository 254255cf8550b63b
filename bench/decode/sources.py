"""The two models that everybody is measured on, as folders that Transformers loads. In weft's environment:

python sources.py S|M OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

DESCRIPTIONS = {"S": "SmolLM2-135M-Instruct", "M": "the shape of Llama 3.2 1B, random weights"}
PARAMETERS = {"S": 134_515_008, "M": 1_235_814_400}
VOCABULARIES = {"S": 49_152, "M": 128_256}


def _tokenizer_assets() -> dict[str, bytes]:
    from weft.export.default_model import fetch_default_model
    from weft.export.gguf import GgufFile
    from weft.export.gguf_tokenizer import tokenizer_assets
    from weft.export.progress import Progress

    return tokenizer_assets(GgufFile(fetch_default_model(Progress())))


def make(name: str, out: Path) -> None:
    import torch
    import transformers

    if name == "S":  # the GGUF's weights, dequantised
        from weft.export.default_model import fetch_default_model
        from weft.export.progress import Progress
        from weft.export.sources import load_source

        model = load_source(fetch_default_model(Progress()), dtype=torch.float32, progress=Progress()).model
    else:
        config = transformers.LlamaConfig(
            vocab_size=VOCABULARIES["M"], hidden_size=2048, intermediate_size=8192, num_hidden_layers=16, num_attention_heads=32,
            num_key_value_heads=8, head_dim=64, max_position_embeddings=8192, rms_norm_eps=1e-5, tie_word_embeddings=True,
            rope_parameters={"rope_type": "default", "rope_theta": 500000.0},
        )  # fmt: skip
        torch.manual_seed(0)
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if parameters != PARAMETERS[name]:
        raise SystemExit(f"{name} has {parameters} parameters, not {PARAMETERS[name]}")
    model.save_pretrained(out)
    # M has the tokenizer of S: nobody reads its text.
    for asset, data in _tokenizer_assets().items():
        (out / asset).write_bytes(data)


if __name__ == "__main__":
    make(sys.argv[1], Path(sys.argv[2]))
