"""weft.Model: the logits of the eager model, caches that fork and rewind, and Transformers' generate."""

import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from built import ROOT, build_dir
from tiny_models import tiny_model

import weft

IDS = list(range(3, 43))


@pytest.fixture(scope="module")
def eager():
    return tiny_model("llama")


@torch.no_grad()
def eager_logits(eager, ids):
    return eager(torch.tensor([ids]), use_cache=False).logits[0].numpy()


def assert_close(actual, expected):
    assert np.abs(actual - expected).max() <= 1e-5 * np.abs(expected).max()


def test_a_model_says_what_it_is(model):
    assert model.info.name == "tiny-llama" and model.info.architecture == "LlamaForCausalLM"
    assert model.info.backend in ("executorch", "aoti") and model.path.is_file()
    assert (model.vocab_size, model.max_context) == (512, 1024)
    assert model.defaults.stop_tokens == [1] and model.chat_template is not None


def test_logits_are_the_eager_models(model, eager):
    logits = model.logits(IDS)
    assert logits.dtype == np.float32 and logits.shape == (40, 512)
    assert_close(logits, eager_logits(eager, IDS))
    batch = model.logits(torch.tensor([IDS, IDS[::-1]]))
    assert isinstance(batch, torch.Tensor) and batch.shape == (2, 40, 512)
    assert_close(batch[1].numpy(), eager_logits(eager, IDS[::-1]))


def test_caches_rewind_fork_and_are_saved(model, eager):
    expected = eager_logits(eager, IDS)
    cache = model.new_cache()
    model.forward(cache, IDS[:30])
    fork = cache.fork()
    saved = cache.save()
    cache.truncate(10)
    assert len(cache) == 10 and cache.capacity == 1024
    rest = model.forward(cache, IDS[10:], rows=weft.LogitRows.ALL)
    assert_close(rest, expected[10:])
    assert_close(model.forward(fork, IDS[30:])[0], expected[-1])
    assert_close(model.forward(model.load_cache(saved), IDS[30:])[0], expected[-1])


def test_a_batch_is_its_sequences(model):
    one, two = model.new_cache(), model.new_cache()
    both = model.forward_batch([(one, IDS[:7]), (two, IDS[7:20])])
    assert_close(both[0], model.forward(model.new_cache(), IDS[:7])[0])
    assert_close(both[1], model.forward(model.new_cache(), IDS[7:20])[0])


def test_what_a_cache_and_a_model_refuse_is_told(model, loaded):
    cache = model.new_cache()
    for call, code in (
        (lambda: cache.truncate(1), "invalid_argument"),
        (lambda: model.forward(cache, []), "invalid_argument"),
        (lambda: model.forward(cache, [512]), "invalid_argument"),
        (lambda: model.forward(cache, [1] * 1025), "context_full"),
        (lambda: model.load_cache(b"nonsense"), "corrupt"),
        (lambda: model.forward_batch([(cache, [1]), (cache, [2])]), "invalid_argument"),
        (lambda: model.logits([[0.5]]), "invalid_argument"),
        (lambda: model.generate([[1] * 1025]), "context_full"),
        (lambda: model.generate([[1]], max_new_tokens=0), "invalid_argument"),
        (lambda: weft.load("no-such-file.pte"), "not_found"),
        (lambda: weft.load(ROOT / "README.md"), None),
    ):
        with pytest.raises(weft.Error) as raised:
            call()
        assert code in (None, raised.value.code), str(raised.value)
    other = loaded("aoti" if model.info.backend == "executorch" else "executorch").new_cache()
    with pytest.raises(weft.Error, match="cache"):
        model.forward(other, [1])
    assert len(cache) == 0


@pytest.mark.parametrize("processors", [False, True])
def test_greedy_generate_is_transformers(model, eager, processors):
    """A batch of unequal prompts, padded on the left, with and without logits processors."""
    from transformers import LogitsProcessorList, SuppressTokensLogitsProcessor

    ids = torch.tensor([[2, 2, 5, 6, 7, 8], [10, 11, 12, 13, 14, 15]])
    mask = torch.tensor([[0, 0, 1, 1, 1, 1], [1] * 6])
    options = {"max_new_tokens": 24, "do_sample": False}
    if processors:
        options["logits_processor"] = LogitsProcessorList([SuppressTokensLogitsProcessor(list(range(0, 512, 3)))])
    expected = eager.generate(ids, attention_mask=mask, pad_token_id=2, **options)
    actual = model.generate(ids, attention_mask=mask, pad_token_id=2, **options)
    assert isinstance(actual, torch.Tensor) and actual.dtype == torch.int64
    assert actual.tolist() == expected.tolist()


