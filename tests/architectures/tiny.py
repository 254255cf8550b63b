"""A tiny random-weight model of every causal language model that Transformers knows.

Sizes are chosen by what a configuration calls them; `_OWN` has what a name alone doesn't tell.
"""

from __future__ import annotations

import math

import torch
import transformers
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

VOCAB_SIZE = 256
MAX_CONTEXT = 96
_MOST_PARAMETERS = 20_000_000
WINDOW = 12  # far shorter than what the checks read

ARCHITECTURES = tuple(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)

# Other names of the same thing, with the value for a tiny model.
_SIZES = {
    VOCAB_SIZE: "vocab_size",
    MAX_CONTEXT: "max_position_embeddings n_positions max_seq_len seq_length max_sequence_length n_ctx max_seq_length block_size "
    "max_target_positions model_max_length context_length",
    64: "hidden_size adapter_in_dim adapter_out_dim adapter_input_size n_embd d_model dim embedding_size emb_dim dim_model embed_dim",
    96: "intermediate_size ffn_dim d_ff n_inner ffn_hidden_size dim_ff decoder_ffn_dim encoder_ffn_dim ffn_embed_dim dff "
    "decoder_ffn_embed_dim encoder_ffn_embed_dim",
    32: "moe_intermediate_size shared_expert_intermediate_size moe_shared_expert_intermediate_size expert_ffn_hidden_size "
    "moe_latent_size hidden_size_per_layer_input",
    2: "num_hidden_layers n_layer n_layers num_layers decoder_layers num_decoder_layers num_key_value_heads n_kv_heads num_kv_heads num_experts_per_tok top_k moe_topk moe_k num_experts_per_token moe_top_k "
    "num_encoder_attention_heads encoder_layers num_global_key_value_heads n_head_kv",
    4: "num_attention_heads n_head n_heads num_heads decoder_attention_heads encoder_attention_heads num_experts num_local_experts n_routed_experts moe_num_experts "
    "num_decoder_attention_heads num_encoder_layers",
    16: "head_dim q_lora_rank kv_lora_rank attention_head_size global_head_dim dim_head d_kv kv_channels v_head_dim "
    "swa_head_dim swa_v_head_dim index_head_dim",
    8: "qk_rope_head_dim qk_nope_head_dim rotary_dim",
    WINDOW: "index_topk sliding_window attention_window window_size attention_chunk_size local_attention",
    1: "n_group topk_group num_nextn_predict_layers n_shared_experts first_k_dense_replace num_shared_experts",
}
_BY_NAME = {name: value for value, names in _SIZES.items() for name in names.split()}
_BY_NAME |= {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "num_nextn_predict_layers": 0}

_RECURRENT = {"state_size": 8, "mamba_d_state": 8, "ssm_state_size": 8, "mamba_n_heads": 8, "mamba_d_head": 16, "mamba_num_heads": 8,
              "mamba_head_dim": 16, "mamba_n_groups": 1, "n_groups": 1, "time_step_rank": 4, "mamba_dt_rank": 4, "mamba_chunk_size": 16,
              "chunk_size": 16, "linear_num_value_heads": 4, "linear_num_key_heads": 2, "linear_key_head_dim": 16,
              "linear_value_head_dim": 16, "lru_width": 64}  # fmt: skip

