"""Every pass leaves a graph's results as they were, and finds the patterns that it is there for."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from tiny_models import tiny_model
from torch.export.graph_signature import InputKind

from weft.export.pass_names import PASS_NAMES
from weft.export.passes import (
    QUANTIZED_PASSES,
    drop_no_ops,
    gate_in_linear,
    join_parallel_linears,
    norm_in_linear,
    passes_for,
    residual_in_linear,
    rotary_in_attention,
    run_passes,
    tile_linears,
    unbatch_before_head,
)
from weft.export.program import ProgramShape, export_ragged, ragged_positions
from weft.export.quantization import choose_weights
from weft.export.quantized_modules import exchange_modules
from weft.export.schemes import make_plan

ARCHITECTURES = ["llama", "qwen2", "gemma"]
# Each pass behind those that open the way for it.
STEPS = [
    (drop_no_ops,),
    (drop_no_ops, join_parallel_linears),
    (drop_no_ops, join_parallel_linears, gate_in_linear),
    (drop_no_ops, norm_in_linear),
    (drop_no_ops, residual_in_linear),
    (drop_no_ops, join_parallel_linears, rotary_in_attention),
    (drop_no_ops, unbatch_before_head),
    QUANTIZED_PASSES,
]


def _program(architecture: str, how: str = "int8"):
    model = tiny_model(architecture)
    positions, problem = ragged_positions(model)
    assert problem is None
    exchange_modules(model, choose_weights(model, make_plan(how, None), {}), "float32")
    return export_ragged(model, ProgramShape(max_context=64), positions)


def _unpacked(packed: torch.Tensor, rows: int, columns: int, bits: int, minimum: bool) -> torch.Tensor:
    """f32 [rows, columns] of the layout in include/weft/kernels/quantized_linear.h."""
    fields, tiles, groups = 1 + minimum, -(-rows // 16), columns // 32
    data = packed.numpy().reshape(tiles, groups, -1)
    if bits >= 16:
        numbers = data.view(np.uint16 if bits == 16 else np.uint32).reshape(tiles, groups, bits, 16, 32 // bits)
        values = (numbers.astype(np.uint32) << (32 - bits)).view(np.float32).transpose(0, 3, 1, 2, 4)
        return torch.from_numpy(values.reshape(-1, columns)[:rows])
    halves = np.ascontiguousarray(data[:, :, : 32 * fields]).view(np.float16).reshape(tiles, groups, fields, 16).astype(np.float32)
    codes = data[:, :, 32 * fields :].reshape(tiles, groups, bits, 16, 4)
    if bits == 4:
        codes = np.concatenate([codes & 15, codes >> 4], -1).astype(np.float32) - (0 if minimum else 8)
    else:
        codes = codes.view(np.int8).astype(np.float32)
    codes = codes.transpose(0, 3, 1, 2, 4).reshape(tiles * 16, groups, 32)
    scale, offset = (halves[:, :, i].transpose(0, 2, 1).reshape(-1, groups, 1) for i in (0, fields - 1))
    return torch.from_numpy((codes * scale + (offset if minimum else 0)).reshape(-1, columns)[:rows])


def _linear(x, weight, bias, residual, norm_weight, epsilon, features, bits, minimum, gate, activations):
    if norm_weight is not None:
        x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + epsilon) * norm_weight
    out = x @ _unpacked(weight, features * (2 if gate else 1), x.shape[-1], bits, minimum).T
    out = out if bias is None else out + bias
    if gate:
        g, u = out.chunk(2, -1)
        out = (torch.nn.functional.silu(g) if gate == 1 else torch.nn.functional.gelu(g, approximate="tanh")) * u
    return out if residual is None else out + residual


def _attention(query, key, value, positions, context, layer, scale, window, softcap, sinks):
    """Of one sequence from its start, without window, cap and sinks: what the tiny models have."""
    assert (window, softcap, sinks) == (0, 0.0, None)
    repeat = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(repeat, 1), value.repeat_interleave(repeat, 1)
    return torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale).transpose(1, 2)


def _rotary_attention(states, cos, sin, positions, context, layer, heads, kv_heads, *rest):
    size = states.shape[-1] // (heads + 2 * kv_heads)
    query, key, value = states.view(1, -1, heads + 2 * kv_heads, size).transpose(1, 2).split([heads, kv_heads, kv_heads], 1)

    def turned(x):
        return x * cos[:, None] + torch.cat([-x[..., size // 2 :], x[..., : size // 2]], -1) * sin[:, None]

    return _attention(turned(query), turned(key), value, positions, context, layer, *rest)


class _Reference(torch.fx.Interpreter):
    """Runs a graph with weft's operators by their definitions."""

    operators = {
        torch.ops.weft.quantized_linear.default: _linear,
        torch.ops.weft.attention.default: _attention,
        torch.ops.weft.rotary_attention.default: _rotary_attention,
        torch.ops.weft.quantized_embedding.default: lambda ids, packed, *shape: _unpacked(packed, *shape)[ids],
    }

    def call_function(self, target, args, kwargs):
        return super().call_function(self.operators.get(target, target), args, kwargs)


