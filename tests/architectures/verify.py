"""Exports a tiny random-weight model of each architecture to both backends, and holds the files' logits against eager ones.

    python tests/architectures/verify.py                    # all; writes docs/architectures.md
    python tests/architectures/verify.py llama mamba        # some
    python tests/architectures/verify.py --part 2/8         # every eighth
    python tests/architectures/verify.py --trial            # only in Python, with the operator's reference: seconds each

What is held: prompts of several lengths, fed whole and in chunks; 32 greedy steps, one token at a time; and what follows after
going back. Eager is Transformers itself with its own cache. Results are kept in build/architectures, by a hash of what made
them: a second run does what has changed. What has changed is told by the traced programs: an edit that gives the same program
with the same weights to the same lowering leaves the files' numbers as they are.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "python"), str(Path(__file__).parent)]
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch._inductor.config  # noqa: E402
import transformers  # noqa: E402
from tiny import ARCHITECTURES, MAX_CONTEXT, tiny_model  # noqa: E402

import weft.export  # noqa: E402
from weft.export import check, program  # noqa: E402
from weft.export.reference import SequenceState, attention, sequences  # noqa: E402
from weft.export.support import REFUSED  # noqa: E402

RESULTS = ROOT / "build" / "architectures"
TOLERANCE = {"executorch": 5e-4, "aoti": 1e-5}
ENDING = {"executorch": ".pte", "aoti": ".pt2"}
PROMPT, STEPS, KEEP = 29, 32, 20
SECONDS = 300  # of CPU time for one architecture


class Reference:
    """What eager Transformers gives, and the calls that a file must answer alike."""

    def __init__(self, model):
        vocab_size = model.config.get_text_config().vocab_size
        generator = torch.Generator().manual_seed(3)
        prompt = torch.randint(3, vocab_size, (PROMPT,), generator=generator)
        tokens, self.greedy = prompt.tolist(), []
        self.recurrent = self.recomputed = False
        cached = self._with_cache(model, tokens)
        other = torch.randint(3, vocab_size, (9,), generator=generator).tolist()
        # (how many tokens stay, tokens to feed); the logits of each row of each call
        self.calls = [(0, prompt[:1].tolist()), (0, prompt[:17].tolist()), (17, prompt[17:].tolist())]
        self.calls += [(PROMPT + i, [token]) for i, token in enumerate(self.greedy)]
        self.calls += [(KEEP, other), (KEEP + len(other), prompt[:1].tolist())]
        plain = model(input_ids=torch.tensor([prompt.tolist() + self.greedy]), use_cache=False).logits[0].float()
        after = model(input_ids=torch.tensor([tokens[:KEEP] + other + prompt[:1].tolist()]), use_cache=False).logits[0].float()
        # Steps as the model's own cache gave them, the rest as without one: chunks must make no difference.
        steps = cached if cached is not None else plain[PROMPT:]
        self.logits = torch.cat([plain[:1], plain[:PROMPT], steps, after[KEEP:]]).numpy()
        # How far eager is from itself, with its cache and without: no export can be nearer than that.
        self.own_difference = float((steps - plain[PROMPT:]).abs().max() / plain.abs().max())

    def _with_cache(self, model, tokens):
        """Greedy steps with the model's own cache: their logits, or None if it has none."""
        name = program._cache_argument(model)
        if name is None:
            ids = list(tokens)
            for _ in range(STEPS):
                self.greedy.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
                ids.append(self.greedy[-1])
            return None
        first = program.first_position(model)
        out = model(input_ids=torch.tensor([tokens]), use_cache=True)
        cache = getattr(out, name, None)
        if cache is None:  # it fills the one that it is given, and doesn't tell
            cache = transformers.DynamicCache(config=model.config)
            out = model(input_ids=torch.tensor([tokens]), **{name: cache}, use_cache=True)
        rows = []
        for i in range(STEPS):
            self.greedy.append(int(out.logits[0, -1].argmax()))
            # As generate() does: some count from 0 anew in each call if they aren't told (Bamba).
            told = {} if first is None else {"position_ids": torch.tensor([[first + len(tokens) + i]])}
            out = model(input_ids=torch.tensor([[self.greedy[-1]]]), **{name: cache}, use_cache=True, **told)
            cache = getattr(out, name, None) or cache
            rows.append(out.logits[0, -1].float())
        return torch.stack(rows)

    def error(self, logits: np.ndarray) -> float:
        """Of the largest logit; inf for what is no number."""
        if logits.shape != self.logits.shape or not np.isfinite(logits).all():
            return float("inf")
        return float(np.abs(logits - self.logits).max() / np.abs(self.logits).max())


