"""tokenizer.json files of the kinds that models use, small, made with Hugging Face's tokenizers."""

import json

import corpus
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CL100K = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = CL100K.replace("{1,3}", "")
O200K = "|".join(
    [
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)
DEEPSEEK = "|".join(
    [
        r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+",
        r"[^" + "\r\n" + r"\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+",
        r" ?[\p{P}\p{S}]+[" + "\r\n" + r"]*",
        r"\s*[" + "\r\n" + r"]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)
CHAT = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def byte_level(use_regex, add_prefix_space=False):
    return pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space, use_regex=use_regex)


def isolated(pattern):
    return pre_tokenizers.Split(Regex(pattern), "isolated")


def trained(pre_tokenizer, *, normalizer=None, special=CHAT, alphabet=True, vocab_size=1500, **model):
    """A BPE trained on the torture corpus, as a dict of its tokenizer.json. `model` holds the model's options."""
    tokenizer = Tokenizer(models.BPE(unk_token=model.get("unk_token")))
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        show_progress=False,
        special_tokens=list(special) + ([model["unk_token"]] if "unk_token" in model else []),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()) if alphabet else [],
        **{k: v for k, v in model.items() if k in ("continuing_subword_prefix", "end_of_word_suffix")},
    )
    texts = corpus.torture() if alphabet else ["hello world, the tokenization of the words 123"] * 3
    tokenizer.train_from_iterator(texts * 2, trainer)
    tokenizer.decoder = decoders.ByteLevel()
    data = json.loads(tokenizer.to_str())
    data["model"].update(model)
    return data


def added(data, *tokens):
    """The same file with more added tokens."""
    tokenizer = Tokenizer.from_str(json.dumps(data))
    for token in tokens:
        if token.special:
            tokenizer.add_special_tokens([token])
        else:
            tokenizer.add_tokens([token])
    return json.loads(tokenizer.to_str())


def _flags():
    """Each flag of an added token, and words that the normalizer changes."""
    lowercase = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    return added(
        trained(byte_level(True), normalizer=lowercase),
        AddedToken("<mask>", lstrip=True, special=True, normalized=False),
        AddedToken("<right>", rstrip=True, special=True, normalized=False),
        AddedToken("<both>", lstrip=True, rstrip=True, normalized=False),
        AddedToken("word", single_word=True, normalized=False),
        AddedToken("Hello", single_word=True, normalized=True),
        AddedToken("Éa", normalized=True),
        AddedToken("<n>", special=True, normalized=True),
        AddedToken("<N>x", special=False, normalized=True),
        AddedToken("<|im_", special=False, normalized=False),
        AddedToken("\u0301", special=False, normalized=True),
        AddedToken(" ", special=False, normalized=False),
        AddedToken("\n\n", special=False, normalized=True, rstrip=True),
        AddedToken("Ġ", special=False, normalized=False),
    )


def _overlaps():
    tokens = {"a<b": True, "a<b<c": False, "b<c<d": True, "<d": False, "!!!!!!!": True, "!!": False}
    return added(trained(byte_level(True)), *[AddedToken(t, normalized=False, special=s) for t, s in tokens.items()])


def _template():
    processor = processors.TemplateProcessing(single="<|im_start|> $A", special_tokens=[("<|im_start|>", 1)])
    return trained(byte_level(True)) | {"post_processor": json.loads(processor.__getstate__())}


def _decoder_sequence():
    data = trained(byte_level(True))
    return data | {"decoder": {"type": "Sequence", "decoders": [data["decoder"], {"type": "Fuse"}]}}


def _sequence(*steps):
    return pre_tokenizers.Sequence(list(steps))


def _split(pattern, behavior, invert=False):
    return pre_tokenizers.Split(pattern, behavior, invert=invert)


_SMALL = {"alphabet": False, "vocab_size": 120}
_REPLACE = [
    normalizers.Replace(Regex(r"\s+"), " "),
    normalizers.Replace("a.", "«b»"),
    normalizers.Replace(Regex(r"(?<=x)y*"), "z"),
    normalizers.NFC(),
]

