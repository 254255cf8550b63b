"""Who is measured: environments, model files, commands."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from sources import VOCABULARIES

ROOT = Path(__file__).resolve().parents[2]
PEERS = Path(__file__).resolve().parent / "peers"

# What pip installs; torch in the very build that weft's own environment has.
ENVIRONMENTS = {
    "llama.cpp": ["llama-cpp-python==0.3.36"],
    "onnxruntime-genai": [
        "onnxruntime-genai==0.18.0",
        "onnx-ir==1.1.0",
        "onnx==1.23.2",
        "transformers==5.23.0",
        "{torch}",
    ],
    "openvino": ["openvino-genai==2026.4.1.0", "optimum-intel==2.2.0", "{torch}"],
    "ctranslate2": ["ctranslate2==4.8.5", "transformers==5.23.0", "{torch}"],
}
# What comes along and has to go: PyPI's torchvision is of another build of torch than a CPU's, and fails where only language is wanted.
UNWANTED = {"openvino": ["torchvision"]}


@dataclasses.dataclass(frozen=True)
class Contender:
    """One way to run the models. `weights` says for each width that it can: the kind, and the bits that a token reads of each weight."""

    name: str
    weights: dict[int, tuple[str, float]]
    script: str = ""  # of peers/; weft itself, if empty
    environment: str = ""  # of ENVIRONMENTS; weft's own, if empty
    settings: dict[str, str] = dataclasses.field(default_factory=dict)
    backend: str = ""
    flags: tuple[str, ...] = ()
    model_key: str = ""  # contenders of one key share their model files

    @property
    def peer(self) -> bool:
        return bool(self.script)

    def kind(self, model: str, bits: int) -> tuple[str, float]:
        """What the weights are, and how many bits of each a token reads."""
        keeps_gguf = not self.peer or self.model_key == "llama.cpp"
        # The GGUF has its embedding, which is the head, too, in Q8_0.
        return ("Q4_1", 5.74) if keeps_gguf and (model, bits) == ("S", 4) else self.weights[bits]


def _weft(backend: str) -> list[Contender]:
    weights = {4: ("int4-sym", 4.5), 8: ("int8", 8.5), 16: ("bf16", 16.0), 32: ("f32", 32.0)}
    return [
        Contender(f"weft {backend}", weights, backend=backend, model_key=f"weft-{backend}"),
        Contender(f"weft {backend}, f32 activations", {n: weights[n] for n in (4, 8, 16)}, backend=backend, model_key=f"weft-{backend}",
                  flags=("--float-activations",)),
    ]  # fmt: skip


_GGUF = {4: ("Q4_0", 4.5), 8: ("Q8_0", 8.5), 16: ("BF16", 16.0), 32: ("F32", 32.0)}
_OPENVINO = {4: ("int4 of 64", 4.25), 8: ("int8 of rows", 8.0), 16: ("f32 file, bf16", 16.0), 32: ("f32", 32.0)}
_TRANSFORMERS = {16: ("bf16", 16.0), 32: ("f32", 32.0)}

CONTENDERS = [
    *_weft("executorch"),
    *_weft("aoti"),
    Contender("llama.cpp", _GGUF, "llama_peer.py", "llama.cpp", {"flash": "0"}, model_key="llama.cpp"),
    Contender("llama.cpp, flash attention", _GGUF, "llama_peer.py", "llama.cpp", {"flash": "1"}, model_key="llama.cpp"),
    Contender("ONNX Runtime GenAI", {4: ("int4 of 32", 5.0), 8: ("int8 of 32", 9.0), 32: ("f32", 32.0)}, "onnxruntime_peer.py", "onnxruntime-genai",
              model_key="onnxruntime-genai"),
    Contender("OpenVINO GenAI, paged", _OPENVINO, "openvino_peer.py", "openvino", {"attention": "PA"}, model_key="openvino"),
    Contender("OpenVINO GenAI, SDPA", _OPENVINO, "openvino_peer.py", "openvino", {"attention": "SDPA"}, model_key="openvino"),
    Contender("CTranslate2", {8: ("int8 of rows", 8.0), 32: ("f32", 32.0)}, "ctranslate2_peer.py", "ctranslate2", model_key="ctranslate2"),
    Contender("ExecuTorch's runner", {4: ("8da4w of 32", 5.0), 32: ("f32", 32.0)}, "executorch_peer.py", model_key="executorch-llm"),
    Contender("Transformers, eager", _TRANSFORMERS, "transformers_peer.py", settings={"mode": "eager"}, model_key="transformers"),
    Contender("Transformers, compiled", _TRANSFORMERS, "transformers_peer.py", settings={"mode": "compiled"}, model_key="transformers"),
]  # fmt: skip


class SetUpError(Exception):
    """Why a contender can't be measured."""


