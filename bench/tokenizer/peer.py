"""Times one library on one text in this process and prints JSON; run.py starts one process for each measurement.

    python bench/tokenizer/peer.py LIBRARY TOKENIZER TEXT [--repeat N]

LIBRARY is tokenizers, tiktoken, sentencepiece, gigatoken, fastokens, iree or weft.
"""

import argparse
import hashlib
import json
import re
import resource
import time
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Encode = Callable[[str], Sequence[int]]
Decode = Callable[[Any], object]
Batch = Callable[[list[str]], object]


def load_tokenizers(path: Path) -> tuple[Encode, Decode, Batch]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    return (
        lambda text: tokenizer.encode(text, add_special_tokens=False).ids,
        lambda ids: tokenizer.decode(ids, skip_special_tokens=False),
        lambda texts: tokenizer.encode_batch(texts, add_special_tokens=False),
    )


def load_tiktoken(path: Path) -> tuple[Encode, Decode, Batch]:
    """From the ranks that a byte-level tokenizer.json's vocabulary holds: its ids are its merges' order."""
    import tiktoken

    data = json.loads(path.read_text(encoding="utf-8"))
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    byte_of = {chr(byte): byte for byte in printable} | {chr(0x100 + i): byte for i, byte in enumerate(others)}
    ranks = {bytes(byte_of[c] for c in piece): rank for piece, rank in data["model"]["vocab"].items()}
    (pattern,) = re.findall(r'"Regex": ?("(?:[^"\\]|\\.)*")', json.dumps(data["pre_tokenizer"]))
    encoding = tiktoken.Encoding("bench", pat_str=json.loads(pattern), mergeable_ranks=ranks, special_tokens={})
    return encoding.encode_ordinary, encoding.decode, lambda texts: encoding.encode_ordinary_batch(texts, num_threads=1)


def load_sentencepiece(path: Path) -> tuple[Encode, Decode, Batch]:
    from sentencepiece import SentencePieceProcessor

    processor = SentencePieceProcessor(model_file=str(path))
    return processor.encode, processor.decode, lambda texts: processor.encode(texts, num_threads=1)


def load_gigatoken(path: Path) -> tuple[Encode, Decode, Batch]:
    from gigatoken import Tokenizer

    tokenizer = Tokenizer(str(path))
    return tokenizer.encode, tokenizer.decode, lambda texts: tokenizer.encode_batch(texts, parallel=False)


def load_fastokens(path: Path) -> tuple[Encode, Decode, Batch]:
    from fastokens._native import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids, tokenizer.decode, tokenizer.encode_batch


def load_iree(path: Path) -> tuple[Encode, Decode, Batch]:
    from iree.tokenizer import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    return lambda text: tokenizer.encode(text), tokenizer.decode, tokenizer.encode_batch


def load_weft(path: Path) -> tuple[Encode, Decode, Batch]:
    import numpy  # noqa: F401  what weft gives are its arrays; else the first of them would import it

    import weft

    tokenizer = weft.Tokenizer.load(path)
    return (
        tokenizer.encode,
        lambda ids: tokenizer.decode(ids, specials=weft.Specials.AS_TOKENS),
        lambda texts: weft.encode_batch(tokenizer, texts, add_special_tokens=False, fields=["ids"], threads=1),
    )


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library")
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("--repeat", type=int, default=1, help="encode so often; the first is cold")
    args = parser.parse_args()
    text = args.text.read_text(encoding="utf-8")

    def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        return result, time.perf_counter() - wall, time.process_time() - cpu

    before = peak_bytes()
    (encode, decode, encode_batch), load_s, load_cpu_s = timed(lambda: globals()[f"load_{args.library}"](args.tokenizer))
    load_bytes = peak_bytes() - before
    encodes = [timed(lambda: encode(text)) for _ in range(args.repeat)]
    ids = encodes[0][0]
    decodes = [timed(lambda: decode(ids)) for _ in range(args.repeat)]
    lines = text.splitlines(keepends=True)
    batches = [timed(lambda: encode_batch(lines)) for _ in range(args.repeat)]
    print(
        json.dumps(
            {
                "library": args.library,
                "load_s": load_s,
                "load_cpu_s": load_cpu_s,
                "load_bytes": load_bytes,
                "encode_s": [e[1] for e in encodes],
                "encode_cpu_s": [e[2] for e in encodes],
                "decode_s": [d[1] for d in decodes],
                "decode_cpu_s": [d[2] for d in decodes],
                "batch_cpu_s": [b[2] for b in batches],
                "tokens": len(ids),
                "ids_sha256": hashlib.sha256(array("i", [int(i) for i in ids]).tobytes()).hexdigest(),
                "peak_bytes": peak_bytes(),
            }
        )
    )


if __name__ == "__main__":
    main()