# What the names don't tell: where sizes must fit each other, and kinds of layers that are named one by one.
_OWN: dict[str, dict] = {
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "attention_layers": ["global", "local"]},
    "falcon_h1": {"mamba_d_ssm": 128},
    "bamba": {"attn_layer_indices": [1]},
    "mamba2": {"num_heads": 8, "head_dim": 16},
    "lfm2": {"layer_types": ["conv", "full_attention"], "num_hidden_layers": 2},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "granitemoehybrid": {"layer_types": ["linear_attention", "full_attention"]},
    "cohere_compass_text": {"layer_types": ["sliding_attention", "full_attention"],
                            "rope_parameters": {"sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
                                                "full_attention": {"rope_type": "default", "rope_theta": 50000.0}}},
    "dots1": {"n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2, "first_k_dense_replace": 1},
    "dots3_note_text": {"head_dim": 16, "swa_num_attention_heads": 4, "swa_num_key_value_heads": 4, "swa_q_lora_rank": 16,
                        "swa_kv_lora_rank": 16, "swa_head_dim": 24, "swa_qk_nope_head_dim": 16, "swa_v_head_dim": 16,
                        "shared_experts_intermediate_size": 32, "index_n_heads": 16},
    # Prefill doesn't let a step be shorter than time_step_min, decoding does: with their own 1e-3, eager differs from itself.
    "zamba2": {"time_step_min": 1e-6},
    "nemotron_h": {"time_step_min": 1e-6},
    "moshi": {"sliding_window": MAX_CONTEXT},  # its window is its context; its cache has one, its mask doesn't
    "reformer": {"is_decoder": True, "axial_pos_embds_dim": [16, 48], "axial_pos_shape": [8, 16], "feed_forward_size": 96,
                 "attn_layers": ["local", "lsh"], "hash_seed": 1, "num_buckets": 4},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"], "num_dense_layers": 1},
    "zaya": {"num_experts_per_tok": 1, "layer_types": ["hybrid", "hybrid"], "router_hidden_size": 16},
    "recurrent_gemma": {"num_hidden_layers": 3, "attention_window_size": 12, "lru_width": 64},
    "xlstm": {"autocast_kernel_dtype": "float32", "num_blocks": 2, "num_heads": 4, "chunk_size": 8, "qk_dim_factor": 1.0},
    "zamba": {"num_hidden_layers": 4, "layers_block_type": ["linear_attention", "hybrid", "linear_attention", "hybrid"],
              "attention_head_dim": 32, "num_key_value_heads": 4, "n_mamba_heads": 2},
    "gemma3n_text": {"num_hidden_layers": 4, "layer_types": ["sliding_attention", "full_attention"] * 2, "num_kv_shared_layers": 2,
                     "vocab_size_per_layer_input": 256, "laurel_rank": 8, "intermediate_size": [96] * 4,
                     "activation_sparsity_pattern": [0.0] * 4, "hidden_size_per_layer_input": 16},
    "gemma4_text": {"num_hidden_layers": 4, "layer_types": ["sliding_attention", "full_attention"] * 2, "num_kv_shared_layers": 2,
                    "vocab_size_per_layer_input": 256, "vocab_size": 256, "hidden_size_per_layer_input": 16,
                    "hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
                    "global_head_dim": 32, "sliding_window": 12, "max_position_embeddings": 96},
    "gemma4_unified_text": {"num_hidden_layers": 2, "layer_types": ["sliding_attention", "full_attention"],
                    "vocab_size_per_layer_input": 256, "vocab_size": 256, "hidden_size_per_layer_input": 16,
                    "hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
                    "sliding_window": 12, "max_position_embeddings": 96},
    "xlm": {"causal": True},
    "xmod": {"default_language": "en_XX"},
    # Many heads, so that no two scores are 0 and tie.
    "qwen4_exp_text": {"hc_lowrank": 16, "indexer_n_heads": 16, "indexer_kv_heads": 1, "indexer_head_dim": 16, "indexer_budget": 8,
                       "indexer_compress_ratio": 4},
    "kimi_linear": {"linear_head_dim": 16, "linear_num_heads": 4},
    "bailing_hybrid": {"linear_head_dim": 16, "linear_num_heads": 4},
    "longcat_flash": {"num_layers": 2, "zero_expert_num": 2, "head_dim": 8, "moe_topk": 2},
    "git": {"vision_config": {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}},
    "dbrx": {"attn_config": {"kv_n_heads": 2, "clip_qkv": 8.0, "rope_theta": 10000.0},
             "ffn_config": {"ffn_hidden_size": 96, "moe_num_experts": 4, "moe_top_k": 2, "hidden_size": 64}},
}


