"""Holds a written file against the eager model: the very program that a user runs reads the file and gives its logits."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch

from weft.errors import Error
from weft.installation import find_program

# Of the largest absolute logit. XNNPACK sums in another order than eager PyTorch; measured: 2e-6 on fp32 models of 30 layers.
_TOLERANCE = {"float32": 5e-4, "bfloat16": 5e-2, "float16": 1e-2}

# A prompt that is prefilled in two chunks and then decoded token by token, so that the caches are used in every way.
_CHUNKS = (17, 20, 1, 1, 1)


def _token_ids(vocab_size: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, vocab_size, (1, sum(_CHUNKS)), generator=generator)


@torch.no_grad()
def eager_logits(model) -> np.ndarray:
    """f32 [tokens, V] of the check's tokens, by the model as Transformers runs it, without any cache."""
    vocab_size = model.get_output_embeddings().weight.shape[0]
    return model(input_ids=_token_ids(vocab_size), use_cache=False).logits[0].float().numpy()


def file_logits(path: Path, chunks: list[list[int]], vocab_size: int) -> np.ndarray:
    """f32 [tokens, V]: the file's logits for the chunks, fed one after another into one cache."""
    with tempfile.TemporaryDirectory(prefix="weft-check-") as folder:
        tokens, logits = Path(folder, "tokens.json"), Path(folder, "logits.f32")
        tokens.write_text(json.dumps(chunks))
        command = [str(find_program()), "logits", str(path), "--tokens", str(tokens), "-o", str(logits)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Error("backend", f"the written file does not run: {done.stderr.strip()}", str(path), "report the model")
        return np.fromfile(logits, dtype="<f4").reshape(-1, vocab_size)


def compare(path: Path, reference: np.ndarray, *, dtype: str) -> float:
    """The largest absolute difference of a logit; raises weft.Error if that is more than rounding explains."""
    ids = _token_ids(reference.shape[1])[0].tolist()
    chunks, start = [], 0
    for n in _CHUNKS:
        chunks.append(ids[start : start + n])
        start += n
    logits = file_logits(path, chunks, reference.shape[1])
    difference = float(np.abs(logits - reference).max()) if np.isfinite(logits).all() else float("inf")
    allowed = _TOLERANCE[dtype] * float(np.abs(reference).max())
    if logits.shape != reference.shape or not difference <= allowed:
        raise Error(
            "internal",
            f"the written file's logits differ from the eager model's by {difference:.2g}, more than the {allowed:.2g} of rounding",
            str(path),
            "export with --no-passes, and report the model",
        )
    return difference
