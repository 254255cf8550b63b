"""Model files that are cut short, damaged or of the wrong kind end in an error that says what, where and how to mend it."""

import random
import shutil
import subprocess

import pytest

BACKENDS = ["executorch", "aoti"]


def run(weft_bin, path):
    return subprocess.run(
        [weft_bin, "generate", path, "--raw", "-p", "hello", "--max-tokens", "2"], capture_output=True, text=True, errors="replace", check=False
    )


def assert_clear_error(done, path):
    assert done.returncode == 1, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert path.name in done.stderr and "fix: " in done.stderr, done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("share", [0, 0.00001, 0.001, 0.05, 0.3, 0.6, 0.9, 0.999])
def test_cut_short(weft_bin, exported, tmp_path, backend, share):
    whole = exported("llama", backend)
    path = tmp_path / whole.name
    path.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * share)])
    assert_clear_error(run(weft_bin, path), path)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", range(6))
def test_damaged_never_crashes(weft_bin, exported, tmp_path, backend, seed):
    """Damage may hit a weight, which no check can tell; what it must not do is bring the program down."""
    whole = exported("llama", backend)
    data = bytearray(whole.read_bytes())
    chosen = random.Random(seed)
    # A .pte's structure lies at its beginning, an archive's directory at its end.
    low, high = (0, 4096) if backend == "executorch" else (len(data) - 4096, len(data))
    for _ in range(8):
        data[chosen.randrange(low, high)] ^= 1 << chosen.randrange(8)
    path = tmp_path / whole.name
    path.write_bytes(data)
    done = run(weft_bin, path)
    assert done.returncode in (0, 1), f"exit {done.returncode}\n{done.stderr}"
    if done.returncode == 1:
        assert "fix: " in done.stderr or "weft" in done.stderr, done.stderr


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_byte_zero(weft_bin, exported, tmp_path, backend):
    path = tmp_path / exported("llama", backend).name
    path.write_bytes(bytes(100_000))
    assert_clear_error(run(weft_bin, path), path)


@pytest.mark.parametrize("name", ["model.pte", "model.pt2", "model.bin"])
def test_a_text_file_is_no_model(weft_bin, tmp_path, name):
    path = tmp_path / name
    path.write_text("this is not a model\n" * 100)
    assert_clear_error(run(weft_bin, path), path)


def test_the_content_decides_not_the_ending(weft_bin, exported, tmp_path):
    for backend in BACKENDS:
        path = tmp_path / f"{backend}.model"
        shutil.copy(exported("llama", backend), path)
        assert run(weft_bin, path).returncode == 0


def test_prompt_longer_than_the_context(weft_bin, exported):
    path = exported("llama", "aoti")
    done = subprocess.run([weft_bin, "generate", path, "--raw", "-p", "a b " * 3000], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "1024" in done.stderr and "fix: " in done.stderr, done.stderr
