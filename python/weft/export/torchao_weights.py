"""Weights that torchao's `quantize_` has quantised already: their own codes, in the kernels' layout.

Kept are tensors with integer codes of at most 8 bits and one scale (and zero point) for a row, or for a group whose size
is a multiple of 32. Scales become f16: exact if they were made in f16 or, within its range, in bf16; else rounded by at most 1/2048.
"""

from __future__ import annotations

import numpy as np
import torch

from weft.errors import Error
from weft.export.progress import Progress
from weft.export.quantize import GROUP, QuantizedWeight
from weft.export.rounding import make_weight


def is_quantized(model: torch.nn.Module) -> bool:
    """Whether torchao has quantised any weight of the model."""
    return any(_is_torchao(parameter) for parameter in model.parameters())


def take_weights(model: torch.nn.Module, progress: Progress) -> dict[str, QuantizedWeight]:
    """The quantised weights by parameter name; `model` gets plain f32 weights of the same values in their place.

    A weight that the layout doesn't have is only dequantised, with a note. Raises weft.Error (unsupported) for one that can't be.
    """
    kept: dict[str, QuantizedWeight] = {}
    rounded: list[str] = []
    done: dict[int, torch.nn.Parameter] = {}  # tied weights stay one
    for module_name, module in model.named_modules(remove_duplicate=False):
        for child, parameter in list(module.named_parameters(recurse=False)):
            name = f"{module_name}.{child}" if module_name else child
            if not _is_torchao(parameter):
                continue
            weight = _read(parameter) if isinstance(module, torch.nn.Linear | torch.nn.Embedding) and child == "weight" else None
            if id(parameter) not in done:
                values = _dequantize(parameter, name) if weight is None else torch.from_numpy(weight.dequantize())
                done[id(parameter)] = torch.nn.Parameter(values, requires_grad=False)
            if weight is None:
                rounded.append(f"{name} ({type(parameter).__name__})")
            else:
                kept[name] = weight
            setattr(module, child, done[id(parameter)])
    if rounded:
        progress.note(f"{len(rounded)} of torchao's weights don't fit the kernels' groups of {GROUP} and are stored as floats: {rounded[0]}")
    return kept


def _is_torchao(tensor: torch.Tensor) -> bool:
    return type(tensor).__module__.partition(".")[0] == "torchao" or type(tensor.data).__module__.partition(".")[0] == "torchao"


def _dequantize(tensor: torch.Tensor, name: str) -> torch.Tensor:
    try:
        return tensor.dequantize().detach().float()
    except Exception as error:  # of many kinds: each tensor class has its own restrictions
        message = f"torchao's {type(tensor).__name__} can be neither kept nor dequantised here"
        fix = "quantise with IntxWeightOnlyConfig (int4 or int8, groups of 32), or export the float model with quantize=..."
        raise Error("unsupported", message, name, fix) from error


def _read(parameter: torch.Tensor) -> QuantizedWeight | None:
    """The codes of a matrix [N, K]; None for what the layout doesn't have."""
    tensor = parameter.data
    codes, scale, block = getattr(tensor, "qdata", None), getattr(tensor, "scale", None), getattr(tensor, "block_size", None)
    integers = isinstance(codes, torch.Tensor) and codes.dtype == torch.int8 and codes.dim() == 2
    if not integers or tuple(codes.shape) != tuple(tensor.shape) or not isinstance(scale, torch.Tensor) or block is None:
        return None  # packed in another order, floating-point codes, ...
    if getattr(tensor, "act_pre_scale", None) is not None:
        return None
    rows, columns = codes.shape
    block_rows, group = (size if size > 0 else whole for size, whole in zip(block, (rows, columns), strict=True))
    if block_rows != 1 or group % GROUP != 0 or columns % group != 0:
        return None
    scale = scale.detach().float().reshape(rows, columns // group)
    zero_point = getattr(tensor, "zero_point", None)
    zero = torch.zeros_like(scale) if zero_point is None else zero_point.detach().float().reshape(scale.shape)
    lowest, highest = int(codes.min()), int(codes.max())
    declared = str(getattr(tensor, "target_dtype", torch.int8)).removeprefix("torch.int")
    bits = 4 if declared.isdigit() and int(declared) <= 4 and lowest >= -8 and highest <= 7 else 8
    shift = 8 if bits == 4 else 0  # the layout's 4-bit codes count from 0
    offset = -(zero + shift) * scale
    halves = torch.cat([scale, offset]).to(torch.float16)
    if not bool(torch.isfinite(halves).all()) or bool((halves[:rows] == 0).logical_and(scale != 0).any()):
        return None  # a scale outside of f16's range
    codes = codes.numpy().astype(np.int16) + shift
    return make_weight(codes, scale.numpy(), offset.numpy(), bits=bits, group=group)
