"""A GGUF file's tokenizer as the files that a checkpoint has: tokenizer.json, tokenizer_config.json, chat template.

A GGUF keeps vocabulary, merges and token types, but of the pre-tokenizer (the pattern that text is split by before
merging) only a name, whose meaning llama.cpp's src/llama-vocab.cpp defines. An unknown name is an error: guessed
patterns give tokens that look right and aren't.
"""

from __future__ import annotations

import json
from typing import Any

from tokenizers import Tokenizer

from weft.errors import Error
from weft.export.gguf import GgufFile

# llama.cpp's enum llama_token_type
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED, _BYTE = 1, 2, 3, 4, 5, 6

_LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN35 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_GPT4O = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_DEEPSEEK3 = (
    r"\p{N}{1,3}",
    "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"""
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",
)
# Escaped, because some of them change under Unicode normalisation.
_DEEPSEEK_LETTERS = (
    "A-Za-z\xb5\xc0-\xd6\xd8-\xf6\xf8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376\u0377"
    "\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556"
    "\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a"
    "\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4"
    "\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc"
    "\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f"
    "\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b"
    "\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a"
    "\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2"
    "\U000118a0-\U000118df\U0001e900-\U0001e943"
)
_CJK_HANGUL = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
_BLOOM = r" ?[^(\s|.,!?…。，、।۔،)]+"


def _byte_level(*, use_regex: bool) -> dict[str, Any]:
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": use_regex}


def _digits(*, each: bool) -> dict[str, Any]:
    return {"type": "Digits", "individual_digits": each}


