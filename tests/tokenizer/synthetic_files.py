"""tokenizer.json files of the kinds that models use, small, made with Hugging Face's tokenizers."""

import functools
import json
import re
from pathlib import Path

import corpus
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CL100K = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = CL100K.replace("{1,3}", "")
# tiktoken's own form of CL100K, as converters write it into files: to Oniguruma, {1,3}+ is a repeat of a repeat.
TIKTOKEN_CL100K = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
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
    "tiktoken_cl100k": lambda: trained(_sequence(isolated(TIKTOKEN_CL100K), byte_level(False))),
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
    "references": r"[\(\)\[\]\{\}]|([!\"\#\$%\&'\*\+,\-\./:;<=>\?\\\^_`\|\~])\1*|(\p{L})\2+|(?:(a)b|a)\3?c",
    "named_references": r"(?<mark>\p{P}).*?\k<mark>|(?=(?<two>\w{2}))\k<two>+",
    "categories": r"\p{Lu}\p{Ll}*|\p{Sc}|\p{So}|\p{Pd}|\p{Nl}|\p{No}|\p{Cf}|\p{Cn}|\p{M}+|\p{Zs}|[\P{L}&&\P{N}]",
}

for _name, _pattern in PATTERNS.items():
    FILES[f"regex_{_name}"] = lambda p=_pattern: trained(_sequence(isolated(p), byte_level(False)), vocab_size=600)

# --- text models: every component in a file of its own ----------------------------------------------------------------


@functools.cache
def _characters():
    """A BPE of characters with byte fallback, trained on the torture corpus: ids show the normalised text."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(
        vocab_size=1200, show_progress=False, special_tokens=special, limit_alphabet=300, max_token_length=8
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(corpus.torture() + corpus.WORDS * 5, trainer)
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    data = json.loads(tokenizer.to_str())
    data["added_tokens"] = [token for token in data["added_tokens"] if not token["content"].startswith("<0x")]
    data["pre_tokenizer"] = None
    return json.dumps(data)


@functools.cache
def _words():
    """A WordLevel of the torture corpus' words."""
    words = {word for text in corpus.torture() for word in re.findall(r"\w+|[^\w\s]", text)}
    vocab = {word: i for i, word in enumerate(["[UNK]", "[PAD]", "[CLS]", "[SEP]", *sorted(words)[::2]])}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="[UNK]"))
    tokenizer.add_special_tokens(["[UNK]", "[PAD]", "[CLS]", "[SEP]"])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer.to_str()


@functools.cache
def _word_pieces():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=20))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=900, show_progress=False, special_tokens=special)
    tokenizer.train_from_iterator(corpus.torture() + corpus.WORDS * 5, trainer)
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer.to_str()


@functools.cache
def _pieces():
    """A Unigram trained on the torture corpus."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=700, show_progress=False, special_tokens=["<unk>", "<s>", "</s>"], unk_token="<unk>"
    )
    tokenizer.train_from_iterator(corpus.torture() + corpus.WORDS * 5, trainer)
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer.to_str()


def _with(base, model=None, **parts):
    """The file `base` with other components, given as objects of the library, JSON or None."""
    data = json.loads(base())
    data["model"].update(model or {})
    for name, part in parts.items():
        state = getattr(part, "__getstate__", None)
        data[name] = part if part is None or isinstance(part, (dict, list)) else json.loads(state())
    return data


def _charsmap():
    """The precompiled map of a published file, if it is here: none is made up that no trainer would make."""
    path = Path(__file__).resolve().parents[3] / "shared" / "tokenizers" / "t5-small" / "tokenizer.json"
    return json.loads(path.read_text(encoding="utf-8"))["normalizer"] if path.is_file() else {"type": "NFKC"}


def _byte_unigram():
    data = json.loads(_pieces())
    data["model"]["byte_fallback"] = True
    data["model"]["vocab"] += [[f"<0x{byte:02X}>", -20.0] for byte in range(256)]
    return data


def _char_affixes(**model):
    """A BPE of characters with a prefix or a suffix."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    affixes = {k: v for k, v in model.items() if k in ("continuing_subword_prefix", "end_of_word_suffix")}
    trainer = trainers.BpeTrainer(
        vocab_size=900, show_progress=False, special_tokens=["<unk>"], limit_alphabet=200, **affixes
    )
    tokenizer.train_from_iterator(corpus.torture() + corpus.WORDS * 5, trainer)
    tokenizer.decoder = decoders.BPEDecoder(suffix=model.get("end_of_word_suffix", "</w>"))
    data = json.loads(tokenizer.to_str())
    data["model"].update(model)
    return data


