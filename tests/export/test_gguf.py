"""GGUF files: weights, hyperparameters and tokenizer are what llama.cpp's converter put in, and bad files are named."""

import json
import random
import struct
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
import transformers
from small_gguf import model_tensors, write_gguf
from small_models import CORPUS, SPECIALS, TEMPLATE, TEXTS, VOCAB_SIZE, logits, tiny_model
from tokenizers import Tokenizer

from weft import Error
from weft.export.default_model import fetch_default_model
from weft.export.gguf import GgufFile
from weft.export.gguf_tokenizer import tokenizer_assets
from weft.export.sources import load_source

SHARED_TOKENIZERS = Path(__file__).parents[3] / "shared" / "tokenizers"


@pytest.fixture
def load(progress):
    return lambda path, dtype=torch.float32: load_source(path, dtype=dtype, progress=progress)


def read_tokenizer(assets: dict[str, bytes]) -> Tokenizer:
    return Tokenizer.from_str(assets["tokenizer.json"].decode())


def ids(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False).ids


# --- The model.


@pytest.mark.parametrize(
    ("architecture", "model_type", "settings", "metadata"),
    [
        ("llama", "llama", {}, {}),
        ("llama", "llama", {"tie_word_embeddings": True, "num_key_value_heads": 4}, {"llama__vocab_size": VOCAB_SIZE}),
        ("llama", "llama", {"attention_bias": True, "mlp_bias": True}, {"llama__expert_count": 0}),
        (
            "llama",
            "llama",
            {"rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}},
            {"llama__rope__scaling__type": "linear", "llama__rope__scaling__factor": 4.0},
        ),
        ("qwen2", "qwen2", {"head_dim": 16}, {}),
        (
            "qwen2",
            "qwen2",
            {
                "head_dim": 16,
                "rope_parameters": {
                    "rope_type": "yarn",
                    "factor": 4.0,
                    "rope_theta": 10000.0,
                    "original_max_position_embeddings": 32,
                },
            },
            {
                "qwen2__rope__scaling__type": "yarn",
                "qwen2__rope__scaling__factor": 4.0,
                "qwen2__rope__scaling__original_context_length": 32,
            },
        ),
        ("qwen3", "qwen3", {"tie_word_embeddings": True}, {}),
        ("gemma", "gemma", {"tie_word_embeddings": True}, {}),
        (
            "gemma2",
            "gemma2",
            {"tie_word_embeddings": True, "query_pre_attn_scalar": 32, "sliding_window": 8},
            {
                "gemma2__attention__sliding_window": 8,
                "gemma2__attn_logit_softcapping": 50.0,
                "gemma2__final_logit_softcapping": 30.0,
            },
        ),
        (
            "gemma3",
            "gemma3_text",
            {"tie_word_embeddings": True, "query_pre_attn_scalar": 32, "sliding_window": 8, "num_hidden_layers": 7},
            {"gemma3__attention__sliding_window": 8, "gemma3__rope__freq_base": 1e6},
        ),
        ("olmo2", "olmo2", {"head_dim": 16}, {}),
        ("phi3", "phi3", {"sliding_window": 8}, {"phi3__attention__sliding_window": 8, "phi3__rope__dimension_count": 32}),
        (
            "phi3",
            "phi3",
            {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5}},
            {"phi3__rope__dimension_count": 16},
        ),
        ("starcoder2", "starcoder2", {"head_dim": None, "tie_word_embeddings": True}, {}),
        (
            "qwen3moe",
            "qwen3_moe",
            {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "norm_topk_prob": True},
            {"qwen3moe__expert_count": 4, "qwen3moe__expert_used_count": 2, "qwen3moe__expert_feed_forward_length": 32},
        ),
    ],
)
def test_gives_the_logits_of_the_model_that_was_converted(
    make_gguf, load, architecture, model_type, settings, metadata
):
    model = tiny_model(model_type, **settings)
    source = load(make_gguf(model, architecture, **metadata))
    assert type(source.model) is type(model)
    assert not source.model.training
    assert source.parameters == model.num_parameters()
    torch.testing.assert_close(logits(source.model), logits(model), rtol=0, atol=1e-5)