def in_python(model, reference: Reference, positions, shape) -> float:
    """The wrapper that would be traced, run as it is."""
    rows = []
    if positions is not None:
        wrapper, state = program.RaggedModel(model, positions, operator=attention), SequenceState()
        with program._implementations(model, "weft"):
            for keep, tokens in reference.calls:
                state.truncate(keep)
                with sequences([state], [len(tokens)]) as context:
                    at = torch.arange(keep, keep + len(tokens))
                    rows.append(wrapper(torch.tensor(tokens), at, torch.arange(len(tokens)), context))
        wrapper.close()
        return reference.error(torch.cat(rows).numpy())
    wrapper, shape, recurrent = program.in_graph_model(model, shape)
    reference.recurrent, reference.recomputed = recurrent, isinstance(wrapper, program.RecomputedModel)
    held: list[int] = []
    with program._implementations(model, "eager"):
        for keep, tokens in reference.calls:
            again = [] if keep == len(held) or not recurrent else held[:keep]
            held[keep:] = tokens
            at, made = keep - len(again), []
            pending = again + tokens
            while pending:
                chunk, pending = pending[: shape.max_tokens], pending[shape.max_tokens :]
                made.append(wrapper(torch.tensor([chunk]), torch.arange(at, at + len(chunk)))[0])
                at += len(chunk)
            rows.append(torch.cat(made)[len(again) :])
    return reference.error(torch.cat(rows).numpy())


class Traced:
    """The program of one model, as it goes into the lowering."""

    def __init__(self, model, reference: Reference, positions):
        shape = program.ProgramShape(max_context=MAX_CONTEXT, max_tokens=64, vocab_size=reference.logits.shape[1])
        self.reference = reference
        self.program, metadata = weft.export.trace(model, positions, shape)
        self.recomputed = "tokens_read" in self.program.graph_signature.buffers
        self.recurrent = metadata.get("recurrent", False)
        sizes = {"format": 1, "vocab_size": shape.vocab_size, "max_context": shape.max_context, "max_tokens": shape.max_tokens}
        self.metadata = json.dumps(sizes | metadata)

    def key(self) -> str:
        """Of all that decides what a file gives: the graph, its weights, what it is asked, and the lowering."""
        digest = hashlib.sha256((str(self.program.graph) + self.metadata + str(self.reference.calls)).encode())
        for name, tensor in sorted({**self.program.state_dict, **self.program.constants}.items()):
            digest.update(name.encode() + (tensor.detach().float().numpy().tobytes() if isinstance(tensor, torch.Tensor) else b""))
        digest.update(_hash_of(LOWERING))
        return digest.hexdigest()[:16]

    def error_of_file(self, backend: str, folder: Path) -> float:
        """Of the written file, run by the program that users run."""
        path = folder / f"model{ENDING[backend]}"
        weft.export.lower_program(self.program, backend, {"weft.json": self.metadata.encode()}, path)
        calls = [{"keep": keep, "ids": tokens} for keep, tokens in self.reference.calls]
        return self.reference.error(check.file_logits(path, calls, self.reference.logits.shape[1]))


LOWERING = ("operators.py", "passes.py", "graph_edits.py", "complex_numbers.py", "aoti.py", "executorch.py")
TRACING = ("verify.py", "tiny.py", "program.py", "attention.py", "graph_cache.py", "own_state.py", "reference.py", *LOWERING)


@functools.cache
def _hash_of(names: tuple[str, ...]) -> bytes:
    digest = hashlib.sha256()
    for folder in (ROOT / "tests/architectures", ROOT / "python/weft/export"):
        for path in sorted(path for path in folder.glob("*.py") if path.name in names):
            digest.update(path.read_bytes())
    return digest.digest()


def sources_hash() -> str:
    return _hash_of(TRACING).hex()[:16]


def first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:200]}"


