"""Pickled weights, which are read only when asked for: Transformers' .bin and Meta's .pth."""

import base64
import json
import pickle

import pytest
import torch
from safetensors.torch import load_file
from small_models import CORPUS, logits, tiny_model
from tokenizers import Tokenizer

from weft import Error
from weft.export.sources import load_source

_NAMES = {
    "self_attn.q_proj": ("attention.wq", 0),
    "self_attn.k_proj": ("attention.wk", 0),
    "self_attn.v_proj": ("attention.wv", 0),
    "self_attn.o_proj": ("attention.wo", 1),
    "mlp.gate_proj": ("feed_forward.w1", 0),
    "mlp.up_proj": ("feed_forward.w3", 0),
    "mlp.down_proj": ("feed_forward.w2", 1),
    "input_layernorm": ("attention_norm", None),
    "post_attention_layernorm": ("ffn_norm", None),
}


def load(folder, progress, **settings):
    return load_source(folder, dtype=torch.float32, progress=progress, **settings)


def meta_weights(model) -> dict[str, tuple[torch.Tensor, int | None]]:
    """As Meta writes them: name -> (tensor, the dimension that files share out)."""
    config = model.config
    weights = {
        "tok_embeddings.weight": (model.model.embed_tokens.weight, 0),
        "output.weight": (model.lm_head.weight, 0),
        "norm.weight": (model.model.norm.weight, None),
    }
    heads = {"self_attn.q_proj": config.num_attention_heads, "self_attn.k_proj": config.num_key_value_heads}
    for i, layer in enumerate(model.model.layers):
        for ours, (theirs, dimension) in _NAMES.items():
            weight = layer.get_submodule(ours).weight
            if ours in heads:
                weight = weight.view(heads[ours], 2, -1, weight.shape[1]).transpose(1, 2).reshape(weight.shape)
            weights[f"layers.{i}.{theirs}.weight"] = (weight, dimension)
    return weights


@pytest.fixture
def make_meta(tmp_path):
    """make_meta(model, shards, **params) writes a checkpoint as Meta does, with a tokenizer of 128 + 256 tokens."""

    def make(model, shards=1, **params):
        folder = tmp_path / "meta"
        folder.mkdir()
        config = model.config
        fields = {"dim": config.hidden_size, "n_layers": 2, "n_heads": 4, "n_kv_heads": 2, "norm_eps": 1e-5, "rope_theta": 500000.0}
        (folder / "params.json").write_text(json.dumps(fields | params))
        for shard in range(shards):
            part = {
                name: (tensor if dimension is None else tensor.chunk(shards, dimension)[shard]).clone()
                for name, (tensor, dimension) in meta_weights(model).items()
            }
            torch.save(part, folder / f"consolidated.{shard:02}.pth")
        ranks = [base64.b64encode(bytes([byte])).decode() + f" {byte}" for byte in range(128)]
        (folder / "tokenizer.model").write_text("\n".join(ranks) + "\n")
        return folder

    return make


def meta_model():
    rope = {"rope_type": "default", "rope_theta": 500000.0}
    return tiny_model(head_dim=16, rope_parameters=rope)


@pytest.mark.parametrize("shards", [1, 2])
def test_metas_checkpoint_gives_the_logits_of_the_same_weights(make_meta, progress, shards):
    model = meta_model()
    source = load(make_meta(model, shards), progress, allow_pickle=True)
    assert torch.allclose(logits(source.model), logits(model), atol=1e-5)
    assert source.source == "Meta checkpoint"


def test_llama_3s_tokenizer_comes_with_its_special_tokens(make_meta, progress):
    assets = load(make_meta(meta_model()), progress, allow_pickle=True).assets
    tokenizer = Tokenizer.from_str(assets["tokenizer.json"].decode())
    assert tokenizer.get_vocab_size() == 384
    assert tokenizer.token_to_id("<|begin_of_text|>") == 128
    assert tokenizer.token_to_id("<|eot_id|>") == 137
    assert tokenizer.decode(tokenizer.encode(CORPUS[0], add_special_tokens=False).ids) == CORPUS[0]


def test_what_is_missing_in_metas_checkpoint_is_named(make_meta, progress):
    folder = make_meta(meta_model())
    weights = torch.load(folder / "consolidated.00.pth")
    del weights["layers.1.attention.wk.weight"]
    torch.save(weights, folder / "consolidated.00.pth")
    with pytest.raises(Error) as caught:
        load(folder, progress, allow_pickle=True)
    assert caught.value.code == "corrupt"
    assert "layers.1.attention.wk.weight" in caught.value.message


def test_pickles_of_a_transformers_checkpoint_are_read_when_asked(make_checkpoint, progress):
    folder = make_checkpoint()
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert torch.equal(logits(load(folder, progress, allow_pickle=True).model), logits(tiny_model()))


class _Code:
    def __reduce__(self):
        return (print, ("ran",))


def test_code_in_a_pickle_does_not_run(make_meta, progress, capsys):
    folder = make_meta(meta_model())
    (folder / "consolidated.00.pth").write_bytes(pickle.dumps({"norm.weight": _Code()}))
    with pytest.raises(Error):
        load(folder, progress, allow_pickle=True)
    assert "ran" not in capsys.readouterr().out
