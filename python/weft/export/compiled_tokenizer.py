"""The tokenizer as a table that a program maps instead of reading it: tokenizer.weft (docs/tokenizer.md)."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from weft.errors import Error
from weft.export.progress import Progress
from weft.installation import find_program

NAME = "tokenizer.weft"


def compiled_tokenizer(assets: Mapping[str, bytes], progress: Progress) -> dict[str, bytes]:
    """{NAME: bytes}, made of tokenizer.json; nothing, with a note, where that can't be: the file itself does as well."""
    if "tokenizer.json" not in assets:
        return {}
    try:
        program = find_program()
    except Error as error:
        progress.note(f"the tokenizer isn't compiled, and loads slower: {error}")
        return {}
    with tempfile.TemporaryDirectory(prefix="weft-tokenizer-") as folder:
        source, compiled = Path(folder, "tokenizer.json"), Path(folder, NAME)
        source.write_bytes(assets["tokenizer.json"])
        command = [str(program), "tokenize", str(source), "--compile", str(compiled)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            progress.note(f"the tokenizer can't be compiled: {done.stderr.strip()}")
            return {}
        return {NAME: compiled.read_bytes()}
