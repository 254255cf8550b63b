"""weft::tokenizer gives the ids and the text that tiktoken and mistral-common give, for rank files and tekken.json."""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

tiktoken = pytest.importorskip("tiktoken")

import corpus  # noqa: E402
from tiktoken_ext import openai_public  # noqa: E402

# How many generated texts each file gets; more take longer.
TEXTS = int(os.environ.get("WEFT_TOKENIZER_TEXTS", "500"))
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN = LLAMA3.replace("{1,3}", "")
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def ranks_of(path):
    lines = (line.split() for line in path.read_bytes().splitlines() if line)
    return {base64.b64decode(token): int(rank) for token, rank in lines}


def published(name, path, monkeypatch):
    """The encoding as tiktoken itself has it, with ranks from a file instead of the network."""
    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", lambda *args, **kwargs: ranks_of(path))
    return tiktoken.Encoding(**openai_public.ENCODING_CONSTRUCTORS[name]())


def llama3(path):
    ranks = ranks_of(path)
    named = ["begin_of_text", "end_of_text", "reserved_special_token_0", "reserved_special_token_1", "finetune_right_pad_id"]
    named += ["step_id", "start_header_id", "end_header_id", "eom_id", "eot_id", "python_tag", "image"]
    named += [f"reserved_special_token_{i}" for i in range(2, 246)]
    control = {f"<|{name}|>": len(ranks) + i for i, name in enumerate(named)}
    return tiktoken.Encoding("llama3", pat_str=LLAMA3, mergeable_ranks=ranks, special_tokens=control)


def assert_all_equal(inputs, expected, got):
    for given, want, have in zip(inputs, expected, got, strict=True):
        assert have == want, f"for {given!a}"


def assert_equal_to_reference(ask, path, reference, texts=None, **options):
    control = sorted(reference.special_tokens_set)
    if texts is None:
        texts = corpus.torture() + corpus.random_texts(reference.name, TEXTS, control[:10])
    as_text = reference.encode_ordinary_batch(texts)
    assert_all_equal(texts, as_text, ask(path, [{"encode": [[text, "text"]]} for text in texts], **options))
    as_tokens = reference.encode_batch(texts, allowed_special="all")
    assert_all_equal(texts, as_tokens, ask(path, [{"encode": [[text, "tokens"]]} for text in texts], **options))

    rng = random.Random(2)
    named = list(reference._special_tokens.values())
    # Of an id with two names (o200k_harmony), tiktoken decodes either.
    control = {id for id in named if named.count(id) == 1}
    valid = sorted(set(reference._mergeable_ranks.values()) | control)
    as_tokens = [tokens for tokens in as_tokens if control.issuperset(set(tokens) & set(named))]
    ids = as_tokens + [[rng.choice(valid) for _ in range(rng.randrange(1, 40))] for _ in range(TEXTS)]
    decoded = [reference.decode(tokens) for tokens in ids]
    assert_all_equal(ids, decoded, ask(path, [{"decode": tokens, "specials": "tokens"} for tokens in ids], **options))
    streamed = ask(path, [{"stream": tokens, "specials": "tokens"} for tokens in ids], **options)
    assert_all_equal(ids, decoded, ["".join(parts) for parts in streamed])


@pytest.mark.parametrize("name", ["cl100k_base", "p50k_base"])
def test_published_file(ask, shared_file, monkeypatch, name):
    path = shared_file(f"{name.removesuffix('_base')}/{name}.tiktoken")
    assert_equal_to_reference(ask, path, published(name, path, monkeypatch))


def test_llama3_file(ask, shared_file):
    path = shared_file("llama3-tiktoken/tokenizer.model")
    assert_equal_to_reference(ask, path, llama3(path))


def small_ranks():
    """Ranks trained on the corpus by tiktoken's own (slow) trainer's rule: the most frequent pair first."""
    words = [list(bytes([byte]) for byte in word.encode()) for text in corpus.torture() for word in text.split(" ")]
    ranks = {bytes([byte]): byte for byte in range(256)}
    while len(ranks) < 600:
        counts = {}
        for word in words:
            for pair in zip(word, word[1:]):
                counts[pair] = counts.get(pair, 0) + 1
        left, right = max(counts, key=lambda pair: (counts[pair], pair))
        ranks.setdefault(left + right, len(ranks))
        for word in words:
            at = 0
            while at + 1 < len(word):
                if (word[at], word[at + 1]) == (left, right):
                    word[at : at + 2] = [left + right]
                at += 1
    return ranks


@pytest.fixture(scope="module")
def ranks():
    return small_ranks()


def write_ranks(path, ranks):
    path.write_bytes(b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in ranks.items()))


ENCODINGS = ["cl100k_base", "gpt2", "o200k_base", "o200k_harmony", "p50k_edit", "r50k_base"]


