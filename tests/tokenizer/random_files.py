"""tokenizer.json files of random components: what nobody would write by hand, but `tokenizers` accepts."""

import json
import random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

WORDS = (
    "a b c d e t h s i n o r l u , . ' ! ? - 1 2 3 0 9 é ü ß 字 の а я ا ש ก 가 😀 ▁ Ġ Ċ Ã © the hello world ing ed tion lo wor he ll "
    "ab abc 12 123 ## ##a ##b ##ing </w> a</w> o</w> the</w> ▁a ▁the ▁hello ▁w Ġa Ġthe Ġhello Ġ1 st nd é字 ĠĠ ▁▁ [UNK] <unk>"
).split()
PATTERNS = [r"\s+", r"\p{L}+|\p{N}{1,2}|[^\s\p{L}\p{N}]+|\s+", r"[aeiou]", r"(?=[A-Z])", r"\w+", r"'s|'t| ?\p{L}+| ?\p{N}+|\s+(?!\S)|\s+", r".", r"\d", r"h.l*o?", r"(\w)\1|(\p{P})\2*"]


# What may be a control token: weft never makes one out of other text, so none is a piece that words are made of.
CONTROL = ["<s>", "</s>", "[MASK]", "<x>"]


def pieces(rng):
    chosen = [word for word in WORDS if rng.random() < 0.8]
    return chosen + [chr(rng.randrange(0x21, 0x7F)) for _ in range(5)]


def vocabulary(rng, *first):
    return {piece: id for id, piece in enumerate(dict.fromkeys([*first, *pieces(rng)]))}


def model(rng):
    kind = rng.choice(["bpe", "bpe", "unigram", "wordpiece", "wordlevel"])
    if kind == "wordlevel":
        return models.WordLevel(vocabulary(rng, "[UNK]"), unk_token="[UNK]")
    if kind == "wordpiece":
        return models.WordPiece(
            vocabulary(rng, "[UNK]"), unk_token="[UNK]", max_input_chars_per_word=rng.choice([3, 10, 100]),
            continuing_subword_prefix=rng.choice(["##", "##", "", "a"]))
    if kind == "unigram":
        vocab = [("<unk>", 0.0)] + [(piece, -rng.choice([1.0, 2.0, 2.5, rng.random() * 10])) for piece in vocabulary(rng) if piece != "<unk>"]
        fallback = rng.random() < 0.3
        if fallback:
            vocab += [(f"<0x{byte:02X}>", -12.0) for byte in range(256)]
        return models.Unigram(vocab, 0, fallback)
    fallback = rng.random() < 0.4
    prefix, suffix = rng.choice([(None, None), (None, None), ("##", None), (None, "</w>"), ("##", "</w>")])
    vocab = vocabulary(rng, "<unk>")
    if fallback:
        for byte in range(256):
            if rng.random() < 0.98:
                vocab.setdefault(f"<0x{byte:02X}>", len(vocab))
    merges, tokens = [], list(vocab)
    for _ in range(120):
        left, right = rng.choice(tokens), rng.choice(tokens)
        joined = left + (right.removeprefix(prefix) if prefix else right)
        if prefix and not right.startswith(prefix):
            continue
        if len(joined) > 12:
            continue
        if joined not in vocab:
            vocab[joined] = len(vocab)
            tokens.append(joined)
        if (left, right) not in merges:
            merges.append((left, right))
    options = {"unk_token": rng.choice([None, "<unk>"]), "fuse_unk": rng.random() < 0.5, "byte_fallback": fallback, "ignore_merges": rng.random() < 0.3}
    if prefix or suffix:  # bytes of an affix have places behind the word's end, which mean nothing
        options["byte_fallback"] = False
    if prefix:
        options["continuing_subword_prefix"] = prefix
    if suffix:
        options["end_of_word_suffix"] = suffix
    return models.BPE(vocab, merges, **options)


def normalizer(rng, depth=0):
    n = normalizers
    makers = [
        n.NFC, n.NFD, n.NFKC, n.NFKD, n.Lowercase, n.StripAccents, n.Nmt, n.ByteLevel,
        lambda: n.Strip(left=rng.random() < 0.5, right=rng.random() < 0.5),
        lambda: n.Replace(rng.choice(["a", " ", "''", "é", "ll"]), rng.choice(["", "b", "▁", "xyz", "字"])),
        lambda: n.Replace(Regex(rng.choice([r"\s+", "[aeiou]", r"\p{P}", "(l)+", r"\d{2}"])), rng.choice(["", " ", "_", "é"])),
        lambda: n.Prepend(rng.choice(["▁", " ", "é", "ab"])),
        lambda: n.BertNormalizer(clean_text=rng.random() < 0.5, handle_chinese_chars=rng.random() < 0.5,
                                 strip_accents=rng.choice([None, True, False]), lowercase=rng.random() < 0.5),
    ]
    if depth == 0 and rng.random() < 0.5:
        return n.Sequence([normalizer(rng, 1) for _ in range(rng.randrange(0, 4))])
    return rng.choice(makers)()


