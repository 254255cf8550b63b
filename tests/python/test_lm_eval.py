"""weft.lm_eval answers lm-evaluation-harness as its own Transformers model does. Skipped where lm_eval isn't installed."""

import pytest
from tiny_models import tiny_model, tiny_tokenizer

import weft

pytest.importorskip("lm_eval")

PAIRS = [
    ("the quick brown", " fox jumps"),
    ("the quick brown", " dog"),
    ("", "hello world"),
    ("hello world " * 30, "the lazy dog"),
    ("<|im_start|>user\nhello<|im_end|>", " system"),
]


def requests(kind, arguments):
    from lm_eval.api.instance import Instance

    return [Instance(request_type=kind, doc={}, arguments=each, idx=0) for each in arguments]


@pytest.fixture(scope="module")
def reference():
    pytest.importorskip("accelerate")  # the harness' own Transformers model needs it
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=tiny_model("llama"), tokenizer=tiny_tokenizer(), device="cpu", batch_size=1, max_length=64)


@pytest.fixture(scope="module")
def ours(loaded):
    from weft.lm_eval import WeftLM

    return WeftLM(loaded("aoti"), max_length=64)


def test_loglikelihoods_are_the_harness_own(ours, reference):
    arguments = [pair for pair in PAIRS if pair[0]]
    expected = reference.loglikelihood(requests("loglikelihood", arguments), disable_tqdm=True)
    actual = ours.loglikelihood(requests("loglikelihood", arguments), disable_tqdm=True)
    for (total, greedy), (wanted, wanted_greedy) in zip(actual, expected, strict=True):
        assert total == pytest.approx(wanted, rel=1e-4) and greedy == wanted_greedy


def test_rolling_loglikelihoods_are_the_harness_own(ours, reference):
    texts = [("the quick brown fox jumps over the lazy dog. " * 20,), ("hello",)]
    expected = reference.loglikelihood_rolling(requests("loglikelihood_rolling", texts), disable_tqdm=True)
    actual = ours.loglikelihood_rolling(requests("loglikelihood_rolling", texts), disable_tqdm=True)
    if ours.prefix_token_id != reference.prefix_token_id:
        pytest.fail(f"they begin with other tokens: {ours.prefix_token_id} and {reference.prefix_token_id}")
    assert actual == pytest.approx(expected, rel=1e-4)


def test_generated_text_is_the_harness_own(ours, reference):
    settings = {"until": ["zz"], "max_gen_toks": 12, "do_sample": False}
    arguments = [("the quick brown fox", settings), ("hello world", settings)]
    expected = reference.generate_until(requests("generate_until", arguments), disable_tqdm=True)
    assert ours.generate_until(requests("generate_until", arguments), disable_tqdm=True) == expected


def test_the_harness_knows_it_by_name():
    from lm_eval.api.registry import get_model

    import weft.lm_eval

    assert get_model("weft") is weft.lm_eval.WeftLM


def test_chat_templates_are_applied(ours, reference):
    conversation = [{"role": "user", "content": "hello"}]
    assert ours.apply_chat_template(conversation) == reference.apply_chat_template(conversation)
    assert ours.chat_template(True) == weft.ChatTemplate.parse(tiny_tokenizer().chat_template).source
