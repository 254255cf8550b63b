"""Compares weft's tokenizer with its peers: MB/s cold, decode, load time, memory, and growth on pathological inputs.

    cmake --build build --target tokenizer_bench
    python bench/tokenizer/run.py --tokenizer TOKENIZER.json [--texts english,code] [--rounds 3] [--json FILE]

TOKENIZER may be any file that weft loads; which peers load it, --peers says. "weft" among them is weft through Python, from
the module in --build. "batch" is the text's lines in one call, on one thread; what tokenizers and weft through Python give then are
all fields of an encoding, what the others give are ids. "2 threads / 1" is how much faster that batch is on two threads: it asks
for two free cores. What two threads take of CPU time, more than one does, is in their way.

Makes an environment of its own for the peers (from PyPI) and the texts (corpus.py) on its first run, both below --work. Each
measurement is a fresh process with one thread; the libraries take turns, and what is compared is the least CPU time of each.
A library that can't load the file is left out by name.
"""

import argparse
import collections
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PEERS = {
    "tokenizers": "tokenizers==0.23.3",
    "tiktoken": "tiktoken==0.14.0",
    "gigatoken": "gigatoken==0.10.0",
    "fastokens": "fastokens==0.3.5",
    "iree": "iree-tokenizer==0.3.0",
    "sentencepiece": "sentencepiece==0.2.3",
}
OURS = "weft (native)"
COMPILED = "weft (compiled form)"


