"""Lets a Transformers user try weft's tokenizer with one line."""

from __future__ import annotations

import copy
import os
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerFast

from weft._native import Padding, Side, Specials, Tokenizer, Truncation, TruncationStrategy, encode_batch
from weft.errors import Error

_STRATEGIES = {
    "longest_first": TruncationStrategy.LONGEST_FIRST,
    "only_first": TruncationStrategy.ONLY_FIRST,
    "only_second": TruncationStrategy.ONLY_SECOND,
}
_SIDES = {"left": Side.LEFT, "right": Side.RIGHT}


def transformers_tokenizer(source: str | os.PathLike[str] | PreTrainedTokenizerFast, **options: Any) -> PreTrainedTokenizerFast:
    """A Transformers tokenizer that encodes and decodes with weft; used as any other.

        tokenizer = weft.transformers_tokenizer("path/to/checkpoint")
        tokenizer(["Hello", "world"], padding=True, return_tensors="pt")

    `source` is what `AutoTokenizer.from_pretrained` takes, which also gets `options`; or a tokenizer, which stays as it is.
    Templates, tensors, names of special tokens and the like stay Transformers' own. Texts that come as lists of words are
    left to the library that the tokenizer was loaded with.

    Raises weft.Error (NOT_FOUND) if there is none, (UNSUPPORTED) if it isn't one that is read from a `tokenizer.json` ("fast").
    """
    tokenizer = _load(source, options) if isinstance(source, (str, os.PathLike)) else copy.deepcopy(source)
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise Error("unsupported", f"{type(tokenizer).__name__} has no tokenizer.json", "tokenizer", "load it with weft.Tokenizer.load() instead")
    tokenizer._tokenizer = _Backend(tokenizer._tokenizer)
    return tokenizer


def _load(source: str | os.PathLike[str], options: dict[str, Any]) -> Any:
    try:
        return AutoTokenizer.from_pretrained(source, **options)
    except (OSError, ValueError) as error:  # Transformers' own for a path or a hub id that holds no tokenizer
        fix = "give a checkpoint's folder, a hub id, or a loaded tokenizer; of a model file, weft.Tokenizer.load() reads it"
        raise Error("not_found", f"Transformers finds no tokenizer there: {str(error).splitlines()[0]}", str(source), fix) from error


class _Encoding:
    """What Transformers asks of an encoding of `tokenizers`. Offsets are in characters."""

    def __init__(self, encoding: Any, texts: tuple[str, ...], backend: _Backend) -> None:
        self._encoding, self._texts, self._backend = encoding, texts, backend
        self.ids = encoding.ids.tolist()
        self.type_ids = encoding.type_ids.tolist()
        self.attention_mask = encoding.attention_mask.tolist()
        self.special_tokens_mask = encoding.specials_mask.tolist()
        self.n_sequences = len(texts)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def tokens(self) -> list[str]:
        return [self._backend.id_to_token(id) for id in self.ids]

    @property
    def word_ids(self) -> list[int | None]:
        return [None if word < 0 else word for word in self._encoding.words.tolist()]

    words = word_ids

    @property
    def sequence_ids(self) -> list[int | None]:
        """Which text each token is of; the second one's tokens come behind the first one's, words count from 0 again."""
        result: list[int | None] = []
        sequence, last = 0, -1
        for word, special, type_id in zip(self.word_ids, self.special_tokens_mask, self.type_ids, strict=True):
            if special:
                result.append(None)
                if last >= 0:
                    sequence, last = min(self.n_sequences - 1, 1), -1
                continue
            if self.n_sequences == 2 and sequence == 0 and (type_id == 1 or (word is not None and word < last)):
                sequence = 1
            last = 0 if word is None else word
            result.append(sequence)
        return result

    @property
    def offsets(self) -> list[tuple[int, int]]:
        places = [_characters(text) for text in self._texts]
        return [
            (0, 0) if sequence is None else (places[sequence][begin], places[sequence][end])
            for sequence, (begin, end) in zip(self.sequence_ids, self._encoding.offsets.tolist(), strict=True)
        ]

    @property
    def overflowing(self) -> list[_Encoding]:
        return [_Encoding(part, self._texts, self._backend) for part in self._encoding.overflowing]

    def char_to_token(self, position: int, sequence_index: int = 0) -> int | None:
        for index, (sequence, (begin, end)) in enumerate(zip(self.sequence_ids, self.offsets, strict=True)):
            if sequence == sequence_index and begin <= position < end:
                return index
        return None

    def token_to_chars(self, index: int) -> tuple[int, int] | None:
        return None if self.sequence_ids[index] is None else self.offsets[index]

    def token_to_word(self, index: int) -> int | None:
        return self.word_ids[index]

    def token_to_sequence(self, index: int) -> int | None:
        return self.sequence_ids[index]