def run_logged(command: list, log: Path, **options) -> None:
    """Runs it with its output in `log`. Raises SetUpError with the last line."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        code = subprocess.run(
            [str(word) for word in command], stdout=out, stderr=subprocess.STDOUT, check=False, **options
        ).returncode
    if code != 0:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        raise SetUpError(
            f"{Path(str(command[1])).name} gave exit code {code}: {lines[-1][:300] if lines else 'no output'} ({log})"
        )


class Workshop:
    """A folder with the peers' environments and everybody's model files, each made once. What was cut short is made anew."""

    def __init__(self, folder: Path, weft: Path, say) -> None:
        self.folder, self.weft, self.say = folder, weft, say
        self._failed: dict[str, SetUpError] = {}
        # An exporter that has changed may write other layouts, and so may the compiled form of tokenizers, which it puts into the file.
        digest = hashlib.sha256()
        for file in [*sorted((ROOT / "python" / "weft").rglob("*.py")), ROOT / "src" / "tokenizer" / "compiled.cpp"]:
            digest.update(file.read_bytes())
        self._exporter = digest.hexdigest()[:8]

    def _once(self, key: str, path: Path, make) -> Path:
        """`path`, made by make(its temporary name) unless it is there. A failure is told again without another try."""
        if key in self._failed:
            raise self._failed[key]
        if not path.exists():
            self.say(f"making {path.relative_to(self.folder)}")
            partial = path.with_name(f"partial-{path.name}")
            path.parent.mkdir(parents=True, exist_ok=True)
            _remove(partial)
            try:
                make(partial)
            except SetUpError as error:
                self._failed[key] = error
                raise
            partial.rename(path)
        return path

    def python(self, environment: str) -> Path:
        """The interpreter of an environment. pip's own work isn't repeated; what failed is tried again at the next start."""
        if not environment:
            return Path(sys.executable)
        folder = self.folder / "environments" / environment
        python, stamp = folder / "bin" / "python", folder / "installed"
        wanted = [
            word.format(torch=f"torch=={importlib.metadata.version('torch')}") for word in ENVIRONMENTS[environment]
        ]
        if environment in self._failed:
            raise self._failed[environment]
        if not stamp.is_file() or stamp.read_text() != "\n".join(wanted):
            self.say(f"installing {', '.join(wanted)} into {folder.relative_to(self.folder)}")
            try:
                if not python.is_file():
                    venv.create(folder, with_pip=True)
                # What pip compiles is compiled here: a wheel in its cache may be without the flag, or of another machine.
                flags = {"CXXFLAGS": f"-include {PEERS / 'gcc_tiles.h'}"} if environment == "llama.cpp" else {}
                command = [python, "-m", "pip", "install", *(["--no-cache-dir"] if flags else []), *wanted]
                run_logged(command, self.folder / "logs" / f"install-{environment}.log", env={**os.environ, **flags})
                if environment in UNWANTED:
                    command = [python, "-m", "pip", "uninstall", "-y", *UNWANTED[environment]]
                    run_logged(command, self.folder / "logs" / f"uninstall-{environment}.log")
            except SetUpError as error:
                self._failed[environment] = error
                raise
            stamp.write_text("\n".join(wanted))
        return python

    def versions(self, environment: str) -> dict[str, str]:
        names = [word.split("==")[0].split("[")[0] for word in ENVIRONMENTS.get(environment, [])]
        names = [name for name in names if name and "{" not in name] or [
            "torch",
            "transformers",
            "executorch",
            "torchao",
        ]
        program = (
            "import importlib.metadata as m, json, sys; print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
        )
        done = subprocess.run(
            [self.python(environment), "-c", program, *names], capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)

    def source(self, model: str) -> Path:
        return self._once(
            f"source {model}",
            self.folder / model / "source",
            lambda out: run_logged(
                [sys.executable, PEERS.parent / "sources.py", model, out], self.folder / "logs" / f"source-{model}.log"
            ),
        )

    def gguf(self) -> Path:
        from weft.export.default_model import fetch_default_model
        from weft.export.progress import Progress

        return fetch_default_model(Progress())

    def model(self, contender: Contender, model: str, bits: int) -> Path:
        """The model file or folder, made first if need be. Raises SetUpError."""
        if bits not in contender.weights:
            raise SetUpError(f"has no weights of {bits} bits")
        if not contender.peer:
            return self._weft_model(contender.backend, model, bits)
        if contender.model_key == "transformers":
            return self.source(model)
        if contender.model_key == "llama.cpp" and (model, bits) == ("S", 4):
            return self.gguf()
        path = self.folder / model / f"{contender.model_key}-{bits}"
        if path.exists():
            return path
        # A GGUF is written by the package gguf, which weft's environment has.
        python = sys.executable if contender.model_key == "llama.cpp" else self.python(contender.environment)
        source, gguf = self.source(model), self.gguf()
        key = f"{contender.model_key} {model} {bits}"

        def make(out: Path) -> None:
            command = [
                python,
                PEERS / contender.script,
                "make",
                "--source",
                source,
                "--gguf",
                gguf,
                "--bits",
                bits,
                "--out",
                out,
            ]
            run_logged(
                command,
                self.folder / "logs" / f"make-{model}-{contender.model_key}-{bits}.log",
                env={**os.environ, "HF_HUB_OFFLINE": "1"},
            )

        return self._once(key, path, make)

    def _weft_model(self, backend: str, model: str, bits: int) -> Path:
        ending = {"executorch": "pte", "aoti": "pt2"}[backend]
        path = self.folder / model / f"weft-{bits}-{self._exporter}.{ending}"
        how = {
            4: ["--quantize", "int4-sym", "--quantize-layer", "lm_head=int4-sym"],
            8: ["--quantize", "int8"],
            16: ["--quantize", "bf16"],
            32: [],
        }[bits]
        if (model, bits) == ("S", 4):
            source, how = self.gguf(), ["--quantize", "keep"]
        else:
            source = self.source(model)

        def make(out: Path) -> None:
            for old in path.parent.glob(f"weft-{bits}-*.{ending}"):
                old.unlink()
            command = [
                sys.executable,
                "-m",
                "weft.export",
                source,
                "-o",
                out,
                "--backend",
                backend,
                "--no-check",
                *how,
            ]
            environment = {**os.environ, "WEFT_BIN": str(self.weft), "PYTHONPATH": str(ROOT / "python")}
            run_logged(command, self.folder / "logs" / f"make-{model}-weft-{backend}-{bits}.log", env=environment)

        return self._once(f"weft {backend} {model} {bits}", path, make)

    def command(
        self, contender: Contender, model: str, bits: int, *, threads: int, prompt: int, decode: int
    ) -> list[str]:
        path = self.model(contender, model, bits)
        if not contender.peer:
            words = [
                self.weft,
                "bench",
                path,
                "--repeat",
                1,
                "--json",
                "--threads",
                threads,
                "--prompt",
                prompt,
                "--decode",
                decode,
                *contender.flags,
            ]
        else:
            words = [
                self.python(contender.environment),
                PEERS / contender.script,
                "run",
                "--model",
                path,
                "--threads",
                threads,
            ]
            words += ["--prompt", prompt, "--decode", decode, "--bits", bits, "--vocabulary", VOCABULARIES[model]]
            words += [word for name, value in contender.settings.items() for word in ("--setting", f"{name}={value}")]
        return [str(word) for word in words]


def run_once(command: list[str], *, threads: int, timeout: float) -> dict[str, float]:
    """One measurement in a process of its own. Raises SetUpError with what it said last."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, env=environment, timeout=timeout
        )
    except subprocess.TimeoutExpired:
        raise SetUpError(f"took longer than {timeout:.0f} s") from None
    lines = [line for line in (done.stderr + "\n" + done.stdout).splitlines() if line.strip()]
    if done.returncode != 0:
        raise SetUpError(f"exit code {done.returncode}: {lines[-1][:300] if lines else 'no output'}")
    result = json.loads(done.stdout.strip().splitlines()[-1])
    return {key: value for key, value in result.items() if isinstance(value, (int, float))}


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
