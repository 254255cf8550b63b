"""Edits of an exported program's graph that keep its signature and its nodes' shapes true: what passes.py and complex_numbers.py
are written with."""

from __future__ import annotations

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, InputSpec, TensorArgument
from torch.fx import Node


def calls(program: ExportedProgram, target: object) -> list[Node]:
    return [node for node in program.graph.nodes if node.op == "call_function" and node.target is target]


def sole_user(node: Node) -> bool:
    return len(node.users) == 1


def insert(program: ExportedProgram, before: Node, target, args: tuple) -> Node:
    """A new call before `before`, with the shapes that it gives."""
    with program.graph.inserting_before(before):
        node = program.graph.call_function(target, args)
    values = torch.fx.node.map_arg(args, lambda argument: argument.meta["val"])
    with before.meta["val"].fake_mode:
        node.meta["val"] = target(*values)
    return node


def replace(program: ExportedProgram, old: Node, target, args: tuple) -> Node:
    new = insert(program, old, target, args)
    old.replace_all_uses_with(new)
    program.graph.erase_node(old)
    program.graph.eliminate_dead_code()
    return new


def constant_name(program: ExportedProgram, placeholder: Node) -> str | None:
    signature = program.graph_signature
    return signature.inputs_to_buffers.get(placeholder.name) or signature.inputs_to_parameters.get(placeholder.name)


def constant(program: ExportedProgram, placeholder: Node) -> torch.Tensor:
    name = constant_name(program, placeholder)
    return program.state_dict[name] if name in program.state_dict else program.constants[name]


def add_constant(program: ExportedProgram, name: str, value: torch.Tensor) -> Node:
    """A new parameter of the program, before its inputs. Not a buffer: inductor would keep a copy of it, in case that it is changed."""
    specs = program.graph_signature.input_specs
    first_input = next(i for i, spec in enumerate(specs) if spec.kind is InputKind.USER_INPUT)
    anchor = [node for node in program.graph.nodes if node.op == "placeholder"][first_input]
    with program.graph.inserting_before(anchor):
        node = program.graph.placeholder(name)
    node.meta["val"] = anchor.meta["val"].fake_mode.from_tensor(value)
    specs.insert(first_input, InputSpec(InputKind.PARAMETER, TensorArgument(node.name), node.name))
    program.state_dict[node.name] = torch.nn.Parameter(value, requires_grad=False)
    return node


def remove_constant(program: ExportedProgram, placeholder: Node) -> None:
    specs = program.graph_signature.input_specs
    index = next(i for i, spec in enumerate(specs) if getattr(spec.arg, "name", None) == placeholder.name)
    spec = specs.pop(index)
    program.graph.erase_node(placeholder)
    if not any(other.target == spec.target for other in specs):
        program.state_dict.pop(spec.target, None)
        program.constants.pop(spec.target, None)


def finish(program: ExportedProgram) -> None:
    """To be called after the last edit: the signature names the nodes that are there now, and the module runs them."""
    program.graph.eliminate_dead_code()
    outputs = next(node for node in program.graph.nodes if node.op == "output").args[0]
    for spec, node in zip(program.graph_signature.output_specs, outputs, strict=True):
        spec.arg = TensorArgument(node.name)
    program.graph.lint()
    program.graph_module.recompile()
