"""Modules of the user's own: docs/python.md says what they may look like."""

import pytest
import torch
import torch.nn.functional as F
from built import built_program
from torch import nn

import weft
from weft import Error
from weft.export import export, program
from weft.export.user_module import UserModule

VOCAB, WIDTH, CONTEXT = 256, 64, 64


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key_value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.up, self.down = nn.Linear(WIDTH, 96), nn.Linear(96, WIDTH)
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(2))

    def attend(self, query, key, value):
        return F.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)

    def forward(self, x):
        y = self.norms[0](x)
        batch, tokens, _ = y.shape
        query = self.query(y).view(batch, tokens, 4, -1).transpose(1, 2)
        key, value = self.key_value(y).view(batch, tokens, 2, 2, -1).permute(2, 0, 3, 1, 4)
        x = x + self.out(self.attend(query, key, value).transpose(1, 2).reshape(batch, tokens, -1))
        return x + self.down(F.gelu(self.up(self.norms[1](x))))


class Net(nn.Module):
    """What a user writes: two layers, learned positions."""

    max_seq_len = CONTEXT

    def __init__(self, block=Block):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.tokens, self.places = nn.Embedding(VOCAB, WIDTH), nn.Embedding(CONTEXT, WIDTH)
            self.blocks = nn.ModuleList(block() for _ in range(2))
            self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, VOCAB, bias=False)
        self.requires_grad_(False).eval()

    def forward(self, tokens, positions):
        x = self.tokens(tokens) + self.places(positions)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


class WithoutPositions(Net):
    def forward(self, tokens):
        return super().forward(tokens, torch.arange(tokens.shape[1]))


class OwnMask(Block):
    def attend(self, query, key, value):
        mask = torch.ones(query.shape[2], key.shape[2], dtype=torch.bool).tril()
        return F.scaled_dot_product_attention(query, key, value, mask, enable_gqa=True)


class OwnCache(Block):
    """Keeps its keys and values itself, by position."""

    def __init__(self):
        super().__init__()
        self.register_buffer("keys", torch.zeros(1, 2, CONTEXT, 16), persistent=False)
        self.register_buffer("values", torch.zeros(1, 2, CONTEXT, 16), persistent=False)
        self.positions = None

    def attend(self, query, key, value):
        self.keys.index_copy_(2, self.positions, key)
        self.values.index_copy_(2, self.positions, value)
        mask = torch.arange(CONTEXT) <= self.positions[:, None]
        return F.scaled_dot_product_attention(query, self.keys, self.values, mask, enable_gqa=True)


class CachingNet(Net):
    def __init__(self):
        super().__init__(OwnCache)

    def forward(self, tokens, positions):
        for block in self.blocks:
            block.positions = positions
        return super().forward(tokens, positions)


@pytest.mark.parametrize(("backend", "quantize"), [("executorch", "none"), ("aoti", "int8")])
def test_a_plain_module_gets_the_cache_outside_of_the_graph(tmp_path, backend, quantize):
    built_program("weft")
    module = Net()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    result = export(module, tmp_path / "model", backend=backend, quantize=quantize)
    assert result.metadata["contract"] == "ragged"
    assert result.metadata["layers"] == [[2, 16, 16]] * 2
    assert (result.metadata["vocab_size"], result.metadata["max_context"]) == (VOCAB, CONTEXT)
    assert result.largest_difference < 1e-4
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), f"{name} was changed"


def test_a_module_with_caches_of_its_own_keeps_them(tmp_path):
    built_program("weft")
    result = export(CachingNet(), tmp_path / "model.pt2")
    assert result.metadata["contract"] == "in_graph"
    assert result.metadata["max_tokens"] > 1
    assert result.largest_difference < 1e-4


def test_an_exported_program_is_lowered_as_it_is(tmp_path):
    built_program("weft")
    net, tokens = CachingNet(), torch.export.Dim("tokens", min=1, max=32)
    example = (torch.ones(1, 5, dtype=torch.long), torch.arange(5))
    dynamic = {"tokens": {1: tokens}, "positions": {0: tokens}}
    program_ = torch.export.export(net, example, dynamic_shapes=dynamic, strict=False)
    result = export(program_, tmp_path / "model.pte", max_context=CONTEXT)
    assert (result.metadata["contract"], result.metadata["max_tokens"]) == ("in_graph", 32)
    assert result.largest_difference < 1e-4


def test_says_what_an_exported_program_must_be(tmp_path):
    example = (torch.ones(1, 5, dtype=torch.long), torch.arange(5))
    fixed = torch.export.export(Net(), example, strict=False)
    with pytest.raises(Error, match="takes 5 tokens in each call"):
        export(fixed, tmp_path / "model.pte", max_context=CONTEXT)
    other = torch.export.export(nn.Linear(3, 4), (torch.ones(2, 3),))
    with pytest.raises(Error, match=r"its inputs and outputs are \[2, 3\], \[2, 4\]"):
        export(other, tmp_path / "model.pte", max_context=CONTEXT)
    with pytest.raises(Error, match="lowered as it is"):
        export(fixed, tmp_path / "model.pte", max_context=CONTEXT, quantize="int8")


def test_a_loaded_model_needs_a_tokenizer():
    with pytest.raises(Error, match="a Net comes without a tokenizer"):
        weft.export(Net())


@pytest.mark.parametrize("make", [WithoutPositions, lambda: Net(OwnMask)])
def test_others_read_their_whole_context_in_each_call(make):
    model = UserModule(make(), CONTEXT)
    assert program.ragged_problem(model) is not None
    wrapper, shape, recurrent = program.in_graph_model(model, program.ProgramShape(max_context=CONTEXT))
    assert isinstance(wrapper, program.RecomputedModel)
    assert not recurrent
    ids = torch.arange(3, 30)[None]
    wrapper(ids[:, :10], torch.arange(10))
    rest = wrapper(ids[:, 10:], torch.arange(10, 27))
    torch.testing.assert_close(rest, model(input_ids=ids).logits[:, 10:], rtol=0, atol=1e-5)


class TakesMore(Net):
    def forward(self, tokens, positions, segments):
        return super().forward(tokens, positions)


class GivesHidden(Net):
    def forward(self, tokens, positions):
        return self.tokens(tokens)[0]


class Fails(Net):
    def forward(self, tokens, positions):
        raise RuntimeError("not today")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (TakesMore, "wants tokens, positions, segments"),
        (GivesHidden, r"gives \[5, 64\] for tokens \[1, 5\]"),
        (Fails, "RuntimeError: not today"),
    ],
)
def test_says_what_a_forward_must_be(make, words, tmp_path):
    with pytest.raises(Error, match=words) as caught:
        export(make(), tmp_path / "model.pte")
    assert "forward(tokens i64 [1, T], positions i64 [T])" in caught.value.fix


def test_asks_for_the_context_that_a_module_does_not_say(tmp_path):
    module = nn.Sequential(nn.Embedding(VOCAB, WIDTH), nn.Linear(WIDTH, VOCAB))
    with pytest.raises(Error, match="doesn't say how many tokens") as caught:
        export(module, tmp_path / "model.pte")
    assert "max_context=" in caught.value.fix
