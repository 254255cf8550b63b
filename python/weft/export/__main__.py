"""The command `weft export` (python -m weft.export)."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import weft.export
from weft.errors import Error, first_line
from weft.export import ACTIVATIONS, BACKENDS, DTYPES
from weft.export.default_model import NAME, default_output, fetch_default_model
from weft.export.outfile import check_output
from weft.export.pass_names import choose_passes, parse_passes
from weft.export.progress import Progress
from weft.export.schemes import parse_scheme, read_rule
from weft.export.sources import find_source

# None of these imports torch, which takes seconds: the arguments are looked at first.

_DESCRIPTION = """\
example: weft export ./SmolLM2-135M-Instruct -o model.pte
usage:   weft export SOURCE -o OUT.pte|OUT.pt2 [OPTIONS]
         weft export --default [--backend executorch|aoti] [-o OUT] [OPTIONS]

Turns a checkpoint into one file that weft runs: an ExecuTorch program (.pte) or an
AOTInductor package (.pt2). Tokenizer, chat template and settings go inside."""

_EPILOG = """\
exit codes: 0 done, 1 the export failed, 2 wrong arguments, 130 interrupted.
environment: WEFT_CACHE (cache folder), WEFT_DEBUG=1 (warnings and tracebacks)."""


class _UsageError(Exception):
    pass


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _UsageError(f"weft export: {message}\nfix: see weft export --help")


def _scheme(text: str) -> str:
    try:
        if text != "keep":
            parse_scheme(text)
    except Error as error:
        raise argparse.ArgumentTypeError(f"{error.message}; {error.fix}") from error
    return text


def _rule(text: str) -> tuple[str, str]:
    try:
        return read_rule(text)
    except Error as error:
        raise argparse.ArgumentTypeError(f"{error.message}; {error.fix}") from error


def _parser() -> _Parser:
    parser = _Parser(
        prog="weft export",
        usage=argparse.SUPPRESS,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=24, width=100),
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("source", nargs="?", metavar="SOURCE", help="a checkpoint folder, a Hugging Face hub id, or a .gguf file")
    add("-o", "--out", metavar="OUT", help="the file to write; its ending picks the backend")
    add("--default", action="store_true", help="fetch and export the default model, SmolLM2-135M-Instruct")
    add("--backend", metavar="NAME", choices=tuple(BACKENDS.values()), help="executorch or aoti, whatever OUT ends in")
    add("--quantize", metavar="HOW", type=_scheme, help="none, keep, bf16, int8, int4, int4-g64-sym, ... (a GGUF's: keep, else none)")
    add(
        "--quantize-layer",
        metavar="PATTERN=HOW",
        type=_rule,
        action="append",
        default=[],
        help="another choice for some layers: 'lm_head=int4', 'model.layers.0.*=none'",
    )
    add("--calibrate", metavar="FILE", help="round by GPTQ on this text, instead of to nearest: slower, closer")
    add("--perplexity", metavar="FILE", help="show how well the model predicts this text, before and after")
    add(
        "--activations",
        metavar="TYPE",
        choices=ACTIVATIONS,
        help=f"what quantised linears multiply: {', '.join(ACTIVATIONS)} (rounded; the default model: float32)",
    )
    add("--max-context", metavar="N", type=int, help="most tokens of one conversation (the model's, at most 8192)")
    add("--dtype", metavar="TYPE", choices=DTYPES, default="float32", help=f"{', '.join(DTYPES)} (float32)")
    add("--name", metavar="NAME", help="the name inside the file (the source's own)")
    add("--passes", metavar="NAMES", type=parse_passes, help="only these optional transformations, of those in docs/speed.md")
    add("--without-pass", metavar="NAME", type=parse_passes, action="extend", default=[], help="all of them but this one")
    add("--no-passes", action="store_true", help="leave optional transformations out: slower, same tokens")
    add("--allow-pickle", action="store_true", help="read pickled weights too (.bin, Meta's .pth), which may run code")
    add("--no-check", action="store_true", help="don't run the written file against the eager model")
    return parser


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    options = _parser().parse_args(arguments)
    if options.no_passes and (options.passes or options.without_pass):
        raise _UsageError("weft export: --no-passes excludes --passes and --without-pass\nfix: leave one of them out")
    if options.default and options.source is not None:
        raise _UsageError(
            f"weft export: {options.source}: there is a SOURCE and --default\nfix: leave one of the two out"
        )
    if options.default:
        if options.backend is None:
            options.backend = "aoti" if options.out is not None and options.out.endswith(".pt2") else "executorch"
        return options
    if options.source is None:
        raise _UsageError("weft export: there is no SOURCE\nfix: give a checkpoint folder, a hub id or a .gguf file")
    names = "OUT.pte for ExecuTorch or OUT.pt2 for AOTInductor"
    if options.out is None:
        raise _UsageError(f"weft export: there is no output file\nfix: add -o {names}")
    if options.backend is None and not options.out.endswith(tuple(BACKENDS)):
        raise _UsageError(f"weft export: {options.out}: ends in neither .pte nor .pt2\nfix: name it {names}")
    return options


def _silence() -> None:
    """What the libraries tell their own developers is no news to a user: errors come as exceptions."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    quiet = {
        "TRANSFORMERS_VERBOSITY": "error",
        "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
        "HF_HUB_VERBOSITY": "error",
        "TORCH_CPP_LOG_LEVEL": "ERROR",
        "PYTHONWARNINGS": "ignore",  # for the processes that compile
    }
    for name, value in quiet.items():
        os.environ.setdefault(name, value)


