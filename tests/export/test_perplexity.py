"""weft eval gives the perplexity that Transformers gives, on both backends."""

import numpy as np
import pytest
import torch
from built import ENDINGS
from tiny_models import tiny_model, tiny_tokenizer

from weft.export.perplexity import eager_perplexity, file_perplexity

TEXT = "hello world, the quick brown fox jumps over the lazy dog. System: naïve users ask the assistant. 你好! " * 12


@torch.no_grad()
def transformers_perplexity(model, ids, max_length, stride):
    """As Transformers' documentation measures models of fixed length, loss and labels and all."""
    encodings = torch.tensor([ids])
    nll_sum, n_tokens, previous_end = 0.0, 0, 0
    for begin in range(0, encodings.size(1), stride):
        end = min(begin + max_length, encodings.size(1))
        target_length = end - previous_end
        input_ids = encodings[:, begin:end]
        target_ids = input_ids.clone()
        target_ids[:, :-target_length] = -100
        n_loss = int((target_ids[:, 1:] != -100).sum())
        if n_loss:
            nll_sum += model(input_ids, labels=target_ids).loss.double().item() * n_loss
            n_tokens += n_loss
        previous_end = end
        if end == encodings.size(1):
            break
    return float(np.exp(nll_sum / n_tokens)), n_tokens


@pytest.fixture(scope="module")
def text_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def ids():
    return tiny_tokenizer().encode(TEXT, add_special_tokens=False)


WINDOWS = [(64, 32), (100, 100), (300, 77)]


@pytest.mark.parametrize("backend", ENDINGS)
def test_a_file_has_the_perplexity_of_the_transformers_model(weft_bin, exported, text_file, ids, backend):
    for context, stride in WINDOWS:
        expected, n_tokens = transformers_perplexity(tiny_model("llama"), ids, context, stride)
        result = file_perplexity(exported("llama", backend), text_file, "--context", str(context), "--stride", str(stride))
        assert result["tokens"] == n_tokens
        assert result["perplexity"] == pytest.approx(expected, rel=1e-5)
        assert result["backend"] == backend


def test_the_exporters_own_measure_is_the_same(ids):
    for context, stride in WINDOWS:
        expected, _ = transformers_perplexity(tiny_model("llama"), ids, context, stride)
        assert eager_perplexity(tiny_model("llama"), ids, context, stride) == pytest.approx(expected, rel=1e-6)