def _split(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def _splits(*patterns: str) -> list[dict[str, Any]]:
    return [*map(_split, patterns), _byte_level(use_regex=False)]


# ByteLevel's own pattern is GPT-2's. Where the makers' tokenizer.json is known, its steps are taken as they stand there.
_PLAIN = [_byte_level(use_regex=True)]
_DIGITS_APART = [_digits(each=True), _byte_level(use_regex=True)]
_FALCON = [
    {"type": "Punctuation", "behavior": "Contiguous"},
    _byte_level(use_regex=True),
    _digits(each=False),
    _split("[0-9][0-9][0-9]"),
]

_PRE_TOKENIZERS: dict[str, list[dict[str, Any]]] = {
    **dict.fromkeys(
        ("gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "granite-docling", "exaone4", "mellum"), _PLAIN
    ),
    **dict.fromkeys(
        ("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"), _DIGITS_APART
    ),
    **dict.fromkeys(
        (
            *("llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"),
            *("dbrx", "smaug-bpe", "chatglm-bpe", "glm4", "glm5"),
        ),
        _splits(_LLAMA3),
    ),
    **dict.fromkeys(
        ("qwen2", "deepseek-r1-qwen", "kormo", "megrez", "stablelm2", "hunyuan", "solar-open", "grok-2"),
        _splits(_QWEN2),
    ),
    "qwen35": _splits(_QWEN35),
    **dict.fromkeys(("gpt-4o", "llama4", "kanana2", "minimax-m2"), _splits(_GPT4O)),
    "tekken": _splits(_TEKKEN),
    **dict.fromkeys(("deepseek-v3", "hunyuan-dense", "joyai-llm"), _splits(*_DEEPSEEK3)),
    "deepseek-llm": _splits(
        r"[\r\n]", rf"\s?[{_DEEPSEEK_LETTERS}]+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$", _CJK_HANGUL, r"\p{N}+"
    ),
    "deepseek-coder": _splits(r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", _CJK_HANGUL, r"\p{N}"),
    "falcon": _FALCON,
    **dict.fromkeys(("bloom", "poro-chat", "gpt3-finnish"), _splits(_BLOOM)),
    "viking": _splits(_BLOOM, r"\p{N}"),
}

# A split that is itself in the vocabulary is taken whole, whatever the merges say.
_IGNORE_MERGES = frozenset(
    ("llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "glm4", "glm5", "tekken")
)
_ADD_BOS = _IGNORE_MERGES - {"glm4", "glm5"}
# llama.cpp leaves this out; the makers' tokenizer.json has it (Transformers' Qwen2Tokenizer, CohereTokenizer, GPTNeoXTokenizer).
_NFC = frozenset(("qwen2", "deepseek-r1-qwen", "kormo", "megrez", "command-r", "mpt", "olmo"))

# Control tokens that end a turn of a chat. Files name one end of text, which for some models isn't what ends an answer.
_TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|end|>", "<|eom_id|>")

_FROM_CHECKPOINT = "export the original checkpoint's folder instead, or report the model"
_CONVERT_AGAIN = "convert the model again with a current convert_hf_to_gguf.py of llama.cpp"


def tokenizer_assets(file: GgufFile) -> dict[str, bytes]:
    """tokenizer.json, tokenizer_config.json, generation_config.json and, if the file has one, chat_template.jinja.

    Raises weft.Error (corrupt, unsupported, not_found).
    """
    if "tokenizer.ggml.model" not in file.metadata:
        message = "holds no tokenizer (tokenizer.ggml.model is missing)"
        raise Error("not_found", message, file.path, _CONVERT_AGAIN)
    vocabulary = _Vocabulary(file)
    family = file.text("tokenizer.ggml.model")
    if family == "gpt2":
        pre = _pre_tokenizer_name(file)
        document = _byte_level_document(file, vocabulary, pre)
        add_bos = pre in _ADD_BOS
    elif family == "llama":
        document = _sentencepiece_document(file, vocabulary)
        add_bos = True
    else:
        message = f"'{family}' is not supported; these are: gpt2 (byte-level BPE), llama (SentencePiece BPE)"
        raise Error("unsupported", message, f"{file.path}: tokenizer.ggml.model", _FROM_CHECKPOINT)

    text = json.dumps(document, ensure_ascii=False)
    _check(file, text, vocabulary)
    assets = {
        "tokenizer.json": text.encode(),
        "tokenizer_config.json": _dump(_tokenizer_config(file, vocabulary, add_bos)),
        "generation_config.json": _dump(_generation_config(file, vocabulary)),
    }
    if template := file.text("tokenizer.chat_template", ""):
        assets["chat_template.jinja"] = template.encode()
    return assets


class _Vocabulary:
    """The tokens of a file, each with its type, and who of them stand where in a tokenizer.json."""

    def __init__(self, file: GgufFile) -> None:
        self.file = file
        self.tokens: list[str] = file.array("tokenizer.ggml.tokens", str)
        self.types: list[int] = file.array("tokenizer.ggml.token_type", int, [_NORMAL] * len(self.tokens))
        if not self.tokens:
            raise Error("corrupt", "is empty", f"{file.path}: tokenizer.ggml.tokens", _CONVERT_AGAIN)
        if len(self.types) != len(self.tokens):
            message = f"has {len(self.types)} entries for {len(self.tokens)} tokens"
            raise Error("corrupt", message, f"{file.path}: tokenizer.ggml.token_type", _CONVERT_AGAIN)
        # Rows that only pad the embedding to a round size are no tokens.
        while self.tokens and self.types[len(self.tokens) - 1] == _UNUSED:
            self.tokens.pop()
        ids: dict[str, int] = {}
        for index, token in enumerate(self.tokens):
            if ids.setdefault(token, index) != index:
                message = f"{ids[token]} and {index} are both {token!r}"
                raise Error("unsupported", message, f"{file.path}: tokenizer.ggml.tokens", _FROM_CHECKPOINT)
        self.ids = ids

    def is_added(self, index: int) -> bool:
        return self.types[index] in (_UNKNOWN, _CONTROL, _USER_DEFINED)

    def added_tokens(self) -> list[dict[str, Any]]:
        """Those that are looked for in a text before anything else."""
        return [
            {
                "id": index,
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": self.types[index] != _USER_DEFINED,
            }
            for index, token in enumerate(self.tokens)
            if self.is_added(index)
        ]

    def model_vocabulary(self) -> dict[str, int]:
        """Without the added tokens at its end, as makers have it; those elsewhere must stay, or later ids would shift."""
        end = len(self.tokens)
        while end > 0 and self.is_added(end - 1):
            end -= 1
        return {token: index for index, token in enumerate(self.tokens[:end])}

    def special(self, name: str) -> int | None:
        """The id that the metadata has under `name`, such as "eos"."""
        key = f"tokenizer.ggml.{name}_token_id"
        index = self.file.integer(key, None)
        if index is not None and not 0 <= index < len(self.tokens):
            message = f"is {index}, but the vocabulary has {len(self.tokens)} tokens"
            raise Error("corrupt", message, f"{self.file.path}: {key}", _CONVERT_AGAIN)
        return index


def _pre_tokenizer_name(file: GgufFile) -> str:
    where = f"{file.path}: tokenizer.ggml.pre"
    pre = file.text("tokenizer.ggml.pre", None)
    if pre is None:
        message = "is missing: the file is older than the field, and how it splits text can't be told"
        raise Error("unsupported", message, where, _CONVERT_AGAIN)
    if pre not in _PRE_TOKENIZERS:
        message = f"'{pre}' is not known; these are: {', '.join(sorted(_PRE_TOKENIZERS))}"
        raise Error("unsupported", message, where, _FROM_CHECKPOINT)
    return pre


def _byte_level_document(file: GgufFile, vocabulary: _Vocabulary, pre: str) -> dict[str, Any]:
    merges = []
    for index, merge in enumerate(file.array("tokenizer.ggml.merges", str)):
        pair = merge.split(" ")
        if len(pair) != 2 or not all(pair):
            where = f"{file.path}: tokenizer.ggml.merges[{index}]"
            raise Error(
                "corrupt", f"is {merge!r}, where two pieces with a space between were expected", where, _CONVERT_AGAIN
            )
        merges.append(pair)
    steps = _PRE_TOKENIZERS[pre]
    model = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": pre in _IGNORE_MERGES,
        "vocab": vocabulary.model_vocabulary(),
        "merges": merges,
    }
    byte_level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    return _document(
        vocabulary,
        normalizer={"type": "NFC"} if pre in _NFC else None,
        pre_tokenizer=steps[0] if len(steps) == 1 else {"type": "Sequence", "pretokenizers": steps},
        decoder=byte_level,
        model=model,
    )


def _sentencepiece_document(file: GgufFile, vocabulary: _Vocabulary) -> dict[str, Any]:
    space = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    decoders: list[dict[str, Any]] = [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    if file.boolean("tokenizer.ggml.add_space_prefix", True):
        normalizer: dict[str, Any] = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, space]}
        decoders.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    else:
        normalizer = space
    unknown = vocabulary.special("unknown")
    model = {
        "type": "BPE",
        "dropout": None,
        "unk_token": vocabulary.tokens[unknown] if unknown is not None else None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": True,
        "byte_fallback": True,
        "ignore_merges": False,
        # Whole: the unknown token and the bytes are looked up by their text.
        "vocab": dict(vocabulary.ids),
        "merges": _merges_by_score(file, vocabulary),
    }
    return _document(
        vocabulary,
        normalizer=normalizer,
        pre_tokenizer=None,
        decoder={"type": "Sequence", "decoders": decoders},
        model=model,
    )


def _merges_by_score(file: GgufFile, vocabulary: _Vocabulary) -> list[list[str]]:
    """SentencePiece joins the two neighbours whose joined piece scores highest: as merges, every way to cut each piece in
    two, best piece first. Only normal pieces take part: control tokens must not come out of a text that spells them."""
    scores = file.array("tokenizer.ggml.scores", float)
    if len(scores) < len(vocabulary.tokens):
        message = f"has {len(scores)} entries for {len(vocabulary.tokens)} tokens"
        raise Error("corrupt", message, f"{file.path}: tokenizer.ggml.scores", _CONVERT_AGAIN)
    pieces = {token: index for token, index in vocabulary.ids.items() if vocabulary.types[index] == _NORMAL}
    merges = []
    for piece in sorted(pieces, key=lambda piece: (-scores[pieces[piece]], pieces[piece])):
        cuts = [(piece[:at], piece[at:]) for at in range(1, len(piece))]
        cuts = [cut for cut in cuts if cut[0] in pieces and cut[1] in pieces]
        merges += sorted(map(list, cuts), key=lambda cut: (pieces[cut[0]], pieces[cut[1]]))
    return merges


def _document(vocabulary: _Vocabulary, **parts: Any) -> dict[str, Any]:
    empty = {"version": "1.0", "truncation": None, "padding": None, "post_processor": None}
    return {**empty, "added_tokens": vocabulary.added_tokens(), **parts}


def _check(file: GgufFile, text: str, vocabulary: _Vocabulary) -> None:
    """The reference implementation must read it, and give every token the id that the file gives it."""
    where = f"{file.path}: tokenizer"
    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # the package raises no narrower one
        raise Error("corrupt", f"makes no tokenizer: {error}", where, _CONVERT_AGAIN) from error
    for index, token in enumerate(vocabulary.tokens):
        if (found := tokenizer.token_to_id(token)) != index:
            raise Error("corrupt", f"the token {token!r} has the id {index}, but gets {found}", where, _FROM_CHECKPOINT)


def _tokenizer_config(file: GgufFile, vocabulary: _Vocabulary, add_bos: bool) -> dict[str, Any]:
    config: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    config["add_bos_token"] = file.boolean("tokenizer.ggml.add_bos_token", add_bos)
    config["add_eos_token"] = file.boolean("tokenizer.ggml.add_eos_token", False)
    for ours, theirs in (("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding")):
        if (index := vocabulary.special(theirs)) is not None:
            config[f"{ours}_token"] = vocabulary.tokens[index]
    return config


def _generation_config(file: GgufFile, vocabulary: _Vocabulary) -> dict[str, Any]:
    ends = [vocabulary.special(name) for name in ("eos", "eot", "eom")]
    ends += [
        index
        for token in _TURN_ENDS
        if (index := vocabulary.ids.get(token)) is not None and vocabulary.types[index] == _CONTROL
    ]
    config: dict[str, Any] = {"eos_token_id": list(dict.fromkeys(index for index in ends if index is not None))}
    for ours, theirs in (("bos", "bos"), ("pad", "padding")):
        if (index := vocabulary.special(theirs)) is not None:
            config[f"{ours}_token_id"] = index
    return config


def _dump(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=2).encode()
