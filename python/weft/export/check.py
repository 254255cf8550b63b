"""Holds a written file against the eager model: the very program that a user runs reads the file and gives its logits."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch

from weft.errors import Error
from weft.export.program import vocabulary_size
from weft.installation import find_program

# Of the largest absolute logit. XNNPACK sums in another order than eager PyTorch; measured: 2e-6 on fp32 models of 30 layers.
_TOLERANCE = {"float32": 5e-4, "bfloat16": 5e-2, "float16": 1e-2}

# In nats. Measured: 8e-4 for models of random weights, quantised to 4 and to 8 bits.
_ROUNDED_DIVERGENCE = 0.05

# A prompt that is prefilled in two chunks and then decoded token by token, so that the caches are used in every way.
_CHUNKS = (17, 20, 1, 1, 1)


def token_ids(vocab_size: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, vocab_size, (1, sum(_CHUNKS)), generator=generator)


@torch.no_grad()
def eager_logits(model) -> np.ndarray:
    """f32 [tokens, V] of the check's tokens, by the model as Transformers runs it, without any cache."""
    return model(input_ids=token_ids(vocabulary_size(model)), use_cache=False).logits[0].float().numpy()


def file_logits(path: Path, chunks: list[list[int]], vocab_size: int, *options: str) -> np.ndarray:
    """f32 [tokens, V]: the file's logits for the chunks, fed one after another into one cache. options: of `weft logits`."""
    with tempfile.TemporaryDirectory(prefix="weft-check-") as folder:
        tokens, logits = Path(folder, "tokens.json"), Path(folder, "logits.f32")
        tokens.write_text(json.dumps(chunks))
        command = [str(find_program()), "logits", str(path), "--tokens", str(tokens), "-o", str(logits), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Error("backend", f"the written file does not run: {done.stderr.strip()}", str(path), "report the model")
        return np.fromfile(logits, dtype="<f4").reshape(-1, vocab_size)


def compare(path: Path, reference: np.ndarray, *, dtype: str, rounded: bool) -> float:
    """The largest absolute difference of a logit; raises weft.Error if that is more than rounding explains.

    rounded: the file's caches and perhaps its linears round what they take. Then it is held against the reference twice: with that left
    out, as strictly as any other file, so that every weight and operator counts; and as users will run it, where
    the two distributions must be close in the mean over the tokens, since a single logit may well move.
    """
    ids = token_ids(reference.shape[1])[0].tolist()
    chunks, start = [], 0
    for n in _CHUNKS:
        chunks.append(ids[start : start + n])
        start += n
    logits = file_logits(path, chunks, reference.shape[1], *(("--float-activations",) if rounded else ()))
    difference = float(np.abs(logits - reference).max()) if np.isfinite(logits).all() else float("inf")
    allowed = _TOLERANCE[dtype] * float(np.abs(reference).max())
    if logits.shape != reference.shape or not difference <= allowed:
        raise Error(
            "internal",
            f"the written file's logits differ from the eager model's by {difference:.2g}, more than the {allowed:.2g} of rounding",
            str(path),
            "export with --no-passes, and report the model",
        )
    if rounded:
        divergence = _divergence(reference, file_logits(path, chunks, reference.shape[1]))
        if not divergence <= _ROUNDED_DIVERGENCE:
            raise Error(
                "internal",
                f"with rounded activations and caches the next token's distribution moves by {divergence:.2g} (mean KL divergence), "
                f"more than the {_ROUNDED_DIVERGENCE} of rounding",
                str(path),
                "export with --activations float32",
            )
    return difference


def _divergence(reference: np.ndarray, logits: np.ndarray) -> float:
    """Mean over the tokens of the KL divergence, in nats, of the distributions that logits [tokens, V] stand for."""
    if logits.shape != reference.shape or not np.isfinite(logits).all():
        return float("inf")
    expected, actual = (torch.log_softmax(torch.from_numpy(values).double(), -1) for values in (reference, logits))
    return float((expected.exp() * (expected - actual)).sum(-1).mean())