def test_divides_rotary_frequencies_as_llama_3_wants_it(make_gguf, load):
    rope = {
        "rope_type": "llama3",
        "rope_theta": 10000.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
    }
    model = tiny_model(rope_parameters={**rope, "original_max_position_embeddings": 16})
    plain = tiny_model()
    divisors = (plain.model.rotary_emb.inv_freq / model.model.rotary_emb.inv_freq).numpy()
    assert divisors.max() == 8
    source = load(make_gguf(model, tensors={"rope_freqs.weight": divisors}))
    torch.testing.assert_close(logits(source.model), logits(model), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"])
def test_dequantises_as_the_gguf_package_does(make_gguf, load, kind):
    model = tiny_model()
    source = load(make_gguf(model, kind=kind))
    number = gguf.GGMLQuantizationType[kind]
    for name, parameter in source.model.named_parameters():
        given = model.get_parameter(name).numpy()
        if given.ndim == 2:
            given = gguf.quants.dequantize(gguf.quants.quantize(given, number), number)
        np.testing.assert_array_equal(parameter.numpy(), given, err_msg=name)
    assert source.source == f"gguf {kind}"


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "Q5_1"])
def test_keeps_the_blocks_of_experts(make_gguf, load, kind):
    sizes = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "norm_topk_prob": True}
    metadata = {"qwen3moe__expert_count": 4, "qwen3moe__expert_used_count": 2, "qwen3moe__expert_feed_forward_length": 32}
    source = load(make_gguf(tiny_model("qwen3_moe", **sizes), "qwen3moe", kind=kind, **metadata))
    experts = {name: parameter for name, parameter in source.model.named_parameters() if ".experts." in name}
    assert len(experts) == 2 * 2 and set(experts) <= set(source.stored)
    for name, parameter in experts.items():
        weight = source.stored[name]
        np.testing.assert_allclose(weight.dequantize().reshape(parameter.shape), parameter.numpy(), rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("kind", ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS", "TQ1_0"])
def test_dequantises_what_no_kernel_keeps(make_gguf, load, kind):
    # The package quantises none of these: any bytes are blocks, as long as their scales are numbers of a sane size.
    model = tiny_model(hidden_size=256, intermediate_size=256, head_dim=64)
    number = gguf.GGMLQuantizationType[kind]
    generator = np.random.default_rng(0)
    blocks, expected = {}, {}
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2)
    for name in ("model.embed_tokens", "model.layers.0.mlp.up_proj", "model.layers.1.self_attn.v_proj"):
        shape = gguf.quants.quant_shape_to_byte_shape(tuple(model.get_parameter(f"{name}.weight").shape), number)
        data = generator.integers(0, 256, shape, dtype=np.uint8)
        values = gguf.quants.dequantize(data, number)
        while not (np.isfinite(values).all() and np.abs(values).max() < 1e4):
            bad = ~(np.isfinite(values) & (np.abs(values) < 1e4)).all(axis=1)
            data[bad] = generator.integers(0, 64, (int(bad.sum()), shape[1]), dtype=np.uint8)
            values = gguf.quants.dequantize(data, number)
        blocks[f"{names.get_name(name)}.weight"], expected[f"{name}.weight"] = data, values
    others = {name: values.astype(np.float32) for name, values in model_tensors(model, "llama").items() if name not in blocks}
    source = load(make_gguf(model, kind=kind, tensors=blocks, floats=tuple(others)))
    for name, values in expected.items():
        np.testing.assert_array_equal(source.model.get_parameter(name).numpy(), values, err_msg=name)
    assert not source.stored  # --quantize keep has nothing to keep: the weights are exported as they are dequantised, or rounded anew


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"])
def test_hands_out_stored_blocks_that_are_the_models_values(make_gguf, load, kind):
    source = load(make_gguf(kind=kind))
    matrices = {name: parameter for name, parameter in source.model.named_parameters() if parameter.ndim == 2}
    assert set(source.stored) == set(matrices)
    assert len(source.stored) == len(matrices)
    for name, parameter in matrices.items():
        assert name in source.stored
        # Q4_0 multiplies by (code - 8); stored, that is one product and one sum, which may round otherwise.
        np.testing.assert_allclose(source.stored[name].dequantize(), parameter.numpy(), rtol=1e-6, atol=1e-6)


def test_has_no_stored_blocks_of_a_float_file(make_gguf, load):
    assert not load(make_gguf()).stored


def test_keeps_frequencies_in_float32_in_every_dtype(make_gguf, load):
    source = load(make_gguf(), torch.bfloat16)
    assert {parameter.dtype for parameter in source.model.parameters()} == {torch.bfloat16}
    assert source.model.model.rotary_emb.inv_freq.dtype == torch.float32


def test_names_the_model_as_the_file_does(make_gguf, load):
    assert load(make_gguf(general__name="Tiny Model")).name == "Tiny Model"
    assert load(make_gguf(general__name=None)).name == "tiny-llama-F32"


def test_reads_floats_as_they_were_meant(make_gguf, load):
    assert load(make_gguf()).config.rms_norm_eps == 1e-5


@pytest.mark.parametrize(
    ("metadata", "code", "words"),
    [
        ({"llama__expert_count": 8}, "unsupported", r"llama.expert_count: is 8; only 0 is supported"),
        ({"llama__rope__dimension_count": 16}, "unsupported", r"rope.dimension_count: is 16; only 32 is supported"),
        (
            {"llama__rope__scaling__type": "longrope"},
            "unsupported",
            "is longrope; only none, linear or yarn is supported",
        ),
        ({"llama__attention__causal": False}, "unsupported", "attention.causal: is False; only True is supported"),
        ({"llama__attention__novelty": 1.5}, "unsupported", "llama.attention.novelty: is not known, and may change"),
        ({"llama__embedding_length": None}, "corrupt", "llama.embedding_length: is missing from the metadata"),
        ({"llama__embedding_length": "64"}, "corrupt", "is '64', where a whole number was expected"),
        ({"llama__attention__head_count": 0}, "corrupt", "2 layers of 0 heads and 64 values are no model"),
        ({"llama__attention__head_count_kv": 0}, "corrupt", "these sizes make no model: "),
        ({"llama__block_count": 2_000_000_000}, "corrupt", "2000000000 layers of 4 heads and 64 values are no model"),
        ({"llama__block_count": 3}, "corrupt", r"the tensor 'blk.2.attn_q.weight' .* is missing"),
        (
            {"llama__block_count": 1},
            "unsupported",
            r"tensor 'blk.1.attn_k.weight': is one of 9 that 'llama' has no use for",
        ),
        ({"llama__feed_forward_length": 2**30}, "corrupt", r"has the shape \[96, 64\], but .* has \[1073741824, 64\]"),
        ({"llama__attention__layer_norm_rms_epsilon": float("nan")}, "corrupt", "is nan"),
        (
            {"split__count": 3},
            "unsupported",
            r"is one of 3 parts of a model\nfix: join them first: llama-gguf-split --merge",
        ),
    ],
)
def test_names_the_hyperparameter_that_it_cannot_follow(make_gguf, load, metadata, code, words):
    path = make_gguf(**metadata)
    with pytest.raises(Error, match=words) as raised:
        load(path)
    assert raised.value.code == code
    assert raised.value.where.startswith(str(path))
    assert raised.value.fix


@pytest.mark.parametrize(
    ("tensors", "code", "words"),
    [
        ({"token_embd.weight": None}, "corrupt", "the tensor 'token_embd.weight' is missing"),
        ({"output_norm.weight": None}, "corrupt", r"the tensor 'output_norm.weight' \(model.norm.weight\) is missing"),
        (
            {"blk.0.attn_q.weight": np.ones((3, 64), np.float32)},
            "corrupt",
            r"has the shape \[3, 64\], but .* has \[128, 64\]",
        ),
        ({"blk.0.novelty.weight": np.ones(4, np.float32)}, "unsupported", "that 'llama' has no use for"),
        ({"output_norm.weight": np.full(64, np.nan, np.float32)}, "corrupt", "holds values that are no numbers"),
        ({"rope_freqs.weight": np.ones(5, np.float32)}, "unsupported", "doesn't fit the model's rotary embedding"),
    ],
)
def test_names_the_tensor_that_is_wrong(make_gguf, load, tensors, code, words):
    path = make_gguf(tensors=tensors)
    with pytest.raises(Error, match=words) as raised:
        load(path)
    assert raised.value.code == code
    assert raised.value.where.startswith(str(path))


def test_rejects_an_architecture_that_it_does_not_know(tmp_path, tokenizer, make_gguf, load):
    path = make_gguf()
    metadata = {key: value for key, value in GgufFile(path).metadata.items() if key.startswith("tokenizer.")}
    other = write_gguf(tmp_path / "other.gguf", "mamba", metadata, {})
    with pytest.raises(Error, match="the architecture 'mamba' is not supported; these are: llama, qwen2, ") as raised:
        load(other)
    assert raised.value.code == "unsupported"


# --- The tokenizer.


def test_gives_the_tokens_of_the_tokenizer_that_was_converted(make_gguf, tokenizer, load):
    made = read_tokenizer(load(make_gguf()).assets)
    for text in TEXTS:
        assert ids(made, text) == ids(tokenizer, text), text
        assert made.decode(ids(made, text)) == tokenizer.decode(ids(tokenizer, text)), text


def test_knows_control_tokens_and_lets_them_be_left_alone(make_gguf, load):
    made = read_tokenizer(load(make_gguf()).assets)
    assert ids(made, "<|im_start|>user<|im_end|>")[0] == 1
    assert [token.special for token in made.get_added_tokens_decoder().values()] == [True] * 3
    made.encode_special_tokens = True
    assert not {0, 1, 2} & set(ids(made, "<|im_start|>user<|im_end|>"))


def test_takes_user_defined_tokens_whole_but_not_as_special(make_gguf, tokenizer, load):
    metadata = GgufFile(make_gguf()).metadata
    tokens, types = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    path = make_gguf(
        tokenizer__ggml__tokens=[*tokens[:-2], "<think>", "two words"],
        tokenizer__ggml__token_type=[*types[:-2], 4, 4],
        tokenizer__ggml__merges=[
            merge
            for merge in metadata["tokenizer.ggml.merges"]
            if not merge.replace(" ", "").startswith(tuple(tokens[-2:]))
        ],
    )
    made = read_tokenizer(load(path).assets)
    assert ids(made, "<think>two words") == [VOCAB_SIZE - 2, VOCAB_SIZE - 1]
    assert not made.get_added_tokens_decoder()[VOCAB_SIZE - 1].special
    # At the end of the vocabulary, they are out of the merges' reach, as makers have it.
    assert "<think>" not in json.loads(made.to_str())["model"]["vocab"]


def test_drops_tokens_that_only_pad_the_embedding(make_gguf, load):
    metadata = GgufFile(make_gguf()).metadata
    path = make_gguf(
        tiny_model(vocab_size=VOCAB_SIZE + 2),
        tokenizer__ggml__tokens=[*metadata["tokenizer.ggml.tokens"], "[PAD384]", "[PAD385]"],
        tokenizer__ggml__token_type=[*metadata["tokenizer.ggml.token_type"], 5, 5],
    )
    source = load(path)
    assert read_tokenizer(source.assets).get_vocab_size() == VOCAB_SIZE
    assert source.config.vocab_size == VOCAB_SIZE + 2


def test_writes_config_template_and_generation_defaults(make_gguf, load):
    assets = load(make_gguf()).assets
    assert assets["chat_template.jinja"].decode() == TEMPLATE
    assert json.loads(assets["tokenizer_config.json"]) == {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "add_bos_token": False,
        "add_eos_token": False,
        "bos_token": "<|im_start|>",
        "eos_token": "<|im_end|>",
        "unk_token": "<|endoftext|>",
    }
    assert json.loads(assets["generation_config.json"]) == {"eos_token_id": [2], "bos_token_id": 1}


def test_ends_answers_at_the_end_of_a_turn_too(make_gguf, load):
    """Files of base models name <|endoftext|>, and would chat on and on."""
    assets = load(make_gguf(tokenizer__ggml__eos_token_id=0)).assets
    assert json.loads(assets["generation_config.json"])["eos_token_id"] == [0, 2]


def test_has_no_template_where_the_file_has_none(make_gguf, load):
    assert "chat_template.jinja" not in load(make_gguf(tokenizer__chat_template=None)).assets


@pytest.mark.parametrize(
    ("pre", "pieces", "ignores_merges", "adds_bos"),
    [
        ("gpt-2", ["a1234", "Ġb"], False, False),
        ("smollm", ["a", "1", "2", "3", "4", "Ġb"], False, False),
        ("llama-bpe", ["a", "123", "4", "Ġb"], True, True),
        ("qwen2", ["a", "1", "2", "3", "4", "Ġb"], False, False),
        ("deepseek-v3", ["a", "123", "4", "Ġb"], False, False),
        ("falcon", ["a", "123", "4", "Ġb"], False, False),
        ("tekken", ["a", "1", "2", "3", "4", "Ġb"], True, True),
    ],
)
def test_splits_text_by_the_pre_tokenizers_name(make_gguf, pre, pieces, ignores_merges, adds_bos):
    assets = tokenizer_assets(GgufFile(make_gguf(pre=pre, tokenizer__ggml__add_bos_token=None)))
    made = read_tokenizer(assets)
    split = [piece for piece, _ in made.pre_tokenizer.pre_tokenize_str("a1234 b")]
    if pre == "gpt-2":
        split = ["".join(split[:-1]), split[-1]]
    assert split == pieces
    assert json.loads(assets["tokenizer.json"])["model"]["ignore_merges"] == ignores_merges
    assert json.loads(assets["tokenizer_config.json"])["add_bos_token"] == adds_bos


def test_writes_smollm_as_its_makers_do(make_gguf):
    document = json.loads(tokenizer_assets(GgufFile(make_gguf(pre="smollm")))["tokenizer.json"])
    assert document["normalizer"] is None
    assert document["pre_tokenizer"] == {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Digits", "individual_digits": True},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        ],
    }


def test_writes_every_known_pre_tokenizer_so_that_it_can_be_read(make_gguf):
    from weft.export import gguf_tokenizer

    file = GgufFile(make_gguf())
    for pre in gguf_tokenizer._PRE_TOKENIZERS:
        file.metadata["tokenizer.ggml.pre"] = pre
        made = read_tokenizer(tokenizer_assets(file))
        for text in TEXTS:
            assert "".join(piece for piece, _ in made.pre_tokenizer.pre_tokenize_str(text)) is not None
            if pre not in gguf_tokenizer._NFC:
                assert made.decode(ids(made, text)) == text, pre


@pytest.mark.parametrize(
    ("metadata", "code", "words"),
    [
        ({"model": None}, "not_found", r"holds no tokenizer \(tokenizer.ggml.model is missing\)"),
        ({"model": "bert"}, "unsupported", r"'bert' is not supported; these are: gpt2 \(byte-level BPE\), llama"),
        ({"pre": None}, "unsupported", "tokenizer.ggml.pre: is missing: the file is older than the field"),
        ({"pre": "novel"}, "unsupported", "'novel' is not known; these are: bloom, .*, smollm, .*viking"),
        ({"tokens": None}, "corrupt", "tokenizer.ggml.tokens: is missing from the metadata"),
        ({"tokens": [1, 2]}, "corrupt", "is a list of int, not of str"),
        ({"token_type": [1, 3]}, "corrupt", "has 2 entries for 384 tokens"),
        (
            {"token_type": [5] * VOCAB_SIZE},
            "corrupt",
            "tokenizer.ggml.bos_token_id: is 1, but the vocabulary has 0 tokens|makes no tokenizer",
        ),
        ({"merges": None}, "corrupt", "tokenizer.ggml.merges: is missing from the metadata"),
        (
            {"merges": ["a b", "ab"]},
            "corrupt",
            r"merges\[1\]: is 'ab', where two pieces with a space between were expected",
        ),
        ({"merges": ["a ☃"]}, "corrupt", "makes no tokenizer: "),
        (
            {"eos_token_id": VOCAB_SIZE},
            "corrupt",
            "tokenizer.ggml.eos_token_id: is 384, but the vocabulary has 384 tokens",
        ),
        ({"add_bos_token": "yes"}, "corrupt", "is 'yes', where true or false was expected"),
    ],
)
def test_names_what_is_wrong_with_the_tokenizer(make_gguf, load, metadata, code, words):
    path = make_gguf(**{f"tokenizer__ggml__{key}": value for key, value in metadata.items()})
    with pytest.raises(Error, match=words) as raised:
        load(path)
    assert raised.value.code == code
    assert raised.value.where.startswith(str(path))
    assert raised.value.fix


def test_rejects_two_tokens_of_the_same_text(make_gguf, load):
    tokens = GgufFile(make_gguf()).metadata["tokenizer.ggml.tokens"]
    with pytest.raises(Error, match=r"tokenizer.ggml.tokens: 5 and 383 are both "):
        load(make_gguf(tokenizer__ggml__tokens=[*tokens[:-1], tokens[5]]))


# --- SentencePiece vocabularies.


@pytest.fixture(scope="module")
def spm(tmp_path_factory):
    """A SentencePiece BPE model trained here."""
    sentencepiece = pytest.importorskip("sentencepiece")

    prefix = tmp_path_factory.mktemp("spm") / "tiny"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS),
        model_prefix=str(prefix),
        model_type="bpe",
        vocab_size=420,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        split_digits=True,
        user_defined_symbols=["<mark>"],
        minloglevel=2,
    )
    return sentencepiece.SentencePieceProcessor(model_file=f"{prefix}.model")