def _added_everywhere(base, *, blanks="  ", **parts):
    return added(
        _with(base, **parts),
        AddedToken("<mask>", lstrip=True, special=True, normalized=False),
        AddedToken("<right>", rstrip=True, special=True, normalized=False),
        AddedToken("the", single_word=True, normalized=False),
        AddedToken("Hello", single_word=True, normalized=True),
        AddedToken("É a", normalized=True, lstrip=True, rstrip=True),
        AddedToken("<n>", special=True, normalized=True),
        AddedToken("\u3000", normalized=False),
        AddedToken(blanks, normalized=True),
    )


_SEQUENCE = normalizers.Sequence
_NORMALIZERS = {
    "nfc": normalizers.NFC(),
    "nfd": normalizers.NFD(),
    "nfkc": normalizers.NFKC(),
    "nfkd": normalizers.NFKD(),
    "lowercase": normalizers.Lowercase(),
    "strip": normalizers.Strip(),
    "strip_left": normalizers.Strip(left=True, right=False),
    "strip_right": normalizers.Strip(left=False, right=True),
    "strip_accents": _SEQUENCE([normalizers.NFD(), normalizers.StripAccents()]),
    "strip_accents_alone": normalizers.StripAccents(),
    "replace_string": normalizers.Replace("he", "«»«»"),
    "replace_character": normalizers.Replace(" ", "▁"),
    "replace_with_nothing": normalizers.Replace("e", ""),
    "replace_regex": normalizers.Replace(Regex(r"\s+|[aeiou]{2}"), " "),
    "replace_between": normalizers.Replace(Regex(r"(?<=\d)(?=\d)"), "·"),
    "prepend": normalizers.Prepend("▁"),
    "prepend_words": normalizers.Prepend("a bc"),
    "llama": _SEQUENCE([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]),
    "precompiled": _charsmap(),
    "precompiled_sequence": {"type": "Sequence", "normalizers": [_charsmap(), {"type": "Lowercase"}, {"type": "NFD"}]},
    "nmt": normalizers.Nmt(),
    "nmt_sequence": _SEQUENCE([normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]),
    "bert": normalizers.BertNormalizer(),
    "bert_clean": normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False
    ),
    "bert_chinese": normalizers.BertNormalizer(
        clean_text=False, handle_chinese_chars=True, strip_accents=False, lowercase=False
    ),
    "bert_accents": normalizers.BertNormalizer(
        clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False
    ),
    "bert_cased": normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=False
    ),
    "byte_level": normalizers.ByteLevel(),
    "long_sequence": _SEQUENCE(
        [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Strip(), normalizers.NFC()]
    ),
    "empty_sequence": _SEQUENCE([]),
}
for _name, _normalizer in _NORMALIZERS.items():
    FILES[f"normalizer_{_name}"] = lambda n=_normalizer: _with(_characters, normalizer=n)


def _metaspace(**options):
    return pre_tokenizers.Metaspace(**options)


_PRE_TOKENIZERS = {
    "none": None,
    "byte_level": byte_level(True),
    "byte_level_twice": _sequence(byte_level(True), byte_level(False)),
    "metaspace": _metaspace(),
    "metaspace_first": _metaspace(prepend_scheme="first"),
    "metaspace_never": _metaspace(prepend_scheme="never"),
    "metaspace_whole": _metaspace(split=False),
    "metaspace_whole_first": _metaspace(split=False, prepend_scheme="first"),
    "metaspace_whole_never": _metaspace(split=False, prepend_scheme="never"),
    "metaspace_letter": _metaspace(replacement="_"),
    "metaspace_old": {"type": "Metaspace", "replacement": "▁", "str_rep": "▁", "add_prefix_space": True},
    "metaspace_behind_split": _sequence(pre_tokenizers.WhitespaceSplit(), _metaspace()),
    "metaspace_first_behind_split": _sequence(pre_tokenizers.Punctuation(), _metaspace(prepend_scheme="first")),
    "metaspace_then_digits": _sequence(_metaspace(), pre_tokenizers.Digits(True)),
    "whitespace": pre_tokenizers.Whitespace(),
    "whitespace_split": pre_tokenizers.WhitespaceSplit(),
    "bert": pre_tokenizers.BertPreTokenizer(),
    "bert_then_digits": _sequence(pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Digits(False)),
    "delimiter": pre_tokenizers.CharDelimiterSplit("e"),
    "delimiter_wide": pre_tokenizers.CharDelimiterSplit("字"),
    "unicode_scripts": pre_tokenizers.UnicodeScripts(),
    "unicode_scripts_behind": _sequence(pre_tokenizers.WhitespaceSplit(), pre_tokenizers.UnicodeScripts()),
    "fixed_length": pre_tokenizers.FixedLength(3),
    "fixed_length_one": pre_tokenizers.FixedLength(1),
    "fixed_length_default": {"type": "FixedLength"},
    "digits": pre_tokenizers.Digits(False),
    "digits_each": pre_tokenizers.Digits(True),
    "punctuation_old": {"type": "Punctuation"},
    "split_gemma": _split(" ", "merged_with_previous"),
    "split_string_inverted": _split("e", "isolated", True),
    "byte_level_then_split": _sequence(byte_level(True), _split(Regex("[a-e]"), "isolated")),
    "byte_level_then_metaspace": _sequence(byte_level(False), _metaspace(replacement="Ġ")),
    "byte_level_prefix": byte_level(True, add_prefix_space=True),
    "whitespace_then_byte_level_prefix": _sequence(pre_tokenizers.WhitespaceSplit(), byte_level(False, True)),
}
for _name, _pre_tokenizer in _PRE_TOKENIZERS.items():
    FILES[f"pre_tokenizer_{_name}"] = lambda p=_pre_tokenizer: _with(_characters, pre_tokenizer=p)