def test_generate_ends_where_it_is_asked_to(model):
    ids = np.array([5, 6, 7])
    free = model.generate(ids, max_new_tokens=20, eos_token_id=[])
    assert free.shape == (23,) and free[:3].tolist() == [5, 6, 7]
    stop = int(free[9])
    first = 3 + free[3:].tolist().index(stop)
    assert model.generate(ids, max_new_tokens=20, eos_token_id=stop).tolist() == free[: first + 1].tolist()
    assert model.generate(ids, max_length=10, eos_token_id=[]).tolist() == free[:10].tolist()
    halted = model.generate(ids, max_new_tokens=20, eos_token_id=[], stopping_criteria=[lambda ids, scores: ids.shape[1] >= 12])
    assert halted.tolist() == free[:12].tolist()


def test_sampling_follows_its_seed_and_options(model):
    ids = np.array([[5, 6, 7]] * 3)

    def draw(**options):
        return model.generate(ids, max_new_tokens=12, do_sample=True, temperature=1.5, eos_token_id=[], **options)

    one = draw(seed=1)
    assert one.tolist() == draw(seed=1).tolist() != draw(seed=2).tolist()
    assert len({tuple(row) for row in one.tolist()}) == 3  # each sequence has its own seed
    assert draw(seed=1, top_k=1).tolist() == model.generate(ids, max_new_tokens=12, do_sample=False, eos_token_id=[]).tolist()


def test_generation_config_is_read(model):
    from transformers import GenerationConfig

    config = GenerationConfig(max_new_tokens=5, do_sample=False, eos_token_id=[511])
    assert model.generate([[5, 6, 7]], generation_config=config).shape == (1, 8)


def test_streamers_of_transformers_are_fed(model):
    from tiny_models import tiny_tokenizer
    from transformers import TextIteratorStreamer

    tokenizer = tiny_tokenizer()
    streamer = TextIteratorStreamer(tokenizer, skip_prompt=True)
    ids = tokenizer("hello world", return_tensors="pt").input_ids
    answer = model.generate(ids, max_new_tokens=16, do_sample=False, streamer=streamer)
    assert "".join(streamer) == tokenizer.decode(answer[0, ids.shape[1] :])


def test_threads_may_share_a_model(model):
    expected = model.logits(IDS)
    answers = [None] * 4

    def work(i):
        answers[i] = [model.logits(IDS) for _ in range(5)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for answer in answers:
        for logits in answer:
            np.testing.assert_array_equal(logits, expected)


def test_a_cache_outlives_its_model(exported):
    model = weft.load(exported("llama", "aoti"), threads=1)
    cache = model.new_cache()
    model.forward(cache, [1, 2, 3])
    del model
    cache.truncate(1)
    assert len(cache.fork()) == 1


@pytest.mark.parametrize("backend", ["executorch", "aoti"])
@pytest.mark.parametrize(
    "order", ["", "import torch; ", "import weft.export.operators; ", "after: import torch", "after: import torch, weft.export.operators"]
)
def test_torch_may_be_imported_before_after_or_never(exported, backend, order):
    before, after = ("", order.removeprefix("after: ")) if order.startswith("after") else (order, "")
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'python')!r}); {before}"
        f"import weft; model = weft.load({str(exported('llama', backend))!r}, threads=1); a = model.logits([1, 2, 3]); "
        f"assert ('torch' in sys.modules) == {bool(before)}; "
        + (f"{after}; " if after else "")
        + "b = model.logits([1, 2, 3]); assert (a == b).all(); print(a.shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, env={**__import__("os").environ, "WEFT_BUILD_DIR": str(build_dir())}
    )
    assert (done.returncode, done.stdout) == (0, "(3, 512)\n"), done.stderr[-2000:]
