"""A GGUF file's model as a Transformers model with its weights in float.

Every hyperparameter and every tensor of the file must be understood, and every parameter of the model must be in the
file: what is left over is an error, for a model that loads and computes something else is worse than one that doesn't.
Names are those of the `gguf` package's table; what llama.cpp's converter does to values besides (its folder conversion/)
is undone here.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
import transformers
from gguf import MODEL_ARCH, MODEL_ARCH_NAMES, get_tensor_name_map
from transformers.initialization import no_init_weights

from weft.errors import Error
from weft.export.gguf import GgufFile, GgufTensor
from weft.export.progress import Progress
from weft.export.quantize import QuantizedWeight, from_gguf

_MAX_LAYERS = 1024
# Dequantised at a time: bounds what is held besides the model itself.
_CHUNK_VALUES = 1 << 22
# Those that weft.export.quantize.from_gguf() reads.
_KEPT_TYPES = frozenset(("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"))

_CUT_SHORT = "the file is damaged or was cut short; fetch it again"
_FROM_CHECKPOINT = "export the original checkpoint's folder instead, or report the model"


class _Hyperparameters:
    """The metadata under an architecture's prefix; keeps count of what has been read."""

    def __init__(self, file: GgufFile, architecture: str) -> None:
        self.file = file
        self.prefix = f"{architecture}."
        self._unread = {key for key in file.metadata if key.startswith(self.prefix)}

    def _key(self, name: str) -> str:
        self._unread.discard(self.prefix + name)
        return self.prefix + name

    def integer(self, name: str, *default: Any) -> Any:
        key = self._key(name)
        if isinstance(values := self.file.metadata.get(key), list) and len(set(values)) == 1:
            return values[0]  # one entry a layer, all the same
        value = self.file.integer(key, *default)
        if isinstance(value, int) and key in self.file.metadata and not 0 <= value < 1 << 31:
            raise Error("corrupt", f"is {value}", f"{self.file.path}: {key}", _CUT_SHORT)
        return value

    def number(self, name: str, *default: Any) -> Any:
        return self.file.number(self._key(name), *default)

    def text(self, name: str, *default: Any) -> Any:
        return self.file.text(self._key(name), *default)

    def has(self, name: str) -> bool:
        return self.prefix + name in self.file.metadata

    def expect(self, name: str, *allowed: Any) -> None:
        """`name` must be one of `allowed` if it is there: nothing else is supported."""
        key = self._key(name)
        if key in self.file.metadata and self.file.metadata[key] not in allowed:
            shown = str(self.file.metadata[key])[:60]
            raise self.unsupported(name, f"is {shown}; only {' or '.join(map(str, allowed))} is supported")

    def unsupported(self, name: str, message: str) -> Error:
        return Error("unsupported", message, f"{self.file.path}: {self.prefix}{name}", _FROM_CHECKPOINT)

    def check_all_read(self) -> None:
        if self._unread:
            name = min(self._unread).removeprefix(self.prefix)
            raise self.unsupported(name, "is not known, and may change what the model computes")


@dataclasses.dataclass(frozen=True)
class _Architecture:
    model_type: str  # of Transformers
    config: Callable[[_Hyperparameters, dict[str, Any]], dict[str, Any]]  # what it has besides _common_config()
    interleaved_rope: bool = False  # rows of q and k are stored as llama.cpp's rotary embedding wants them
    partial_rope: bool = False  # not all of a head's values need be turned
    epsilon: tuple[str, str] = ("attention.layer_norm_rms_epsilon", "rms_norm_eps")  # of the norms: here, and in the config
    norm_offset: float = 0.0  # added to the weights of all norms


def _llama(parameters: _Hyperparameters, common: dict[str, Any]) -> dict[str, Any]:
    parameters.expect("expert_count", 0)
    parameters.expect("expert_used_count", 0)
    tensors = parameters.file.tensors
    return {"attention_bias": "blk.0.attn_q.bias" in tensors, "mlp_bias": "blk.0.ffn_up.bias" in tensors}


def _smollm3(parameters: _Hyperparameters, common: dict[str, Any]) -> dict[str, Any]:
    return {"attention_bias": "blk.0.attn_q.bias" in parameters.file.tensors, "no_rope_layer_interval": 4}


def _plain(parameters: _Hyperparameters, common: dict[str, Any]) -> dict[str, Any]:
    return {}


def _granite(parameters: _Hyperparameters, common: dict[str, Any]) -> dict[str, Any]:
    return {
        "attention_multiplier": parameters.number("attention.scale", common["head_dim"] ** -0.5),
        "embedding_multiplier": parameters.number("embedding_scale", 1.0),
        "residual_multiplier": parameters.number("residual_scale", 1.0),
        "logits_scaling": parameters.number("logit_scale", 1.0),
        "attention_bias": "blk.0.attn_q.bias" in parameters.file.tensors,
    }