def spm_metadata(spm) -> dict:
    count = spm.vocab_size()
    types = []
    for index in range(count):
        flags = [(spm.is_unknown, 2), (spm.is_control, 3), (spm.is_byte, 6)]
        user = 4 if spm.id_to_piece(index) == "<mark>" else 1
        types.append(next((number for is_it, number in flags if is_it(index)), user))
    fields = {
        "model": "llama",
        "pre": "default",
        "tokens": [spm.id_to_piece(index) for index in range(count)],
        "scores": [float(spm.get_score(index)) for index in range(count)],
        "token_type": types,
        "merges": None,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "unknown_token_id": 0,
        "add_bos_token": None,
    }
    return {f"tokenizer__ggml__{key}": value for key, value in fields.items()}


def test_gives_the_tokens_of_sentencepiece(make_gguf, spm):
    assets = tokenizer_assets(GgufFile(make_gguf(**spm_metadata(spm))))
    made = read_tokenizer(assets)
    for text in [*TEXTS, "a<mark>b", "</s> is text", "☃" * 3]:
        if text in ("", "</s> is text") or "<mark>" in text:
            continue
        assert ids(made, text) == spm.encode(text), text
        assert made.decode(ids(made, text)) == spm.decode(spm.encode(text)), text
    assert spm.piece_to_id("<mark>") in ids(made, "a<mark>b")
    assert json.loads(assets["tokenizer_config.json"])["add_bos_token"] is True


