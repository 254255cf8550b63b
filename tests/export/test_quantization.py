"""Ways to store weights in fewer bits: rounding, rules by layer, torchao's own tensors, calibration; the same on both backends."""

import copy

import numpy as np
import pytest
import torch
import transformers
from built import ENDINGS
from tiny_models import tiny_model, tiny_tokenizer
from torchao.quantization import Int8WeightOnlyConfig, IntxWeightOnlyConfig, PerGroup, quantize_
from torchao.quantization.quant_primitives import MappingType

from weft import Error
from weft.export import check, export
from weft.export.calibrate import calibrate
from weft.export.progress import Progress
from weft.export.quantization import choose_weights
from weft.export.rounding import gptq, round_to_nearest
from weft.export.schemes import make_plan, parse_scheme, read_rule
from weft.export.torchao_weights import take_weights

IDS = list(range(3, 43))
SCHEMES = ["int8", "int4", "int4-sym", "int8-asym", "int4-g64", "int8-g64-asym", "int4-g64-sym"]


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


@torch.no_grad()
def eager_logits(model):
    return model(torch.tensor([IDS]), use_cache=False).logits[0].numpy()


def file_logits(path):
    """In exact arithmetic, as the eager model's is."""
    return check.file_logits(path, [IDS[:17], IDS[17:39], IDS[39:]], 512, "--float-activations")


def assert_close(actual, expected, relative):
    assert np.abs(actual - expected).max() <= relative * np.abs(expected).max()


@pytest.mark.parametrize("name", [*SCHEMES, "bf16"])
def test_a_name_is_read_and_written_alike(name):
    assert parse_scheme(name).name == name
    assert parse_scheme("none") is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("int3", "'int3' is no way"),
        ("bf16-g32", "'bf16-g32' is no way"),
        ("int4-h", "'int4-h' is no way"),
        ("int4-g", "'int4-g' is no way"),
        ("int4-g16", "groups of 16"),
        ("int4-g48", "groups of 48"),
        ("int8-g4096", "groups of 4096"),
        ("", "'' is no way"),
    ],
)
def test_what_is_no_scheme_is_told_with_what_is_possible(name, words):
    with pytest.raises(Error, match=words) as raised:
        parse_scheme(name)
    assert "int4" in raised.value.fix or "multiples of 32" in raised.value.fix


@pytest.mark.parametrize("name", SCHEMES)
def test_rounding_to_nearest_stays_within_half_a_step(name):
    scheme = parse_scheme(name)
    values = normal(20, 128) * torch.logspace(-3, 3, 20)[:, None]
    weight = round_to_nearest(values, scheme)
    groups = values.reshape(20, -1, scheme.group)
    steps = {True: {8: 254, 4: 16}, False: {8: 255, 4: 15}}[scheme.symmetric][scheme.bits]
    spread = 2 * groups.abs().amax(-1) if scheme.symmetric else groups.amax(-1) - groups.amin(-1)
    step = spread / steps
    error = (torch.from_numpy(weight.dequantize()) - values).reshape(groups.shape).abs().amax(-1)
    # Half a step; for symmetric 4 bits a whole one at the end that has one code less. Scales are f16.
    assert (error <= step * (1.01 if name.startswith("int4") and scheme.symmetric else 0.51) + 1e-3 * groups.abs().amax(-1)).all()
    assert weight.codes.shape == (20, 128) and weight.scale.shape == (20, 4)
    assert (weight.minimum is None) == scheme.symmetric


def test_a_group_of_zeros_stays_zero():
    for name in SCHEMES:
        assert not round_to_nearest(torch.zeros(16, 64), parse_scheme(name)).dequantize().any()


@pytest.mark.parametrize("name", ["int4", "int4-sym", "int8"])
def test_gptq_is_closer_on_the_inputs_that_it_saw(name):
    """Inputs whose components go together, as a network's do: what GPTQ makes use of."""
    scheme, weight = parse_scheme(name), normal(48, 128, seed=1)
    inputs = normal(600, 40, seed=2) @ normal(40, 128, seed=3) + 0.1 * normal(600, 128, seed=4)

    def error(quantized):
        return float((inputs @ (torch.from_numpy(quantized.dequantize()) - weight).T).square().mean())

    nearest, better = error(round_to_nearest(weight, scheme)), error(gptq(weight, inputs.T @ inputs, scheme))
    assert better < 0.5 * nearest


