"""Tables and a plot of what was measured."""

from __future__ import annotations

import html
import statistics
from collections import defaultdict
from pathlib import Path

from machine import QUIET
from sources import DESCRIPTIONS, PARAMETERS

# Key, heading, format, whether larger is better.
MEASURES = {
    "decode_tok_s": ("decode (tok/s)", "{:.1f}", True),
    "prefill_tok_s": ("prefill (tok/s)", "{:.0f}", True),
    "ttft_ms": ("first token (ms)", "{:.0f}", False),
    "load_ms": ("load (ms)", "{:.0f}", False),
    "cold_ms": ("load and first token (ms)", "{:.0f}", False),
    "peak_rss_mb": ("peak memory (MiB)", "{:.0f}", False),
}

Case = tuple[str, int, int, int]  # model, bits, threads, context


def by_case(runs: list[dict]) -> dict[Case, dict[str, list[dict]]]:
    cases: dict[Case, dict[str, list[dict]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        cases[run["model"], run["bits"], run["threads"], run["context"]][run["contender"]].append(run)
    return dict(sorted(cases.items(), key=lambda item: ("SM".index(item[0][0]), *item[0][1:])))


def median(runs: list[dict], key: str) -> float:
    return statistics.median(run[key] for run in runs)


def _cell(runs: list[dict], key: str) -> str:
    form = MEASURES[key][1]
    values = [run[key] for run in runs]
    text = form.format(statistics.median(values))
    return text if len(values) == 1 else f"{text} ({form.format(min(values))}–{form.format(max(values))})"


def _table(head: list[str], rows: list[list[str]]) -> str:
    return (
        "\n".join(
            ["| " + " | ".join(head) + " |", "|---" * len(head) + "|", *("| " + " | ".join(row) + " |" for row in rows)]
        )
        + "\n"
    )


def _share(runs: list[dict], limits: list[dict]) -> float | None:
    """Of the speed at which the machine read so much before this case, what decoding reaches by reading its weights."""
    bytes_per_token = PARAMETERS[runs[0]["model"]] * runs[0]["weight_bits"] / 8
    key = "read_96mib_gbs" if bytes_per_token < 128 * 2**20 else "read_gbs"
    case = ("model", "bits", "threads", "context")
    found = [limit for limit in limits if all(limit[name] == runs[0][name] for name in case)]
    return median(runs, "decode_tok_s") * bytes_per_token / (median(found, key) * 1e9) if found else None


def case_table(contenders: dict[str, list[dict]], limits: list[dict]) -> str:
    """Weft first, then the peers, the fastest decoder first."""
    ordered = sorted(contenders.items(), key=lambda item: (item[1][0]["peer"], -median(item[1], "decode_tok_s")))
    rows = []
    for name, runs in ordered:
        share = _share(runs, limits)
        rows.append(
            [
                name,
                runs[0]["kind"],
                *(_cell(runs, key) for key in MEASURES),
                f"{share:.0%}" if share is not None else "",
            ]
        )
    return _table(["", "weights", *(heading for heading, *_ in MEASURES.values()), "of the memory's speed"], rows)


def _best(contenders: dict[str, list[dict]], key: str, peer: bool) -> tuple[str, float] | None:
    """The best of weft or of its peers. weft's exact variants don't stand for it: peers round, too."""
    values = {
        name: median(runs, key)
        for name, runs in contenders.items()
        if runs[0]["peer"] == peer and "f32 activations" not in name
    }
    if not values:
        return None
    name = (max if MEASURES[key][2] else min)(values, key=values.__getitem__)
    return name, values[name]


def goal_table(cases: dict[Case, dict[str, list[dict]]]) -> str:
    rows = []
    for (model, bits, threads, context), contenders in cases.items():
        row = [f"{model}, {bits} bits, {threads} threads, {context}"]
        if _best(contenders, "decode_tok_s", True) is None or _best(contenders, "decode_tok_s", False) is None:
            continue
        for key, (_, _, larger) in MEASURES.items():
            name, peer = _best(contenders, key, True)
            _, ours = _best(contenders, key, False)
            row.append(f"{ours / peer if larger else peer / ours:.2f} ({name})")
        both = {backend: runs for backend in ("executorch", "aoti") if (runs := contenders.get(f"weft {backend}"))}
        row.append(
            f"{median(both['executorch'], 'decode_tok_s') / median(both['aoti'], 'decode_tok_s'):.2f}"
            if len(both) == 2
            else ""
        )
        rows.append(row)
    return (
        _table(["case", *(heading for heading, *_ in MEASURES.values()), ".pte / .pt2, decode"], rows) if rows else ""
    )


def prefill_table(cases: dict[Case, dict[str, list[dict]]]) -> str:
    """Prefill against the best peer at any width."""
    best: dict[tuple, dict[bool, tuple[float, str]]] = defaultdict(dict)
    for (model, bits, threads, context), contenders in cases.items():
        for peer in (False, True):
            if found := _best(contenders, "prefill_tok_s", peer):
                entry = (found[1], f"{found[0]}, {bits} bits")
                best[model, threads, context][peer] = max(best[model, threads, context].get(peer, entry), entry)
    rows = [
        [f"{model}, {threads} threads, {context} tokens", f"{both[False][0]:.0f} ({both[False][1]})", f"{both[True][0]:.0f} ({both[True][1]})",
         f"{both[False][0] / both[True][0]:.2f}"]
        for (model, threads, context), both in best.items() if len(both) == 2
    ]  # fmt: skip
    return _table(["", "weft (tok/s)", "best peer (tok/s)", "weft / peer"], rows) if rows else ""


def context_table(cases: dict[Case, dict[str, list[dict]]]) -> str:
    """What a longer context costs decoding."""
    rates: dict[tuple, dict[int, float]] = defaultdict(dict)
    for (model, bits, threads, context), contenders in cases.items():
        for name, runs in contenders.items():
            rates[model, bits, threads, name][context] = median(runs, "decode_tok_s")
    contexts = sorted({context for _, _, _, context in cases})
    if len(contexts) < 2:
        return ""
    rows = [
        [f"{model}, {bits} bits, {threads} threads: {name}", *(f"{of[c] / of[contexts[0]]:.0%}" if c in of else "" for c in contexts[1:])]
        for (model, bits, threads, name), of in rates.items() if contexts[0] in of and len(of) > 1
    ]  # fmt: skip
    return _table(["", *(f"at {context}" for context in contexts[1:])], rows)


def batch_table(batches: list[dict]) -> str:
    groups: dict[tuple, list[dict]] = defaultdict(list)
    for batch in batches:
        groups[batch["model"], batch["bits"], batch["threads"], batch["sequences"], batch["contender"]].append(batch)
    rows = []
    for (model, bits, threads, sequences, name), runs in groups.items():
        alone, together = (
            statistics.median(run[key] for run in runs) for key in ("one_by_one_tok_s", "together_tok_s")
        )
        rows.append(
            [
                f"{model}, {bits} bits, {threads} threads: {name}, {sequences} conversations",
                f"{alone:.1f}",
                f"{together:.1f}",
                f"{together / alone:.2f}",
            ]
        )
    return _table(["", "one by one (tok/s)", "together (tok/s)", "times"], rows) if rows else ""


def head(data: dict) -> str:
    machine, limits = data["machine"], defaultdict(list)
    for limit in data["limits"]:
        limits[limit["threads"]].append(limit)

    def spread(of: list[dict], key: str) -> str:
        values = [limit[key] for limit in of]
        return f"{statistics.median(values):.1f} ({min(values):.1f}–{max(values):.1f})"

    others = [run["others"] for run in data["runs"]]
    noisy = sum(share > QUIET for share in others)
    lines = [
        f"{machine['processor']} (family/model/stepping {machine['family_model_stepping']}), {machine['cores']} cores, {machine['memory_gib']} GiB; "
        f"{', '.join(machine['instruction_sets'])}; {machine['system']}, Python {machine['python']}.",
        *(
            f"Limits with {threads} threads: reads {spread(of, 'read_gbs')} GB/s from memory, {spread(of, 'read_96mib_gbs')} GB/s within 96 MiB, "
            f"{median(of, 'f32_gops'):.0f} Gop/s of f32 and {median(of, 'int8_gops'):.0f} of 8-bit multiply-adds"
            + (f", {median(of, 'amx_gops'):.0f} by AMX." if of[0]["amx_gops"] else ".")
            for threads, of in sorted(limits.items())
        ),
        "Versions: " + ", ".join(f"{name} {version}" for name, version in sorted(data["versions"].items())) + ".",
    ]
    if others:
        lines.append(
            f"Other programs took {statistics.median(others):.1%} of the machine during a run (median), {max(others):.1%} at most; "
            + (f"**{noisy} of {len(others)} runs were not on a quiet machine.**" if noisy else "the machine was quiet.")
        )
    return "\n\n".join(lines) + "\n"


def markdown(data: dict) -> str:
    cases = by_case(data["runs"])
    parts = [
        "# weft beside its peers\n\nMade by `bench/decode`. Medians, and in brackets the smallest and largest.\n",
        head(data),
    ]
    if goals := goal_table(cases):
        parts.append(
            "## In short\n\nweft's better backend against the best peer at the same width of weights: above 1, weft is ahead (in time and memory, "
            "too). At the end, `.pte` against `.pt2`.\n\n" + goals
        )
    for title, table in (
        ("Prefill, against the best peer at any width", prefill_table(cases)),
        ("Decoding at a longer context", context_table(cases)),
        ("Several conversations at once", batch_table(data["batches"])),
    ):
        if table:
            parts.append(f"## {title}\n\n{table}")
    for (model, bits, threads, context), contenders in cases.items():
        parts.append(
            f"## {DESCRIPTIONS[model]}, {bits} bits, {threads} threads, context {context}\n\n"
            + case_table(contenders, data["limits"])
        )
    if data["failures"]:
        rows = [
            [f["contender"], f["model"], str(f["bits"]), html.escape(f["reason"]).replace("|", "\\|")]
            for f in data["failures"]
        ]
        parts.append("## Not measured\n\n" + _table(["", "model", "bits", "why"], rows))
    return "\n".join(parts)


def svg(data: dict) -> str:
    """Bars of decoding, one panel a case, the best of the contenders' variants first."""
    cases = by_case(data["runs"])
    panels, y, width = [], 12, 860
    for (model, bits, threads, context), contenders in cases.items():
        panels.append(
            f'<text x="12" y="{y + 14}" class="t">{model}, {bits} bits, {threads} threads, context {context}: decode, tok/s</text>'
        )
        y += 24
        ordered = sorted(contenders.items(), key=lambda item: -median(item[1], "decode_tok_s"))
        longest = max(run["decode_tok_s"] for runs in contenders.values() for run in runs)
        for name, runs in ordered:
            values = [run["decode_tok_s"] for run in runs]
            scale = (width - 330) / longest
            length, low, high = (v * scale for v in (statistics.median(values), min(values), max(values)))
            panels.append(
                f'<text x="232" y="{y + 12}" text-anchor="end">{html.escape(name)}</text>'
                f'<rect x="240" y="{y + 2}" width="{length:.1f}" height="12" class="{"p" if runs[0]["peer"] else "w"}"/>'
                f'<line x1="{240 + low:.1f}" x2="{240 + high:.1f}" y1="{y + 8}" y2="{y + 8}"/>'
                f'<text x="{248 + max(length, high):.1f}" y="{y + 12}">{statistics.median(values):.1f}</text>'
            )
            y += 17
        y += 10
    style = "text{font:12px sans-serif;fill:#333}.t{font-weight:bold}.w{fill:#2b6cb0}.p{fill:#a0aec0}line{stroke:#1a202c;stroke-width:1.5}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}" viewBox="0 0 {width} {y}"><style>{style}</style>'
        f'<rect width="{width}" height="{y}" fill="#fff"/>' + "\n".join(panels) + "</svg>\n"
    )


def write(data: dict, folder: Path) -> str:
    """Writes decode.md and decode.svg into `folder`; gives the table's text."""
    folder.mkdir(parents=True, exist_ok=True)
    text = markdown(data) if data["machine"] else "nothing was measured yet\n"
    if data["runs"]:
        (folder / "decode.svg").write_text(svg(data))
        first, rest = text.split("\n## ", 1)
        text = f"{first}\n![decode](decode.svg)\n\n## {rest}"
    (folder / "decode.md").write_text(text)
    return text