@pytest.mark.parametrize("name", ENCODINGS)
def test_encoding(ask, tmp_path, monkeypatch, ranks, name):
    """Patterns and control tokens of each published encoding, over small ranks."""
    path = tmp_path / "small.tiktoken"
    write_ranks(path, ranks)
    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", lambda *args, **kwargs: ranks)
    monkeypatch.setattr(openai_public, "data_gym_to_mergeable_bpe_ranks", lambda *args, **kwargs: ranks)
    arguments = openai_public.ENCODING_CONSTRUCTORS[name]()
    arguments.pop("explicit_n_vocab", None)
    assert_equal_to_reference(ask, path, tiktoken.Encoding(**arguments), encoding=name)


def test_qwen_composes(ask, tmp_path, ranks):
    import unicodedata

    path = tmp_path / "qwen.tiktoken"
    write_ranks(path, ranks)
    names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *(f"<|extra_{i}|>" for i in range(205))]
    control = {name: len(ranks) + i for i, name in enumerate(names)}
    reference = tiktoken.Encoding("qwen", pat_str=QWEN, mergeable_ranks=ranks, special_tokens=control)
    texts = corpus.torture() + corpus.random_texts("qwen", TEXTS, names[:5])
    # Of characters newer than Python's Unicode, nothing is said.
    texts = [text for text in texts if all(unicodedata.category(c) != "Cn" for c in text)]
    want = [reference.encode_ordinary(unicodedata.normalize("NFC", text)) for text in texts]
    assert_all_equal(texts, want, ask(path, [{"encode": [[text, "text"]]} for text in texts]))
    assert ask(path, [{"find": name} for name in names]) == list(control.values())


def test_whisper_names_its_control_tokens_as_transformers_does(ask, tmp_path, ranks, shared_file):
    path = tmp_path / "multilingual.tiktoken"
    write_ranks(path, ranks)
    added = json.loads(shared_file("whisper-tiny/tokenizer.json").read_text())["added_tokens"]
    names = [token["content"] for token in added]
    names[names.index("<|nocaptions|>")] = "<|nospeech|>"  # OpenAI's own name
    assert ask(path, [{"find": name} for name in names]) == list(range(len(ranks), len(ranks) + len(names)))


def test_a_token_of_no_bytes_takes_its_rank(ask, tmp_path, ranks):
    """Whisper's published multilingual.tiktoken ends in one: "= 50256"."""
    path = tmp_path / "multilingual.tiktoken"
    write_ranks(path, ranks)
    with path.open("a") as file:
        file.write(f"= {len(ranks)}\n")
    assert ask(path, [{"find": "<|endoftext|>"}, {"find": "<|startoftranscript|>"}]) == [len(ranks) + 1, len(ranks) + 2]
    texts = corpus.torture() + corpus.random_texts("whisper", TEXTS, ["="])
    reference = tiktoken.Encoding("whisper", pat_str=GPT2, mergeable_ranks=ranks, special_tokens={})
    want = [reference.encode_ordinary(text) for text in texts]
    assert_all_equal(texts, want, ask(path, [{"encode": [[text, "text"]]} for text in texts]))
    assert ask(path, [{"decode": [*want[0], len(ranks), *want[1]], "specials": "text"}]) == [texts[0] + texts[1]]


def test_own_pattern_and_control_tokens(ask, tmp_path, ranks):
    path = tmp_path / "ranks"
    write_ranks(path, ranks)
    control = {"<a>": 1000, "<a><b>": 1001}
    pattern = r"\p{Lu}?\p{L}+|\d|[^\s\p{L}\d]+"  # leaves blanks out
    reference = tiktoken.Encoding("own", pat_str=pattern, mergeable_ranks=ranks, special_tokens=control)
    texts = [text for text in corpus.torture() if "<a>" not in text] + ["Hi<a>there <a>", "x<b>"]
    assert_equal_to_reference(ask, path, reference, texts, pattern=pattern, special_tokens=control)