for _behavior in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
    FILES[f"pre_tokenizer_punctuation_{_behavior}"] = lambda b=_behavior: _with(
        _characters, pre_tokenizer=pre_tokenizers.Punctuation(b)
    )
    FILES[f"pre_tokenizer_split_{_behavior}"] = lambda b=_behavior: _with(
        _characters, pre_tokenizer=_split(Regex(r"\p{P}|\s"), b, b == "contiguous")
    )

_POST_PROCESSORS = {
    "template": processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s>:1 $B:1 </s>:2", special_tokens=[("<s>", 1), ("</s>", 2)]
    ),
    "template_types": processors.TemplateProcessing(
        single="$A:3 </s>:5", pair="$B:7 <s> $A:2", special_tokens=[("<s>", 1), ("</s>", 2)]
    ),
    "template_many": {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "x", "type_id": 4}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"x": {"id": "x", "ids": [1, 2, 1], "tokens": ["<s>", "</s>", "<s>"]}},
    },
    "bert": processors.BertProcessing(("</s>", 2), ("<s>", 1)),
    "roberta": processors.RobertaProcessing(("</s>", 2), ("<s>", 1)),
    "roberta_trim": processors.RobertaProcessing(("</s>", 2), ("<s>", 1), trim_offsets=True, add_prefix_space=False),
    "roberta_no_trim": processors.RobertaProcessing(("</s>", 2), ("<s>", 1), trim_offsets=False),
    "byte_level": processors.ByteLevel(trim_offsets=True),
    "byte_level_no_prefix": processors.ByteLevel(trim_offsets=True, add_prefix_space=False),
    "sequence": processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=True),
            processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)]),
        ]
    ),
    "sequence_behind": processors.Sequence(
        [processors.BertProcessing(("</s>", 2), ("<s>", 1)), processors.ByteLevel(trim_offsets=True)]
    ),
}
for _name, _post_processor in _POST_PROCESSORS.items():
    FILES[f"post_processor_{_name}"] = lambda p=_post_processor: _added_everywhere(
        _characters, post_processor=p, pre_tokenizer=byte_level(True, add_prefix_space=True)
    )

_DECODERS = {
    "none": None,
    "byte_level": decoders.ByteLevel(),
    "byte_fallback": decoders.ByteFallback(),
    "fuse": decoders.Fuse(),
    "replace": decoders.Replace("▁", " "),
    "replace_regex": decoders.Replace(Regex("[aeiou]+"), "*"),
    "replace_nothing": decoders.Replace("", "-"),
    "strip": decoders.Strip("▁", 1, 0),
    "metaspace": decoders.Metaspace(),
    "metaspace_never": decoders.Metaspace(prepend_scheme="never"),
    "word_piece": decoders.WordPiece(prefix="▁"),
    "word_piece_as_is": decoders.WordPiece(prefix="##", cleanup=False),
    "bpe": decoders.BPEDecoder(suffix="e"),
    "ctc": decoders.CTC(pad_token="<s>", word_delimiter_token="▁"),
    "ctc_as_is": decoders.CTC(pad_token="e", cleanup=False),
    "llama": decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    ),
    "strip_text": decoders.Sequence([decoders.Fuse(), decoders.Strip("▁", 3, 0), decoders.Replace("▁", " ")]),
    "fuse_then_replace": decoders.Sequence([decoders.ByteFallback(), decoders.Fuse(), decoders.Replace("lo", "LO")]),
    "fuse_then_metaspace": decoders.Sequence([decoders.Fuse(), decoders.Metaspace()]),
    "fallback_then_metaspace": decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()]),
    "word_piece_then_replace": decoders.Sequence([decoders.WordPiece(), decoders.Replace(Regex(r" +"), " ")]),
    "empty_sequence": decoders.Sequence([]),
}
for _name, _decoder in _DECODERS.items():
    FILES[f"decoder_{_name}"] = lambda d=_decoder: _with(_characters, decoder=d)