def test_never_merges_text_into_a_control_token(make_gguf, spm):
    made = read_tokenizer(tokenizer_assets(GgufFile(make_gguf(**spm_metadata(spm)))))
    made.encode_special_tokens = True
    for text in ("</s>", "<s>", "a</s>b", "<unk>"):
        assert not {0, 1, 2} & set(ids(made, text)), text


def test_adds_no_space_where_the_file_says_so(make_gguf, spm):
    made = read_tokenizer(
        tokenizer_assets(GgufFile(make_gguf(**spm_metadata(spm), tokenizer__ggml__add_space_prefix=False)))
    )
    assert made.decode(ids(made, "Paris")) == "Paris"
    assert made.id_to_token(ids(made, "Paris")[0])[0] == "P"


def test_wants_scores_in_a_sentencepiece_vocabulary(make_gguf, spm, load):
    metadata = spm_metadata(spm) | {"tokenizer__ggml__scores": [0.5]}
    with pytest.raises(Error, match=r"tokenizer.ggml.scores: has 1 entries for 420 tokens"):
        load(make_gguf(**metadata))


# --- The container.


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"", "corrupt", "is no GGUF file: it is empty"),
        (b"PK\x03\x04rest", "corrupt", r"is no GGUF file: it begins with b'PK"),
        (b"GGUF", "corrupt", "header at byte 4: needs 4 more bytes, but only 0 are left"),
        (b"GGUF" + struct.pack("<I", 1), "unsupported", "has version 1; versions 2 and 3 are read"),
        (b"GGUF" + struct.pack(">I", 3), "unsupported", "is big-endian\nfix: convert it: gguf-convert-endian"),
        (
            b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60),
            "corrupt",
            "metadata entry 0 of 1152921504606846976 at byte 24: needs 8 more",
        ),
        (
            b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0),
            "corrupt",
            "tensor entry 0 of 1152921504606846976 at byte 24: needs 8 more",
        ),
        (
            b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**62),
            "corrupt",
            "needs 4611686018427387904 more bytes, but only 0 are left",
        ),
        (
            b"GGUF" + struct.pack("<IQQQ1sI", 3, 0, 1, 1, b"k", 99),
            "corrupt",
            "metadata 'k' at byte 37: has the unknown type 99",
        ),
        (b"GGUF" + struct.pack("<IQQQ1s", 3, 0, 1, 1, b"\xff"), "corrupt", "is a text that isn't UTF-8"),
        (
            b"GGUF" + struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"k", 9, 8, 2**61),
            "corrupt",
            "claims 2305843009213693952 texts",
        ),
        (
            b"GGUF" + struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"k", 9, 4, 2**61),
            "corrupt",
            "needs 9223372036854775808 more bytes",
        ),
        (b"GGUF" + struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"k", 9, 9, 1), "unsupported", "is an array of the type 9"),
        (
            b"GGUF" + struct.pack("<IQQ" + "Q1sIB" * 2, 3, 0, 2, *(1, b"k", 0, 7) * 2),
            "corrupt",
            "metadata 'k' at byte 47: is there twice",
        ),
        (b"GGUF" + struct.pack("<IQQQ1sI", 3, 1, 0, 1, b"t", 5), "corrupt", "tensor 't' at byte 37: has 5 dimensions"),
        (
            b"GGUF" + struct.pack("<IQQQ1sIQIQ", 3, 1, 0, 1, b"t", 1, 0, 0, 0),
            "corrupt",
            r"has the impossible shape \[0\]",
        ),
        (b"GGUF" + struct.pack("<IQQQ1sIQIQ", 3, 1, 0, 1, b"t", 1, 2**62, 0, 0), "corrupt", "has the impossible shape"),
        (
            b"GGUF" + struct.pack("<IQQQ1sIQIQ", 3, 1, 0, 1, b"t", 1, 8, 777, 0),
            "unsupported",
            "has the unknown type 777",
        ),
        (
            b"GGUF" + struct.pack("<IQQQ1sIQIQ", 3, 1, 0, 1, b"t", 1, 33, 8, 0),
            "corrupt",
            "has rows of 33 values, but Q8_0 has blocks of 32",
        ),
        (
            b"GGUF" + struct.pack("<IQQQ1sIQIQ", 3, 1, 0, 1, b"t", 1, 8, 0, 0),
            "corrupt",
            "lies at bytes 64 to 96, but the file ends after 57",
        ),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else value,
)
def test_names_the_byte_where_a_file_goes_wrong(tmp_path, content, code, words):
    path = tmp_path / "bad.gguf"
    path.write_bytes(content)
    with pytest.raises(Error, match=words) as raised:
        GgufFile(path)
    assert raised.value.code == code
    assert raised.value.where.startswith(str(path))
    assert raised.value.fix


