"""A small tree with the real ./weft in it, and stand-ins for the programs that it calls."""

from __future__ import annotations

import dataclasses
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# What ./weft may count on; nothing else of this machine is in its PATH, so that no real Python or CMake is found.
TOOLS = "awk bash cat chmod cksum cp cut dirname env find flock grep ln ls mkdir mv nproc readlink rm sed sh sleep tail touch"

# Every stand-in writes its command line to $CALLS, then does what $<NAME>_DOES says, by default what the real one would.
STUB = """#!/bin/bash
name=${0##*/}
echo "$name $*" >>"$CALLS"
does=${name//[-.0-9]/}_DOES
[[ ${!does:-} ]] && eval "${!does}"
"""

STUBS = {
    "python3.11": """
case "$*" in
  "-m venv "*) mkdir -p "$3/bin" "$3/lib/python3.11/site-packages"
    cp "$STUBS/venv-python" "$3/bin/python"; touch "$3/pyvenv.cfg" ;;
esac
""",
    "venv-python": """
case "$*" in
  *summary.py*) exec "$REAL_PYTHON" "$@" ;;
  *pytest*) [[ ${PYTEST_XML:-} ]] && echo "$PYTEST_XML" >"${@: -1}"; exit "${PYTEST_STATUS:-0}" ;;
  *"pip install"*) [[ ${PIP_DOES:-} ]] && eval "$PIP_DOES" ;;
esac
exit 0
""",
    "cmake": """
case "$1" in
  -S) [[ " $* " == *" --fresh "* ]] && rm -f "$4/CMakeCache.txt"
    python=${*##*-DWEFT_PYTHON=}
    printf 'WEFT_PYTHON:FILEPATH=%s\\nCMAKE_HOME_DIRECTORY:INTERNAL=%s\\n' "${python%% *}" "$2" >"$4/CMakeCache.txt" ;;
  --build) mkdir -p "$2/bin"
    printf '#!/bin/bash\\necho "weft in $PWD with $WEFT_PYTHON:"; printf "<%%s>" "$@"\\n' >"$2/bin/weft"; chmod +x "$2/bin/weft" ;;
esac
""",
    "ctest": """
[[ ${CTEST_XML:-} ]] && echo "$CTEST_XML" >"${@: -1}"
exit "${CTEST_STATUS:-0}"
""",
    "dpkg-query": """
for package in "${@:4}"; do [[ " ${LACKS:-} " == *" $package "* && ! -e $CALLS.apt ]] || echo "installed $package"; done
""",
    "apt-get": 'touch "$CALLS.apt"\n',
    "df": 'echo header; echo "disk 9 9 ${FREE_MIB:-9999} 9% /"\n',
    "sudo": '[[ ${SUDO:-yes} == yes ]] || exit 1\nshift; "$@"\n',
}


@dataclasses.dataclass
class Tree:
    """Runs ./weft in `folder`."""

    folder: Path
    env: dict[str, str]

    def start(self, *arguments: str, env: dict[str, str] | None = None, **options) -> subprocess.Popen:
        return subprocess.Popen(
            [self.folder / "weft", *arguments],
            env=self.env | (env or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **({"cwd": self.folder} | options),
        )

    def __call__(self, *arguments: str, env: dict[str, str] | None = None, **options) -> subprocess.CompletedProcess:
        process = self.start(*arguments, env=env, **options)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def calls(self) -> list[str]:
        """The command lines since the last time, without what only looks."""
        path = Path(self.env["CALLS"])
        lines = path.read_text().splitlines() if path.exists() else []
        path.write_text("")
        path.chmod(0o666)
        looks = ("dpkg-query", "df", "sudo -n true")
        return [line for line in lines if not line.startswith(looks) and " -c " not in line and "--version" not in line]

    @property
    def site_packages(self) -> Path:
        return self.folder / ".venv/lib/python3.11/site-packages"


@pytest.fixture
def tree():
    # Not tmp_path, which only its owner may enter: one test runs as another user.
    folder = Path(tempfile.mkdtemp(prefix="weft launcher "))
    try:
        yield make_tree(folder)
    finally:
        shutil.rmtree(folder)


def make_tree(folder: Path) -> Tree:
    source = folder / "tree"
    for part in ("include", "src", "kernels", "backends", "apps", "bindings", "tests", "examples", "bench", "cmake", "python"):
        (source / part).mkdir(parents=True)
    for file in ("weft", "requirements.txt", "requirements-test.txt", "cmake/debian-packages.txt", "tests/summary.py"):
        shutil.copy(ROOT / file, source / file)
    for file in ("CMakeLists.txt", "src/one.cpp"):
        (source / file).touch()

    stubs = folder / "stubs"
    stubs.mkdir()
    for tool in TOOLS.split():
        (stubs / tool).symlink_to(shutil.which(tool))
    for name, body in STUBS.items():
        (stubs / name).write_text(STUB + body)
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO)
    env = {"PATH": str(stubs), "STUBS": str(stubs), "CALLS": str(folder / "calls"), "REAL_PYTHON": sys.executable}
    return Tree(source, env)