def pathological(n: int) -> dict[str, bytes]:
    """Inputs of n bytes or a little less, each of which is hard for some way of splitting or merging."""
    unit = {
        "a": "a", "space": " ", "digit": "1", "newline": "\n", "tab": "\t", "emoji": "\U0001f600", "mark": "\u0301",
        "comma": ",", "apostrophe": "'", "CRLF": "\r\n", "ab": "ab", "the": "the", "space a": " a", "space newline": " \n",
        "han": "\u4e2d", "ZWJ family": "\U0001f468\u200d", "NUL": "\0", "no-break space": "\u00a0", "less-than": "<|",
    }  # fmt: skip
    inputs = {name: text.encode() * (n // len(text.encode())) for name, text in unit.items()}
    state, noise = 1, bytearray()
    while len(noise) < n:
        state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
        noise += state.to_bytes(8, "little")
    return inputs | {"random bytes": bytes(noise[:n])}


def measure(command: list[str | Path], build: Path) -> dict | None:
    environment = os.environ | {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    environment |= {"PYTHONPATH": os.pathsep.join([str(ROOT / "python"), os.environ.get("PYTHONPATH", "")]), "WEFT_BUILD_DIR": str(build)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        print(f"{command[2]}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return json.loads(done.stdout)


def compare(args: argparse.Namespace, python: Path, native: Path) -> dict:
    libraries = [OURS, COMPILED, *(args.peers.split(",") if args.peers else [])]
    compiled = args.work / f"{args.tokenizer.parent.name}-{os.getpid()}.weft"
    subprocess.run([native, args.tokenizer, "--compile", compiled], check=True)
    results: dict = {}
    for text in args.texts.split(","):
        path = args.work / "corpus" / f"{text}.txt"
        runs = collections.defaultdict(list)
        for _ in range(args.rounds):
            for library in list(libraries):
                command = [native, compiled if library == COMPILED else args.tokenizer, path, "2"]
                if library not in (OURS, COMPILED):
                    command = [python, HERE / "peer.py", library, args.tokenizer, path, "--repeat", "2"]
                if (run := measure(command, args.build)) is None:
                    libraries.remove(library)
                else:
                    runs[library].append(run)
        megabytes = path.stat().st_size / 1e6
        results[text] = {library: summary(found, megabytes) for library, found in runs.items()}
    return results


def summary(runs: list[dict], megabytes: float) -> dict:
    result = {
        "cold_mb_s": megabytes / min(run["encode_cpu_s"][0] for run in runs),
        "warm_mb_s": megabytes / min(min(run["encode_cpu_s"][1:]) for run in runs),
        "decode_mb_s": megabytes / min(min(run["decode_cpu_s"]) for run in runs),
        "batch_mb_s": megabytes / min(min(run["batch_cpu_s"]) for run in runs),
        "load_s": min(run["load_cpu_s"] for run in runs),
        "load_wall_s": min(run["load_s"] for run in runs),
        "load_mb": min(run["load_bytes"] for run in runs) / 1e6,
        "tokens": runs[0]["tokens"],
    }
    if "batch_1_s" in runs[0]:
        result["two_threads"] = min(min(r["batch_1_s"]) for r in runs) / min(min(r["batch_2_s"]) for r in runs)
        result["two_threads_cpu"] = min(min(r["batch_2_cpu_s"]) for r in runs) / min(min(r["batch_cpu_s"]) for r in runs)
    return result


def grow(args: argparse.Namespace, native: Path) -> dict[str, float]:
    """time(2n) / time(n) for n = 500 kB."""
    folder = args.work / "pathological"
    folder.mkdir(exist_ok=True)
    half, whole = pathological(500_000), pathological(1_000_000)
    growth = {}
    for name in half:
        times = []
        for data in (half[name], whole[name]):
            path = folder / "input.txt"
            path.write_bytes(data)
            runs = [measure([native, args.tokenizer, path, "5"], args.build) for _ in range(args.rounds)]
            times.append(min(min(run["encode_cpu_s"]) for run in runs if run))
        growth[name] = times[1] / times[0]
    return growth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--texts", default="english,code,cyrillic,greek,devanagari,japanese,chinese,korean,khmer,tibetan,arabic")
    parser.add_argument("--peers", default="weft,tokenizers,tiktoken,gigatoken,fastokens,iree")
    parser.add_argument("--python", type=Path, help="one that has the peers, instead of making an environment")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "bench-tokenizer")
    parser.add_argument("--growth", action="store_true", help="also time(2n)/time(n) on 20 pathological inputs")
    parser.add_argument("--json", type=Path, help="write all numbers there")
    args = parser.parse_args()
    native = args.build / "bin" / "tokenizer_bench"
    if not native.is_file():
        sys.exit(f"{native} is missing: cmake --build {args.build} --target tokenizer_bench")
    args.work.mkdir(parents=True, exist_ok=True)
    python = args.python or args.work / "venv" / "bin" / "python"
    if args.peers and not python.exists():
        venv.create(args.work / "venv", with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PEERS.values(), "numpy"], check=True)
    if not all((args.work / "corpus" / f"{text}.txt").exists() for text in args.texts.split(",")):
        subprocess.run([sys.executable, HERE / "corpus.py", args.work / "corpus"], check=True)

    report: dict = {"texts": compare(args, python, native)}
    print("| text | library | cold MB/s | weft / it | warm MB/s | batch MB/s | decode MB/s | load ms | load MB | 2 threads / 1 | in CPU time |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for text, found in report["texts"].items():
        ours = found[OURS]["cold_mb_s"]
        for library, r in found.items():
            same = "" if r["tokens"] == found[OURS]["tokens"] else " (other ids)"
            print(
                f"| {text} | {library}{same} | {r['cold_mb_s']:.1f} | {ours / r['cold_mb_s']:.1f} | {r['warm_mb_s']:.1f} "
                f"| {r['batch_mb_s']:.1f} | {r['decode_mb_s']:.0f} | {r['load_s'] * 1e3:.1f} | {r['load_mb']:.0f} | {r.get('two_threads', 0):.2f} "
                f"| {r.get('two_threads_cpu', 0):.2f} |"
            )
    if args.growth:
        report["growth"] = grow(args, native)
        print("\n| input | time(2n)/time(n) |\n|---|---|")
        for name, ratio in report["growth"].items():
            print(f"| {name} | {ratio:.2f} |")
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
