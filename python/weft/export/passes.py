"""Optional transformations of an exported graph. Each is a function of its own that changes no result, only the speed.

    program = run_passes(program, passes_for("aoti", PASS_NAMES))

A pass knows no architecture by name: it finds a pattern of the graph, checks everything that its replacement takes for
granted, and leaves alone what doesn't fit. Results stay the same within f32 rounding (tests/export/test_passes.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch.export import ExportedProgram
from torch.fx import Node

import weft.export.operators  # noqa: F401 (defines torch.ops.weft)
from weft.export.graph_edits import (
    add_constant,
    calls,
    constant,
    constant_name,
    finish,
    insert,
    remove_constant,
    replace,
    sole_user,
)
from weft.export.quantize import TILE_ROWS, float_weight
from weft.export.schemes import GROUP

_aten, _weft = torch.ops.aten, torch.ops.weft
_LINEAR = _weft.quantized_linear.default

# Where weft::quantized_linear's arguments stand (python/weft/export/operators.py).
_INPUT, _WEIGHT, _BIAS, _RESIDUAL, _NORM_WEIGHT, _NORM_EPSILON, _FEATURES, _BITS, _MINIMUM, _GATE, _ACTIVATIONS = range(11)


def few_row_linears(program: ExportedProgram) -> None:
    """aten.linear -> weft::linear, which reads the weights of a decoding step at the memory's speed.

    For AOTInductor, whose own call for a single row (MKL's) reached 10 GB/s where the kernel reached 26, measured on two
    Zen 4 cores; with it, SmolLM2-135M in fp32 decodes 2.6x as fast. ExecuTorch's XNNPACK needs no help here.
    """
    for node in calls(program, _aten.linear.default):
        weight = node.args[1].meta["val"]
        if weight.dim() == 2 and weight.dtype == torch.float32:
            node.target = _weft.linear.default
            node.args = (*node.args, None) if len(node.args) == 2 else node.args


def tile_linears(program: ExportedProgram) -> None:
    """f32 linears and embeddings -> the quantised operators, whose layout holds f32 too: fused like all others by what follows, stored
    once where they are tied, and read at the memory's speed by either backend.

    Only in programs that get weft's threads: those whose caches lie outside of the graph.
    """
    if not calls(program, _weft.attention.default):
        return
    tiled: dict[str, Node] = {}
    for placeholder in [node for node in program.graph.nodes if node.op == "placeholder"]:
        name = constant_name(program, placeholder)
        value = placeholder.meta["val"]
        if name is None or value.dtype != torch.float32 or value.dim() != 2 or value.shape[1] % GROUP != 0:
            continue
        if not placeholder.users or not all(_reads_rows(user, placeholder) for user in placeholder.users):
            continue
        rows, columns = value.shape
        if name not in tiled:
            tiled[name] = add_constant(program, f"{placeholder.target}_tiled", float_weight(constant(program, placeholder)).pack())
        for user in list(placeholder.users):
            if user.target is _aten.embedding.default:
                replace(program, user, _weft.quantized_embedding.default, (user.args[1], tiled[name], rows, columns, 32, False))
            else:
                bias = user.args[2] if len(user.args) > 2 else None
                replace(program, user, _LINEAR, (user.args[0], tiled[name], bias, None, None, 0.0, rows, 32, False, 0, 32))
        remove_constant(program, placeholder)


def drop_no_ops(program: ExportedProgram) -> None:
    """Conversions to the type that a tensor has already, and what only asserts it: they hide the patterns of the other passes."""
    for node in list(program.graph.nodes):
        if node.op != "call_function":
            continue
        if node.target is _aten._assert_tensor_metadata.default:
            program.graph.erase_node(node)
        elif node.target in (_aten.to.dtype, _aten.to.device, _aten.to.dtype_layout, _aten.type_as.default, _aten.contiguous.default):
            source = node.args[0]
            same = source.meta["val"].dtype == node.meta["val"].dtype and source.meta["val"].stride() == node.meta["val"].stride()
            if same and "copy" not in node.kwargs and not any(argument is True for argument in node.args):
                node.replace_all_uses_with(source)
                program.graph.erase_node(node)
        elif node.target is _aten.alias.default:
            node.replace_all_uses_with(node.args[0])
            program.graph.erase_node(node)
        elif node.target is _aten.mul.Tensor and node.args[1] in (1, 1.0) and not isinstance(node.args[1], Node):
            if node.args[0].meta["val"].dtype == node.meta["val"].dtype:
                node.replace_all_uses_with(node.args[0])
                program.graph.erase_node(node)


def join_parallel_linears(program: ExportedProgram) -> None:
    """Quantised linears of one input -> one of their rows together, and slices of its result.

    The input is rounded once, and one call's threads share all of the work: queries, keys and values; gate and up.
    """
    by_kind: dict[tuple, list[Node]] = {}
    for node in calls(program, _LINEAR):
        args = node.args
        plain = args[_RESIDUAL] is None and args[_NORM_WEIGHT] is None and args[_GATE] == 0
        owned = sole_user(args[_WEIGHT]) and (args[_BIAS] is None or sole_user(args[_BIAS]))
        if plain and owned and args[_FEATURES] % TILE_ROWS == 0:
            key = (args[_INPUT], args[_BITS], args[_MINIMUM], args[_ACTIVATIONS], args[_BIAS] is None)
            by_kind.setdefault(key, []).append(node)
    for (source, bits, minimum, activations, unbiased), nodes in by_kind.items():
        if len(nodes) == 1:
            continue
        weight, bias = (
            None if index == _BIAS and unbiased else _join_constants(program, [node.args[index] for node in nodes])
            for index in (_WEIGHT, _BIAS)
        )
        features = sum(node.args[_FEATURES] for node in nodes)
        args = (source, weight, bias, None, None, 0.0, features, bits, minimum, 0, activations)
        joined = insert(program, nodes[0], _LINEAR, args)
        start = 0
        for node in nodes:
            stop = start + node.args[_FEATURES]
            part = insert(program, node, _aten.slice.Tensor, (joined, -1, start, stop))
            node.replace_all_uses_with(part)
            joined_ones = [part for part in (node.args[_WEIGHT], node.args[_BIAS]) if part is not None]
            program.graph.erase_node(node)
            for old in joined_ones:
                remove_constant(program, old)
            start = stop


def gate_in_linear(program: ExportedProgram) -> None:
    """function(gate) * up, both slices of one quantised linear (join_parallel_linears) -> that linear's own gate."""
    gates = {_aten.silu.default: 1, _aten.gelu.default: 2}
    for product in calls(program, _aten.mul.Tensor):
        for gate, up in (product.args, product.args[::-1]):
            if not (isinstance(gate, Node) and isinstance(up, Node) and gate.target in gates and sole_user(gate)):
                continue
            if gate.target is _aten.gelu.default and gate.kwargs.get("approximate") != "tanh":
                continue
            first, second = gate.args[0], up
            if not (_is_slice(first) and _is_slice(second) and first.args[0] is second.args[0] and sole_user(first) and sole_user(second)):
                continue
            linear = first.args[0]
            half = linear.args[_FEATURES] // 2 if linear.target is _LINEAR else 0
            if half == 0 or len(linear.users) != 2 or half % TILE_ROWS != 0:
                continue
            if first.args[2:] != (0, half) or second.args[2:] != (half, 2 * half):
                continue
            args = list(linear.args)
            args[_FEATURES], args[_GATE] = half, gates[gate.target]
            replace(program, product, _LINEAR, tuple(args))
            break


def norm_in_linear(program: ExportedProgram) -> None:
    """An RMS norm before a quantised linear, which is all that reads it -> the linear's own norm."""
    for linear in calls(program, _LINEAR):
        if linear.args[_NORM_WEIGHT] is not None:
            continue
        source, norm = linear.args[_INPUT], linear.args[_INPUT]
        select = None
        if norm.target is _aten.index_select.default and norm.args[1] == 1 and sole_user(norm):  # the wanted rows alone
            select, norm = norm, norm.args[0]
        found = _match_rms_norm(norm)
        if found is None or not sole_user(norm):
            continue
        source, weight, epsilon = found
        if weight.op != "placeholder":  # Gemma's: 1 + weight
            weight = add_constant(program, f"{weight.args[0].target}_shifted", constant(program, weight.args[0]).float() + weight.args[1])
        if source.meta["val"].dtype != torch.float32 or weight.meta["val"].dim() != 1:
            continue
        if select is not None:
            source = insert(program, select, _aten.index_select.default, (source, *select.args[1:]))
        args = list(linear.args)
        args[_INPUT], args[_NORM_WEIGHT], args[_NORM_EPSILON] = source, weight, epsilon
        linear.args = tuple(args)


def residual_in_linear(program: ExportedProgram) -> None:
    """x + linear(y) -> the linear adds x itself."""
    for linear in calls(program, _LINEAR):
        if linear.args[_RESIDUAL] is not None or linear.args[_GATE] != 0 or not sole_user(linear):
            continue
        total = next(iter(linear.users))
        if total.target is not _aten.add.Tensor or total.kwargs or len(total.args) != 2:
            continue
        other = total.args[1] if total.args[0] is linear else total.args[0]
        if not isinstance(other, Node) or other.meta["val"].shape != linear.meta["val"].shape or other.meta["val"].dtype != torch.float32:
            continue
        args = list(linear.args)
        args[_RESIDUAL] = other
        replace(program, total, _LINEAR, tuple(args))


def rotary_in_attention(program: ExportedProgram) -> None:
    """Queries and keys turned by their positions (x * cos + rotate_half(x) * sin), all sliced from one linear's result ->
    weft::rotary_attention, which reads that result in place."""
    for attention in calls(program, _weft.attention.default):
        query, key, value = attention.args[:3]
        turned = _match_rotary(query), _match_rotary(key)
        if None in turned or turned[0][1:] != turned[1][1:]:
            continue
        cos, sin = turned[0][1:]
        heads = [_match_heads(part) for part in (turned[0][0], turned[1][0], value)]
        if None in heads:
            continue
        source, _, n_heads, size = heads[0]
        starts, start = [], 0
        for _, _, count, _ in heads:
            starts.append(start)
            start += count * size
        fits = all(part is source and at == begin and each == size for (part, at, _, each), begin in zip(heads, starts, strict=True))
        if not fits or source.meta["val"].shape[-1] != start or heads[1][2] != heads[2][2] or cos.meta["val"].shape[-1] != size:
            continue
        args = (source, cos, sin, *attention.args[3:6], n_heads, heads[1][2], *attention.args[6:])
        replace(program, attention, _weft.rotary_attention.default, args)


def unbatch_before_head(program: ExportedProgram) -> None:
    """linear(x)[0] -> linear(x[0]): the batch of one is taken from the head's few inputs. ExecuTorch copied all logits for it."""
    for select in calls(program, _aten.select.int):
        linear = select.args[0]
        if linear.target is not _LINEAR or not sole_user(linear) or tuple(select.args[1:]) != (0, 0):
            continue
        args = list(linear.args)
        source = args[_INPUT].meta["val"]
        if source.dim() != 3 or source.shape[0] != 1 or args[_RESIDUAL] is not None:
            continue
        args[_INPUT] = insert(program, select, _aten.select.int, (args[_INPUT], 0, 0))
        replace(program, select, _LINEAR, tuple(args))


# What all programs get, in the order of PASS_NAMES.
QUANTIZED_PASSES = (
    tile_linears,
    drop_no_ops,
    join_parallel_linears,
    gate_in_linear,
    norm_in_linear,
    residual_in_linear,
    rotary_in_attention,
    unbatch_before_head,
)


def passes_for(backend: str, names: Iterable[str]) -> tuple[Callable[[ExportedProgram], None], ...]:
    """Those of `names` (PASS_NAMES) that are edits of a graph, for this backend."""
    every = (*QUANTIZED_PASSES, *((few_row_linears,) if backend == "aoti" else ()))
    return tuple(each for each in every if each.__name__ in set(names))


def run_passes(program: ExportedProgram, passes: Iterable[Callable[[ExportedProgram], None]]) -> ExportedProgram:
    """Runs each pass on `program` in place, and drops what nothing reads any more."""
    for each in passes:
        each(program)
        program.graph.eliminate_dead_code()
    finish(program)
    return program


def _is_slice(node: Node) -> bool:
    return node.target is _aten.slice.Tensor and len(node.args) == 4 and node.args[1] == -1


def _match_rms_norm(node: Node) -> tuple[Node, Node, float] | None:
    """(x, weight or weight + a constant, epsilon) of weight * (x * rsqrt(mean(x ** 2, -1) + epsilon)), in any order of the factors."""
    if node.target is not _aten.mul.Tensor:
        return None
    for weight, scaled in (node.args, node.args[::-1]):
        if not (isinstance(scaled, Node) and scaled.target is _aten.mul.Tensor and isinstance(weight, Node)):
            continue
        shifted_weight = weight.target is _aten.add.Tensor and weight.args[0].op == "placeholder" and isinstance(weight.args[1], float)
        if weight.op != "placeholder" and not shifted_weight:
            continue
        for x, inverse in (scaled.args, scaled.args[::-1]):
            if not (isinstance(inverse, Node) and inverse.target is _aten.rsqrt.default):
                continue
            shifted = inverse.args[0]
            if shifted.target is not _aten.add.Tensor or not isinstance(shifted.args[1], float):
                continue
            mean = shifted.args[0]
            if mean.target is not _aten.mean.dim or list(mean.args[1]) != [-1] or mean.args[2:] != (True,):
                continue
            square = mean.args[0]
            if square.target is _aten.pow.Tensor_Scalar and square.args == (x, 2):
                return x, weight, shifted.args[1]
    return None


def _match_rotary(node: Node) -> tuple[Node, Node, Node] | None:
    """(x, cos, sin) of x * cos[:, None] + cat(-x[half:], x[:half]) * sin[:, None], all of the head's size."""
    if node.target is not _aten.add.Tensor or node.kwargs:
        return None
    plain, rotated = node.args
    if not all(isinstance(part, Node) and part.target is _aten.mul.Tensor for part in (plain, rotated)):
        return None
    (x, cos), (halves, sin) = plain.args, rotated.args
    if not all(isinstance(part, Node) and part.target is _aten.unsqueeze.default and part.args[1] == 1 for part in (cos, sin)):
        return None
    if halves.target is not _aten.cat.default or halves.args[1] != -1 or len(halves.args[0]) != 2:
        return None
    negative, first = halves.args[0]
    if negative.target is not _aten.neg.default:
        return None
    half = x.meta["val"].shape[-1] // 2
    second = negative.args[0]
    for part, begin, end in ((first, 0, half), (second, half, 2 * half)):
        if part.target is not _aten.slice.Tensor or part.args[0] is not x or part.args[1] not in (3, -1) or part.args[2] != begin:
            return None
        if min(part.args[3], 2 * half) != end:
            return None
    return x, cos.args[0], sin.args[0]


def _match_heads(node: Node) -> tuple[Node, int, int, int] | None:
    """(source, start, heads, size) of source[..., start : start + heads * size] seen as [1, heads, T, size]."""
    if node.target is not _aten.transpose.int or set(node.args[1:]) != {1, 2}:
        return None
    view = node.args[0]
    if view.target not in (_aten.view.default, _aten.reshape.default) or not _is_slice(view.args[0]):
        return None
    part, shape = view.args[0], view.meta["val"].shape
    if len(shape) != 4 or part.meta["val"].dim() != 3 or part.meta["val"].dtype != torch.float32:
        return None
    return part.args[0], part.args[2], int(shape[2]), int(shape[3])


def _reads_rows(user: Node, weight: Node) -> bool:
    """Whether all that `user` does with `weight` is an f32 linear, or looking rows up."""
    if user.op != "call_function" or user.kwargs or sum(argument is weight for argument in user.args) != 1:
        return False
    if user.target is _aten.embedding.default:
        return user.args[0] is weight
    if user.target is not _aten.linear.default or user.args[1] is not weight:
        return False
    return all(argument is None or argument.meta["val"].dtype == torch.float32 for argument in user.args)


def _join_constants(program: ExportedProgram, placeholders: list[Node]) -> Node:
    joined = torch.cat([constant(program, placeholder) for placeholder in placeholders])
    return add_constant(program, f"{placeholders[0].target}_joined", joined)
