"""weft's models in EleutherAI's lm-evaluation-harness, as the model type "weft".

    python -m weft.lm_eval --model weft --model_args pretrained=model.pt2 --tasks arc_easy --limit 100

    results = lm_eval.simple_evaluate(model=weft.lm_eval.WeftLM(pretrained="model.pt2"), tasks=["arc_easy"])

Needs the package lm_eval, which weft doesn't install.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from weft import _native
from weft.errors import Error
from weft.model import Model, load

try:
    from lm_eval import utils
    from lm_eval.api.model import TemplateLM
    from lm_eval.api.registry import register_model
except ImportError as missing:
    raise Error("not_found", "the package lm_eval is not installed", "weft.lm_eval", "pip install lm_eval") from missing

_ROWS = 128  # of logits at a time


@register_model("weft")
class WeftLM(TemplateLM):
    """A .pte or .pt2 file, or a loaded weft.Model, as the harness asks for it.

    max_length: tokens of a context and its continuation, counted from the end; None: all that the model holds.
    """

    def __init__(
        self,
        pretrained: str | os.PathLike[str] | Model,
        *,
        threads: int | str = 0,
        max_length: int | str | None = None,
        max_gen_toks: int | str = 256,
        batch_size: Any = 1,  # the harness passes these two to every model
        device: Any = None,
    ) -> None:
        super().__init__()
        self.model = pretrained if isinstance(pretrained, Model) else load(pretrained, threads=int(threads))
        self.max_length = min(int(max_length or self.model.max_context), self.model.max_context)
        self.max_gen_toks = int(max_gen_toks)

    @property
    def eot_token_id(self) -> int:
        return self.model.defaults.stop_tokens[0]

    @property
    def prefix_token_id(self) -> int:
        bos = self.model.defaults.bos_token
        return self.eot_token_id if bos is None else bos

    @property
    def tokenizer_name(self) -> str:
        return self.model.info.name

    def chat_template(self, chat_template: bool | str = False) -> str:
        return self.model.chat_template.source if chat_template and self.model.chat_template is not None else ""

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        if self.model.chat_template is None:
            raise Error("unsupported", "has no chat template", self.model.path, "leave --apply_chat_template out")
        parts = self.model.chat_template.render(chat_history, add_generation_prompt=add_generation_prompt)
        return "".join(part.text for part in parts)

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
        # The harness hands over what a chat template wrote as one string: control tokens are read.
        ids = self.model.tokenizer.encode(string, specials=_native.Specials.AS_TOKENS).tolist()
        defaults = self.model.defaults
        wants_bos = defaults.add_bos if add_special_tokens is None else add_special_tokens
        bos = [defaults.bos_token] if wants_bos and defaults.bos_token is not None else []
        return bos + ids if ids[: len(bos)] != bos else ids

    def _loglikelihood_tokens(
        self, requests: Sequence[tuple[Any, list[int], list[int]]], disable_tqdm: bool = False, **_: Any
    ) -> list[tuple[float, bool]]:
        answers = []
        # Neighbours often share their context: its cache is kept as far as the next one agrees with it.
        cache, held = self.model.new_cache(), []
        for _key, context, continuation in self._with_progress(requests, disable_tqdm):
            tokens = (context + continuation)[-self.max_length - 1 :]
            n_scored = min(len(continuation), len(tokens) - 1)
            fed, first = tokens[:-1], len(tokens) - 1 - n_scored  # row `first` predicts the first scored token
            shared = min(_common(held, fed), first)
            cache.truncate(shared)
            if first > shared:
                self.model.forward(cache, fed[shared:first])
            total, greedy = 0.0, True
            for start in range(first, len(fed), _ROWS):
                part = fed[start : start + _ROWS]
                logits = self.model.forward(cache, part, rows=_native.LogitRows.ALL).astype(np.float64)
                wanted = np.array(tokens[start + 1 : start + 1 + len(part)])
                largest = logits.max(axis=1)
                picked = logits[np.arange(len(part)), wanted]
                total += float((picked - largest - np.log(np.exp(logits - largest[:, None]).sum(axis=1))).sum())
                greedy = greedy and bool((logits.argmax(axis=1) == wanted).all())
            held = fed
            answers.append((total, greedy))
        return answers

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
        answers = []
        for request in self._with_progress(requests, disable_tqdm):
            windows = utils.get_rolling_token_windows(
                token_list=self.tok_encode(request.args[0]),
                prefix_token=self.prefix_token_id,
                max_seq_len=self.max_length,
                context_len=1,
            )
            pairs = [(None, *utils.make_disjoint_window(window)) for window in windows]
            answers.append(sum(total for total, _ in self._loglikelihood_tokens(pairs, disable_tqdm=True)))
        return answers

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        pipeline = _native.CompletionPipeline(self.model)
        answers = []
        for request in self._with_progress(requests, disable_tqdm):
            text, settings = request.args
            until = settings.get("until") or []
            until = [until] if isinstance(until, str) else list(until)
            n_tokens = int(settings.get("max_gen_toks", self.max_gen_toks))
            prompt = self.tok_encode(text)[-max(1, self.max_length - n_tokens) :]
            sample = bool(settings.get("do_sample", False)) and float(settings.get("temperature", 1.0)) > 0
            sampling = _native.SamplingOptions(
                temperature=float(settings.get("temperature", 1.0)) if sample else 0.0,
                top_p=float(settings.get("top_p", 1.0)),
                top_k=int(settings.get("top_k", 0)),
            )
            result = pipeline.generate(prompt, max_tokens=n_tokens, sampling=sampling, stop=[stop for stop in until if stop])
            answers.append(result.text)
        return answers

    def _with_progress(self, requests: Sequence[Any], quiet: bool) -> Any:
        from tqdm import tqdm

        return tqdm(requests, disable=quiet, desc=f"weft {self.model.info.name}")


def _common(one: list[int], other: list[int]) -> int:
    """How many tokens both begin with."""
    n = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        n += 1
    return n


if __name__ == "__main__":
    # Through the imported module: as __main__, the class would be registered a second time.
    import weft.lm_eval  # noqa: F401
    from lm_eval.__main__ import cli_evaluate

    cli_evaluate()
