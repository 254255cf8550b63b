"""One architecture of each kind, as it is traced; tests/architectures/verify.py has all of them, as files, on both backends."""

import sys

import pytest
import torch
from built import ROOT

sys.path.insert(0, str(ROOT / "tests" / "architectures"))
import tiny
import verify

from weft import Error
from weft.export import attention, program, support

# What each stands for, and where its cache must lie.
KINDS = {
    "gemma2": "ragged",  # sliding windows and full attention, soft-caps
    "gpt_oss": "ragged",  # sinks, experts
    "deepseek_v3": "ragged",  # keys and values of different sizes, experts
    "llama4_text": "ragged",  # chunked attention
    "roberta": "ragged",  # positions that begin at padding_idx + 1
    "phi": "ragged",  # partial rotary
    "bloom": "in_graph",  # ALiBi, no AttentionInterface
    "gpt_neo": "ragged",  # scores and windows computed by itself: weft.export.replacements
    "openai-gpt": "in_graph",  # no cache at all
    "mamba": "in_graph",  # a recurrent state
    "rwkv": "in_graph",  # a state handed in and out
    "recurrent_gemma": "in_graph",  # a state in attributes of its modules
    "lfm2": "in_graph",  # convolutions and attention
}


@pytest.mark.parametrize("name", KINDS)
def test_traced_logits_are_the_eager_models(name):
    result = verify.verify(name, trial=True, backends=[], show_trace=True)
    assert result.get("contract") == KINDS[name], result
    assert result["python"] <= 1e-5, result


def test_a_mask_that_is_neither_window_nor_chunk_is_refused():
    with pytest.raises(attention.Unsupported):
        attention._read_mask(lambda batch, head, q, kv: (kv <= q) & (kv % 2 == 0), None)
    with pytest.raises(attention.Unsupported):
        attention._read_mask(lambda batch, head, q, kv: kv >= 0, None)


@pytest.mark.parametrize("size", [1, 2, 12, 4096])
def test_masks_are_read_as_what_they_are(size):
    from transformers import masking_utils

    read = attention._read_mask
    assert read(masking_utils.causal_mask_function, None).window == 0
    assert read(masking_utils.sliding_window_causal_mask_function(size), size).window == size
    chunked = masking_utils.chunked_causal_mask_function(size, torch.zeros(1, dtype=torch.long))
    # Chunks of one token and windows of one are the same.
    assert read(chunked, size).window == (-size if size > 1 else 1)


def test_models_are_left_as_they_were():
    model = tiny.tiny_model("llama")
    ids = torch.arange(3, 20)[None]
    before = model(input_ids=ids).logits
    assert program.ragged_problem(model) is None
    program.in_graph_model(model, program.ProgramShape(max_context=32))
    assert model.config._attn_implementation == "eager"
    assert torch.equal(model(input_ids=ids).logits, before)


def test_support_is_told_from_the_configuration_alone():
    # deepseek_v4 reads all tokens in each call, and has experts; gpt2 and jetmoe look at numbers, which there are none of yet.
    for name in ("llama", "mamba", "rwkv", "deepseek_v4", "gpt2", "jetmoe"):
        support.check_config(tiny.config_of(name), "config.json")
    with pytest.raises(Error, match="it isn't causal"):
        support.check_config(tiny.config_of("xlnet"), "config.json")
    encoder = tiny.config_of("bert")
    encoder.is_decoder = False
    with pytest.raises(Error) as caught:
        support.check_config(encoder, "config.json")
    assert caught.value.code == "unsupported"
    assert "bert can't be exported: it is an encoder" in caught.value.message