def config_of(model_type: str) -> transformers.PretrainedConfig:
    kind = CONFIG_MAPPING[model_type]
    default = _default(kind)
    known = default.to_dict() if default is not None else {}
    known |= {name: getattr(default, name) for name in _BY_NAME if _is_one_value(default, name)}
    sizes = {**_BY_NAME, **_RECURRENT}
    settings = {name: value for name, value in sizes.items() if name in known and _may_replace(kind, known[name], name, value)}
    settings |= _kinds_of_layers(default, known)
    if "qk_rope_head_dim" in settings:
        settings.pop("head_dim", None)  # MLA's follows from its parts, and its heads share nothing
        settings["num_key_value_heads"] = settings["num_attention_heads"]
    if hasattr(default, "is_decoder"):
        settings["is_decoder"] = True
    for name, part in (getattr(kind, "sub_configs", None) or {}).items():  # of images and sound, beside the text's
        of_default = getattr(default, name, None)
        if getattr(of_default, "model_type", None) in CONFIG_MAPPING:
            settings[name] = config_of(of_default.model_type)
    return kind(**(settings | _OWN.get(model_type, {})))


def _is_one_value(default, name: str) -> bool:
    """Whether the configuration has it, the same for all of its layers."""
    try:
        return hasattr(default, name)
    except Exception:  # "per-layer attribute": it differs from layer to layer
        return False


def _kinds_of_layers(default, known: dict) -> dict:
    """One layer of each kind that the model's own default has, where lists name them layer by layer."""
    n_layers = getattr(default, "num_hidden_layers", None)
    lists = {name: value for name, value in known.items() if isinstance(value, list) and n_layers and len(value) == n_layers}
    if not lists:
        return {}
    first: dict[str, int] = {}
    for i, layer in enumerate(zip(*lists.values(), strict=True)):
        first.setdefault(str(layer), i)
    chosen = list(first.values())[:4]
    chosen = chosen if len(chosen) > 1 else chosen * 2
    return {name: [value[i] for i in chosen] for name, value in lists.items()} | {"num_hidden_layers": len(chosen)}


def _default(kind):
    try:
        return kind()
    except Exception:  # a configuration without defaults
        return None


def _may_replace(kind, default, name, value) -> bool:
    if isinstance(getattr(kind, name, None), property):
        return False
    # A list has one entry for each layer, and None often means that the feature is off.
    return not isinstance(default, (list, dict)) and (default is not None or value in (0, 1, 2) or name == "head_dim")


def tiny_model(model_type: str) -> transformers.PreTrainedModel:
    """The same for the same name: eager attention, f32, in eval mode, every parameter random."""
    config = config_of(model_type)
    config._attn_implementation = "eager"
    with torch.device("meta"):
        size = sum(parameter.numel() for parameter in transformers.AutoModelForCausalLM.from_config(config).parameters())
    if size > _MOST_PARAMETERS:
        raise ValueError(f"its tiny configuration has {size / 1e6:.0f}M parameters: sizes that tests/architectures/tiny.py doesn't know")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval().requires_grad_(False)
        scale_weights(model)
    return model


@torch.no_grad()
def scale_weights(model) -> None:
    """Matrices of a gain about one, and norms and biases that do something, so that greedy decoding visits many tokens."""
    generator = torch.Generator().manual_seed(0)
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, torch.nn.Embedding)}
    for name, parameter in model.named_parameters():
        random = torch.randn(parameter.shape, generator=generator)
        last = name.rsplit(".", 1)[-1].lower()
        if parameter.dim() >= 2 and "conv" not in name and last not in ("a_log",):
            parameter.copy_(random * (0.2 if id(parameter) in embeddings else 1.5 / math.sqrt(parameter.shape[-1])))
        elif last in ("a_log", "dt_bias", "d") or "decay" in last or "time_" in last or "lambda" in last:
            continue  # a recurrence's own: their initial values keep it stable
        else:
            parameter.add_(random * 0.2)
