"""weft beside its peers on a CPU, on the same weights: decode, prefill, first token, load, memory; batches.

    .venv/bin/python bench/decode                                    # half an hour on two cores, once all is made
    .venv/bin/python bench/decode --models S --bits 4 --contexts 16,512 --rounds 1     # a part
    .venv/bin/python bench/decode --everything --rounds 5 --out docs # all of it: hours
    .venv/bin/python bench/decode --setup                            # only make environments and models
    .venv/bin/python bench/decode --report --out docs                # table and plot again, from docs/decode.json

Peers are installed from PyPI into environments of their own, and their models made from the same weights, once, in build/peers
(20 GB; hours on two cores, llama.cpp is compiled). Then rounds: everybody takes a turn at each case, in a process of its own, so that a
machine whose speed drifts favours nobody; what the machine itself can do is measured before each case. Medians count; the smallest and
largest stand beside them. Each process answers a prompt for a few tokens to warm up, then another one to be timed. Results go to OUT/decode.json (after every run), decode.md and decode.svg.

S: SmolLM2-135M-Instruct, from the default model's GGUF. M: the shape of Llama 3.2 1B, random weights.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
from pathlib import Path

import report
from contenders import CONTENDERS, ROOT, Contender, SetUpError, Workshop, run_once
from machine import QUIET, OthersWatch, describe, measure_limits, wait_until_quiet

# weft.export is imported late: it brings nothing that a measurement needs.
sys.path.insert(0, str(ROOT / "python"))

DECODED = {"S": 64, "M": 32}


def say(text: str) -> None:
    print(f"{datetime.datetime.now():%H:%M:%S} {text}", file=sys.stderr, flush=True)


def numbers(allowed: tuple[int, ...] | None = None):
    def parse(text: str) -> list[int]:
        values = [int(word) for word in text.split(",")]
        if allowed and not set(values) <= set(allowed):
            raise argparse.ArgumentTypeError(f"'{text}' is not a list of {', '.join(map(str, allowed))}")
        return values

    return parse


def words(text: str) -> list[str]:
    return text.split(",")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench/decode", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--models", type=words, metavar="S,M", default=["S", "M"])
    add("--bits", type=numbers((4, 8, 16, 32)), metavar="N,...", help="widths of the weights: of 4,8,16,32 (4)")
    add("--contexts", type=numbers(), metavar="N,...", help="tokens of the prompts (16,512)")
    add("--threads", type=numbers(), metavar="N,...", help="(all cores)")
    add("--only", type=words, metavar="WORD,...", help="contenders that have one of these words in their name")
    add("--skip", type=words, metavar="WORD,...", default=[], help="contenders that are left out")
    add("--everything", action="store_true", help="bits 4,8,16,32, contexts 16,512,2048, threads 1 and all cores")
    add("--rounds", type=int, metavar="N", default=3)
    add("--decode", type=int, metavar="N", help="tokens to decode (64 of S, 32 of M)")
    add(
        "--sequences",
        type=int,
        metavar="N",
        default=8,
        help="conversations at once, of weft's 4-bit models; 0: leave that out (8)",
    )
    add(
        "--wait-quiet",
        type=float,
        metavar="SECONDS",
        default=0,
        help="before each run, wait so long at most for others to be quiet",
    )
    add("--timeout", type=float, metavar="SECONDS", default=900, help="of one process")
    add("--add", action="store_true", help="keep what OUT/decode.json has, and add to it")
    add("--setup", action="store_true", help="make environments and models, measure nothing")
    add("--report", action="store_true", help="measure nothing: write table and plot from OUT/decode.json")
    add("--out", type=Path, metavar="FOLDER", default=ROOT / "build" / "bench")
    add(
        "--peers",
        type=Path,
        metavar="FOLDER",
        default=ROOT / "build" / "peers",
        help="where environments and models are kept",
    )
    add("--build", type=Path, metavar="FOLDER", default=ROOT / "build", help="weft's build folder")
    options = parser.parse_args()
    cores = describe()["cores"]
    options.bits = options.bits or ([4, 8, 16, 32] if options.everything else [4])
    options.contexts = options.contexts or ([16, 512, 2048] if options.everything else [16, 512])
    options.threads = options.threads or (sorted({1, cores}) if options.everything else [cores])
    if not set(options.models) <= {"S", "M"}:
        parser.error("--models is a list of S and M")
    return options


def chosen_contenders(options: argparse.Namespace) -> list[Contender]:
    def named(contender: Contender, words: list[str]) -> bool:
        return any(word.lower() in contender.name.lower() for word in words)

    chosen = [c for c in CONTENDERS if (not options.only or named(c, options.only)) and not named(c, options.skip)]
    if not chosen:
        raise SystemExit(f"no contender has such a name; these are: {', '.join(c.name for c in CONTENDERS)}")
    return chosen


class Results:
    """What was measured so far, in a file that is always whole."""

    def __init__(self, path: Path, keep: bool) -> None:
        self.path = path
        self.data: dict = {"machine": {}, "limits": [], "versions": {}, "runs": [], "batches": [], "failures": []}
        if keep and path.is_file():
            try:
                self.data = json.loads(path.read_text())
            except json.JSONDecodeError as error:
                raise SystemExit(f"{path} is no JSON: {error}\nfix: delete it, or name another folder with --out") from None
            if not isinstance(self.data, dict) or not isinstance(self.data.get("limits"), list):
                raise SystemExit(f"{path} was not written by this version\nfix: delete it, or name another folder with --out")

    def save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps(self.data, indent=1) + "\n")
        partial.rename(self.path)

    def fail(self, contender: Contender, model: str, bits: int, reason: str) -> None:
        entry = {"contender": contender.name, "model": model, "bits": bits, "reason": reason}
        if entry not in self.data["failures"]:
            self.data["failures"].append(entry)
        say(f"{contender.name}, {model}, {bits} bits: {reason}")


def set_up(options: argparse.Namespace, workshop: Workshop, results: Results) -> list[tuple[str, int, Contender]]:
    """Makes everything; gives what there is to measure. What can't be made goes to the failures, with its reason."""
    ready = []
    for model in options.models:
        for bits in options.bits:
            for contender in chosen_contenders(options):
                if bits not in contender.weights:
                    continue
                try:
                    workshop.model(contender, model, bits)
                    workshop.python(contender.environment)
                except SetUpError as error:
                    results.fail(contender, model, bits, str(error))
                else:
                    ready.append((model, bits, contender))
    for environment in {contender.environment for _, _, contender in ready}:
        results.data["versions"] |= workshop.versions(environment)
    commit = subprocess.run(
        ["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    results.data["versions"]["weft"] = commit.stdout.strip()
    return ready


def read_files(path: Path) -> None:
    """Puts model files into the system's cache, where all of them together may not fit: no load is to be of the disk's speed."""
    for file in [path] if path.is_file() else sorted(path.rglob("*")):
        if file.is_file():
            with file.open("rb") as stream:
                while stream.read(1 << 24):
                    pass


def measure(
    options: argparse.Namespace, workshop: Workshop, results: Results, ready: list[tuple[str, int, Contender]]
) -> None:
    kernels_bench = options.build / "bin" / "kernels_bench"
    if not kernels_bench.is_file():
        say(f"there is no {kernels_bench}: shares of the memory's speed are left out (cmake --build build --target kernels_bench)")
    cases = [(threads, context) for threads in options.threads for context in options.contexts]
    broken: set[tuple] = set()
    total, done = options.rounds * len(cases) * len(ready), 0
    for number in range(options.rounds):
        # Neighbours in the order are what is compared: same model, width, threads and context.
        for model in options.models:
            for bits in options.bits:
                for threads, context in cases:
                    contenders = [c for m, b, c in ready if (m, b) == (model, bits)]
                    if kernels_bench.is_file() and contenders:
                        case = {"model": model, "bits": bits, "threads": threads, "context": context, "round": number}
                        results.data["limits"].append(case | measure_limits(kernels_bench, threads))
                    for contender in contenders:
                        done += 1
                        this = (contender.name, model, bits, threads, context)
                        if this in broken:
                            continue
                        if options.wait_quiet:
                            wait_until_quiet(options.wait_quiet, say)
                        decode = options.decode or DECODED[model]
                        command = workshop.command(
                            contender, model, bits, threads=threads, prompt=context, decode=decode
                        )
                        read_files(workshop.model(contender, model, bits))
                        watch = OthersWatch()
                        try:
                            measured = run_once(command, threads=threads, timeout=options.timeout)
                        except SetUpError as error:
                            results.fail(contender, model, bits, f"{threads} threads, context {context}: {error}")
                            broken.add(this)
                            continue
                        others = watch.share()
                        results.data["runs"].append(
                            {
                                "contender": contender.name, "peer": contender.peer, "model": model, "bits": bits, "threads": threads, "context": context,
                                "kind": contender.kind(model, bits)[0], "weight_bits": contender.kind(model, bits)[1],
                                "round": number, "others": round(others, 3),
                                **{key: round(measured[key], 3) for key in report.MEASURES},
                            }
                        )  # fmt: skip
                        results.save()
                        noise = f", others {others:.0%}" if others > QUIET else ""
                        say(
                            f"[{done}/{total}] {contender.name}, {model} {bits} bits, {threads} threads, context {context}: decode "
                            f"{measured['decode_tok_s']:.1f}, prefill {measured['prefill_tok_s']:.0f} tok/s{noise}"
                        )


def measure_batches(
    options: argparse.Namespace, workshop: Workshop, results: Results, ready: list[tuple[str, int, Contender]]
) -> None:
    """One forward of several conversations' steps, against one conversation after another."""
    for number in range(options.rounds):
        for model, bits, contender in ready:
            if contender.peer or contender.flags or bits != 4:
                continue
            for threads in options.threads:
                command = workshop.command(
                    contender, model, bits, threads=threads, prompt=16, decode=DECODED[model] // 2
                )
                watch = OthersWatch()
                try:
                    measured = run_once(
                        [*command, "--sequences", str(options.sequences)], threads=threads, timeout=options.timeout
                    )
                except SetUpError as error:
                    results.fail(contender, model, bits, f"{options.sequences} conversations: {error}")
                    continue
                results.data["batches"].append(
                    {
                        "contender": contender.name, "model": model, "bits": bits, "threads": threads, "sequences": options.sequences,
                        "round": number, "others": round(watch.share(), 3),
                        **{key: measured[key] for key in ("one_by_one_tok_s", "together_tok_s")},
                    }
                )  # fmt: skip
                results.save()
                say(
                    f"{contender.name}, {model}: {options.sequences} conversations {measured['together_tok_s'] / measured['one_by_one_tok_s']:.2f} times"
                )


def main() -> None:
    options = parse_arguments()
    results = Results(options.out / "decode.json", keep=options.add or options.report)
    if not options.report:
        weft = options.build / "bin" / "weft"
        if not weft.is_file():
            raise SystemExit(f"there is no {weft}\nfix: ./weft setup, or pass --build")
        workshop = Workshop(options.peers, weft, say)
        ready = set_up(options, workshop, results)
        if options.setup:
            for failure in results.data["failures"]:
                print("{contender}, {model}, {bits} bits: {reason}".format(**failure))
            return
        results.data["machine"] = describe()
        if (share := wait_until_quiet(options.wait_quiet, say)) > QUIET:
            say(f"this machine is not quiet: others use {share:.0%} of it. The numbers will say so")
        try:
            measure(options, workshop, results, ready)
            if options.sequences > 1:
                measure_batches(options, workshop, results, ready)
        except KeyboardInterrupt:
            say("interrupted: what was measured is kept")
        results.save()
    print(report.write(results.data, options.out))


if __name__ == "__main__":
    main()
