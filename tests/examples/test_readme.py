"""README's C++ is examples/chat.cpp, and it answers."""

import os
import subprocess

from built import ROOT, build_dir, built_program


def test_readme_shows_the_example():
    source = (ROOT / "examples" / "chat.cpp").read_text().strip()
    assert source in (ROOT / "README.md").read_text()
    assert len([line for line in source.splitlines() if line.strip()]) <= 10


def test_the_example_streams_an_answer(default_model):
    program = built_program("example_chat")
    environment = {**os.environ, "WEFT_PLUGIN_PATH": str(build_dir() / "lib" / "weft")}
    done = subprocess.run([program, default_model("aoti")], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert "Paris" in done.stdout
