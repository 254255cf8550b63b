"""Floating-point weights to codes: to the nearest, or by GPTQ, which lets later columns make up for the error of earlier ones.

N rows, K columns, g columns of a group; all tensors f32.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from weft.export.quantize import GROUP, QuantizedWeight, float_weight
from weft.export.schemes import Scheme

_BLOCK = 128  # columns whose errors are gathered before the rest of the matrix is corrected: speed alone
_DAMPING = 0.01  # of the Hessian's mean diagonal; GPTQ's own default


@dataclasses.dataclass(frozen=True)
class _Grid:
    """The values that the weights of one group per row may take: scale * code + offset, lowest <= code <= highest."""

    scale: torch.Tensor  # [N, 1], an f16 value
    offset: torch.Tensor  # [N, 1], an f16 value
    lowest: int
    highest: int

    @staticmethod
    def fit(values: torch.Tensor, scheme: Scheme) -> _Grid:
        """values: [N, g]."""
        if scheme.symmetric and scheme.bits == 8:
            scale = _half(values.abs().amax(1, keepdim=True) / 127)
            return _Grid(scale, torch.zeros_like(scale), -127, 127)
        if scheme.symmetric:
            # The largest in size is stored exactly, as -8 steps, as in GGUF's Q4_0: a step has whichever sign that takes.
            largest = values.gather(1, values.abs().argmax(1, keepdim=True))
            scale = _half(largest / -8)
            return _Grid(scale, torch.zeros_like(scale), -8, 7)
        steps = 2**scheme.bits - 1
        lowest = -128 if scheme.bits == 8 else 0
        smallest, largest = values.amin(1, keepdim=True), values.amax(1, keepdim=True)
        scale = _half((largest - smallest) / steps)
        offset = _half(smallest - lowest * scale)
        if scheme.bits == 4:  # what rounding the smallest value lost, the step makes up for
            scale = _half((largest - offset) / steps)
        return _Grid(scale, offset, lowest, lowest + steps)

    def codes(self, values: torch.Tensor) -> torch.Tensor:
        step = torch.where(self.scale == 0, 1.0, self.scale)
        return torch.clamp(torch.round((values - self.offset) / step), self.lowest, self.highest)

    def values(self, codes: torch.Tensor) -> torch.Tensor:
        return codes * self.scale + self.offset


def _half(values: torch.Tensor) -> torch.Tensor:
    return values.to(torch.float16).float()


def round_to_nearest(weight: torch.Tensor, scheme: Scheme) -> QuantizedWeight:
    """weight: [N, K], K a multiple of the scheme's group."""
    rows, columns = weight.shape
    if scheme.bits == 16:
        return float_weight(weight.detach().to(torch.bfloat16))
    flat = weight.detach().float().reshape(-1, scheme.group)
    grid = _Grid.fit(flat, scheme)
    return _weight(grid.codes(flat).reshape(rows, columns), grid.scale.reshape(rows, -1), grid.offset.reshape(rows, -1), scheme)


def gptq(weight: torch.Tensor, hessian: torch.Tensor, scheme: Scheme) -> QuantizedWeight:
    """Frantar et al. 2023, "GPTQ", algorithm 1, with a grid for each group fitted when its first column is reached.

    weight: [N, K]. hessian: [K, K], the sum over the layer's inputs x of x x^T, at any scale; left unchanged.
    """
    rows, columns = weight.shape
    left = weight.detach().float().clone()
    inverse = _inverse_factor(hessian)
    codes, scales, offsets = torch.empty(rows, columns), [], []
    block = scheme.group * max(1, _BLOCK // scheme.group)
    for start in range(0, columns, block):
        end = min(start + block, columns)
        part, factor = left[:, start:end].clone(), inverse[start:end, start:end]
        errors = torch.empty_like(part)
        for j in range(end - start):
            if j % scheme.group == 0:
                grid = _Grid.fit(part[:, j : j + scheme.group], scheme)
                scales.append(grid.scale)
                offsets.append(grid.offset)
            column = part[:, j : j + 1]
            code = grid.codes(column)
            codes[:, start + j] = code[:, 0]
            errors[:, j : j + 1] = (column - grid.values(code)) / factor[j, j]
            part[:, j:] -= errors[:, j : j + 1] * factor[j, j:]
        left[:, end:] -= errors @ inverse[start:end, end:]
    return _weight(codes, torch.cat(scales, 1), torch.cat(offsets, 1), scheme)


def _inverse_factor(hessian: torch.Tensor) -> torch.Tensor:
    """Upper Cholesky factor of the damped Hessian's inverse."""
    damped = hessian.double().clone()
    diagonal = damped.diagonal()
    diagonal[diagonal == 0] = 1  # an input that was always zero says nothing
    diagonal += _DAMPING * diagonal.mean()
    return torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(damped)), upper=True).float()


def _weight(codes: torch.Tensor, scale: torch.Tensor, offset: torch.Tensor, scheme: Scheme) -> QuantizedWeight:
    """codes: [N, K]; scale, offset: [N, K / g], which the layout's groups of 32 repeat."""
    return make_weight(codes.numpy(), scale.numpy(), offset.numpy(), bits=scheme.bits, group=scheme.group)


def make_weight(codes: np.ndarray, scale: np.ndarray, offset: np.ndarray, *, bits: int, group: int) -> QuantizedWeight:
    """scale * code + offset in the kernels' layout. codes: [N, K]; 4 bits: from 0, or from -8 where all offsets are 0."""
    repeat = group // GROUP
    scale = np.repeat(scale.astype(np.float16), repeat, axis=1)
    offset = np.repeat(offset.astype(np.float16), repeat, axis=1)
    if bits == 8:
        return QuantizedWeight(codes.astype(np.int8), scale, offset if offset.any() else None, bits)
    if codes.min(initial=0) < 0:
        if not offset.any():  # the layout's own meaning of 4 bits without a minimum: two bytes of a group less to read
            return QuantizedWeight((codes + 8).astype(np.uint8), scale, None, bits)
        codes, offset = codes + 8, offset - np.float16(8) * scale  # -8 times a half is a half, unless it is among the very largest
    return QuantizedWeight(codes.astype(np.uint8), scale, offset, bits)