def test_rejects_an_impossible_alignment(make_gguf, load):
    with pytest.raises(Error, match=r"general.alignment: is 12, no power of two from 8 to 65536"):
        load(make_gguf(general__alignment=12))


def test_reports_a_file_that_is_not_there(tmp_path):
    with pytest.raises(Error, match="is not there\nfix: check the path") as raised:
        GgufFile(tmp_path / "none.gguf")
    assert raised.value.code == "not_found"


def test_reports_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(Error, match="can't be read: Is a directory"):
        GgufFile(tmp_path)


def test_names_the_loss_wherever_a_file_is_cut(make_gguf, tmp_path):
    whole = make_gguf(kind="Q8_0").read_bytes()
    cut = tmp_path / "cut.gguf"
    for length in [*range(0, 2000, 7), *range(2000, len(whole) - 1, 997), len(whole) - 1]:
        cut.write_bytes(whole[:length])
        with pytest.raises(Error, match="fix: ") as raised:
            GgufFile(cut)
        assert raised.value.code == "corrupt", length


def test_reads_a_damaged_file_or_says_what_is_wrong(make_gguf, tmp_path):
    whole = make_gguf(kind="Q8_0").read_bytes()
    header = whole.index(b"blk.1.ffn_up.weight")
    dice = random.Random(0)
    damaged = tmp_path / "damaged.gguf"
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(dice.choice((1, 1, 2, 8))):
            content[dice.randrange(4, header)] = dice.choice((0, 1, 127, 255, dice.randrange(256)))
        damaged.write_bytes(content)
        try:
            tokenizer_assets(GgufFile(damaged))
        except Error as error:
            assert error.fix, error


