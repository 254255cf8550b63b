"""examples/python.ipynb runs from its first cell to its last."""

import json
import os
import subprocess
import sys

from built import ROOT, build_dir


def test_the_notebook_runs(weft_bin):
    notebook = json.loads((ROOT / "examples" / "python.ipynb").read_text())
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(cells) == 6 and notebook["nbformat"] == 4
    assert not any(cell.get("outputs") for cell in notebook["cells"])  # they would go stale
    # Without Jupyter, whose part here is only to run one cell after another.
    environment = {**os.environ, "WEFT_BUILD_DIR": str(build_dir()), "WEFT_BIN": str(weft_bin)}
    done = subprocess.run([sys.executable, "-c", "\n".join(cells)], capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
