"""The one flow from a checkpoint to a file: equal on both backends, in every quantisation, and nothing half-written."""

import os
import struct
import subprocess
import sys
import zipfile
import zlib

import numpy as np
import pytest
import safetensors
import torch
import transformers
from built import ROOT
from tiny_models import tiny_model, tiny_tokenizer

from weft import Error
from weft.export import check, export, quantize
from weft.export.quantization import choose_weights
from weft.export.quantize import float_weight
from weft.export.rounding import round_to_nearest
from weft.export.schemes import INT4, INT8, make_plan

BACKENDS = ["executorch", "aoti"]


def logits_of(path, vocab_size=512):
    ids = list(range(3, 43))
    return check.file_logits(path, [ids[:17], ids[17:39], ids[39:]], vocab_size, "--float-activations")


@torch.no_grad()
def eager_logits(model):
    return model(torch.tensor([list(range(3, 43))]), use_cache=False).logits[0].numpy()


def assert_close(actual, expected, relative=1e-5):
    assert np.abs(actual - expected).max() <= relative * np.abs(expected).max()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("architecture", ["llama", "qwen2", "gemma"])
def test_logits_are_the_eager_models(weft_bin, exported, architecture, backend):
    assert_close(logits_of(exported(architecture, backend)), eager_logits(tiny_model(architecture)))


@pytest.mark.parametrize("backend", BACKENDS)
def test_cache_in_the_graph_gives_the_same_logits(weft_bin, exported, backend):
    assert_close(logits_of(exported("llama", backend, passes=False)), eager_logits(tiny_model("llama")))


@pytest.mark.parametrize("backend", BACKENDS)
def test_tied_weights_are_stored_once(weft_bin, tmp_path, make_checkpoint, backend):
    folder = make_checkpoint("llama", tie_word_embeddings=True)
    path = tmp_path / ("model.pte" if backend == "executorch" else "model.pt2")
    export(folder, path)
    with safetensors.safe_open(folder / "model.safetensors", "np") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}
    embedding = weights["model.embed_tokens.weight"]
    stored = path.read_bytes()
    values = [float_weight(torch.from_numpy(embedding)).pack().numpy().tobytes(), embedding.tobytes()]
    assert [stored.count(value[:4096]) for value in values] == [1, 0]


def test_a_compiled_program_calls_the_operators_past_the_dispatcher(weft_bin, exported):
    """How fast that is, no test can tell; that it is so, the compiled library can."""
    with zipfile.ZipFile(exported("llama", "aoti")) as archive:
        names = archive.namelist()
        library = archive.read(next(name for name in names if name.endswith(".wrapper.so")))
    called = {name for name in ("attention", "rotary_attention", "quantized_linear", "linear") if f"weft::{name}_address\0".encode() in library}
    assert {"rotary_attention", "quantized_linear"} <= called
    # What goes through the dispatcher is listed beside the library.
    assert not [name for name in names if name.endswith(".json") and "metadata" not in name and "/extra/" not in name]


@pytest.mark.parametrize("passes", [["cache_outside"], ["join_parallel_linears", "norm_in_linear"]], ids=lambda names: names[0])
def test_some_passes_alone_give_the_same_logits(weft_bin, tmp_path, passes):
    result = export((tiny_model("llama"), tiny_tokenizer()), tmp_path / "model.pt2", passes=passes)
    assert result.metadata["contract"] == ("ragged" if "cache_outside" in passes else "in_graph")
    assert_close(logits_of(result.path), eager_logits(tiny_model("llama")))


def _in_graph_model(kind: str) -> transformers.PreTrainedModel:
    """Models whose cache the operator can't keep: a recurrent state, and attention that it isn't told all of."""
    torch.manual_seed(0)
    sizes = {"vocab_size": 512, "hidden_size": 64, "num_hidden_layers": 2}
    if kind == "mamba":
        return transformers.MambaForCausalLM(transformers.MambaConfig(**sizes, state_size=8, time_step_rank=8)).eval()
    return transformers.BloomForCausalLM(transformers.BloomConfig(vocab_size=512, hidden_size=64, n_layer=2, n_head=4)).eval()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", ["bloom", "mamba"])
def test_quantised_weights_beside_a_cache_in_the_graph(weft_bin, tmp_path, kind, backend):
    path = tmp_path / ("model.pte" if backend == "executorch" else "model.pt2")
    metadata = export((_in_graph_model(kind), tiny_tokenizer()), path, quantize="int8", max_context=256).metadata
    assert (metadata["contract"], metadata["quantization"], metadata["activations"]) == ("in_graph", "int8", "int8")
    expected = _in_graph_model(kind)
    assert choose_weights(expected, make_plan("int8"), {})  # leaves the rounded weights in the model
    assert_close(logits_of(path), eager_logits(expected), relative=1e-5)
    # 8-bit activations are another rounding, and are not asked away.
    rounded = check.file_logits(path, [list(range(3, 20))], 512)
    assert 0 < np.abs(rounded - logits_of(path)[:17]).max() < 0.1 * np.abs(rounded).max()


@pytest.mark.parametrize("method", ["int8", "int4"])
def test_quantised_logits_are_those_of_the_dequantised_weights(weft_bin, tmp_path, method):
    """On AOTInductor; the operators are the same function on both backends (runner_contract has ExecuTorch's side)."""
    path = tmp_path / "model.pt2"
    model = tiny_model("llama")
    assert export((model, tiny_tokenizer()), path, quantize=method, activations="float32").metadata["quantization"] == method
    expected = tiny_model("llama")
    weights = choose_weights(expected, make_plan(method), {})
    assert len(weights) == 2 * 7 + 2
    assert_close(logits_of(path), eager_logits(expected))
    # The caller's own model is as it was.
    assert_close(eager_logits(model), eager_logits(tiny_model("llama")), relative=0)


