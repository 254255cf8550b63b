"""Compares weft's tokenizer with its peers: MB/s cold, decode, load time, memory, and growth on pathological inputs.

    cmake --build build --target tokenizer_bench
    python bench/tokenizer/run.py --tokenizer TOKENIZER.json [--texts english,code] [--rounds 3] [--json FILE]

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
}
OURS = "weft (native)"


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


def measure(command: list[str | Path]) -> dict | None:
    environment = os.environ | {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        print(f"{command[2]}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return json.loads(done.stdout)


def compare(args: argparse.Namespace, python: Path, native: Path) -> dict:
    libraries = [OURS, *args.peers.split(",")] if args.peers else [OURS]
    results: dict = {}
    for text in args.texts.split(","):
        path = args.work / "corpus" / f"{text}.txt"
        runs = collections.defaultdict(list)
        for _ in range(args.rounds):
            for library in list(libraries):
                command = [native, args.tokenizer, path, "2"]
                if library != OURS:
                    command = [python, HERE / "peer.py", library, args.tokenizer, path, "--repeat", "2"]
                if (run := measure(command)) is None:
                    libraries.remove(library)
                else:
                    runs[library].append(run)
        megabytes = path.stat().st_size / 1e6
        results[text] = {
            library: {
                "cold_mb_s": megabytes / min(run["encode_cpu_s"][0] for run in found),
                "warm_mb_s": megabytes / min(min(run["encode_cpu_s"][1:]) for run in found),
                "decode_mb_s": megabytes / min(min(run["decode_cpu_s"]) for run in found),
                "load_s": min(run["load_cpu_s"] for run in found),
                "load_mb": min(run["load_bytes"] for run in found) / 1e6,
                "tokens": found[0]["tokens"],
            }
            for library, found in runs.items()
        }
    return results


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
            runs = [measure([native, args.tokenizer, path, "5"]) for _ in range(args.rounds)]
            times.append(min(min(run["encode_cpu_s"]) for run in runs if run))
        growth[name] = times[1] / times[0]
    return growth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--texts", default="english,code,cyrillic,greek,devanagari,japanese,chinese,korean,khmer,tibetan,arabic")
    parser.add_argument("--peers", default=",".join(PEERS))
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
    python = args.work / "venv" / "bin" / "python"
    if args.peers and not python.exists():
        venv.create(args.work / "venv", with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PEERS.values(), "numpy"], check=True)
    if not all((args.work / "corpus" / f"{text}.txt").exists() for text in args.texts.split(",")):
        subprocess.run([sys.executable, HERE / "corpus.py", args.work / "corpus"], check=True)

    report: dict = {"texts": compare(args, python, native)}
    print("| text | library | cold MB/s | weft / it | warm MB/s | decode MB/s | load s | load MB |")
    print("|---|---|---|---|---|---|---|---|")
    for text, found in report["texts"].items():
        ours = found[OURS]["cold_mb_s"]
        for library, r in found.items():
            same = "" if r["tokens"] == found[OURS]["tokens"] else " (other ids)"
            print(
                f"| {text} | {library}{same} | {r['cold_mb_s']:.1f} | {ours / r['cold_mb_s']:.1f} | {r['warm_mb_s']:.1f} "
                f"| {r['decode_mb_s']:.0f} | {r['load_s']:.2f} | {r['load_mb']:.0f} |"
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