def test_loads_a_damaged_model_or_says_what_is_wrong(make_gguf, tmp_path, load):
    whole = make_gguf(kind="Q8_0").read_bytes()
    start, end = whole.index(b"llama.context_length"), whole.index(b"tokenizer.ggml.model")
    dice = random.Random(0)
    damaged = tmp_path / "damaged.gguf"
    for _ in range(40):
        content = bytearray(whole)
        content[dice.randrange(start, end)] = dice.choice((0, 1, 127, 255, dice.randrange(256)))
        damaged.write_bytes(content)
        try:
            load(damaged)
        except Error as error:
            assert error.fix, error


# --- Real files.


@pytest.mark.parametrize("name", ["gpt-2", "llama-spm"])
def test_gives_the_tokens_of_published_vocabularies(name):
    """The texts and ids that llama.cpp ships beside these vocabularies."""
    path = SHARED_TOKENIZERS / f"gguf-{name}" / f"ggml-vocab-{name}.gguf"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    made = read_tokenizer(tokenizer_assets(GgufFile(path)))
    texts = Path(f"{path}.inp").read_text().split("\n__ggml_vocab_test__\n")
    expected = [[int(number) for number in line.split()] for line in Path(f"{path}.out").read_text().splitlines()]
    assert len(texts) >= len(expected) > 40
    for text, tokens in zip(texts, expected, strict=False):
        assert ids(made, text) == tokens, text


