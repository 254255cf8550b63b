"""Weights of 4 or 8 bits in groups of 32, of bfloat16 or of f32, in the layout of include/weft/kernels/quantized_linear.h.

A weight of 4 or 8 bits is scale * code + minimum, with an f16 scale (and minimum) for each 32 neighbours in a row; a GGUF's own blocks are
kept bit for bit. What a linear multiplies with them, its input as it is or rounded to 8 bits, the operator is told.

N rows, K columns, G = K / 32 groups.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from weft.export.schemes import GROUP

TILE_ROWS = 16


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
        tiles, groups, in_word = -(-rows // TILE_ROWS), columns // GROUP, 32 // self.bits

        def by_tile(values: np.ndarray) -> np.ndarray:  # [N, G, ...] -> [tiles, G, 16, ...]
            padded = np.zeros((tiles * TILE_ROWS, *values.shape[1:]), values.dtype)
            padded[:rows] = values
            return padded.reshape(tiles, TILE_ROWS, *values.shape[1:]).swapaxes(1, 2)

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


def activation_bits(weight: QuantizedWeight, activations: str) -> int:
    """Of what is multiplied with `weight`: 8, 16 (a bfloat16) or 32; activations: one of weft.export.ACTIVATIONS."""
    return max(8, weight.bits) if activations == "rounded" else 32
