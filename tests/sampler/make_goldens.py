"""Writes goldens.json: what Transformers' logits processors make of logits, stage by stage, and the tokens
that the documented arithmetic of src/sampler/weights.h draws, computed a second time with NumPy's float32.

Made with torch 2.13.0, transformers 5.23.0, numpy 2: python tests/sampler/make_goldens.py
"""

import json
from pathlib import Path

import numpy as np
import torch
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

VOCAB = 150  # one block of the sampler and a rest


class OpenAiPenalties:
    """mu[j] -= c[j] * alpha_frequency + float(c[j] > 0) * alpha_presence (OpenAI's API reference)."""

    def __init__(self, frequency: float, presence: float):
        self.frequency, self.presence = frequency, presence

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        counts = torch.bincount(input_ids[0], minlength=scores.shape[1]).to(scores.dtype)
        return scores - counts * self.frequency - (counts > 0).to(scores.dtype) * self.presence


class Bias:
    def __init__(self, biases: list[tuple[int, float]]):
        self.biases = biases

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        scores = scores.clone()
        for token, bias in self.biases:
            scores[0, token] += bias
        return scores


def processors(options: dict) -> LogitsProcessorList:
    """In the order of Transformers' generate(), the penalties and biases first."""
    chain = LogitsProcessorList()
    if "repetition_penalty" in options:
        chain.append(RepetitionPenaltyLogitsProcessor(options["repetition_penalty"]))
    if "frequency_penalty" in options or "presence_penalty" in options:
        chain.append(OpenAiPenalties(options.get("frequency_penalty", 0.0), options.get("presence_penalty", 0.0)))
    if "logit_bias" in options:
        chain.append(Bias(options["logit_bias"]))
    if "temperature" in options:
        chain.append(TemperatureLogitsWarper(options["temperature"]))
    if "top_k" in options:
        chain.append(TopKLogitsWarper(options["top_k"]))
    if "top_p" in options:
        chain.append(TopPLogitsWarper(options["top_p"]))
    if "min_p" in options:
        chain.append(MinPLogitsWarper(options["min_p"]))
    return chain


def stage_case(options: dict, logits: torch.Tensor, seen: list[int]) -> dict:
    out = processors(options)(torch.tensor([seen], dtype=torch.long), logits[None].clone())[0].numpy()
    kept = {int(i): float(str(out[i])) for i in np.flatnonzero(np.isfinite(out))}
    return {"options": options, "kept": list(kept), "processed": list(kept.values())}


def stage_sets() -> list[dict]:
    generator = torch.Generator().manual_seed(20)
    seen = [3, 3, 3, 7, 11, 11, 130, 149]
    sets = []
    for spread in (1.0, 4.0):
        # Short decimals, no two the same: of equal logits at the edge, Transformers keeps more than top_k.
        logits = torch.round(torch.randn(VOCAB, generator=generator) * spread * 10000) / 10000
        assert len(logits.unique()) == VOCAB
        cases = []
        for options in (
            {},
            {"temperature": 0.7},
            {"temperature": 1.9},
            {"top_k": 1},
            {"top_k": 3},
            {"top_k": 200},
            {"top_p": 0.1},
            {"top_p": 0.9},
            {"top_p": 0.999},
            {"min_p": 0.05},
            {"min_p": 0.5},
            {"repetition_penalty": 1.3},
            {"repetition_penalty": 0.8},
            {"frequency_penalty": 0.7},
            {"presence_penalty": 1.1},
            {"frequency_penalty": -0.4, "presence_penalty": 0.9},
            {"logit_bias": [[5, 4.5], [9, -3.0], [5, 1.0]]},
            {"temperature": 0.8, "top_k": 40, "top_p": 0.95},
            {"temperature": 1.5, "top_p": 0.8, "min_p": 0.02},
            {"temperature": 1.2, "min_p": 0.1},
            {
                "repetition_penalty": 1.1,
                "frequency_penalty": 0.2,
                "presence_penalty": 0.3,
                "logit_bias": [[17, 2.0]],
                "temperature": 1.1,
                "top_k": 100,
                "top_p": 0.9,
                "min_p": 0.01,
            },
        ):
            cases.append(stage_case(options, logits, seen))
        sets.append({"seen": seen, "logits": [float(str(x)) for x in logits.numpy()], "cases": cases})
    return sets


def splitmix64(seed: int):
    while True:
        seed = (seed + 0x9E3779B97F4A7C15) % 2**64
        z = seed
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        yield z ^ (z >> 31)


def exp2_of(y: np.ndarray) -> np.ndarray:
    f32 = np.float32
    clamped = np.maximum(y, f32(-124))
    shifted = clamped + f32(1.5 * 2**23)
    f = clamped - (shifted - f32(1.5 * 2**23))
    p = np.full_like(f, f32(1.326472715e-3))
    for c in (9.671512674e-3, 5.550733744e-2, 2.402224208e-1, 6.931469776e-1, 1.0):
        p = p * f + f32(c)
    power = (p.view(np.int32) + (shifted.view(np.int32) << 23)).view(f32)
    return np.where(y >= f32(-124), power, f32(0))


def logits_of_draws() -> np.ndarray:
    """As reference_test.cpp makes them: integers hashed, so that both have the same bits."""
    i = np.arange(1000, dtype=np.uint64)
    return ((i * np.uint64(2654435761) % np.uint64(2**32)).astype(np.float64) / 2**32 * 16 - 8).astype(np.float32)


def draws(temperature: float, seed: int, n: int) -> list[int]:
    logits = logits_of_draws()
    scale = np.float32(1.4426950408889634 / np.float64(np.float32(temperature)))
    weights = exp2_of((logits - logits.max()) * scale)
    padded = np.zeros(-(-len(weights) // 128) * 128, dtype=np.float32)
    padded[: len(weights)] = weights
    sums = []
    for block in padded.reshape(-1, 8, 16):
        lanes = np.zeros(16, dtype=np.float32)
        for row in block:
            lanes = lanes + row
        total = np.float32(0)
        for lane in lanes:
            total = total + lane
        sums.append(float(total))
    numbers, tokens = splitmix64(seed), []
    for _ in range(n):
        left = (next(numbers) >> 11) / 2**53 * sum(sums)
        block = 0
        while block + 1 < len(sums) and left >= sums[block]:
            left -= sums[block]
            block += 1
        token = block * 128
        while left >= float(padded[token]):
            left -= float(padded[token])
            token += 1
        tokens.append(token)
    return tokens


def main() -> None:
    goldens = {
        "sets": stage_sets(),
        "draws": [
            {"temperature": t, "seed": s, "tokens": draws(t, s, 60)} for t, s in ((1.0, 1), (0.3, 2), (2.5, 2**63 + 5))
        ],
    }
    text = json.dumps(goldens, separators=(",", ":")).replace('{"options"', '\n{"options"')
    Path(__file__).with_name("goldens.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
