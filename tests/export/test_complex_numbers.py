"""A graph without complex numbers gives what it gave with them."""

from __future__ import annotations

import pytest
import torch

from weft.export.complex_numbers import without_complex_numbers


def _turned(x: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * turns).flatten(-2)


class Polar(torch.nn.Module):
    """As in Transformers: angles of positions, made in the graph."""

    def forward(self, x, positions):
        angles = positions[:, None].float() * torch.tensor([1.0, 0.1, 0.01, 0.001])
        turns = torch.polar(torch.ones_like(angles), angles) * 1.5
        return _turned(x, turns.unsqueeze(1).to(x.device))


class Table(torch.nn.Module):
    """As in Meta's code: a complex table of all positions, looked up and shaped."""

    def __init__(self):
        super().__init__()
        angles = torch.outer(torch.arange(32).float(), torch.tensor([1.0, 0.1, 0.01, 0.001]))
        self.register_buffer("turns", torch.polar(torch.ones_like(angles), angles), persistent=False)

    def forward(self, x, positions):
        turns = self.turns[positions].view(x.shape[0], 1, 4)
        return _turned(x, turns.expand(x.shape[0], 3, 4)) + turns.real.sum() - turns.imag[0, 0, 1]


class Absolute(torch.nn.Module):
    """Has an operator that no rule is for."""

    def forward(self, x, positions):
        return torch.view_as_complex(x.reshape(-1, 2)).abs() + positions[0]


def _program(module):
    example = (torch.randn(5, 3, 8), torch.arange(5))
    tokens = torch.export.Dim("tokens", min=1, max=32)
    return torch.export.export(module, example, dynamic_shapes=({0: tokens}, {0: tokens}))


def _complex_nodes(program) -> list:
    values = [(node, node.meta.get("val")) for node in program.graph.nodes]
    return [node for node, value in values if isinstance(value, torch.Tensor) and value.is_complex()]


@pytest.mark.parametrize("module", [Polar(), Table()], ids=["polar", "table"])
def test_gives_the_same_numbers(module):
    program = _program(module)
    assert _complex_nodes(program)
    without_complex_numbers(program)
    program.validate()
    assert _complex_nodes(program) == []
    for n in (1, 7):
        x, positions = torch.randn(n, 3, 8), torch.arange(2, 2 + n)
        torch.testing.assert_close(program.module()(x, positions), module(x, positions), rtol=1e-6, atol=1e-6)


def test_leaves_a_graph_alone_that_it_does_not_know_all_of():
    program = _program(Absolute())
    before = str(program.graph)
    without_complex_numbers(program)
    assert str(program.graph) == before


def test_leaves_a_graph_without_complex_numbers_alone():
    program = torch.export.export(torch.nn.Linear(8, 8), (torch.randn(3, 8),))
    before = str(program.graph)
    without_complex_numbers(program)
    assert str(program.graph) == before