@pytest.fixture(scope="module")
def smollm2():
    import io

    from weft.export.progress import Progress

    try:
        path = fetch_default_model(Progress(io.StringIO()))
    except Error as error:
        pytest.skip(f"the default model can't be fetched: {error.message}")
    return load_source(path, dtype=torch.float32, progress=Progress(io.StringIO()))


@pytest.mark.model
def test_reads_smollm2_as_its_makers_publish_it(smollm2):
    assert type(smollm2.model).__name__ == "LlamaForCausalLM"
    assert smollm2.parameters == 134_515_008
    assert smollm2.source == "gguf Q4_1"
    assert len(smollm2.stored) == 211
    assert smollm2.config.rope_parameters["rope_theta"] == 100_000
    assert json.loads(smollm2.assets["generation_config.json"])["eos_token_id"] == [2]
    made = read_tokenizer(smollm2.assets)
    assert [made.id_to_token(index) for index in range(3)] == SPECIALS
    # By llama.cpp (llama-cpp-python 0.3.36) from the same file.
    assert ids(made, "It's 2024, Grüße!") == [1589, 506, 216, 34, 32, 34, 36, 28, 9171, 7170, 34878, 85, 17]


@pytest.mark.model
def test_hears_from_smollm2_that_the_capital_of_france_is_paris(smollm2):
    made = transformers.PreTrainedTokenizerFast(tokenizer_object=read_tokenizer(smollm2.assets))
    made.chat_template = smollm2.assets["chat_template.jinja"].decode()
    question = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = made.apply_chat_template(question, add_generation_prompt=True, tokenize=False)
    tokens = torch.tensor([ids(made.backend_tokenizer, prompt)])
    answer = smollm2.model.generate(tokens, max_new_tokens=16, do_sample=False, eos_token_id=2, pad_token_id=2)
    assert made.decode(answer[0, tokens.shape[1] :], skip_special_tokens=True) == "The capital of France is Paris."
