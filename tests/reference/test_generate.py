"""Greedy text is Transformers' own: the same tokens as `generate` in fp32, on both backends, from the command line's real program."""

from __future__ import annotations

import json
import subprocess
import warnings

import pytest
import torch
from tiny_models import tiny_model, tiny_tokenizer

PROMPTS = [
    "What is the capital of France?",
    "Write a short poem about the sea.",
    "Explain photosynthesis to a child.",
    "List three prime numbers larger than 100.",
    "Who wrote Romeo and Juliet?",
    "Translate 'good morning' into Spanish.",
    "def fibonacci(n):",
    "The quick brown fox",
    "Why is the sky blue?",
    "Give me a recipe for pancakes.",
    "Summarise the plot of Hamlet in two sentences.",
    "What is 17 * 23?",
    "¿Cuál es la capital de España?",
    "Tell me a joke about programmers.",
    "How do vaccines work?",
    "{'name': 'Ada', 'born': 1815}",
    "Name the planets of the solar system.",
    "What happened in 1969?",
    "Write a haiku about autumn — in English, please.",
    "Is 2027 a leap year? 日本語でも答えて。",
]
TOKENS = 64
BACKENDS = ["executorch", "aoti"]

# Below this distance two logits tie: rounding decides, and either token is right.
TIE = 1e-4


def generate(weft_bin, model, prompt, *options):
    command = [weft_bin, "generate", model, "-p", prompt, "--json", "--temperature", "0", "--max-tokens", str(TOKENS), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@torch.no_grad()
def reference(model, prompt_ids, stop_ids):
    output = model.generate(
        torch.tensor([prompt_ids]), max_new_tokens=TOKENS, do_sample=False, eos_token_id=stop_ids, pad_token_id=stop_ids[0]
    )
    return output[0, len(prompt_ids) :].tolist()


@torch.no_grad()
def assert_same_tokens(model, prompt_ids, tokens, expected):
    """Equal, or parting where two of the eager model's logits tie."""
    if tokens == expected:
        return
    at = next((i for i, (a, b) in enumerate(zip(tokens, expected, strict=False)) if a != b), min(len(tokens), len(expected)))
    assert at < len(tokens) and at < len(expected), f"one text ends after {at} tokens: {tokens} and {expected}"
    logits = model(torch.tensor([prompt_ids + expected[:at]])).logits[0, -1]
    distance = abs(float(logits[tokens[at]] - logits[expected[at]]))
    assert distance <= TIE, f"token {at} is {tokens[at]}, not {expected[at]}, whose logit is {distance:.2g} larger"
    warnings.warn(f"token {at}: {tokens[at]} and {expected[at]} tie within {distance:.1g}", stacklevel=2)


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "gemma"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_tiny_model(weft_bin, exported, architecture, backend):
    path, model, tokenizer = exported(architecture, backend), tiny_model(architecture), tiny_tokenizer()
    seen = set()
    for prompt in PROMPTS:
        answer = generate(weft_bin, path, prompt, "--raw")
        assert answer["prompt_token_ids"] == tokenizer(prompt, add_special_tokens=False).input_ids
        assert_same_tokens(model, answer["prompt_token_ids"], answer["token_ids"], reference(model, answer["prompt_token_ids"], [1]))
        seen.update(answer["token_ids"])
    assert len(seen) > 50, "the text repeats itself: the comparison says little"


@pytest.mark.parametrize("backend", BACKENDS)
def test_tiny_model_with_its_cache_in_the_graph(weft_bin, exported, backend):
    path, plain = exported("llama", backend), exported("llama", backend, passes=False)
    for prompt in PROMPTS[:5]:
        assert generate(weft_bin, plain, prompt, "--raw")["token_ids"] == generate(weft_bin, path, prompt, "--raw")["token_ids"]


@pytest.fixture(scope="module")
def smollm2():
    """The default model as Transformers runs it: (model, tokenizer, answers by prompt, filled as they are asked for)."""
    from weft.export.default_model import fetch_default_model
    from weft.export.progress import Progress
    from weft.export.sources import load_source

    progress = Progress()
    return load_source(fetch_default_model(progress), dtype=torch.float32, progress=progress), {}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("prompt", PROMPTS)
def test_default_model(weft_bin, default_model, smollm2, backend, prompt):
    path = default_model(backend)
    source, answers = smollm2
    # The file's weights are Transformers' own, dequantised; so must be the arithmetic.
    answer = generate(weft_bin, path, prompt, "--float-activations")
    if prompt not in answers:
        answers[prompt] = reference(source.model, answer["prompt_token_ids"], [2])
    assert_same_tokens(source.model, answer["prompt_token_ids"], answer["token_ids"], answers[prompt])


@pytest.mark.parametrize("backend", BACKENDS)
def test_default_model_knows_the_capital_of_france(weft_bin, default_model, backend):
    default_model(backend)
    done = subprocess.run(
        [weft_bin, "chat", "--backend", backend], input="What is the capital of France?\n", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Paris" in done.stdout
