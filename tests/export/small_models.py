"""What the sources' tests load: texts to train tokenizers on, and two-layer models whose norms and biases are random too."""

from __future__ import annotations

import torch
import transformers

CORPUS = [
    "The capital of France is Paris. What is the capital of Italy? It is Rome.",
    "def main(numbers):\n    return [number + 1 for number in numbers]\n",
    "12 apples and 345 pears; it's what they've said, isn't it?\t\n  two  spaces",
    "Grüße aus Köln, naïve café, 東京は日本の首都です。 🙂👍🏽",
] * 4
TEXTS = [*CORPUS[:4], "", " ", "a", "Paris  Rome\n\n\n x", "unseen wörds 9876 ☃ \U0001f9f6", "\u00e9 e\u0301"]
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
VOCAB_SIZE = 384


def tiny_model(model_type: str = "llama", **settings) -> transformers.PreTrainedModel:
    """A random-weight model of two layers, the same for the same arguments. Norms and biases are random too."""
    sizes = {
        "vocab_size": VOCAB_SIZE,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "max_position_embeddings": 128,
        "rms_norm_eps": 1e-5,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": None,
    }
    config = transformers.AutoConfig.for_model(model_type, **{**sizes, **settings})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.AutoModelForCausalLM.from_config(config).eval().requires_grad_(False)
        for name, parameter in model.named_parameters():
            if "norm" in name or name.endswith("bias"):
                parameter.add_(torch.randn_like(parameter) * 0.2)
            else:
                parameter.mul_(5)
    return model


@torch.no_grad()
def logits(model: transformers.PreTrainedModel) -> torch.Tensor:
    ids = torch.arange(3, 43)[None]
    return model(input_ids=ids).logits
