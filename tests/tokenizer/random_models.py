"""SentencePiece models that were changed at random: combinations that no trainer writes, but sentencepiece reads."""

import functools
import random

import synthetic_models
from sentencepiece import sentencepiece_model_pb2 as pb

BASES = [
    "unigram", "unigram_bytes", "unigram_symbols", "unigram_casefold", "unigram_across_words", "bpe", "bpe_bytes", "bpe_symbols",
    "bpe_across_words", "char", "char_bytes_symbols", "word",
]  # fmt: skip
PIECES = [
    "  ",
    "▁▁",
    "\t",
    "\n",
    "▁a",
    "a▁",
    "x" * 20,
    "é",
    "e\u0301",
    "字字",
    "🙂",
    "▁\n",
    "...",
    "abc",
    "\u3000",
    "<x>",
    "</s>x",
    "ﬁ",
    "\x01",
    "\u200d",
]

base = functools.cache(lambda name: synthetic_models.FILES[name]())


def copies(pieces):
    return [pb.ModelProto.SentencePiece.FromString(piece.SerializeToString()) for piece in pieces]


def replace_pieces(proto, pieces):
    del proto.pieces[:]
    proto.pieces.extend(pieces)


def make(seed):
    """A model file, and the names of what was done to it."""
    rng = random.Random(seed)
    name = rng.choice(BASES)
    proto = pb.ModelProto.FromString(base(name))
    normalizer, trainer, done = proto.normalizer_spec, proto.trainer_spec, [name]

    def map_of_another():
        other = pb.ModelProto.FromString(base(rng.choice(["unigram", "unigram_casefold"])))
        normalizer.precompiled_charsmap = other.normalizer_spec.precompiled_charsmap

    def types():
        for piece in proto.pieces:
            if piece.type == piece.NORMAL and rng.random() < 0.1:
                piece.type = rng.choice([piece.UNUSED, piece.UNUSED, piece.USER_DEFINED, piece.CONTROL])

    def scores():
        distinct = rng.choice([1, 3, 50])
        for piece in proto.pieces:
            if piece.type in (piece.NORMAL, piece.UNUSED):
                piece.score = -float(rng.randrange(distinct)) * rng.choice([1, 0.5])

    def scores_of_any_type():
        for piece in proto.pieces:
            if rng.random() < 0.1:
                piece.score = float(rng.randrange(-3, 6))

    def order():
        pieces = copies(proto.pieces)
        rng.shuffle(pieces)
        replace_pieces(proto, pieces)

    def fewer():
        kept = [
            piece
            for piece in proto.pieces
            if piece.type in (piece.UNKNOWN, piece.BYTE, piece.CONTROL) or rng.random() < 0.7
        ]
        replace_pieces(proto, copies(kept))

    def more():
        known = {piece.piece for piece in proto.pieces}
        for text in PIECES:
            if text not in known and rng.random() < 0.3:
                proto.pieces.add(piece=text, score=-rng.random() * 10, type=rng.choice([1, 4, 4, 3, 5]))

    def denormalizer():
        proto.denormalizer_spec.CopyFrom(normalizer)
        for flag in ("add_dummy_prefix", "remove_extra_whitespaces", "escape_whitespaces"):
            if rng.random() < 0.7:
                setattr(proto.denormalizer_spec, flag, False)

    def flag(spec, field):
        return lambda: setattr(spec, field, rng.random() < 0.5)

    for chance, change, what in (
        (0.3, flag(normalizer, "add_dummy_prefix"), "dummy prefix"),
        (0.3, flag(normalizer, "remove_extra_whitespaces"), "extra whitespace"),
        (0.2, flag(normalizer, "escape_whitespaces"), "escaped whitespace"),
        (0.3, flag(trainer, "treat_whitespace_as_suffix"), "suffix"),
        (0.2, lambda: normalizer.ClearField("precompiled_charsmap"), "no character map"),
        (0.15, map_of_another, "another character map"),
        (0.3, lambda: setattr(trainer, "model_type", rng.choice([1, 2, 3, 4])), "another type"),
        (0.2, flag(trainer, "byte_fallback"), "byte fallback"),
        (0.2, lambda: setattr(trainer, "unk_surface", rng.choice(["", " ⁇ ", "?", "[UNK]", "▁x"])), "unknown surface"),
        (0.4, types, "types"),
        (0.3, scores, "scores"),
        (0.1, scores_of_any_type, "scores of any type"),
        (0.2, order, "order"),
        (0.3, fewer, "fewer"),
        (0.4, more, "more"),
        (0.1, denormalizer, "denormalizer"),
    ):
        if rng.random() < chance:
            change()
            done.append(what)
    return proto.SerializeToString(), ", ".join(done)
