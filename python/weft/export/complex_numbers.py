"""Complex numbers of a graph as pairs of floats, for the backends that have no complex type.

Rotary embedding is written with them in some models (DeepSeek-V2, Llama 4, Meta's own code): `view_as_complex(x) * polar(1, angle)`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.export import ExportedProgram
from torch.fx import Node

from weft.export.graph_edits import add_constant, calls, constant, constant_name, finish, insert, remove_constant

_aten = torch.ops.aten
# Operators that move elements, and say where by dimensions, by a shape, or by places in the first dimensions: the pair of each element
# moves with it, in a last dimension of its own.
_BY_DIMENSION = (_aten.unsqueeze.default, _aten.squeeze.dim, _aten.slice.Tensor, _aten.select.int, _aten.index_select.default)
_BY_SHAPE = (_aten.view.default, _aten.reshape.default, _aten.expand.default)
_UNCHANGED = (_aten.alias.default, _aten.contiguous.default, _aten.clone.default, _aten.detach.default, _aten.detach_.default,
              _aten.to.dtype, _aten.to.device, _aten.to.dtype_layout)  # fmt: skip


def without_complex_numbers(program: ExportedProgram) -> ExportedProgram:
    """Rewrites `program` in place. Operators on complex numbers that are none of those here stay, and with them all others."""
    complex_nodes = [node for node in program.graph.nodes if _is_complex(node)]
    if not complex_nodes:
        return program
    for check in calls(program, _aten._assert_tensor_metadata.default):
        if check.args[0] in complex_nodes:
            program.graph.erase_node(check)
    readers = [user for node in complex_nodes for user in node.users if not _is_complex(user)]
    known = all(_rule(node) is not None or _is_constant(program, node) for node in complex_nodes)
    if not known or not all(reader.target in _READERS for reader in readers):
        return program
    pairs: dict[Node, Node] = {}
    for node in complex_nodes:
        if node.op == "placeholder":
            pairs[node] = add_constant(program, f"{node.target}_pairs", torch.view_as_real(constant(program, node)).contiguous())
        else:
            pairs[node] = _rule(node)(_Writer(program, node), node, pairs)
    for reader in dict.fromkeys(readers):
        reader.replace_all_uses_with(_READERS[reader.target](_Writer(program, reader), pairs[reader.args[0]]))
        program.graph.erase_node(reader)
    for node in reversed(complex_nodes):
        if node.op == "placeholder":
            remove_constant(program, node)
        else:
            program.graph.erase_node(node)
    finish(program)
    return program


def _is_complex(node: Node) -> bool:
    value = node.meta.get("val")
    return isinstance(value, torch.Tensor) and value.is_complex()


def _is_constant(program: ExportedProgram, node: Node) -> bool:
    return node.op == "placeholder" and constant_name(program, node) is not None


class _Writer:
    """Calls that are put before `node`."""

    def __init__(self, program: ExportedProgram, node: Node) -> None:
        self._program, self._node = program, node

    def __call__(self, target: object, *args: object) -> Node:
        return insert(self._program, self._node, target, args)

    def parts(self, pair: Node) -> tuple[Node, Node]:
        return self(_aten.select.int, pair, -1, 0), self(_aten.select.int, pair, -1, 1)

    def pair(self, real: Node, imaginary: Node) -> Node:
        return self(_aten.stack.default, [real, imaginary], -1)


def _polar(write: _Writer, node: Node, _) -> Node:
    size, angle = node.args
    return write.pair(*(write(_aten.mul.Tensor, size, write(function, angle)) for function in (_aten.cos.default, _aten.sin.default)))


def _multiply(write: _Writer, node: Node, pairs: dict[Node, Node]) -> Node:
    one, other = node.args
    if one not in pairs:
        one, other = other, one
    if not isinstance(other, Node):
        return write(_aten.mul.Tensor, pairs[one], other)
    if other not in pairs:
        return write(_aten.mul.Tensor, pairs[one], write(_aten.unsqueeze.default, other, -1))
    (a, b), (c, d) = write.parts(pairs[one]), write.parts(pairs[other])
    product = _aten.mul.Tensor
    real = write(_aten.sub.Tensor, write(product, a, c), write(product, b, d))
    return write.pair(real, write(_aten.add.Tensor, write(product, a, d), write(product, b, c)))


def _by_dimension(write: _Writer, node: Node, pairs: dict[Node, Node]) -> Node:
    source, dimension, *rest = node.args
    return write(node.target, pairs[source], dimension if dimension >= 0 else dimension - 1, *rest)


_RULES: dict[object, Callable[[_Writer, Node, dict[Node, Node]], Node]] = {
    _aten.view_as_complex.default: lambda write, node, pairs: node.args[0],
    _aten.complex.default: lambda write, node, pairs: write.pair(*node.args),
    _aten.polar.default: _polar,
    _aten.mul.Tensor: _multiply,
    _aten.index.Tensor: lambda write, node, pairs: write(node.target, pairs[node.args[0]], *node.args[1:]),
    **dict.fromkeys(_BY_DIMENSION, _by_dimension),
    **dict.fromkeys(_BY_SHAPE, lambda write, node, pairs: write(node.target, pairs[node.args[0]], [*node.args[1], 2])),
    **dict.fromkeys(_UNCHANGED, lambda write, node, pairs: pairs[node.args[0]]),
}
# What makes real numbers of complex ones.
_READERS: dict[object, Callable[[_Writer, Node], Node]] = {
    _aten.view_as_real.default: lambda write, pair: pair,
    _aten.real.default: lambda write, pair: write.parts(pair)[0],
    _aten.imag.default: lambda write, pair: write.parts(pair)[1],
}


def _rule(node: Node) -> Callable[[_Writer, Node, dict[Node, Node]], Node] | None:
    rule = _RULES.get(node.target) if node.op == "call_function" else None
    fits = not node.kwargs or node.target in _UNCHANGED
    return rule if fits and not any(isinstance(argument, complex) for argument in node.args) else None
