"""Writes docs/architectures.md from what verify.py found."""

from __future__ import annotations

import json
import re
from pathlib import Path

import transformers
from tiny import ARCHITECTURES

from weft.export.support import REFUSED

_HEAD = """# Architectures

Every causal language model that Transformers {version} registers. For each, `tests/architectures/verify.py` makes a model of random
weights, exports it to both backends, runs the files with `weft logits`, and holds the logits of prompts of several lengths (whole
and in chunks), of 32 greedy steps and of what follows after going back against eager Transformers with its own cache.
A number is the largest error, as a part of the largest logit; up to 1e-5 in a `.pt2` and 5e-4 in a `.pte` counts as equal.

    python tests/architectures/verify.py            # all of it, and this page; --part 2/8 for an eighth, or names
    python tests/architectures/verify.py --trial    # only what is traced, run in Python: half a second for each
    python tests/architectures/verify.py --table    # this page, from the results that are kept in build/architectures

A run that is broken off goes on where it stopped. One architecture takes about 15 s of one core's time: 6 for the `.pte`, 9 for the
`.pt2`, most of it for the C++ compiler; an edit of the exporter that leaves a traced program as it was costs 1 to 2 s.

**{both}** are equal on both backends{more}.

*Cache*: `outside` is the ragged contract (docs/model-file.md): batches, forks and rewinds cost nothing. `in graph` keeps the cache in
buffers of the program, one sequence for each load; with `state`, it is a recurrence that reads one token in each call, and going back
reads the kept tokens again. `reads all`: the model has no cache that can be exported, and reads its whole context in each call.

| model_type | cache | `.pt2` | `.pte` | remark |
|---|---|---|---|---|
"""


def _number(result: dict, backend: str, bound: float) -> str:
    if backend in result:
        value = result[backend]
        return f"{value:.0e}" if value <= bound else f"**{value:.0e}**"
    return "fails" if f"{backend}_error" in result else ""


def _short(text: str) -> str:
    text = re.sub(r"\S*/weft-architecture-\w+/", "", text)  # the folder that it was tried in
    return " ".join(text.replace("|", "/").split())[:150]


def _remark(result: dict) -> str:
    parts = []
    if result.get("stage") in ("build", "eager"):
        parts.append(f"not verified: the tiny model doesn't run in Transformers itself ({_short(result['error'])})")
    elif "error" in result:
        parts.append(f"{result['stage']}: {_short(result['error'])}")
    for backend in ("aoti", "executorch"):
        if f"{backend}_error" in result:
            parts.append(f"{backend}: {_short(result[f'{backend}_error'])}")
    if result.get("python", 0) > 1e-3:
        parts.append(f"differs from eager by {result['python']:.0e} as it is traced")
    if result.get("own_difference", 0) > 1e-4:
        parts.append(f"eager's own cache differs from eager without one by {result['own_difference']:.0e}")
    if not parts and result.get("contract") == "in_graph" and result.get("reason"):
        parts.append(_short(result["reason"]))
    return "; ".join(parts)


def write_table(results: Path, out: Path) -> None:
    rows, both, one, traced = [], 0, 0, 0
    for name in ARCHITECTURES:
        if name in REFUSED:
            rows.append(f"| {name} | | | | can't be exported: {REFUSED[name]} |")
            continue
        kept = next((path for path in (results / f"{name}.json", results / f"{name}.trial.json") if path.is_file()), None)
        if kept is None:
            rows.append(f"| {name} | | | | not run yet |")
            continue
        result = json.loads(kept.read_text())
        equal = [result.get("aoti", 1) <= 1e-5, result.get("executorch", 1) <= 5e-4]
        both, one = both + all(equal), one + (any(equal) and not all(equal))
        cache = {"ragged": "outside", "in_graph": "in graph"}.get(result.get("contract"), "")
        cache += ", state" if result.get("recurrent") else ", reads all" if result.get("recomputed") else ""
        if not any(equal) and "error" not in result and result.get("python", 1) <= 1e-3 and kept.name.endswith(".trial.json"):
            traced += 1
            remark = f"as traced equal ({result['python']:.0e}); files not made yet"
        else:
            remark = _remark(result)
        numbers = f"{_number(result, 'aoti', 1e-5)} | {_number(result, 'executorch', 5e-4)}"
        rows.append(f"| {name} | {cache} | {numbers} | {remark} |")
    more = f", {one} more on one of them" if one else ""
    more += f"; {traced} more give eager's logits as they are traced, run in Python, and wait for their files" if traced else ""
    head = _HEAD.format(version=transformers.__version__, both=f"{both} of {len(ARCHITECTURES)}", more=more)
    out.write_text(head + "\n".join(rows) + "\n")
