"""Pipelines, samplers and templates from Python: streaming, cancelling, own classes, and errors that come through."""

import numpy as np
import pytest
from tiny_models import tiny_tokenizer

import weft

GREEDY = weft.SamplingOptions() if hasattr(weft, "SamplingOptions") else None
USER = {"role": "user", "content": "hello world"}


def test_completion_streams_what_it_returns(model):
    pipeline = weft.CompletionPipeline(model)
    texts = []
    result = pipeline.generate("hello world", max_tokens=12, ignore_stop_tokens=True, on_text=texts.append)
    assert "".join(texts) == result.text == str(result) and "" not in texts
    assert result.finish_reason == weft.FinishReason.LENGTH and result.tokens.dtype == np.int32
    assert result.stats.prompt_tokens == len(result.prompt_tokens) and result.stats.generated_tokens == 12 == len(result.tokens)
    assert result.prompt_tokens.tolist() == model.tokenizer.encode("hello world").tolist()
    # By tokens, by parts and by text it is the same.
    for prompt in (result.prompt_tokens, [weft.TextPart("hello world", specials=weft.Specials.AS_TEXT)]):
        assert pipeline.generate(prompt, max_tokens=12, ignore_stop_tokens=True).tokens.tolist() == result.tokens.tolist()
    assert pipeline.generate("hello world", max_tokens=1).stats.cached_tokens > 0


def test_greedy_text_is_that_of_generate(model):
    ids = model.tokenizer.encode("the quick")
    expected = model.generate(ids, max_new_tokens=16, do_sample=False)[len(ids) :]
    assert weft.CompletionPipeline(model).generate("the quick", max_tokens=16).tokens.tolist() == expected.tolist()


def test_chat_keeps_its_conversation(model):
    chat = weft.ChatPipeline(model)
    chat.set_system("be brief")
    answer = chat.send("hello world", max_tokens=8)
    assert chat.messages == [{"role": "system", "content": "be brief"}, USER, {"role": "assistant", "content": answer.text}]
    saved = chat.save()
    chat.reset()
    assert chat.messages == [{"role": "system", "content": "be brief"}]
    chat.load(saved)
    assert chat.messages[-1]["content"] == answer.text
    chat.messages = [USER]
    assert chat.messages == [USER]
    other = weft.ChatPipeline(model).answer([{"role": "system", "content": "be brief"}, USER], max_tokens=8)
    assert other.tokens.tolist() == answer.tokens.tolist()


def test_a_generation_is_an_iterator(model):
    pipeline = weft.CompletionPipeline(model)
    whole = pipeline.generate("hello", max_tokens=200, ignore_stop_tokens=True).text
    assert "".join(weft.stream(pipeline.generate, "hello", max_tokens=200, ignore_stop_tokens=True)) == whole
    stream = weft.stream(pipeline.generate, "hello", max_tokens=1000, ignore_stop_tokens=True)
    first = next(stream)
    stream.close()  # ends it, and the pipeline is usable at once
    assert whole.startswith(first) and len(pipeline.cached_tokens) < 1000
    with pytest.raises(weft.Error, match="prompt"):
        list(weft.stream(pipeline.generate, [1] * 5000))


def test_a_generation_is_cancelled_from_its_callback(model):
    cancel = weft.Cancellation()
    result = weft.CompletionPipeline(model).generate("hello", ignore_stop_tokens=True, cancel=cancel, on_text=lambda text: cancel.cancel())
    assert cancel.cancelled and result.finish_reason == weft.FinishReason.CANCELLED and len(result.tokens) < 50


def test_what_a_callback_raises_comes_through(model):
    pipeline = weft.CompletionPipeline(model)

    def fail(text):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        pipeline.generate("hello", on_text=fail)
    assert pipeline.generate("hello", max_tokens=2).stats.generated_tokens <= 2


def test_a_callback_may_use_the_model_but_not_its_own_pipeline(model):
    pipeline, other = weft.CompletionPipeline(model), weft.CompletionPipeline(model)
    seen = []

    def nest(text):
        seen.append(other.generate("world", max_tokens=1).stats.generated_tokens)
        with pytest.raises(weft.Error, match="at work") as raised:
            pipeline.reset()
        assert raised.value.code == "invalid_argument"

    pipeline.generate("hello", max_tokens=6, ignore_stop_tokens=True, on_text=nest)
    assert seen and set(seen) == {1}


class _Third(weft.Sampler):
    """The third likeliest token: what no ready-made sampler draws."""

    def __init__(self):
        super().__init__()
        self.accepted, self.resets = [], 0

    def sample(self, logits):
        assert logits.dtype == np.float32 and logits.shape == (512,)
        return np.argsort(-logits)[2]

    def accept(self, token):
        self.accepted.append(token)

    def reset(self):
        self.resets += 1


def test_a_sampler_of_ones_own_is_used(model):
    sampler = _Third()
    pipeline = weft.CompletionPipeline(model, sampler=sampler)
    result = pipeline.generate("hello", max_tokens=5, ignore_stop_tokens=True)
    prompt = result.prompt_tokens.tolist()
    expected = []
    for _ in range(5):
        logits = model.logits(prompt + expected)[-1]
        expected.append(int(np.argsort(-logits)[2]))
    assert result.tokens.tolist() == expected
    assert sampler.resets == 1 and sampler.accepted[-5:] == expected


@pytest.mark.parametrize("answer", [None, "x", -1, 512, 1 << 70])
def test_a_sampler_that_gives_no_id_is_told(model, answer):
    class Wrong(_Third):
        def sample(self, logits):
            return answer

    with pytest.raises(weft.Error, match=r"Sampler\.sample: gave") as raised:
        weft.CompletionPipeline(model, sampler=Wrong()).generate("hello")
    assert raised.value.code == "invalid_argument"


def test_ready_made_samplers_draw_as_they_are_told():
    logits = np.array([0.0, 3.0, 1.0, 2.9], np.float32)
    assert weft.make_sampler().sample(logits) == 1
    options = weft.SamplingOptions(temperature=1.0, top_k=2, logit_bias=[(1, -np.inf)], seed=7)
    drawn = [weft.make_sampler(options).sample(logits) for _ in range(3)]
    assert len(set(drawn)) == 1 and drawn[0] in (2, 3)
    with pytest.raises(weft.Error, match="top_p"):
        weft.make_sampler(weft.SamplingOptions(temperature=1.0, top_p=2.0))
    with pytest.raises(weft.Error):
        weft.make_sampler().sample(np.array([np.nan], np.float32))
    with pytest.raises(TypeError):
        weft.SamplingOptions(0.7)


def test_chat_template_renders_as_transformers(model):
    reference = tiny_tokenizer()
    messages = [{"role": "system", "content": "be brief"}, USER]
    prompt = model.chat_template.render(messages)
    assert "".join(part.text for part in prompt) == reference.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert {part.specials for part in prompt if "hello" in part.text} == {weft.Specials.AS_TEXT}
    own = weft.ChatTemplate.parse("{{ bos_token }}{{ messages[0]['extra']['deep'] }} {{ tools[0].name }}", bos="<s>")
    rendered = own.render([{"role": "user", "content": "", "extra": {"deep": "ü"}}], tools=[{"name": "look"}])
    assert "".join(part.text for part in rendered) == "<s>ü look"
    with pytest.raises(weft.Error, match="line 1"):
        weft.ChatTemplate.parse("{% if %}")
    for wrong in ("hello", [{"content": "x"}], [3]):
        with pytest.raises(weft.Error, match="messages: "):
            model.chat_template.render(wrong)