def test_own_pattern_means_what_it_means_to_tiktoken(ask, tmp_path, ranks):
    """Its engine isn't that of tokenizers; the compiled form knows as well."""
    path = tmp_path / "ranks"
    write_ranks(path, ranks)
    pattern = r"^\w+|(?s:\p{L}.)|\d{1,2}+|[[:punct:]]+|[^\s\w]+|\s+$|\w|\s"
    reference = tiktoken.Encoding("own", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    texts = ["12345 a1b22c333", "ab\n\u00b2\u200d", *corpus.torture()]
    assert_equal_to_reference(ask, path, reference, texts, pattern=pattern, special_tokens={})
    compiled = tmp_path / "tokenizer.weft"
    ask(path, [{"compile": str(compiled)}], pattern=pattern, special_tokens={})
    assert_equal_to_reference(ask, compiled, reference, texts)


def test_ranks_that_never_merge_are_found_as_whole_words(ask, tmp_path, ranks):
    """As Llama 3 has them: tokens whose own bytes merge to something else."""
    odd = {**ranks, b"hexlm": len(ranks), b" zqy": len(ranks) + 1, b"abababab": len(ranks) + 2, b"aaaaa": len(ranks) + 3}
    path = tmp_path / "ranks"
    write_ranks(path, odd)
    reference = tiktoken.Encoding("odd", pat_str=GPT2, mergeable_ranks=odd, special_tokens={})
    rng = random.Random(5)
    texts = ["".join(rng.choice(["a", "b", "aa", "hexlm", " zqy", "ab", " "]) for _ in range(12)) for _ in range(TEXTS)]
    assert_equal_to_reference(ask, path, reference, texts, pattern=GPT2)


def test_a_file_of_unknown_name_needs_an_encoding(tmp_path, ranks, ask):
    path = tmp_path / "ranks.tiktoken"
    write_ranks(path, ranks)
    with pytest.raises(AssertionError, match="name its encoding: cl100k_base"):
        ask(path, [])
    with pytest.raises(AssertionError, match="encoding .* is not known"):
        ask(path, [], encoding="cl100k")


# --- tekken.json ----------------------------------------------------------------------------------------------------


def assert_equal_to_mistral(ask, path, tekken):
    from mistral_common.tokens.tokenizers.base import SpecialTokenPolicy

    texts = corpus.torture() + corpus.random_texts(path.name, TEXTS, ["<s>", "[INST]", "</s>"])
    ids = [tekken.encode(text, bos=False, eos=False) for text in texts]
    assert_all_equal(texts, ids, ask(path, [{"encode": [[text, "text"]]} for text in texts]))
    rng = random.Random(2)
    first = tekken.num_special_tokens
    ids += [[rng.randrange(first, tekken.n_words) for _ in range(rng.randrange(1, 40))] for _ in range(TEXTS)]
    decoded = [tekken.decode(tokens, special_token_policy=SpecialTokenPolicy.IGNORE) for tokens in ids]
    assert_all_equal(ids, decoded, ask(path, [{"decode": tokens, "specials": "text"} for tokens in ids]))
    control = range(0, first, 7)
    assert ask(path, [{"piece": id} for id in control]) == [tekken.id_to_piece(id) for id in control]
    assert ask(path, [{"encode": [["[INST]a</s>", "tokens"]]}]) == [[3, *tekken.encode("a", bos=False, eos=False), 2]]


def test_tekken(ask, shared_file):
    tekken = pytest.importorskip("mistral_common.tokens.tokenizers.tekken")
    path = shared_file("tekken-240718/tekken.json")
    assert_equal_to_mistral(ask, path, tekken.Tekkenizer.from_file(path))


def test_tekken_without_mistral_common(ask, shared_file):
    """mistral-common's tekken is tiktoken with shifted ids."""
    path = shared_file("tekken-240718/tekken.json")
    data = json.loads(path.read_text())
    ranks = {base64.b64decode(token["token_bytes"]): token["rank"] for token in data["vocab"][:130072]}
    reference = tiktoken.Encoding("tekken", pat_str=data["config"]["pattern"], mergeable_ranks=ranks, special_tokens={})
    texts = corpus.torture() + corpus.random_texts("tekken", TEXTS, ["<s>", "[INST]"])
    want = [[id + 1000 for id in ids] for ids in reference.encode_ordinary_batch(texts)]
    assert_all_equal(texts, want, ask(path, [{"encode": [[text, "text"]]} for text in texts]))


def test_tekken_that_lists_its_control_tokens(ask, tmp_path, ranks):
    data = {
        "config": {
            "pattern": GPT2,
            "num_vocab_tokens": len(ranks),
            "default_vocab_size": 500,
            "default_num_special_tokens": 20,
            "version": "v11",
        },
        "vocab": [{"rank": rank, "token_bytes": base64.b64encode(token).decode(), "token_str": None} for token, rank in ranks.items()],
        "special_tokens": [{"rank": i, "token_str": text, "is_control": True} for i, text in enumerate(["<unk>", "<s>", "</s>", "[INST]"])],
    }
    path = tmp_path / "tekken.json"
    path.write_text(json.dumps(data))
    few = dict(list(ranks.items())[:480])
    reference = tiktoken.Encoding("few", pat_str=GPT2, mergeable_ranks=few, special_tokens={})
    texts = corpus.torture()
    want = [[id + 20 for id in ids] for ids in reference.encode_ordinary_batch(texts)]
    assert_all_equal(texts, want, ask(path, [{"encode": [[text, "text"]]} for text in texts]))
    assert ask(path, [{"piece": 3}, {"piece": 4}, {"vocab_size": True}]) == ["[INST]", "<SPECIAL_4>", 500]


def test_file_names_tell_encodings(ask, shared_file, tmp_path):
    path = tmp_path / "r50k_base.tiktoken"
    shutil.copy(shared_file("p50k/p50k_base.tiktoken"), path)
    assert ask(path, [{"find": "<|endoftext|>"}]) == [50256]