def _query_scale(common: dict[str, Any], layers_of_27b: int) -> float:
    # No key says it: llama.cpp knows the one size that differs by its number of layers (src/models/gemma*.cpp).
    if common["num_hidden_layers"] == layers_of_27b:
        return common["hidden_size"] / common["num_attention_heads"]
    return common["head_dim"]


def _gemma2(parameters: _Hyperparameters, common: dict[str, Any]) -> dict[str, Any]:
    return {
        "query_pre_attn_scalar": _query_scale(common, layers_of_27b=46),
        "attn_logit_softcapping": parameters.number("attn_logit_softcapping"),
        "final_logit_softcapping": parameters.number("final_logit_softcapping"),
        "sliding_window": parameters.integer("attention.sliding_window"),
    }


def _gemma3(parameters: _Hyperparameters, common: dict[str, Any]) -> dict[str, Any]:
    parameters.expect("attention.sliding_window_pattern", 6)
    local = {"rope_type": "default", "rope_theta": parameters.number("rope.freq_base_swa", 10_000.0)}
    return {
        "query_pre_attn_scalar": _query_scale(common, layers_of_27b=62),
        "final_logit_softcapping": parameters.number("final_logit_softcapping", None),
        "sliding_window": parameters.integer("attention.sliding_window"),
        "rope_parameters": {"full_attention": common["rope_parameters"], "sliding_attention": local},
    }


def _phi3(parameters: _Hyperparameters, common: dict[str, Any]) -> dict[str, Any]:
    window = parameters.integer("attention.sliding_window", 0)
    own: dict[str, Any] = {"sliding_window": window or None}
    original = parameters.integer("rope.scaling.original_context_length", None)
    factor = parameters.number("rope.scaling.attn_factor", None)
    tensors = parameters.file.tensors
    if "rope_factors_short.weight" in tensors:
        if original is None or "rope_factors_long.weight" not in tensors:
            raise parameters.unsupported("rope.scaling", "is LongRoPE's, but without its original context or its long factors")
        own["rope_parameters"] = {
            **common["rope_parameters"],
            "rope_type": "longrope",
            "original_max_position_embeddings": original,
            "factor": common["max_position_embeddings"] / original,
            **({"attention_factor": factor} if factor is not None else {}),
            **{f"{which}_factor": tensors[f"rope_factors_{which}.weight"].rows(0, 1)[0].tolist() for which in ("short", "long")},
        }
    return own


def _qwen3moe(parameters: _Hyperparameters, common: dict[str, Any]) -> dict[str, Any]:
    return {
        "num_experts": parameters.integer("expert_count"),
        "num_experts_per_tok": parameters.integer("expert_used_count"),
        "moe_intermediate_size": parameters.integer("expert_feed_forward_length"),
        "norm_topk_prob": True,  # llama.cpp's graph normalises them always (src/models/qwen3moe.cpp)
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
    }


def _starcoder2(parameters: _Hyperparameters, common: dict[str, Any]) -> dict[str, Any]:
    return {"use_bias": "blk.0.attn_q.bias" in parameters.file.tensors, "sliding_window": None}


_ARCHITECTURES = {
    "llama": _Architecture("llama", _llama, interleaved_rope=True),
    "qwen2": _Architecture("qwen2", _plain),
    "qwen3": _Architecture("qwen3", _plain),
    "gemma": _Architecture("gemma", _plain, norm_offset=1.0),
    "gemma2": _Architecture("gemma2", _gemma2, norm_offset=1.0),
    "gemma3": _Architecture("gemma3_text", _gemma3, norm_offset=1.0),
    "granite": _Architecture("granite", _granite, interleaved_rope=True),
    "olmo2": _Architecture("olmo2", _plain),
    "phi3": _Architecture("phi3", _phi3, partial_rope=True),
    "qwen3moe": _Architecture("qwen3_moe", _qwen3moe),
    "starcoder2": _Architecture("starcoder2", _starcoder2, epsilon=("attention.layer_norm_epsilon", "norm_epsilon")),
    "smollm3": _Architecture("smollm3", _smollm3, interleaved_rope=True),
}