def test_gptq_of_independent_inputs_is_rounding_to_nearest():
    scheme, weight = parse_scheme("int4"), normal(16, 128)
    np.testing.assert_array_equal(gptq(weight, torch.eye(128), scheme).codes, round_to_nearest(weight, scheme).codes)


def test_rules_name_layers_by_pattern():
    model = tiny_model("llama")
    layers = {"model.layers.*": "int8", "model.layers.1.*": "none", "*.1.mlp.up_proj": "int4-g64", "lm_head": "int4-sym"}
    weights = choose_weights(model, make_plan("int4", layers), {})
    bits = {name.removesuffix(".weight"): weight.bits for name, weight in weights.items()}
    assert bits["model.layers.0.mlp.up_proj"] == 8 and bits["model.layers.1.mlp.up_proj"] == 4
    assert "model.layers.1.mlp.down_proj" not in bits
    assert bits["lm_head"] == 4  # a rule wins over the 8 bits that heads and embeddings get with int4
    assert bits["model.embed_tokens"] == 8


def test_tied_weights_are_stored_one_way():
    model = tiny_model("qwen2")
    weights = choose_weights(model, make_plan("int8", {"lm_head": "int4"}), {})
    assert weights["lm_head.weight"] is weights["model.embed_tokens.weight"] and weights["lm_head.weight"].bits == 4
    with pytest.raises(Error, match="share one weight"):
        choose_weights(tiny_model("qwen2"), make_plan("int8", {"lm_head": "int4", "*embed*": "int8"}), {})


def test_rules_that_cannot_be_followed_are_told():
    for layers, words in (({"no.such": "int4"}, "names no linear"), ({"*mlp*": "int4-g256"}, "no multiple of"), ({"lm_head": "keep"}, "can't be kept by itself")):
        with pytest.raises(Error, match=words):
            choose_weights(tiny_model("llama"), make_plan("int8", layers), {})
    for rule in ("lm_head", "=int8", "lm_head=", "lm_head=int5"):
        with pytest.raises(Error):
            read_rule(rule)


def tiny_quantized(config, dtype=torch.float32):
    model = tiny_model("llama").to(dtype)
    quantize_(model, config)
    return model


TORCHAO = {
    "int4": (IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=PerGroup(32), scale_dtype=torch.float16), 4),
    "int3": (IntxWeightOnlyConfig(weight_dtype=torch.int3, granularity=PerGroup(64), scale_dtype=torch.float16), 4),
    "int6": (IntxWeightOnlyConfig(weight_dtype=torch.int6, granularity=PerGroup(32), scale_dtype=torch.float16), 8),
    "row": (IntxWeightOnlyConfig(weight_dtype=torch.int8, scale_dtype=torch.float16), 8),
    "asymmetric": (IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=PerGroup(32), mapping_type=MappingType.ASYMMETRIC), 4),
    "int8 tensor": (Int8WeightOnlyConfig(version=2), 8),
}


@pytest.mark.parametrize("kind", TORCHAO)
def test_torchaos_own_values_are_kept(kind):
    config, bits = TORCHAO[kind]
    model = tiny_quantized(config)
    expected = {name: parameter.dequantize() for name, parameter in model.named_parameters() if hasattr(parameter, "qdata")}
    kept = take_weights(model, Progress())
    assert kept.keys() == expected.keys() and len(kept) == 15
    exact = kind not in ("asymmetric", "int8 tensor")  # their scales are f32
    for name, weight in kept.items():
        assert weight.bits == bits
        values = expected[name].numpy()
        if exact:
            np.testing.assert_array_equal(weight.dequantize(), values)
        assert_close(weight.dequantize(), values, 1e-3)
        np.testing.assert_array_equal(model.get_parameter(name).numpy(), weight.dequantize())


def test_torchaos_tensors_that_do_not_fit_are_dequantised_with_a_note(capsys):
    model = tiny_quantized(IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=PerGroup(16)))
    expected = eager_logits(model)
    assert take_weights(model, Progress()) == {}
    assert "don't fit the kernels' groups of 32" in capsys.readouterr().err
    assert_close(eager_logits(model), expected, 1e-6)