def _import_libraries(progress: Progress) -> None:
    with progress.stage("loading torch", seconds=8):
        import torch  # noqa: F401
        import transformers  # noqa: F401


def _run(options: argparse.Namespace) -> None:
    progress = Progress()
    # So small a model as the default one often has near ties: asked for the capital of France, its two likeliest first tokens have
    # 15% and 14%, and rounding swaps them (in llama.cpp, too).
    activations = options.activations or ("float32" if options.default else "rounded")
    if options.default:
        out = Path(options.out or default_output(options.backend))
        check_output(out)
        source = fetch_default_model(progress)
        name = options.name or NAME
    else:
        out, source, name = Path(options.out), options.source, options.name
        find_source(source)
        check_output(out)

    _import_libraries(progress)
    result = weft.export.export(
        source,
        out,
        max_context=options.max_context,
        dtype=options.dtype,
        quantize=options.quantize,
        quantize_layers=dict(options.quantize_layer),
        calibration=options.calibrate,
        perplexity=options.perplexity,
        activations=activations,
        passes=() if options.no_passes else choose_passes(options.passes or True, options.without_pass),
        check=not options.no_check,
        name=name,
        backend=options.backend,
        allow_pickle=options.allow_pickle,
        progress=progress,
    )
    if result.perplexity is not None:
        progress.note("perplexity: {:.4f} before, {:.4f} after".format(*result.perplexity))
    progress.note(f"wrote {result.path} ({Path(result.path).stat().st_size / 1e6:.0f} MB)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and gives its exit code."""
    debug = os.environ.get("WEFT_DEBUG") == "1"
    try:
        options = _parse(arguments)
    except _UsageError as error:
        print(error, file=sys.stderr)
        return 2
    if not debug:
        _silence()
    try:
        _run(options)
    except KeyboardInterrupt:
        print("weft export: interrupted; nothing was written", file=sys.stderr)
        return 130
    except Exception as error:
        if debug:
            traceback.print_exc()
        elif isinstance(error, Error):
            print(f"weft export: {error}", file=sys.stderr)
        else:
            print(f"weft export: {type(error).__name__}: {first_line(error)}", file=sys.stderr)
            print("fix: run it again with WEFT_DEBUG=1 for the whole story, and report the model", file=sys.stderr)
        return 2 if isinstance(error, Error) and error.code == "invalid_argument" else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