def load_gguf_model(
    file: GgufFile, special_tokens: dict[str, Any], dtype: torch.dtype, progress: Progress
) -> tuple[transformers.PreTrainedModel, StoredWeights]:
    """The model in `file` with its weights dequantised to `dtype`, on the CPU, in eval mode; and the weights as stored.

    special_tokens: for the config, such as {"eos_token_id": 2}. Holds little more than the model itself in memory.
    Raises weft.Error (corrupt, unsupported, too_large).
    """
    name = file.text("general.architecture")
    architecture = _ARCHITECTURES.get(name)
    if architecture is None:
        message = f"the architecture '{name}' is not supported; these are: {', '.join(_ARCHITECTURES)}"
        raise Error("unsupported", message, f"{file.path}: general.architecture", _FROM_CHECKPOINT)
    try:
        config = _config(file, name, architecture, special_tokens)
        # Without storage first: sizes out of a damaged header must meet the file before memory is asked for.
        with torch.device("meta"), no_init_weights():
            skeleton = transformers.AutoModelForCausalLM.from_config(config)
    except Error:
        raise
    except Exception as error:  # of many kinds: Transformers and torch reject impossible sizes each in its own way
        message = f"these sizes make no model: {error}"
        raise Error("corrupt", message, f"{file.path}: {name}.*", _CUT_SHORT) from error
    names = _match_tensors(file, name, config, skeleton)
    try:
        with no_init_weights():
            model = transformers.AutoModelForCausalLM.from_config(config, dtype=dtype)
    except (RuntimeError, MemoryError) as error:  # torch's allocator raises RuntimeError
        fix = "use a machine with more memory, or --dtype bfloat16"
        raise Error("too_large", "doesn't fit into memory", file.path, fix) from error
    parts = {
        parameter: [_StoredWeight(file, tensor, _row_order(architecture, config, tensor)) for tensor in tensors]
        for parameter, tensors in names.items()
    }
    stored = StoredWeights(parts)
    parameters = dict(model.named_parameters(remove_duplicate=False))
    with progress.stage("reading weights", size=sum(tensor.data.nbytes for each in names.values() for tensor in each)) as stage:
        for parameter, weights in parts.items():
            places = parameters[parameter].chunk(len(weights), dim=-2) if len(weights) > 1 else [parameters[parameter]]
            for weight, place in zip(weights, places, strict=True):
                is_norm = weight.tensor.name.endswith("norm.weight")
                weight.fill(place, architecture.norm_offset if is_norm else 0.0)
                stage.advance(weight.tensor.data.nbytes)
    model.tie_weights()
    _scale_frequencies(file, model)
    return model.eval().requires_grad_(False), stored


def main_type(file: GgufFile) -> str:
    """The type that most bytes of the weights have, such as "Q4_1"."""
    sizes: Counter[str] = Counter()
    for tensor in file.tensors.values():
        sizes[tensor.type.name] += tensor.data.nbytes
    return sizes.most_common(1)[0][0] if sizes else "no weights"


def _config(
    file: GgufFile, name: str, architecture: _Architecture, special_tokens: dict[str, Any]
) -> transformers.PretrainedConfig:
    parameters = _Hyperparameters(file, name)
    common = _common_config(parameters, architecture)
    own = architecture.config(parameters, common)
    parameters.check_all_read()
    fields = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None, **special_tokens, **common, **own}
    return transformers.AutoConfig.for_model(architecture.model_type, **fields)