@pytest.mark.parametrize("backend", ENDINGS)
def test_exported_is_the_eager_model_that_torchao_quantised(weft_bin, tmp_path, backend):
    model = tiny_quantized(TORCHAO["int4"][0])
    expected = eager_logits(model)
    result = export((model, tiny_tokenizer()), tmp_path / f"model{ENDINGS[backend]}")
    assert result.metadata["quantization"].startswith("keep")
    assert_close(file_logits(result.path), expected, 1e-4)
    np.testing.assert_array_equal(eager_logits(model), expected)  # the caller's own model is as it was
    with pytest.raises(Error, match="round it once more"):
        export((model, tiny_tokenizer()), tmp_path / "again.pt2", quantize="int8")


def test_both_backends_get_the_same_weights(weft_bin, tmp_path):
    paths = [tmp_path / f"model{ending}" for ending in ENDINGS.values()]
    for path in paths:
        export((tiny_model("qwen2"), tiny_tokenizer()), path, quantize="int4-sym", quantize_layers={"*down_proj": "int8-asym"})
    first, second = (file_logits(path) for path in paths)
    assert_close(first, second, 1e-4)
    eager = tiny_model("qwen2")
    choose_weights(eager, make_plan("int4-sym", {"*down_proj": "int8-asym"}), {})
    assert_close(first, eager_logits(eager), 1e-4)


@pytest.mark.parametrize("backend", ENDINGS)
def test_bfloat16_weights_are_stored_exactly(weft_bin, tmp_path, backend):
    model = tiny_model("qwen2")  # biases, tied
    for parameter in model.parameters():
        parameter.data.copy_(parameter.to(torch.bfloat16).float())
    expected = eager_logits(model)
    floats = export((model, tiny_tokenizer()), tmp_path / f"f32{ENDINGS[backend]}")
    result = export((model, tiny_tokenizer()), tmp_path / f"bf16{ENDINGS[backend]}", quantize="bf16")
    metadata = result.metadata
    assert (metadata["quantization"], metadata["activations"], metadata["cache_type"]) == ("bf16", "bfloat16", "bfloat16")
    chunks = [IDS[:30], IDS[30:31], IDS[31:]]
    assert_close(check.file_logits(result.path, chunks, 512, "--float-activations"), expected, 1e-5)
    # As it runs otherwise: every linear's input is rounded to bfloat16.
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            module.register_forward_pre_hook(lambda _, inputs: (inputs[0].to(torch.bfloat16).float(),))
    rounded = check.file_logits(result.path, chunks, 512, "--cache-type", "float32")
    assert np.abs(rounded - eager_logits(model)).max() < 0.3 * np.abs(rounded - expected).max()
    weights = sum(module.weight.numel() for name, module in model.named_modules() if hasattr(module, "weight") and "layers" in name)
    assert floats.path.stat().st_size - result.path.stat().st_size > 1.8 * weights


def test_a_torchao_configuration_is_a_way_to_quantise(weft_bin, tmp_path):
    config = TORCHAO["int4"][0]
    export((tiny_model("llama"), tiny_tokenizer()), tmp_path / "model.pt2", quantize=config)
    assert_close(file_logits(tmp_path / "model.pt2"), eager_logits(tiny_quantized(config)), 1e-4)


