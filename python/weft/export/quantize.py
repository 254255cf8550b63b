"""Weights of 4 or 8 bits in groups of 32, of bfloat16 or of f32, in the layout of include/weft/kernels/quantized_linear.h.

A weight of 4 or 8 bits is scale * code + minimum, with an f16 scale (and minimum) for each 32 neighbours in a row; a GGUF's own blocks are
kept bit for bit. What a linear multiplies with them, its input as it is or rounded to 8 bits, the operator is told.

N rows, K columns, G = K / 32 groups.
"""

from __future__ import annotations

import dataclasses
import types

import numpy as np
import torch

import weft.export.operators  # noqa: F401 (defines torch.ops.weft)
from weft.export.schemes import GROUP

_TILE_ROWS = 16


@dataclasses.dataclass(frozen=True)
class QuantizedWeight:
    """A matrix [N, K] of weights scale * code + minimum; of 4 bits without a minimum: scale * (code - 8); or of floats."""

    codes: np.ndarray  # [N, K]; 4 bits: u8 0..15, 8 bits: i8, 16 and 32 bits: the bits of a bfloat16 or an f32 as u16 or u32
    scale: np.ndarray | None  # f16 [N, G]; None with 16 and 32 bits
    minimum: np.ndarray | None  # f16 [N, G]
    bits: int  # 4, 8, 16 or 32

    def dequantize(self) -> np.ndarray:
        """f32 [N, K]."""
        rows, columns = self.codes.shape
        if self.scale is None:
            return (self.codes.astype(np.uint32) << (32 - self.bits)).view(np.float32)
        codes = self.codes.reshape(rows, -1, GROUP).astype(np.float32)
        if self.bits == 4 and self.minimum is None:
            codes -= 8
        values = codes * self.scale.astype(np.float32)[:, :, None]
        if self.minimum is not None:
            values += self.minimum.astype(np.float32)[:, :, None]
        return values.reshape(rows, columns)

    def pack(self) -> torch.Tensor:
        """u8 [bytes]: the layout that the kernels read in place."""
        rows, columns = self.codes.shape
        tiles, groups, in_word = -(-rows // _TILE_ROWS), columns // GROUP, 32 // self.bits

        def by_tile(values: np.ndarray) -> np.ndarray:  # [N, G, ...] -> [tiles, G, 16, ...]
            padded = np.zeros((tiles * _TILE_ROWS, *values.shape[1:]), values.dtype)
            padded[:rows] = values
            return padded.reshape(tiles, _TILE_ROWS, *values.shape[1:]).swapaxes(1, 2)

        codes = by_tile(self.codes.view(np.uint8 if self.bits < 16 else self.codes.dtype).reshape(rows, groups, self.bits, in_word))
        if self.bits == 4:  # of eight columns, the first four are the low halves of a word's bytes
            codes = codes[..., :4] | codes[..., 4:] << 4
        words = codes.swapaxes(2, 3)  # [tiles, G, words, 16, bytes of a word, or its halves]
        fields = [] if self.scale is None else [by_tile(self.scale.view(np.uint16))]
        if self.minimum is not None:
            fields.append(by_tile(self.minimum.view(np.uint16)))
        fields.append(words)
        flat = [np.ascontiguousarray(field).reshape(tiles, groups, -1).view(np.uint8) for field in fields]
        return torch.from_numpy(np.concatenate(flat, axis=-1).reshape(-1))


def float_weight(weight: torch.Tensor) -> QuantizedWeight:
    """weight: bf16 or f32 [N, K], K a multiple of 32; kept as it is."""
    kinds = {torch.bfloat16: (torch.int16, np.uint16, 16), torch.float32: (torch.int32, np.uint32, 32)}
    integer, unsigned, bits = kinds[weight.dtype]
    return QuantizedWeight(weight.detach().contiguous().view(integer).numpy().view(unsigned), None, None, bits)


def _halves(bytes_: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(bytes_).view(np.float16)[..., 0]


def _nibbles(bytes_: np.ndarray) -> np.ndarray:
    """GGUF's order: the low halves of 16 bytes are the first 16 codes, the high halves the others."""
    return np.concatenate([bytes_ & 15, bytes_ >> 4], axis=-1)


def _fifth_bits(bytes_: np.ndarray) -> np.ndarray:
    bits = np.ascontiguousarray(bytes_).view("<u4")
    return ((bits >> np.arange(GROUP, dtype=np.uint32)) & 1).astype(np.uint8) << 4


# How each GGUF type lays out a block of 32 (ggml-common.h of llama.cpp): block u8 [N, G, bytes] -> codes, scale, minimum, bits.
def _q4_0(block):
    return _nibbles(block[..., 2:]), _halves(block[..., :2]), None, 4


def _q4_1(block):
    return _nibbles(block[..., 4:]), _halves(block[..., :2]), _halves(block[..., 2:4]), 4


def _q5_0(block):
    return (_nibbles(block[..., 6:]) | _fifth_bits(block[..., 2:6])).astype(np.int8) - np.int8(16), _halves(block[..., :2]), None, 8


def _q5_1(block):
    codes = (_nibbles(block[..., 8:]) | _fifth_bits(block[..., 4:8])).astype(np.int8)
    return codes, _halves(block[..., :2]), _halves(block[..., 2:4]), 8


def _q8_0(block):
    return block[..., 2:].view(np.int8), _halves(block[..., :2]), None, 8


_GGUF_BLOCKS = {"Q4_0": (18, _q4_0), "Q4_1": (20, _q4_1), "Q5_0": (22, _q5_0), "Q5_1": (24, _q5_1), "Q8_0": (34, _q8_0)}


def from_gguf(kind: str, rows: np.ndarray) -> QuantizedWeight | None:
    """The very numbers of GGUF blocks, u8 [N, bytes of a row]; None for a type that isn't made of plain groups of 32."""
    if kind not in _GGUF_BLOCKS:
        return None
    size, read = _GGUF_BLOCKS[kind]
    codes, scale, minimum, bits = read(np.ascontiguousarray(rows).reshape(rows.shape[0], -1, size))
    return QuantizedWeight(np.ascontiguousarray(codes).reshape(rows.shape[0], -1), scale, minimum, bits)


class _Quantized(torch.nn.Module):
    """What both kinds of module hold."""

    def __init__(self, packed: torch.Tensor, weight: QuantizedWeight):
        super().__init__()
        self.packed = torch.nn.Parameter(packed, requires_grad=False)  # a buffer would be copied, in case that the program changes it
        self.rows, self.columns = weight.codes.shape
        self.bits, self.has_minimum = weight.bits, weight.minimum is not None


class QuantizedLinear(_Quantized):
    """input [..., K] -> [..., N]."""

    def __init__(self, packed: torch.Tensor, weight: QuantizedWeight, linear: torch.nn.Linear, activations: str):
        super().__init__(packed, weight)
        bias = linear.bias
        # Models ask for its type before they call the module (Mamba's head). Not a tensor: what would compute with it must fail.
        self.weight = types.SimpleNamespace(dtype=linear.weight.dtype, device=linear.weight.device, shape=linear.weight.shape)
        self.activation_bits = 8 if activations == "int8" and weight.bits < 16 else 32
        self.register_buffer("bias", None if bias is None else bias.float())

    def forward(self, input):
        out = torch.ops.weft.quantized_linear(
            input.float(), self.packed, self.bias, None, None, 0.0, self.rows, self.bits, self.has_minimum, 0, self.activation_bits
        )
        return out.to(input.dtype)


class QuantizedEmbedding(_Quantized):
    """ids [...] -> [..., K]."""

    def __init__(self, packed: torch.Tensor, weight: QuantizedWeight, dtype: torch.dtype, scale: float):
        super().__init__(packed, weight)
        self.dtype, self.scale = dtype, scale

    def forward(self, ids):
        out = torch.ops.weft.quantized_embedding(ids, self.packed, self.rows, self.columns, self.bits, self.has_minimum).to(self.dtype)
        return out if self.scale == 1.0 else out * self.scale


def exchange_modules(model, weights: dict[str, QuantizedWeight], activations: str) -> None:
    """Puts quantised modules in the place of the linears and embeddings that `weights` names. Tied weights stay one.

    activations: what the linears multiply, one of weft.export.ACTIVATIONS.
    """
    packed: dict[int, tuple[torch.Tensor, QuantizedWeight]] = {}
    parameters = {name: parameter for name, parameter in model.named_parameters(remove_duplicate=False)}
    by_parameter = {id(parameters[name]): weight for name, weight in weights.items()}
    for name, module in list(model.named_modules()):
        if not isinstance(module, (torch.nn.Linear, torch.nn.Embedding)) or id(module.weight) not in by_parameter:
            continue
        key = id(module.weight)
        if key not in packed:
            packed[key] = (by_parameter[key].pack(), by_parameter[key])
        if isinstance(module, torch.nn.Linear):
            new: torch.nn.Module = QuantizedLinear(*packed[key], module, activations)
        else:
            # Gemma's embedding multiplies by a constant of its own.
            new = QuantizedEmbedding(*packed[key], module.weight.dtype, float(getattr(module, "scalar_embed_scale", 1.0)))
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, new)
