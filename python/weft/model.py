"""A loaded model with the calls of a Transformers model: `generate` and `logits`.

    model = weft.load("model.pt2")
    ids = tokenizer("The capital of France is", return_tensors="pt").input_ids
    model.generate(ids, max_new_tokens=20, do_sample=False)

B sequences, T tokens, V the vocabulary's size.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from weft import _native
from weft.errors import Error

_SAMPLING = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")


def load(path: str | os.PathLike[str], *, threads: int = 0, max_context: int = 0, cache_type: str | None = None) -> Model:
    """Loads a .pte or .pt2 file, or the folder that holds one.

    threads: that compute; 0: one for each physical core.
    max_context: fewer tokens than the model allows, to save memory; 0: as many as it allows.
    cache_type: how keys and values are kept: "float32", "float16", "bfloat16", "int8"; None: as the file says.
    Raises weft.Error (not_found, io, corrupt, unsupported, too_large, backend).
    """
    return Model(path, threads=threads, max_context=max_context, cache_type=cache_type)


class Model(_native.Model):
    """One loaded model file: its weights, tokenizer, chat template and defaults. Threads may share it; calls take turns."""

    export_result: Any = None  # of weft.export(), which made the file

    def logits(self, input_ids: Any) -> Any:
        """f32 [T, V] for ids [T], or f32 [B, T, V] for ids [B, T]: the logits that follow each token, from an empty cache.

        A torch tensor gives a torch tensor, all else a NumPy array.
        """
        rows, batched = _read_ids(input_ids)
        answers = [self.forward(self.new_cache(), row, rows=_native.LogitRows.ALL) for row in rows]
        out = np.stack(answers) if batched else answers[0]
        return _like(input_ids, out)

    def generate(
        self,
        input_ids: Any,
        *,
        attention_mask: Any = None,
        generation_config: Any = None,
        max_new_tokens: int | None = None,
        max_length: int | None = None,
        do_sample: bool | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        repetition_penalty: float | None = None,
        eos_token_id: int | Sequence[int] | None = None,
        pad_token_id: int | None = None,
        seed: int | None = None,
        streamer: Any = None,
        logits_processor: Iterable[Callable[[Any, Any], Any]] = (),
        stopping_criteria: Iterable[Callable[[Any, Any], Any]] = (),
    ) -> Any:
        """Continues each sequence; the names are those of Transformers' `generate`.

        input_ids: [T] or [B, T], padded on the left where `attention_mask` ([B, T]) is 0. A torch tensor gives a torch tensor,
            all else a NumPy array: i64 [T + N] or [B, T + N], where a sequence that ended early is filled with `pad_token_id`.
        do_sample: None is as the model's makers advise; False takes the likeliest token, whatever the other options say.
        max_new_tokens: None, with max_length None too, is as many as the context holds.
        eos_token_id: what ends a sequence; None: the model's own stop tokens; an empty list: nothing.
        seed: of sequence 0; sequence i has seed + i. None: drawn from the system.
        streamer: its `put` gets the prompt and each token, for one sequence, then its `end` is called.
        logits_processor, stopping_criteria: called with torch tensors, as in Transformers.

        Raises weft.Error: context_full if a prompt leaves no room for a token, invalid_argument.
        """

        def option(value: Any, name: str) -> Any:
            return value if value is not None else getattr(generation_config, name, None)

        rows, batched = _read_ids(input_ids)
        prompts = _without_padding(rows, attention_mask)
        if streamer is not None and len(rows) != 1:
            raise Error("invalid_argument", f"there are {len(rows)} sequences", "streamer", "stream one sequence at a time")
        values = {name: option(value, name) for name, value in zip(_SAMPLING, (temperature, top_k, top_p, min_p, repetition_penalty), strict=True)}
        sampling = self._sampling(option(do_sample, "do_sample"), values)
        stops = option(eos_token_id, "eos_token_id")
        stop_tokens = set(self.defaults.stop_tokens if stops is None else [stops] if isinstance(stops, int) else stops)
        pad = option(pad_token_id, "pad_token_id")
        pad = pad if pad is not None else min(stop_tokens, default=0)
        limit = self._new_tokens(prompts, rows, option(max_new_tokens, "max_new_tokens"), option(max_length, "max_length"))

        state = _Generation(prompts, [_make_sampler(sampling, seed, i) for i in range(len(rows))])
        processors, criteria = list(logits_processor), list(stopping_criteria)
        columns = np.array(rows, dtype=np.int64)
        if streamer is not None:
            streamer.put(_to_torch(columns))
        for _ in range(limit):
            steps = [(state.caches(self)[i], state.pending[i]) for i in state.running]
            scores = self.forward_batch(steps)
            if processors:
                scores = _process(processors, columns[state.running], scores)
            tokens = np.full(len(rows), pad, dtype=np.int64)
            for i, row in zip(state.running, scores, strict=True):
                tokens[i] = state.take(i, row)
            columns = np.concatenate([columns, tokens[:, None]], axis=1)
            if streamer is not None:
                streamer.put(_to_torch(tokens))
            stopped = _stopped(criteria, columns, scores)
            state.running = [i for i in state.running if int(tokens[i]) not in stop_tokens and not stopped[i]]
            if not state.running:
                break
        if streamer is not None:
            streamer.end()
        return _like(input_ids, columns if batched else columns[0])

    def _sampling(self, do_sample: bool | None, wanted: dict[str, Any]) -> dict[str, Any]:
        advised = self.defaults.sampling
        if do_sample is None:
            do_sample = advised.temperature > 0
        # What the makers advise for sampling, or Transformers' own defaults where they advise to be greedy.
        usual = (
            {name: getattr(advised, name) for name in _SAMPLING}
            if advised.temperature > 0
            else {"temperature": 1.0, "top_k": 50, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": advised.repetition_penalty}
        )
        chosen = usual | {name: value for name, value in wanted.items() if value is not None}
        return chosen if do_sample else {"temperature": 0.0, "repetition_penalty": chosen["repetition_penalty"]}

    def _new_tokens(self, prompts: list[np.ndarray], rows: list[np.ndarray], new: int | None, length: int | None) -> int:
        room = self.max_context - max(len(prompt) for prompt in prompts) + 1  # the last token sampled is never fed
        if room < 1:
            longest = max(len(prompt) for prompt in prompts)
            raise Error(
                "context_full",
                f"a prompt of {longest} tokens leaves no room in a context of {self.max_context}",
                "input_ids",
                "shorten it, or export with a larger max_context",
            )
        wanted = new if new is not None else room if length is None else length - len(rows[0])
        if wanted < 0 or (new is not None and new < 1):
            raise Error("invalid_argument", f"{wanted} tokens are to be made", "max_new_tokens", "ask for at least one")
        return min(wanted, room)


class _Generation:
    """B sequences on their way."""

    def __init__(self, prompts: list[np.ndarray], samplers: list[_native.Sampler]) -> None:
        self.pending = list(prompts)  # what each sequence's cache has yet to read
        self.running = list(range(len(prompts)))
        self._samplers = samplers
        self._caches: list[_native.Cache] = []
        for prompt, sampler in zip(prompts, samplers, strict=True):
            for token in prompt.tolist():
                sampler.accept(token)

    def caches(self, model: Model) -> list[_native.Cache]:
        if not self._caches:
            self._caches = [model.new_cache() for _ in self.pending]
        return self._caches

    def take(self, i: int, row: np.ndarray) -> int:
        token = self._samplers[i].sample(row)
        self._samplers[i].accept(token)
        self.pending[i] = np.array([token], dtype=np.int32)
        return token


def _make_sampler(sampling: dict[str, Any], seed: int | None, i: int) -> _native.Sampler:
    return _native.make_sampler(_native.SamplingOptions(**sampling, seed=None if seed is None else seed + i))


def _read_ids(input_ids: Any) -> tuple[list[np.ndarray], bool]:
    """The rows of [T] or [B, T], and which of the two it was."""
    ids = np.asarray(input_ids)
    if ids.ndim not in (1, 2) or ids.size == 0 or ids.dtype.kind not in "iu":
        message = f"is {ids.dtype} {list(ids.shape)}"
        raise Error("invalid_argument", message, "input_ids", "give token ids as whole numbers [tokens] or [sequences, tokens]")
    return list(np.atleast_2d(ids)), ids.ndim == 2


def _without_padding(rows: list[np.ndarray], attention_mask: Any) -> list[np.ndarray]:
    if attention_mask is None:
        return rows
    mask = np.atleast_2d(np.asarray(attention_mask)).astype(bool)
    shape = (len(rows), len(rows[0]))
    left = mask.shape == shape and bool((np.diff(mask.astype(np.int8), axis=1) >= 0).all() and mask[:, -1].all())
    if not left:
        fix = f"give {list(shape)} with the zeros on the left of each row: tokenizer.padding_side = 'left'"
        raise Error("invalid_argument", f"is {list(mask.shape)}, or its zeros are not on the left", "attention_mask", fix)
    return [row[keep] for row, keep in zip(rows, mask, strict=True)]


def _is_torch(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _to_torch(array: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(array))


def _like(given: Any, array: np.ndarray) -> Any:
    return _to_torch(array) if _is_torch(given) else array


def _process(processors: list[Callable[[Any, Any], Any]], columns: np.ndarray, scores: np.ndarray) -> np.ndarray:
    ids, tensor = _to_torch(columns), _to_torch(scores)
    for processor in processors:
        tensor = processor(ids, tensor)
    return np.ascontiguousarray(tensor.float().numpy())


def _stopped(criteria: list[Callable[[Any, Any], Any]], columns: np.ndarray, scores: np.ndarray) -> np.ndarray:
    stopped = np.zeros(len(columns), dtype=bool)
    for criterion in criteria:
        stopped |= np.broadcast_to(np.asarray(criterion(_to_torch(columns), _to_torch(scores))), stopped.shape)
    return stopped