def learned_model(text_ids):
    """The tiny model after some steps on a text: random weights have nothing that rounding could spoil."""
    model = tiny_model("llama")
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    windows = torch.tensor(text_ids[: len(text_ids) // 64 * 64]).reshape(-1, 64)
    torch.manual_seed(0)
    for _ in range(60):
        batch = windows[torch.randint(len(windows), (8,))]
        loss = model(input_ids=batch, labels=batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A model that learned a text, that text's file and its ids."""
    import pydoc_data.topics

    text = "".join(pydoc_data.topics.topics.values()).encode("ascii", "ignore").decode()[:60_000]
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(text)
    ids = tiny_tokenizer().encode(text, add_special_tokens=False)
    return learned_model(ids), path, ids


def test_calibration_lowers_the_perplexity_against_rounding_to_nearest(learned):
    from weft.export.perplexity import eager_perplexity

    model, _, ids = learned
    plan = make_plan("int4-g64-sym", {"lm_head": "none", "model.embed_tokens": "none"})
    nearest, better = copy.deepcopy(model), copy.deepcopy(model)
    choose_weights(nearest, plan, {})
    choose_weights(better, plan, {}, calibration=ids[: len(ids) // 2])
    held_out = ids[len(ids) // 2 :][:6000]
    before, rounded, calibrated = (eager_perplexity(each, held_out, 256, 128) for each in (model, nearest, better))
    assert before < rounded
    assert calibrated - before < 0.8 * (rounded - before)


def test_calibration_needs_enough_text(learned):
    with pytest.raises(Error, match="128 are the least"):
        calibrate(copy.deepcopy(learned[0]), [1] * 50, {}, Progress())
    with pytest.raises(Error, match="nothing is to be rounded"):
        export((tiny_model("llama"), tiny_tokenizer()), "model.pt2", calibration="text.txt")


def test_export_shows_the_perplexity_before_and_after(weft_bin, learned, tmp_path):
    from weft.export.perplexity import eager_perplexity, file_perplexity

    model, path, ids = learned
    short = tmp_path / "short.txt"
    short.write_text(path.read_text()[:6000])
    result = export((model, tiny_tokenizer()), tmp_path / "model.pt2", quantize="int4", calibration=path, perplexity=short)
    before, after = result.perplexity
    n = len(tiny_tokenizer().encode(short.read_text(), add_special_tokens=False))
    assert before == pytest.approx(eager_perplexity(model, ids[:n], 1024, 512), rel=1e-4)
    # Of the file itself, as whoever has it would measure it. Larger than before it needn't be: GPTQ saw this text.
    assert after == pytest.approx(file_perplexity(result.path, short)["perplexity"], rel=1e-6)
    assert after != pytest.approx(before, rel=1e-6)
    assert after < 1.2 * before
    assert result.metadata["quantization"] == "int4, GPTQ"



def _experts_model(kind: str) -> transformers.PreTrainedModel:
    torch.manual_seed(0)
    sizes = {
        "vocab_size": 512,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 256,
        "num_experts_per_tok": 2,
    }
    if kind == "gpt_oss":  # transposed matrices, biases, a gate of its own
        model = transformers.GptOssForCausalLM(transformers.GptOssConfig(**sizes, intermediate_size=32, num_local_experts=4))
    else:
        config = transformers.Qwen3MoeConfig(**sizes, intermediate_size=64, moe_intermediate_size=32, num_experts=4, norm_topk_prob=True)
        model = transformers.Qwen3MoeForCausalLM(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(1.0 if "norm" in name else 0.0, 0.1)
    return model.eval()


@pytest.mark.parametrize("backend", ENDINGS)
@pytest.mark.parametrize("kind", ["qwen3_moe", "gpt_oss"])
def test_experts_are_quantised_too(weft_bin, tmp_path, kind, backend):
    path = tmp_path / f"model{ENDINGS[backend]}"
    result = export((_experts_model(kind), tiny_tokenizer()), path, quantize="int4", activations="float32")
    expected = _experts_model(kind)
    weights = choose_weights(expected, make_plan("int4"), {})
    experts = [name for name in weights if ".experts." in name]
    assert len(experts) == 2 * 2
    assert_close(file_logits(path), eager_logits(expected), 1e-5)
    assert result.metadata["quantization"] == "int4"
    # Nothing of them is left as floats.
    floats = dict(expected.named_parameters())[experts[0]].detach().numpy().tobytes()[:1024]
    assert floats not in path.read_bytes()


def test_a_rule_may_leave_some_experts_as_they_are(weft_bin, tmp_path):
    rules = {"*.experts.down_proj": "none", "*.0.mlp.experts.gate_up_proj": "int8"}
    path = tmp_path / "model.pt2"
    export((_experts_model("qwen3_moe"), tiny_tokenizer()), path, quantize="int4", quantize_layers=rules)
    weights = choose_weights(_experts_model("qwen3_moe"), make_plan("int4", rules), {})
    bits = {name: weight.bits for name, weight in weights.items() if ".experts." in name}
    assert bits == {"model.layers.0.mlp.experts.gate_up_proj": 8, "model.layers.1.mlp.experts.gate_up_proj": 4}
