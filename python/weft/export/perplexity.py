"""Perplexity of the eager model, over the same windows as `weft eval` (apps/perplexity.h); and what `weft eval` says of a file."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from weft.errors import Error
from weft.installation import find_program

CONTEXT = 1024  # of a window, where the model has as much; the stride is half of it
MAX_TOKENS = 16384  # of the text that an export measures on


def read_text(path: Path) -> str:
    """Raises weft.Error (not_found, io, invalid_argument)."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise Error("not_found", "is not there", path, "give a text file") from error
    except UnicodeDecodeError as error:
        raise Error("invalid_argument", f"is not UTF-8: byte {error.start}", path, "convert it: iconv -t UTF-8") from error
    except OSError as error:
        raise Error("io", f"can't be read: {error.strerror}", path, "check its permissions") from error


def text_ids(assets: Mapping[str, bytes], text: str) -> list[int]:
    """The ids of a text by the model's own tokenizer, control tokens read as text, after BOS where the model wants one."""
    import tokenizers

    if "tokenizer.json" not in assets:
        raise Error("unsupported", "the model has no tokenizer.json", "tokenizer", "give a checkpoint with one")
    tokenizer = tokenizers.Tokenizer.from_str(assets["tokenizer.json"].decode())
    tokenizer.encode_special_tokens = True
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    config = json.loads(assets.get("tokenizer_config.json", b"{}"))
    bos = config.get("bos_token")
    bos_id = tokenizer.token_to_id(bos["content"] if isinstance(bos, dict) else bos) if bos else None
    return [bos_id, *ids] if config.get("add_bos_token") and bos_id is not None else ids


@torch.no_grad()
def eager_perplexity(model, ids: Sequence[int], context: int, stride: int) -> float:
    """exp of the mean negative log-likelihood of all tokens but the first; see apps/perplexity.h for the windows."""
    total, scored, scored_to = 0.0, 0, 1
    for begin in range(0, len(ids), stride):
        end = min(begin + context, len(ids))
        window = torch.tensor([ids[begin:end]])
        first = max(scored_to, begin + 1) - begin  # of those that this window scores
        if first < end - begin:
            logits = model(input_ids=window, use_cache=False).logits[0, first - 1 : -1].double()
            total += torch.nn.functional.cross_entropy(logits, window[0, first:], reduction="sum").item()
            scored += end - begin - first
        scored_to = end
        if end == len(ids):
            break
    return float(torch.exp(torch.tensor(total / scored, dtype=torch.float64)))


def file_perplexity(path: Path, text: Path, *options: str) -> dict:
    """What `weft eval --json` says."""
    command = [str(find_program()), "eval", str(path), "--text", str(text), "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Error("backend", f"weft eval failed: {done.stderr.strip()}", path, "report the model")
    return json.loads(done.stdout)