@pytest.mark.parametrize("kind", ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"])
def test_gguf_blocks_are_read_as_the_gguf_package_reads_them(kind):
    import gguf

    number = gguf.GGMLQuantizationType[kind]
    values = np.random.default_rng(0).normal(size=(5, 96)).astype(np.float32)
    blocks = gguf.quants.quantize(values, number)
    weight = quantize.from_gguf(kind, blocks)
    np.testing.assert_allclose(weight.dequantize(), gguf.quants.dequantize(blocks, number), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("rows", [1, 16, 37])
def test_packed_layout_is_what_the_header_says(bits, rows):
    """Unpacks by the words of include/weft/kernels/quantized_linear.h."""
    weight = round_to_nearest(torch.from_numpy(np.random.default_rng(1).normal(size=(rows, 64)).astype(np.float32)), {4: INT4, 8: INT8}[bits])
    packed = weight.pack().numpy()
    fields = 1 + (weight.minimum is not None)
    group_bytes = 16 * (2 * fields + 4 * bits)
    values = np.zeros((rows, 64), np.float32)
    for row in range(rows):
        for group in range(2):
            at = ((row // 16) * 2 + group) * group_bytes
            halves = packed[at : at + 32 * fields].view(np.float16)
            words = packed[at + 32 * fields : at + group_bytes].reshape(bits, 16, 4)
            for column in range(32):
                byte = int(words[column * bits // 32, row % 16, column % 4])
                if bits == 8:
                    code = byte - 256 if byte > 127 else byte
                else:
                    code = (byte >> 4 if column % 8 >= 4 else byte & 15) - (8 if fields == 1 else 0)
                minimum = float(halves[16 + row % 16]) if fields == 2 else 0.0
                values[row, group * 32 + column] = code * float(halves[row % 16]) + minimum
    np.testing.assert_allclose(values, weight.dequantize(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"out": "model.onnx"}, "ends in neither .pte nor .pt2"),
        ({"dtype": "float8"}, "'float8' is not supported"),
        ({"quantize": "int3"}, "'int3' is no way to quantise"),
        ({"max_context": 3}, "3 is not from 8"),
        ({"max_context": 5000}, "made for 1024"),
        ({"quantize": "keep"}, "no quantised weights to keep"),
        ({"passes": ["drop_no_ops", "fast_math"]}, "'fast_math' is no pass"),
    ],
)
def test_wrong_arguments_are_named_and_leave_nothing(tmp_path, arguments, words):
    out = tmp_path / arguments.pop("out", "model.pt2")
    with pytest.raises(Error) as raised:
        export((tiny_model("llama"), tiny_tokenizer()), out, **arguments)
    assert words in str(raised.value) and raised.value.fix
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_differs_is_an_error_and_is_not_kept(weft_bin, tmp_path, monkeypatch):
    """The check is real: a reference that is off by a little more than rounding fails the export."""
    truth = check.eager_logits
    monkeypatch.setattr(check, "eager_logits", lambda model: truth(model) * np.float32(1.01))
    with pytest.raises(Error, match="differ from the eager model's"):
        export((tiny_model("llama"), tiny_tokenizer()), tmp_path / "model.pt2")
    assert list(tmp_path.iterdir()) == []


def test_full_disk_during_export_is_told_and_leaves_nothing(tmp_path):
    """With a limit on file sizes that the lowered file runs into, as on a full disk."""
    script = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        f"sys.path[:0] = [{str(ROOT / 'python')!r}, {str(ROOT / 'tests')!r}];"
        "from tiny_models import tiny_model, tiny_tokenizer; from weft.export import export; from weft.export import executorch;"
        "lower = executorch.lower\n"
        "def limited(*args):\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)); lower(*args)\n"
        "executorch.lower = limited\n"
        f"export((tiny_model('llama'), tiny_tokenizer()), {str(tmp_path / 'model.pte')!r}, check=False)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode != 0
    assert "weft.errors.Error" in done.stderr and "fix: " in done.stderr, done.stderr[-2000:]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_exports(weft_bin, tmp_path, dtype):
    path = tmp_path / "model.pt2"
    result = export((tiny_model("llama"), tiny_tokenizer()), path, dtype=dtype)
    assert result.metadata["dtype"] == dtype and path.is_file()



def test_a_program_that_was_compiled_beside_a_torch_with_cuda(exported, tmp_path):
    """Such a one asks for libtorch.so by name, and this one is made to: its library's string table is changed, and the archive's checksums."""
    whole = exported("llama", "aoti")
    with zipfile.ZipFile(whole) as archive:
        member = next(entry for entry in archive.infolist() if entry.filename.endswith(".so"))
        library = archive.read(member)
    assert member.compress_type == zipfile.ZIP_STORED and library.count(b"\0libtorch_cpu.so\0") == 1
    changed = library.replace(b"\0libtorch_cpu.so\0", b"\0libtorch.so\0cpu\0")
    data = whole.read_bytes().replace(library, changed)
    path = tmp_path / "model.pt2"
    path.write_bytes(data.replace(struct.pack("<I", member.CRC), struct.pack("<I", zlib.crc32(changed))))
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
    np.testing.assert_array_equal(logits_of(path), logits_of(whole))
