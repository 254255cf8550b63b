"""weft::tokenizer equals Hugging Face's tokenizers on files of random components (random_files.py).

WEFT_TOKENIZER_FILES=5000 python -m pytest tests/tokenizer/test_random_files.py tries that many; WEFT_TOKENIZER_SEED is the
first one's seed.
"""

from __future__ import annotations

import json
import os
import random

import corpus
import pytest
import random_files
from test_hf_equality import encode_batch, fields_of
from tokenizers import Tokenizer

FILES = int(os.environ.get("WEFT_TOKENIZER_FILES", "60"))
FIRST = int(os.environ.get("WEFT_TOKENIZER_SEED", "1"))
GROUP = 20  # files for each test
FIXED = ["", " ", "a", "hello world", " Hello, the World's 123 ab  12é字\n", "<s>the</s>[UNK] \t[MASK]he llo", "ABC  def\u00a0g\u0301 \ufb01 ½ 😀", "a\0b"]


def attempt(call, *arguments, **options):
    """What the reference gives; None where it panics, or says that it can't."""
    try:
        return call(*arguments, **options)
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        return None


def differences(ask, path, seed):
    """Lines that say where weft's answer for the seed's file is another one."""
    path.write_text(random_files.make(seed), encoding="utf-8")
    reference = Tokenizer.from_file(str(path))
    padding, truncation = reference.padding, reference.truncation
    rng = random.Random(seed)
    contents = [token.content for token in reference.get_added_tokens_decoder().values()]
    texts = FIXED + corpus.random_texts(seed, 25, contents) + rng.sample(corpus.torture(), 15)
    pairs = [(text, None) for text in texts] + list(zip(texts[3:9], texts[5:11], strict=True))
    questions, expected = [], []

    def expect(question, want):
        questions.append(question)
        expected.append(want)

    def expect_encodings(options):
        for pair in pairs:
            given = pair[0] if pair[1] is None else pair
            (want,) = attempt(encode_batch, reference, [given], True) or [None]
            # (Of a template that has only the second text, nothing says so.)
            fields = None if want is None else attempt(fields_of, want, *(text for text in pair if text is not None))
            parts = [None if text is None else [[text, "tokens"]] for text in pair]
            expect({"encoding": parts, "options": options}, fields)

    if padding or truncation:
        expect_encodings({"as_file_says": True})
        reference.no_padding()
        reference.no_truncation()
    expect_encodings({})
    size = reference.get_vocab_size()
    for text in texts:
        encoding = attempt(encode_batch, reference, [text], False)
        ids = encoding[0].ids if encoding and encoding[0] else [rng.randrange(size) for _ in range(8)]
        for name, skips in (("tokens", False), ("text", True)):
            expect({"decode": ids, "specials": name}, attempt(reference.decode, ids, skip_special_tokens=skips))
    answers = ask(path, questions)
    for question, want, got in zip(questions, expected, answers, strict=True):
        if want is None:
            continue
        if isinstance(got, dict) and "error" in got:
            yield f"seed {seed}: {question!a}: {got['error']}"
        elif isinstance(want, dict):
            for field, value in want.items():
                if got[field] != value:
                    yield f"seed {seed}: {field} for {question!a}: {got[field]!a}, not {value!a}"
                    break
        elif got != want:
            yield f"seed {seed}: {question!a}: {got!a}, not {want!a}"


@pytest.mark.parametrize("start", range(FIRST, FIRST + FILES, GROUP))
def test_random_components(ask, tmp_path, start):
    for seed in range(start, start + GROUP):
        try:
            found = next(differences(ask, tmp_path / "tokenizer.json", seed), None)
        except AssertionError as error:
            found = f"seed {seed}: {error}"
        if found is not None:
            parts = json.loads((tmp_path / "tokenizer.json").read_text())
            parts["model"] = {key: value for key, value in parts["model"].items() if key not in ("vocab", "merges")}
            pytest.fail(f"{found[:1500]}\n{json.dumps(parts)[:3000]}")
