"""Two-layer models with random weights, the same each time, and their tokenizer."""

from __future__ import annotations


def tiny_config(architecture: str):
    """A Transformers config of two layers whose greedy text visits many tokens."""
    import transformers

    common = {
        "vocab_size": 512,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        "initializer_range": 0.2,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 2,
    }
    if architecture == "llama":
        return transformers.LlamaConfig(**common, tie_word_embeddings=False)
    if architecture == "qwen2":
        return transformers.Qwen2Config(**common, tie_word_embeddings=True)
    if architecture == "gemma":
        return transformers.GemmaConfig(**common | {"num_key_value_heads": 1}, head_dim=32)
    raise ValueError(architecture)


def tiny_model(architecture: str):
    """The Transformers model of tiny_config(), the same weights each time."""
    import torch
    import transformers

    torch.manual_seed(1)
    return transformers.AutoModelForCausalLM.from_config(tiny_config(architecture), dtype=torch.float32).eval()


def tiny_tokenizer():
    """A byte-level BPE tokenizer of 512 tokens with a ChatML template, trained on a few lines."""
    import tokenizers
    import transformers

    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=["<|endoftext|>", "<|im_end|>", "<pad>", "<|im_start|>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["the quick brown fox jumps over the lazy dog", "system user assistant", "hello world"] * 20, trainer)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|endoftext|>", eos_token="<|im_end|>", pad_token="<pad>"
    )
    fast.chat_template = (
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )
    return fast