_T5 = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "▁"}]}
FILES |= {
    "llama2": lambda: _with(
        _characters,
        normalizer=_NORMALIZERS["llama"],
        decoder=_DECODERS["llama"],
        post_processor=_POST_PROCESSORS["template"],
    ),
    "mistral": lambda: _with(
        _characters, pre_tokenizer=_metaspace(split=False, prepend_scheme="first"), decoder=_DECODERS["llama"]
    ),
    "gemma": lambda: _with(
        _characters,
        normalizer=normalizers.Replace(" ", "▁"),
        pre_tokenizer=_split(" ", "merged_with_previous"),
        decoder=decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]),
    ),
    "no_fallback": lambda: _with(_characters, {"byte_fallback": False}),
    "no_fallback_each_unknown": lambda: _with(_characters, {"byte_fallback": False, "fuse_unk": False}),
    "no_fallback_no_unknown": lambda: _with(_characters, {"byte_fallback": False, "unk_token": None}),
    "fallback_whole_words": lambda: _with(
        _characters, {"ignore_merges": True}, pre_tokenizer=pre_tokenizers.Whitespace()
    ),
    "characters_suffix": lambda: _char_affixes(end_of_word_suffix="</w>"),
    "characters_prefix": lambda: _char_affixes(continuing_subword_prefix="##"),
    "characters_prefix_fused": lambda: _char_affixes(continuing_subword_prefix="##", fuse_unk=True),
    "characters_both": lambda: _char_affixes(continuing_subword_prefix="##", end_of_word_suffix="</w>"),
    "characters_suffix_whole_words": lambda: _char_affixes(end_of_word_suffix="</w>", ignore_merges=True),
    "word_level": lambda: _with(_words),
    "word_level_untyped": lambda: {**json.loads(_words()), "model": _untyped(_words)},
    "word_level_flags": lambda: _added_everywhere(_words, normalizer=normalizers.Lowercase()),
    "word_piece": lambda: _with(_word_pieces),
    "word_piece_cased": lambda: _with(_word_pieces, normalizer=_NORMALIZERS["bert_cased"]),
    "word_piece_untyped": lambda: {**json.loads(_word_pieces()), "model": _untyped(_word_pieces)},
    "word_piece_short": lambda: _with(_word_pieces, {"max_input_chars_per_word": 3}),
    "word_piece_no_prefix": lambda: _with(_word_pieces, {"continuing_subword_prefix": ""}),
    "word_piece_whole_texts": lambda: _with(_word_pieces, {"max_input_chars_per_word": 1000}, pre_tokenizer=None),
    "word_piece_flags": lambda: _added_everywhere(_word_pieces),
    # As of a trainer that was given the letters as special tokens.
    "word_piece_special_letters": lambda: added(_with(_word_pieces), *(AddedToken(f"##{c}", special=True) for c in "aeiou")),
    "unigram": lambda: _with(_pieces),
    "unigram_untyped": lambda: {**json.loads(_pieces()), "model": _untyped(_pieces)},
    "unigram_t5": lambda: _with(_pieces, normalizer=_charsmap(), pre_tokenizer=_T5),
    "unigram_whole_texts": lambda: _with(_pieces, pre_tokenizer=None),
    "unigram_bytes": _byte_unigram,
    "unigram_flags": lambda: _added_everywhere(_pieces),
    # An added token that the normalizer leaves nothing of would be found between any two bytes, halves of characters too.
    "unigram_first": lambda: _added_everywhere(
        _pieces, blanks="a  b", normalizer=_NORMALIZERS["strip_left"], pre_tokenizer=_metaspace(prepend_scheme="first")
    ),
    "characters_flags": lambda: _added_everywhere(
        _characters, normalizer=_NORMALIZERS["llama"], decoder=_DECODERS["llama"]
    ),
    "byte_level_normalizer": lambda: _with(
        lambda: json.dumps(trained(byte_level(True))),
        normalizer=normalizers.Sequence([normalizers.NFC(), normalizers.ByteLevel()]),
        pre_tokenizer=_split(Regex(r"Ġ?[A-Za-z]+|[^Ġ]"), "isolated"),
    ),
    "clip": lambda: _with(
        lambda: json.dumps(trained(byte_level(True), end_of_word_suffix="</w>")),
        normalizer=normalizers.Sequence(
            [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
        ),
        pre_tokenizer=_sequence(_split(Regex(r"'s|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), "removed", True), byte_level(False)),
    ),
}


def _untyped(base):
    model = json.loads(base())["model"]
    model.pop("type")
    return model


# Those that stand for what published models have.
TEXT_KINDS = ["llama2", "mistral", "gemma", "characters_suffix", "word_level", "word_piece", "unigram", "unigram_t5"]