@torch.no_grad()
def verify(name: str, *, trial: bool, backends, show_trace: bool, kept: dict | None = None) -> dict:
    """kept: an earlier result; what it says of files is taken over if they would be the same."""
    result: dict = {"name": name, "hash": sources_hash(), "seconds": 0.0}
    start = time.process_time()
    stage = "build"
    try:
        model = tiny_model(name)
        result["class"] = type(model).__name__
        stage = "eager"
        reference = Reference(model)
        result["distinct"] = len(set(reference.greedy))
        result["own_difference"] = reference.own_difference
        stage = "contract"
        positions, problem = program.ragged_positions(model)
        result["contract"] = "ragged" if problem is None else "in_graph"
        result["recurrent"] = False
        result["reason"] = problem
        shape = program.ProgramShape(max_context=MAX_CONTEXT, max_tokens=64)
        stage = "python"
        result["python"] = in_python(model, reference, positions, shape)
        result |= {"recurrent": reference.recurrent, "recomputed": reference.recomputed}
        if not trial and result["python"] <= 1e-3:
            for backend in backends:
                stage = "trace"
                traced = Traced(model, reference, positions)  # each lowering changes the program that it is given
                result |= {"key": traced.key(), "recomputed": traced.recomputed, "recurrent": traced.recurrent}
                if kept and kept.get("key") == result["key"] and (backend in kept or f"{backend}_error" in kept):
                    result |= {field: kept[field] for field in (backend, f"{backend}_error") if field in kept}
                    continue
                stage = backend
                with tempfile.TemporaryDirectory(prefix="weft-architecture-") as folder:
                    try:
                        result[backend] = traced.error_of_file(backend, Path(folder))
                    except Exception as error:
                        result[f"{backend}_error"] = first_line(error)
                        if show_trace:
                            traceback.print_exc()
    except Exception as error:
        result["stage"], result["error"] = stage, first_line(error)
        if show_trace:
            traceback.print_exc()
    result["seconds"] = round(time.process_time() - start, 1)
    return result


def is_verified(result: dict, backend: str) -> bool:
    return result.get(backend, float("inf")) <= TOLERANCE[backend]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="architectures, by model_type; default: all")
    parser.add_argument("--part", help="i/n: every n-th, from the i-th")
    parser.add_argument("--trial", action="store_true", help="without writing files")
    parser.add_argument("--backend", choices=list(TOLERANCE), help="only this one")
    parser.add_argument("--trace", action="store_true", help="show where errors come from")
    parser.add_argument("--table", action="store_true", help="only write docs/architectures.md from the kept results")
    arguments = parser.parse_args()
    names = arguments.names or [name for name in ARCHITECTURES if name not in REFUSED]
    if arguments.part:
        i, n = map(int, arguments.part.split("/"))
        names = names[i - 1 :: n]
    RESULTS.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    # The glue between the kernels, which are compiled as ever: minutes of the compiler's for each hundred architectures.
    torch._inductor.config.aot_inductor.compile_wrapper_opt_level = "O0"
    signal.signal(signal.SIGVTALRM, _too_slow)
    sources_hash(), _hash_of(LOWERING)  # of what this process has loaded, whatever is edited meanwhile
    failed = 0
    for name in [] if arguments.table else names:
        path = RESULTS / f"{name}{'.trial' if arguments.trial else ''}.json"
        kept = json.loads(path.read_text()) if path.is_file() else {}
        if kept.get("hash") == sources_hash() and not arguments.names:
            continue
        _import_class(name)
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        backends = [arguments.backend] if arguments.backend else list(TOLERANCE)
        result = verify(name, trial=arguments.trial, backends=backends, show_trace=arguments.trace, kept=kept)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        if arguments.backend and kept.get("key") == result.get("key"):
            result = {**kept, **result}
        path.write_text(json.dumps(result))
        good = result.get("python", 1) <= 1e-3 if arguments.trial else all(is_verified(result, b) for b in backends)
        failed += not good
        print("ok  " if good else "FAIL", json.dumps({k: v for k, v in result.items() if k not in ("hash",)}), flush=True)
    if not arguments.trial and not arguments.names and not arguments.part:
        from table import write_table

        write_table(RESULTS, ROOT / "docs" / "architectures.md")
    return 1 if failed else 0


def _import_class(name: str) -> None:
    """Outside of the time limit: an import that is broken off stays broken."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as classes

    with __import__("contextlib").suppress(Exception):
        getattr(transformers, classes[name])


def _too_slow(*_):
    raise TimeoutError(f"took more than {SECONDS} s of CPU time")


if __name__ == "__main__":
    sys.exit(main())
