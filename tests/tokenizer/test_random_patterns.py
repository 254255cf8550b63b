"""Random regular expressions (random_patterns.py) split as they do for tokenizers (Oniguruma) and for tiktoken (fancy-regex).

WEFT_TOKENIZER_FILES=5000 python -m pytest tests/tokenizer/test_random_patterns.py tries that many of each; WEFT_TOKENIZER_SEED is the
first one's seed. What weft names as not supported is left out; what it reads although the reference doesn't is not looked at.
"""

from __future__ import annotations

import base64
import json
import random

import corpus
import pytest
import random_patterns
from test_random_files import FILES, FIRST, GROUP, attempt
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

FIXED = ["a", "aab 12 é字\n\n x'S", "Hello world's  123,456\r\n ABC_def  ", " a b\tc ", "éé字字 ǅ ß ſs 'S"]
BEHAVIORS = {
    "isolated": "Isolated",
    "removed": "Removed",
    "merged_with_previous": "MergedWithPrevious",
    "merged_with_next": "MergedWithNext",
    "contiguous": "Contiguous",
}


def texts_for(seed):
    texts = FIXED + corpus.random_texts(seed, 14, ["ab", "12 ", "\n"]) + random.Random(seed).sample(corpus.torture(), 5)
    return [text for text in texts if len(text) < 400]  # fancy-regex gives up on long ones


def answers(ask, path, questions, **options):
    """weft's answers; None if it says that it doesn't support the pattern, at which byte, and why."""
    try:
        return ask(path, questions, **options)
    except AssertionError as error:
        assert "(at byte " in str(error) or "is wrong at byte " in str(error), str(error)
        return None


def assert_same(seed, pattern, texts, want, got):
    for text, expected, answer in zip(texts, want, got, strict=True):
        explodes = isinstance(answer, dict) and answer.get("code") == "too_large"
        if expected is None or explodes:
            continue
        have = answer.get("offsets", answer) if isinstance(answer, dict) else answer
        assert have == expected, f"seed {seed}, {pattern!a}: {text!a}: {have!a}, not {expected!a}"


@pytest.mark.parametrize("start", range(FIRST, FIRST + FILES, GROUP))
def test_tokenizers(ask, tmp_path, start):
    path, compared = tmp_path / "tokenizer.json", 0
    for seed in range(start, start + GROUP):
        pattern, rng = random_patterns.make(seed), random.Random(seed)
        behavior, invert = rng.choice(list(BEHAVIORS)), rng.random() < 0.3
        reference = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
        file = json.loads(reference.to_str())
        file["pre_tokenizer"] = {
            "type": "Split",
            "pattern": {"Regex": pattern},
            "behavior": BEHAVIORS[behavior],
            "invert": invert,
        }
        path.write_text(json.dumps(file))
        texts = texts_for(seed)
        questions = [{"encoding": [[[text, "text"]], None], "options": {"add_special_tokens": False}} for text in texts]
        got = answers(ask, path, questions)
        split = attempt(
            lambda pattern=pattern, behavior=behavior, invert=invert: pre_tokenizers.Split(
                Regex(pattern), behavior, invert
            )
        )
        if split is None or got is None:
            continue
        reference.pre_tokenizer = split
        want = []
        for text in texts:
            encoding = attempt(reference.encode, text, None, False, False)
            if encoding is None:
                want.append(None)
                continue
            want.append([[len(text[:begin].encode()), len(text[:end].encode())] for begin, end in encoding.offsets])
        assert_same(seed, pattern, texts, want, got)
        compared += 1
    assert compared > 0


@pytest.fixture(scope="module")
def ranks():
    """All bytes, and what merges to up to six of them, so that most ways to split give ids of their own."""
    known, rng, data = (
        {bytes([byte]): byte for byte in range(256)},
        random.Random(1),
        "".join(corpus.torture()).encode(),
    )
    for size in (2, 3, 4, 6):
        for _ in range(1500):
            at = rng.randrange(len(data) - size)
            piece = data[at : at + size]
            if piece not in known and any(piece[:cut] in known and piece[cut:] in known for cut in range(1, size)):
                known[piece] = len(known)
    return known


@pytest.mark.parametrize("start", range(FIRST, FIRST + FILES, GROUP))
def test_tiktoken(ask, tmp_path, ranks, start):
    tiktoken = pytest.importorskip("tiktoken")
    path, compared = tmp_path / "ranks", 0
    path.write_bytes(b"".join(base64.b64encode(piece) + f" {rank}\n".encode() for piece, rank in ranks.items()))
    for seed in range(start, start + GROUP):
        pattern, texts = random_patterns.make(seed), texts_for(seed)
        got = answers(ask, path, [{"encode": [[text, "text"]]} for text in texts], pattern=pattern, special_tokens={})
        reference = attempt(
            lambda pattern=pattern: tiktoken.Encoding(
                "random", pat_str=pattern, mergeable_ranks=ranks, special_tokens={}
            )
        )
        if reference is None or got is None:
            continue
        assert_same(seed, pattern, texts, [attempt(reference.encode_ordinary, text) for text in texts], got)
        compared += 1
    assert compared > 0