@torch.no_grad()
def _logits(program) -> torch.Tensor:
    tokens = torch.tensor([5, 7, 100, 3, 3, 260, 41])
    inputs = iter((tokens, torch.arange(7), torch.tensor([2, 6]), torch.zeros(1, dtype=torch.long)))
    values = []
    for spec in program.graph_signature.input_specs:
        if spec.kind is InputKind.USER_INPUT:
            values.append(next(inputs))
        else:
            values.append(program.state_dict[spec.target] if spec.target in program.state_dict else program.constants[spec.target])
    return _Reference(program.graph_module).run(*values)[0]


def _counts(program) -> Counter:
    return Counter(str(node.target) for node in program.graph.nodes if node.op == "call_function")


@pytest.fixture(scope="module", params=ARCHITECTURES)
def architecture(request):
    return request.param


def test_every_name_has_its_pass():
    named = [each.__name__ for each in passes_for("aoti", PASS_NAMES)]
    assert ("cache_outside", *named) == PASS_NAMES
    assert [each.__name__ for each in passes_for("executorch", PASS_NAMES)] == named[:-1]
    assert passes_for("executorch", ["norm_in_linear", "drop_no_ops"]) == (drop_no_ops, norm_in_linear)


@pytest.mark.parametrize("passes", STEPS, ids=lambda passes: passes[-1].__name__ if len(passes) < 6 else "all")
def test_results_stay_the_same(architecture, passes):
    program = _program(architecture)
    before = _logits(program)
    after = _logits(run_passes(program, passes))
    torch.testing.assert_close(after, before, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("how", ["none", "bf16"])
def test_floats_stay_the_same(architecture, how):
    program = _program(architecture, how)
    before = _logits(program)
    stored = sum(tensor.nbytes for tensor in program.state_dict.values() if tensor.dim() > 1)
    run_passes(program, QUANTIZED_PASSES)
    torch.testing.assert_close(_logits(program), before, rtol=2e-5, atol=2e-5)
    assert not {"aten.linear.default", "aten.embedding.default"} & set(_counts(program))
    if how == "none":  # tied weights are one
        signature = program.graph_signature
        used = {*signature.inputs_to_parameters.values(), *signature.inputs_to_buffers.values()}
        tied = tiny_model(architecture).config.tie_word_embeddings
        tensors = [program.state_dict[name] for name in used if name in program.state_dict]
        kept = sum(tensor.nbytes for tensor in tensors if tensor.dtype == torch.uint8)
        assert kept == stored - (512 * 64 * 4 if tied else 0)


def test_a_weight_that_is_read_otherwise_stays_as_it_is():
    program = _program("llama", "none")
    weight = next(node for node in program.graph.nodes if node.op == "placeholder" and "up_proj" in node.name)
    output = next(node for node in program.graph.nodes if node.op == "output")
    with program.graph.inserting_before(output):
        negative = program.graph.call_function(torch.ops.aten.neg.default, (weight,))
    negative.meta["val"] = weight.meta["val"]
    output.args = ((*output.args[0], negative),)
    tile_linears(program)
    assert _counts(program)["aten.linear.default"] == 1
    assert weight.users


def test_floats_are_left_with_five_operators_a_layer():
    counts = _counts(run_passes(_program("llama", "none"), QUANTIZED_PASSES))
    assert counts["weft.quantized_linear.default"] == 2 * 4 + 1
    assert counts["weft.rotary_attention.default"] == 2
    assert counts["aten.rsqrt.default"] == counts["aten.silu.default"] == counts["aten.transpose.int"] == 0


def test_four_bits_with_minima_stay_the_same():
    program = _program("llama", "int4")
    before = _logits(program)
    torch.testing.assert_close(_logits(run_passes(program, QUANTIZED_PASSES)), before, rtol=2e-5, atol=2e-5)


def test_llama_is_left_with_five_operators_a_layer():
    counts = _counts(run_passes(_program("llama"), QUANTIZED_PASSES))
    assert counts["weft.quantized_linear.default"] == 2 * 4 + 1
    assert counts["weft.rotary_attention.default"] == 2
    assert counts["aten.add.Tensor"] == 1  # to the positions, once
    assert counts["aten.rsqrt.default"] == counts["aten.silu.default"] == counts["aten.transpose.int"] == 0


def test_the_head_makes_logits_where_they_are_given_back():
    program = run_passes(_program("llama"), QUANTIZED_PASSES)
    (logits,) = next(node for node in program.graph.nodes if node.op == "output").args[0]
    assert logits.target is torch.ops.weft.quantized_linear.default
    assert logits.args[0].target is torch.ops.aten.select.int


def test_a_passed_program_is_still_a_valid_one(architecture):
    run_passes(_program(architecture), QUANTIZED_PASSES).validate()


def test_what_a_second_reader_needs_is_not_fused():
    """The norm's result goes to two linears, and nothing has joined them: it is computed once."""
    program = run_passes(_program("llama"), (drop_no_ops, norm_in_linear))
    assert _counts(program)["aten.rsqrt.default"] == 2 * 2  # the last norm alone has one reader
