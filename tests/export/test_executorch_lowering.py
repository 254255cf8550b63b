"""What weft.export.executorch leaves out of XNNPACK's lowering changes no byte of the file, and what it goes around works."""

import contextlib
import json

import pytest
import torch
from torch import nn

from weft import Error
from weft.export import check, executorch


class Varied(nn.Module):
    """Operators that many of the passes are for."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.linear, self.conv, self.norm = nn.Linear(8, 8), nn.Conv1d(4, 4, 3, padding=1), nn.BatchNorm1d(4)

    def forward(self, x):  # f32 [1, 4, 8]
        y = self.norm(self.conv(x)).relu()
        z = self.linear(torch.cat([x, 2 * x, x * x, x - 1, x + 1, -x], dim=1))
        return y, z.softmax(-1)


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.up, self.down = nn.Linear(8, 16), nn.Linear(16, 8, bias=False)

    def forward(self, x):
        return x + self.down(torch.sigmoid(self.up(x)))


@pytest.mark.parametrize("make", [Varied, Plain])
def test_the_file_is_the_same_byte_for_byte(tmp_path, monkeypatch, make):
    program = torch.export.export(make().eval().requires_grad_(False), (torch.ones(1, 4, 8),))
    executorch.lower(program, {"weft.json": b"{}"}, tmp_path / "lean.pte")
    for name in ("needed_passes_only", "weights_shared", "constants_in_place"):
        monkeypatch.setattr(executorch, name, contextlib.nullcontext)
    executorch.lower(program, {"weft.json": b"{}"}, tmp_path / "whole.pte")
    assert (tmp_path / "lean.pte").read_bytes() == (tmp_path / "whole.pte").read_bytes()


def test_the_lowering_is_given_back_as_it_was():
    from executorch.backends.xnnpack._passes import XNNPACKPassManager
    from executorch.backends.xnnpack.xnnpack_preprocess import XnnpackBackend
    from executorch.exir._serialize._cord import Cord
    from executorch.exir.emit import _emitter

    def state():
        return (
            XNNPACKPassManager.transform,
            "copy_exported_program_for_preprocess" in vars(XnnpackBackend),
            Cord.append,
            "bytes" in vars(_emitter),
        )

    before = state()
    with executorch.needed_passes_only(), executorch.weights_shared(), executorch.constants_in_place():
        assert not any(now == then for now, then in zip(state(), before, strict=True))
    assert state() == before


class JoinedInPlace(nn.Module):
    """As DeepSeek-V3 makes its keys: into memory of a size that only the call tells."""

    def forward(self, x):  # f32 [T, 4]
        joined = x.new_empty(x.shape[0], 8)
        joined[:, :4].copy_(x)
        joined[:, 4:].copy_(2 * x)
        return joined + torch.empty_like(joined).copy_(joined)


class Largest(nn.Module):
    """As attention with sinks has it: the largest of the last of four dimensions, whose place nothing asks for."""

    def forward(self, x):
        x = x[None, None]
        return x - x.max(-1, keepdim=True).values


class Gelu(nn.Module):
    """By tanh, which differs from the exact one by more than rounding does."""

    def forward(self, x):
        return nn.functional.gelu(3 * x, approximate="tanh")


@pytest.mark.parametrize("module", [JoinedInPlace(), Largest(), Gelu()], ids=lambda module: type(module).__name__)
def test_runs_for_every_size(tmp_path, module):
    from executorch.runtime import Runtime

    rows = torch.export.Dim("rows", min=1, max=16)
    program = torch.export.export(module, (torch.ones(5, 4),), dynamic_shapes=({0: rows},))
    executorch.lower(program, {}, tmp_path / "model.pte")
    method = Runtime.get().load_program(tmp_path / "model.pte").load_method("forward")
    for n in (1, 5, 16):
        x = torch.randn(n, 4)
        torch.testing.assert_close(method.execute([x])[0], module(x))


class Sorted(nn.Module):
    """Has an operator that ExecuTorch's kernels are without."""

    def forward(self, tokens, positions):  # i64 [1, T], i64 [T] -> f32 [1, T, 32]
        return (tokens + positions).float()[..., None].expand(1, -1, 32).sort(-1).values


def test_a_missing_operator_is_named(weft_bin, tmp_path):
    tokens = torch.export.Dim("tokens", min=1, max=16)
    example = (torch.ones(1, 5, dtype=torch.long), torch.arange(5))
    program = torch.export.export(Sorted(), example, dynamic_shapes=({1: tokens}, {0: tokens}))
    metadata = {"format": 1, "contract": "in_graph", "vocab_size": 32, "max_context": 16, "max_tokens": 16}
    executorch.lower(program, {"weft.json": json.dumps(metadata).encode()}, tmp_path / "model.pte")
    with pytest.raises(Error, match="lacks .*aten::sort"):
        check.file_logits(tmp_path / "model.pte", [[1, 2, 3]], 32)
