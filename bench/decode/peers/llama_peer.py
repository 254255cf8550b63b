"""llama.cpp, by llama-cpp-python. Setting flash: flash attention, 0 or 1."""

from __future__ import annotations

import time

import peer

FILE_TYPES = {4: "Q4_0", 8: "Q8_0", 16: "BF16", 32: "F32"}


def make(options) -> None:
    """Writes a GGUF of one type of weights, the embedding (which is the head, too) like all others. In weft's environment."""
    import gguf
    import torch
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(options.source, dtype=torch.float32)
    config = model.config
    head_size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer = gguf.GGUFWriter(options.out, "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(head_size)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    copy_tokenizer(writer, options.gguf, config.vocab_size)

    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    wanted = gguf.GGMLQuantizationType[FILE_TYPES[options.bits]]
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = tensor
        for part, heads in (("q_proj", config.num_attention_heads), ("k_proj", config.num_key_value_heads)):
            if part in name:  # llama.cpp turns neighbours, Transformers halves
                values = values.reshape(heads, 2, head_size // 2, -1).swapaxes(1, 2).reshape(tensor.shape)
        kind = wanted if values.dim() == 2 else gguf.GGMLQuantizationType.F32
        data = gguf.quants.quantize(values.contiguous().numpy(), kind)
        writer.add_tensor(names.get_name(name, (".weight", ".bias")), data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def copy_tokenizer(writer, path, size: int) -> None:
    """`path`'s tokenizer, filled up to `size` tokens."""
    import gguf

    reader = gguf.GGUFReader(path)
    for name, field in reader.fields.items():
        if not name.startswith("tokenizer.") or name == "tokenizer.chat_template":
            continue
        value = field.contents()
        if name == "tokenizer.ggml.tokens":
            value = value + [f"<|filler_{i}|>" for i in range(len(value), size)]
        elif name == "tokenizer.ggml.token_type":
            value = value + [int(gguf.TokenType.UNUSED)] * (size - len(value))
        if field.types[0] == gguf.GGUFValueType.ARRAY:
            writer.add_array(name, value)
        else:
            writer.add_key_value(name, value, field.types[0])


def load(options) -> peer.Generate:
    import llama_cpp

    llama = llama_cpp.Llama(
        str(options.model),
        n_ctx=options.prompt + options.decode + 8,
        n_batch=512,
        n_threads=options.threads,
        n_threads_batch=options.threads,
        flash_attn=options.setting["flash"] == "1",
        verbose=False,
    )

    def generate(prompt, n):
        llama.reset()
        llama.eval(prompt)
        times = []
        while True:
            token = llama.sample(temp=0.0)
            times.append(time.perf_counter())
            if len(times) == n:
                return times
            llama.eval([token])

    return generate


if __name__ == "__main__":
    peer.main(make, load, ["llama_cpp"])
