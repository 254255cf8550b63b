"""Every stand-in of weft.export.replacements gives what the module gives that it stands for."""

import sys

import pytest
import torch
from built import ROOT
from small_models import logits as logits_of
from small_models import tiny_model

sys.path.insert(0, str(ROOT / "tests" / "architectures"))
import tiny

from weft.export import program, replacements
from weft.export.replacements.rope import has_changing_rope, settle_rope

LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "factor": 4.0,
    "short_factor": [1.0 + 0.1 * i for i in range(16)],
    "long_factor": [2.0 + i for i in range(16)],
    "original_max_position_embeddings": 32,
}


def names(table) -> list[str]:
    return sorted(name.rsplit(".", 1)[1] for name in table)


def test_covers_every_stand_in():
    assert names(replacements._ALWAYS) == ["DbrxExperts", "LongcatFlashExperts", "Qwen4ExpTextQSAIndexer"]
    assert names(replacements._OUTSIDE) == ["CodeGenAttention", "GPTJAttention", "GPTNeoSelfAttention"]


@torch.no_grad()
@pytest.mark.parametrize("name", ["dbrx", "longcat_flash", "qwen4_exp_text"])
def test_gives_the_modules_logits(name):
    model = tiny.tiny_model(name)
    ids = torch.randint(3, 250, (1, 23), generator=torch.Generator().manual_seed(0))
    expected = model(input_ids=ids, use_cache=False).logits
    with replacements.replaced_modules(model, outside=False):
        changed = [module for module in model.modules() if "forward" in module.__dict__]
        assert changed, "nothing was replaced"
        torch.testing.assert_close(model(input_ids=ids, use_cache=False).logits, expected, rtol=0, atol=1e-5)
    assert not any("forward" in module.__dict__ for module in model.modules())


@pytest.mark.parametrize("name", ["codegen", "gptj", "gpt_neo"])
def test_takes_the_cache_out_of_the_graph(name):
    # Two sequences in pieces, held against the module's own attention.
    assert program.ragged_problem(tiny.tiny_model(name)) is None


@torch.no_grad()
def test_longrope_is_settled_by_the_context():
    short, long, whole = (tiny_model("llama", rope_parameters=LONGROPE) for _ in range(3))
    assert has_changing_rope(whole)
    settle_rope(short, 32)
    settle_rope(long, 33)
    assert not has_changing_rope(short)
    ids = torch.arange(3, 23)[None]
    assert torch.equal(short(input_ids=ids).logits, whole(input_ids=ids).logits)  # 20 tokens: its short factors
    assert torch.equal(logits_of(long), logits_of(whole))  # 40 tokens: its long ones
    assert not torch.allclose(short(input_ids=ids).logits, long(input_ids=ids).logits, atol=1e-2)


@torch.no_grad()
def test_dynamic_scaling_is_none_within_the_trained_context():
    model = tiny_model("llama", rope_parameters={"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0})
    before = logits_of(model)
    settle_rope(model, 64)
    assert not has_changing_rope(model)
    assert torch.equal(logits_of(model), before)