def pre_tokenizer(rng, depth=0):
    p = pre_tokenizers
    behavior = rng.choice(["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"])
    makers = [
        p.Whitespace, p.WhitespaceSplit, p.BertPreTokenizer, p.UnicodeScripts,
        lambda: p.ByteLevel(add_prefix_space=rng.random() < 0.5, use_regex=rng.random() < 0.6, trim_offsets=rng.random() < 0.5),
        lambda: p.Metaspace(replacement=rng.choice("▁▁_"), prepend_scheme=rng.choice(["always", "first", "never"]), split=rng.random() < 0.6),
        lambda: p.Digits(individual_digits=rng.random() < 0.5),
        lambda: p.Punctuation(behavior),
        lambda: p.CharDelimiterSplit(rng.choice("a ,é")),
        lambda: p.FixedLength(length=rng.randrange(1, 5)),
        lambda: p.Split(Regex(rng.choice(PATTERNS)), behavior, invert=rng.random() < 0.4),
        lambda: p.Split(rng.choice([" ", "a", "ll", "é"]), behavior, invert=rng.random() < 0.4),
    ]
    if depth == 0 and rng.random() < 0.6:
        return p.Sequence([pre_tokenizer(rng, 1) for _ in range(rng.randrange(0, 4))])
    return rng.choice(makers)()


def post_processor(rng, depth=0):
    p = processors
    makers = [
        lambda: p.ByteLevel(trim_offsets=rng.random() < 0.5),
        lambda: p.BertProcessing(("[SEP]", 1), ("[CLS]", 2)),
        lambda: p.RobertaProcessing(("</s>", 1), ("<s>", 2), trim_offsets=rng.random() < 0.5, add_prefix_space=rng.random() < 0.5),
        lambda: p.TemplateProcessing(single=rng.choice(["[A] $A [B]", "$A:2 [B]:1", "[A] [A] $A", "$0"]),
                                     pair=rng.choice(["[A] $A [B] $B:1 [B]:1", "$B:1 $A", "$A $B"]), special_tokens=[("[A]", 3), ("[B]", 4)]),
    ]
    if depth == 0 and rng.random() < 0.3:
        # Not two that add tokens: of a pair, the library forgets then which text a token is of.
        return p.Sequence([makers[0](), rng.choice(makers)()])
    return rng.choice(makers)()


def decoder(rng, depth=0):
    d = decoders
    makers = [
        d.ByteLevel, d.ByteFallback, d.Fuse,
        lambda: d.Metaspace(replacement=rng.choice("▁_"), prepend_scheme=rng.choice(["always", "first", "never"])),
        lambda: d.WordPiece(prefix=rng.choice(["##", "a"]), cleanup=rng.random() < 0.5),
        lambda: d.BPEDecoder(suffix=rng.choice(["</w>", "o"])),
        lambda: d.CTC(pad_token=rng.choice(["<s>", "a"]), word_delimiter_token=rng.choice(["▁", "l"]), cleanup=rng.random() < 0.5),
        lambda: d.Strip(rng.choice(" ▁a"), rng.randrange(3), rng.randrange(3)),
        lambda: d.Replace(rng.choice(["▁", "Ġ", "a"]), rng.choice([" ", "", "xx"])),
    ]
    if depth == 0 and rng.random() < 0.5:
        return d.Sequence([decoder(rng, 1) for _ in range(rng.randrange(0, 4))])
    return rng.choice(makers)()


def added_tokens(rng):
    contents = ["<s>", "</s>", "[UNK]", "[MASK]", "hello", "he", "  ", " a", "é", "Ab", "字", "<x>", "12", "\n", "▁", "the world", "A"]
    for content in rng.sample(contents, rng.randrange(0, 7)):
        yield AddedToken(content, single_word=rng.random() < 0.3, lstrip=rng.random() < 0.3, rstrip=rng.random() < 0.3,
                         normalized=rng.random() < 0.5, special=content in CONTROL and rng.random() < 0.5)


def make(seed):
    """The tokenizer of a seed, as the text of its file."""
    rng = random.Random(seed)
    tokenizer = Tokenizer(model(rng))
    for name, maker, share in [("normalizer", normalizer, 0.6), ("pre_tokenizer", pre_tokenizer, 0.85),
                               ("post_processor", post_processor, 0.5), ("decoder", decoder, 0.85)]:
        if rng.random() < share:
            setattr(tokenizer, name, maker(rng))
    if isinstance(tokenizer.model, models.Unigram) and "trim_offsets" in tokenizer.to_str().partition('"post_processor"')[2]:
        # It would trim the unknown text of an unknown token, which only this library's own model remembers.
        tokenizer.post_processor = processors.TemplateProcessing(single="$A")
    forms = set()
    for token in added_tokens(rng):
        normalized = token.normalized and tokenizer.normalizer is not None
        form = tokenizer.normalizer.normalize_str(token.content) if normalized else token.content
        if not form or form in forms:
            continue  # the library would find the empty text before each character, and of two alike any one
        forms.add(form)
        (tokenizer.add_special_tokens if token.special else tokenizer.add_tokens)([token])
    if rng.random() < 0.15:
        tokenizer.enable_truncation(rng.randrange(4, 12), stride=rng.randrange(0, 2), strategy=rng.choice(["longest_first", "only_first"]),
                                    direction=rng.choice(["left", "right"]))
    if rng.random() < 0.15:
        tokenizer.enable_padding(direction=rng.choice(["left", "right"]), pad_id=0, pad_type_id=1, length=rng.choice([None, 10]),
                                 pad_to_multiple_of=rng.choice([None, 4]))
    data = json.loads(tokenizer.to_str())
    return json.dumps(data, ensure_ascii=False)