# Name -> how to make it.
FILES = {
    # The kinds that models use.
    "gpt2": lambda: trained(byte_level(True)),
    "qwen2": lambda: trained(_sequence(isolated(QWEN2), byte_level(False)), normalizer=normalizers.NFC()),
    "llama3": lambda: trained(_sequence(isolated(CL100K), byte_level(False)), ignore_merges=True),
    "o200k": lambda: trained(_sequence(isolated(O200K), byte_level(False))),
    "starcoder": lambda: trained(_sequence(pre_tokenizers.Digits(True), byte_level(True))),
    "deepseek": lambda: trained(
        _sequence(isolated(r"\p{N}{1,3}"), isolated("[一-龥\u3040-ゟ゠-ヿ]+"), isolated(DEEPSEEK), byte_level(False))
    ),
    "neox": lambda: added(
        trained(byte_level(True), normalizer=normalizers.NFC()),
        *[AddedToken(" " * n, normalized=True) for n in range(24, 1, -1)],
        AddedToken("|||IP_ADDRESS|||", normalized=True, special=False),
    ),
    "olmo": lambda: trained(_sequence(isolated(GPT2), byte_level(False))),
    "flags": _flags,
    "overlaps": _overlaps,
    # The model's options.
    "no_unknown": lambda: trained(byte_level(True), **_SMALL),
    "unknown": lambda: trained(byte_level(True), unk_token="<unk>", **_SMALL),
    "fused_unknown": lambda: trained(byte_level(True), unk_token="<unk>", fuse_unk=True, **_SMALL),
    "suffix": lambda: trained(byte_level(True), end_of_word_suffix="</w>"),
    "prefix": lambda: trained(byte_level(True), continuing_subword_prefix="##", unk_token="<unk>"),
    "suffix_whole_words": lambda: trained(byte_level(True), end_of_word_suffix="</w>", ignore_merges=True),
    "special_pieces": lambda: added(
        trained(byte_level(True)), AddedToken("!", special=True), AddedToken("zq", special=True)
    ),
    # Pre-tokenizers.
    "prefix_space": lambda: trained(byte_level(True, add_prefix_space=True)),
    "removed_inverted": lambda: trained(_sequence(_split(Regex(CL100K), "removed", True), byte_level(False))),
    "digits_together": lambda: trained(
        _sequence(pre_tokenizers.Digits(False), byte_level(True, add_prefix_space=True))
    ),
    "bytes_first": lambda: trained(
        _sequence(
            byte_level(True), pre_tokenizers.Digits(True), pre_tokenizers.Punctuation("isolated"), isolated("Ġ[a-z]+")
        )
    ),
    "nested": lambda: trained(_sequence(_sequence(pre_tokenizers.Digits(True)), _sequence(byte_level(True)))),
    # Normalizers.
    "nfd": lambda: trained(byte_level(True), normalizer=normalizers.NFD()),
    "lowercase": lambda: trained(byte_level(True), normalizer=normalizers.Lowercase()),
    "replace": lambda: trained(byte_level(True), normalizer=normalizers.Sequence(_REPLACE)),
    # Decoders and post-processors.
    "decoder_sequence": _decoder_sequence,
    "no_decoder": lambda: trained(byte_level(True)) | {"decoder": None},
    "template": _template,
}

for _behavior in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
    for _invert in (False, True):
        _name = _behavior + ("_inverted" if _invert else "")
        FILES[f"split_{_name}"] = lambda b=_behavior, i=_invert: trained(
            _sequence(_split(Regex(r"\s|-|[aeiou]{2}"), b, i), byte_level(False))
        )
        FILES[f"split_known_{_name}"] = lambda b=_behavior, i=_invert: trained(
            _sequence(_split(Regex(GPT2), b, i), byte_level(False))
        )
    FILES[f"split_string_{_behavior}"] = lambda b=_behavior: trained(_sequence(_split(". ", b), byte_level(True)))
    FILES[f"split_nothing_{_behavior}"] = lambda b=_behavior: trained(
        _sequence(_split(Regex(r"x?|\b"), b), byte_level(True))
    )
    FILES[f"punctuation_{_behavior}"] = lambda b=_behavior: trained(
        _sequence(pre_tokenizers.Punctuation(b), byte_level(True))
    )

# What the general engine must know. The same patterns as those with a scanner, written another way, hold both together.
PATTERNS = {
    "gpt2": GPT2.replace("'s", "(?:'s)"),
    "cl100k": CL100K.replace("(?!\\S)", "(?!(?:\\S))"),
    "o200k": O200K.replace("\\s*[\\r\\n]+", "\\s*[\\n\\r]+"),
    "lazy": r"a+?b|\w{2,4}?|.",
    "possessive": r"a++b|[a-z]*+|(?>\p{L}+)\d|.",
    "interval_plus": r"\d{2}+|[a-c]{1,2}+|(?m:.)",
    "behind": r"(?<=[a-z])[A-Z]|(?<!\d)\d{3}|(?<=ab|c)d|\S",
    "ahead": r"\w+(?=')|\d(?!\d)|\p{Ll}(?=\p{Lu})",
    "anchors": r"^\w|\w$|\A.|.\z|\n\Z|\bt|\Be",
    "classes": r"[\w&&[^aeiou]]+|[[:digit:][:punct:]]+|[^[:space:][:alpha:]]|[[a-c][x-z]]+|[\]\-\\^]",
    "posix": r"[[:upper:]][[:lower:]]*|[[:^alnum:]]+|[[:word:]]|\p{Alpha}|\p{^Upper}",
    "scripts": r"\p{Han}+|\p{Hiragana}+|\p{Katakana}+|\p{Hangul}+|\p{Thai}|\p{Latin}+|\P{Common}",
    "ignore_case": r"(?i)hello|the|k|[a-f]+|(?-i:Z)|\p{L}",
    "escapes": r"\x41|\u4e00|\x{1F600}|\t+|\h+|\H|[\x61-\x63]",
    "extended": "(?x) \\p{L}+ # letters\n | \\s+ | [ #] | .",
    "empty": r"a*|b",
    "kimi": r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "digits_from_right": r"\d{1,3}(?=(?:\d{3})*\b)|\D+",
    "categories": r"\p{Lu}\p{Ll}*|\p{Sc}|\p{So}|\p{Pd}|\p{Nl}|\p{No}|\p{Cf}|\p{Cn}|\p{M}+|\p{Zs}|[\P{L}&&\P{N}]",
}

for _name, _pattern in PATTERNS.items():
    FILES[f"regex_{_name}"] = lambda p=_pattern: trained(_sequence(isolated(p), byte_level(False)), vocab_size=600)
