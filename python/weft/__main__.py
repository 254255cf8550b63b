"""The command `weft` of the installed package (python -m weft): the C++ program, exporting with this very Python."""

from __future__ import annotations

import os
import sys

from weft.errors import Error
from weft.installation import find_program


def main() -> int:
    try:
        program = find_program()
    except Error as error:
        print(f"weft: {error}", file=sys.stderr)
        return 1
    os.environ.setdefault("WEFT_PYTHON", sys.executable)
    os.execv(program, ["weft", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
