"""The contract of every Runner (runner_contract.cpp), on programs of both backends, with and without the passes."""

import subprocess

import pytest
from built import built_program

CASES = [
    ("llama", "executorch", True),
    ("llama", "aoti", True),
    ("qwen2", "executorch", True),
    ("qwen2", "aoti", True),
    ("gemma", "executorch", True),
    ("gemma", "aoti", True),
    ("llama", "executorch", False),
    ("llama", "aoti", False),
]


def promises() -> list[str]:
    """The names of runner_contract.cpp's tests, so that each is counted by itself."""
    source = (__import__("pathlib").Path(__file__).parent / "runner_contract.cpp").read_text()
    return [line.split(",")[1].strip(" ){") for line in source.splitlines() if line.startswith("TEST_F(EveryRunner")]


@pytest.mark.parametrize("promise", promises())
@pytest.mark.parametrize(("architecture", "backend", "passes"), CASES)
def test_every_runner(exported, architecture, backend, passes, promise):
    program = built_program(f"runner_contract_{backend}")
    model = exported(architecture, backend, passes=passes)
    done = subprocess.run([program, model, f"--gtest_filter=EveryRunner.{promise}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[  PASSED  ]" in done.stdout
    if "[  SKIPPED ]" in done.stdout:
        pytest.skip(done.stdout.split("Skipped\n")[-1].splitlines()[0])
