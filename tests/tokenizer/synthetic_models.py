"""SentencePiece models of every type and flag, small, trained with the sentencepiece package or changed by hand."""

import functools
import io

import corpus
import sentencepiece as spm
from sentencepiece import sentencepiece_model_pb2 as pb

QUICK = {"seed_sentencepiece_size": 2000, "num_sub_iterations": 1, "max_sentencepiece_length": 8}


def trained(model_type, vocab_size=600, **options):
    lines = [line for text in corpus.torture() * 2 for line in text.split("\n") if line.strip("\0 ") and "\0" not in line]
    out = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=out,
        model_type=model_type,
        vocab_size=vocab_size,
        hard_vocab_limit=False,
        minloglevel=2,
        num_threads=1,
        **(QUICK if model_type == "unigram" else {}),
        **options,
    )
    return out.getvalue()


@functools.cache
def plain(model_type):
    return trained(model_type)


def changed(data, change):
    proto = pb.ModelProto.FromString(data)
    change(proto)
    return proto.SerializeToString()


def with_unused(proto):
    """Every fifth piece of more than one character is unused."""
    for i, piece in enumerate(proto.pieces):
        if piece.type == piece.NORMAL and len(piece.piece) > 1 and i % 5 == 0:
            piece.type = piece.UNUSED


def with_denormalizer(proto):
    proto.denormalizer_spec.CopyFrom(proto.normalizer_spec)
    proto.denormalizer_spec.add_dummy_prefix = False
    proto.denormalizer_spec.remove_extra_whitespaces = False
    proto.denormalizer_spec.escape_whitespaces = False


def with_equal_scores(proto):
    for piece in proto.pieces:
        piece.score = -float(len(piece.piece) % 3)


def without_escape(proto):
    proto.normalizer_spec.escape_whitespaces = False


SYMBOLS = {"user_defined_symbols": ["<sep>", "ab", "字", "  ", "hello wor", "é"], "control_symbols": ["<ctl>", "[INST]", "</ctl>"]}
RAW = {"normalization_rule_name": "identity", "remove_extra_whitespaces": False}

FILES = {
    "unigram": lambda: plain("unigram"),
    "unigram_bytes": lambda: trained("unigram", 900, byte_fallback=True, character_coverage=0.98),
    "unigram_symbols": lambda: trained("unigram", **SYMBOLS),
    "unigram_raw": lambda: trained("unigram", **RAW),
    "unigram_suffix": lambda: trained("unigram", treat_whitespace_as_suffix=True),
    "unigram_no_prefix": lambda: trained("unigram", add_dummy_prefix=False),
    "unigram_casefold": lambda: trained("unigram", normalization_rule_name="nmt_nfkc_cf"),
    "unigram_unused": lambda: changed(plain("unigram"), with_unused),
    "unigram_ties": lambda: changed(plain("unigram"), with_equal_scores),
    "unigram_unescaped": lambda: changed(plain("unigram"), without_escape),
    "unigram_across_words": lambda: trained("unigram", split_by_whitespace=False, split_by_number=False, split_by_unicode_script=False),
    "bpe": lambda: plain("bpe"),
    "bpe_bytes": lambda: trained("bpe", 900, byte_fallback=True, character_coverage=0.98, split_digits=True, **RAW),
    "bpe_symbols": lambda: trained("bpe", **SYMBOLS),
    "bpe_symbols_raw": lambda: trained("bpe", **SYMBOLS, **RAW, allow_whitespace_only_pieces=True),
    "bpe_suffix": lambda: trained("bpe", treat_whitespace_as_suffix=True),
    "bpe_suffix_raw": lambda: trained("bpe", treat_whitespace_as_suffix=True, **RAW, allow_whitespace_only_pieces=True),
    "bpe_no_prefix": lambda: trained("bpe", add_dummy_prefix=False, normalization_rule_name="nfkc"),
    "bpe_unused": lambda: changed(plain("bpe"), with_unused),
    "bpe_ties": lambda: changed(plain("bpe"), with_equal_scores),
    "bpe_ties_unused": lambda: changed(changed(plain("bpe"), with_equal_scores), with_unused),
    "bpe_across_words": lambda: trained("bpe", split_by_whitespace=False),
    "bpe_denormalizer": lambda: changed(plain("bpe"), with_denormalizer),
    "char": lambda: trained("char"),
    "char_bytes_symbols": lambda: trained("char", 900, byte_fallback=True, character_coverage=0.98, **SYMBOLS, **RAW),
    "word": lambda: trained("word"),
    "word_bytes": lambda: trained("word", 900, byte_fallback=True, **RAW),
    "word_suffix": lambda: trained("word", treat_whitespace_as_suffix=True),
    "odd_ids": lambda: trained("unigram", unk_id=3, bos_id=-1, eos_id=0, pad_id=1, unk_surface="[?]", unk_piece="<UNK>"),
}