def _common_config(parameters: _Hyperparameters, architecture: _Architecture) -> dict[str, Any]:
    file = parameters.file
    heads = parameters.integer("attention.head_count")
    hidden = parameters.integer("embedding_length")
    layers = parameters.integer("block_count")
    if not 0 < layers <= _MAX_LAYERS or heads < 1 or hidden < 1:
        message = f"{layers} layers of {heads} heads and {hidden} values are no model"
        raise Error("corrupt", message, f"{file.path}: {parameters.prefix}*", _CUT_SHORT)
    head_dim = parameters.integer("attention.key_length", hidden // heads)
    parameters.expect("attention.value_length", head_dim)
    rope = _rope(parameters)
    if architecture.partial_rope:
        rope["partial_rotary_factor"] = parameters.integer("rope.dimension_count", head_dim) / head_dim
    parameters.expect("rope.dimension_count", int(head_dim * rope.get("partial_rotary_factor", 1.0)))
    parameters.expect("attention.causal", True)
    parameters.expect("pooling_type", 0)
    parameters.integer("vocab_size", None)  # said by the embedding too
    parameters.text("tensor_data_layout", None)  # in files of 2023; names the layout that interleaved_rope undoes
    embedding = file.tensors.get("token_embd.weight")
    if embedding is None:
        raise Error("corrupt", "the tensor 'token_embd.weight' is missing", file.path, _CUT_SHORT)
    return {
        "vocab_size": embedding.shape[0],
        "max_position_embeddings": parameters.integer("context_length"),
        "hidden_size": hidden,
        "intermediate_size": parameters.integer("feed_forward_length"),
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": parameters.integer("attention.head_count_kv", heads),
        "head_dim": head_dim,
        architecture.epsilon[1]: parameters.number(architecture.epsilon[0]),
        "rope_parameters": rope,
        "tie_word_embeddings": "output.weight" not in file.tensors,
    }


def _rope(parameters: _Hyperparameters) -> dict[str, Any]:
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": parameters.number("rope.freq_base", 10_000.0)}
    parameters.expect("rope.scaling.finetuned", True, False)
    # Without a type, llama.cpp takes a factor to be linear.
    kind = parameters.text("rope.scaling.type", "linear" if parameters.has("rope.scaling.factor") else "none")
    if kind == "none":
        return rope
    if kind not in ("linear", "yarn"):
        raise parameters.unsupported("rope.scaling.type", f"is {kind}; only none, linear or yarn is supported")
    rope |= {"rope_type": kind, "factor": parameters.number("rope.scaling.factor")}
    if kind == "yarn":
        rope["original_max_position_embeddings"] = parameters.integer("rope.scaling.original_context_length")
        for ours, theirs in (("beta_fast", "yarn_beta_fast"), ("beta_slow", "yarn_beta_slow")):
            if parameters.has(f"rope.scaling.{theirs}"):
                rope[ours] = parameters.number(f"rope.scaling.{theirs}")
    return rope


def _match_tensors(
    file: GgufFile, name: str, config: transformers.PretrainedConfig, model: torch.nn.Module
) -> dict[str, tuple[GgufTensor, ...]]:
    """Which tensors of the file fill which parameter, one after another along its last dimension but one."""
    known = get_tensor_name_map(_architecture_number(name), config.num_hidden_layers)
    left = set(file.tensors) - _ROPE_TENSORS
    names = {}
    for parameter_name, parameter in model.state_dict().items():
        if parameter_name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        stored_names = _stored_names(known, parameter_name)
        if stored_names is None:
            raise Error(
                "unsupported",
                f"the architecture '{name}' has no tensor for {parameter_name}",
                file.path,
                _FROM_CHECKPOINT,
            )
        shape = list(parameter.shape)
        if len(stored_names) > 1:
            shape[-2] //= len(stored_names)
        for stored in stored_names:
            if stored not in file.tensors:
                raise Error("corrupt", f"the tensor '{stored}' ({parameter_name}) is missing", file.path, _CUT_SHORT)
            if list(file.tensors[stored].shape) != shape:
                message = f"has the shape {list(file.tensors[stored].shape)}, but {parameter_name} has {shape}"
                raise Error("corrupt", message, f"{file.path}: tensor '{stored}'", _CUT_SHORT)
        names[parameter_name] = tuple(file.tensors[stored] for stored in stored_names)
        left.difference_update(stored_names)
    if left:
        message = f"is one of {len(left)} that '{name}' has no use for"
        raise Error("unsupported", message, f"{file.path}: tensor '{min(left)}'", _FROM_CHECKPOINT)
    return names


# What they hold goes into the configuration, or into rotary frequencies.
_ROPE_TENSORS = {"rope_freqs.weight", "rope_factors_short.weight", "rope_factors_long.weight"}


def _stored_names(known, parameter: str) -> tuple[str, ...] | None:
    """The tensors of a parameter. Transformers keeps a layer's experts in one; llama.cpp keeps their gates and the rest apart."""
    base, _, ending = parameter.rpartition(".")
    if ending == "gate_up_proj":
        stored = [known.get_name(f"{base}.{part}_proj") for part in ("gate", "up")]
    elif (whole := known.get_name(parameter)) is not None:  # experts' names have no "weight" at their end
        return (f"{whole}.weight",)
    else:
        stored = [known.get_name(base)]
    if None in stored:
        return None
    return tuple(f"{name}.{'weight' if ending == 'gate_up_proj' else ending}" for name in stored)


def _architecture_number(name: str) -> MODEL_ARCH:
    return next(number for number, known in MODEL_ARCH_NAMES.items() if known == name)


def _row_order(
    architecture: _Architecture, config: transformers.PretrainedConfig, tensor: GgufTensor
) -> np.ndarray | None:
    """The parameter's row for each row of the tensor (its element, for a bias), where they differ."""
    if not architecture.interleaved_rope or not (".attn_q." in tensor.name or ".attn_k." in tensor.name):
        return None
    rows, half = tensor.shape[0], config.head_dim // 2
    # The converter makes (head, half, pair) to (head, pair, half): LlamaModel.permute() in conversion/llama.py.
    return np.arange(rows).reshape(-1, 2, half).swapaxes(1, 2).reshape(rows)


@dataclasses.dataclass(frozen=True)
class _StoredWeight:
    """A tensor of the file on its way into a parameter."""

    file: GgufFile
    tensor: GgufTensor
    order: np.ndarray | None  # from _row_order()

    def fail(self, code: str, message: str, fix: str) -> Error:
        return Error(code, message, f"{self.file.path}: tensor '{self.tensor.name}'", fix)

    @torch.no_grad()
    def fill(self, parameter: torch.Tensor, offset: float) -> None:
        """Dequantises into `parameter`, less `offset`."""
        if not parameter.is_contiguous():  # a part of the experts' matrices
            whole = torch.empty(parameter.shape, dtype=parameter.dtype)
            self.fill(whole, offset)
            parameter.copy_(whole)
            return
        rows = self.tensor.data.shape[0]
        step = max(1, _CHUNK_VALUES // self.tensor.shape[-1])
        for start in range(0, rows, step):
            stop = min(start + step, rows)
            try:
                # A copy: numpy's may be a view of the file, which can't be written.
                values = torch.from_numpy(np.array(self.tensor.rows(start, stop), dtype=np.float32))
            except NotImplementedError as error:
                raise self.fail("unsupported", f"has the type {self.tensor.type.name}", _FROM_CHECKPOINT) from error
            if not torch.isfinite(values).all():
                raise self.fail("corrupt", "holds values that are no numbers", _CUT_SHORT)
            values = (values - offset).to(parameter.dtype)
            if len(self.tensor.shape) == 1:
                parameter[slice(None) if self.order is None else self.order] = values[0]
            else:
                places = slice(start, stop) if self.order is None else self.order[start:stop]
                parameter.view(rows, -1)[places] = values

    def keep(self) -> QuantizedWeight:
        """The very blocks of the file; of experts, one's rows behind the other's."""
        data = np.asarray(self.tensor.data)
        data = data.reshape(-1, data.shape[-1])
        if self.order is not None:
            data = np.empty_like(data)
            data[self.order] = self.tensor.data
        weight = from_gguf(self.tensor.type.name, data)
        if weight is None:
            raise self.fail("unsupported", "has scales that can't be kept", "export with --quantize int8, int4 or none")
        return weight


def _joined_experts(parts: list[QuantizedWeight], experts: int) -> QuantizedWeight:
    """Each expert's rows of all parts one behind the other: its gate's and what is gated."""

    def joined(fields: list[np.ndarray | None]) -> np.ndarray | None:
        if fields[0] is None:
            return None
        columns = fields[0].shape[1]
        return np.concatenate([field.reshape(experts, -1, columns) for field in fields], axis=1).reshape(-1, columns)

    codes, scale, minimum = (joined([getattr(part, name) for part in parts]) for name in ("codes", "scale", "minimum"))
    return QuantizedWeight(codes, scale, minimum, parts[0].bits)


class StoredWeights(Mapping[str, QuantizedWeight]):
    """What a file holds in groups of 32, by the parameter's name. Nothing is read before it is asked for."""

    def __init__(self, weights: dict[str, list[_StoredWeight]]) -> None:
        self.weights = weights
        kinds = {name: {part.tensor.type.name for part in parts} for name, parts in weights.items()}
        self._kept = [name for name, types in kinds.items() if len(types) == 1 and types <= set(_KEPT_TYPES)]

    def __getitem__(self, name: str) -> QuantizedWeight:
        parts = self.weights[name]
        return _joined_experts([part.keep() for part in parts], parts[0].tensor.shape[0]) if len(parts) > 1 else parts[0].keep()

    def __contains__(self, name: object) -> bool:
        return name in self._kept

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)


def _scale_frequencies(file: GgufFile, model: transformers.PreTrainedModel) -> None:
    """Llama 3's long contexts: the file has the outcome, a divisor for each rotary frequency, not the settings."""
    tensor = file.tensors.get("rope_freqs.weight")
    if tensor is None:
        return
    rotary = getattr(model.get_decoder(), "rotary_emb", None)
    with contextlib.suppress(AttributeError):
        if rotary.inv_freq.shape == tensor.shape:
            divisors = torch.from_numpy(np.array(tensor.rows(0, 1)[0]))
            for name in ("inv_freq", "original_inv_freq"):
                getattr(rotary, name).div_(divisors)
            return
    raise Error(
        "unsupported",
        "doesn't fit the model's rotary embedding",
        f"{file.path}: tensor 'rope_freqs.weight'",
        _FROM_CHECKPOINT,
    )