def _characters(text: str) -> list[int]:
    """The number of the character of each byte of `text` in UTF-8, and of its end."""
    numbers = [number for number, character in enumerate(text) for _ in character.encode(errors="surrogatepass")]
    return [*numbers, len(text)]


class _Backend:
    """Stands where Transformers has a `tokenizers.Tokenizer`; what isn't about texts and ids is asked from that."""

    def __init__(self, original: Any) -> None:
        self.__dict__["_original"] = original
        self.__dict__["_state"] = None

    def __getattr__(self, name: str) -> Any:
        if name in ("_original", "_state"):  # not yet there while it is being copied
            raise AttributeError(name)
        return getattr(self._original, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "encode_special_tokens":  # is no part of the file
            self.__dict__["_state"] = None
        setattr(self._original, name, value)

    def __deepcopy__(self, memo: dict[int, Any]) -> _Backend:
        return _Backend(copy.deepcopy(self._original, memo))

    def __reduce__(self) -> Any:
        return _Backend, (self._original,)

    @property
    def weft(self) -> Tokenizer:
        """weft's tokenizer of the present state."""
        if self._state is None:
            self.__dict__["_state"] = Tokenizer.parse(self._original.to_str().encode(), name="tokenizer.json")
        return self._state

    def add_tokens(self, tokens: Any) -> int:
        self.__dict__["_state"] = None
        return self._original.add_tokens(tokens)

    def add_special_tokens(self, tokens: Any) -> int:
        self.__dict__["_state"] = None
        return self._original.add_special_tokens(tokens)

    def _specials(self) -> Specials:
        return Specials.AS_TEXT if self._original.encode_special_tokens else Specials.AS_TOKENS

    def encode_batch(self, inputs: list[Any], add_special_tokens: bool = True, is_pretokenized: bool = False) -> list[Any]:
        pairs = [isinstance(text, (tuple, list)) for text in inputs]
        if is_pretokenized or not all(isinstance(part, str) for text in inputs for part in ([text] if isinstance(text, str) else text)):
            return self._original.encode_batch(inputs, add_special_tokens=add_special_tokens, is_pretokenized=is_pretokenized)
        if any(pairs) and not all(pairs):
            encoded = [self.encode_batch([text], add_special_tokens) for text in inputs]
            return [encodings[0] for encodings in encoded]
        firsts = [text[0] for text in inputs] if any(pairs) else list(inputs)
        seconds = [text[1] for text in inputs] if any(pairs) else None
        wanted, filled = self._original.truncation, self._original.padding
        encodings = encode_batch(
            self.weft,
            firsts,
            seconds,
            specials=self._specials(),
            add_special_tokens=add_special_tokens,
            truncation=wanted and Truncation(wanted["max_length"], stride=wanted["stride"], strategy=_STRATEGIES[wanted["strategy"]], side=_SIDES[wanted["direction"]]),
            padding=filled and Padding(filled["length"] or 0, multiple_of=filled["pad_to_multiple_of"] or 0, side=_SIDES[filled["direction"]], id=filled["pad_id"], type_id=filled["pad_type_id"]),
        )
        texts = zip(firsts, seconds, strict=True) if seconds is not None else ((text,) for text in firsts)
        return [_Encoding(encoding, tuple(given), self) for encoding, given in zip(encodings, texts, strict=True)]

    def encode(self, text: str, pair: str | None = None, is_pretokenized: bool = False, add_special_tokens: bool = True) -> Any:
        return self.encode_batch([text if pair is None else (text, pair)], add_special_tokens, is_pretokenized)[0]

    def decode(self, ids: Any, skip_special_tokens: bool = True) -> str:
        return self.weft.decode(ids, specials=Specials.AS_TEXT if skip_special_tokens else Specials.AS_TOKENS)

    def decode_batch(self, sequences: list[Any], skip_special_tokens: bool = True) -> list[str]:
        return [self.decode(ids, skip_special_tokens) for ids in sequences]
