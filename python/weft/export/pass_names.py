"""Names of the optional transformations, and which of them an export uses. Imports no torch: the command line looks at these first."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from weft.errors import Error

# In the order in which they open the way for each other. The first is how the model is traced; passes.py has the others.
PASS_NAMES = (
    "cache_outside",
    "tile_linears",
    "drop_no_ops",
    "join_parallel_linears",
    "gate_in_linear",
    "norm_in_linear",
    "residual_in_linear",
    "rotary_in_attention",
    "unbatch_before_head",
    "few_row_linears",
)


def choose_passes(passes: bool | Iterable[str], without: Iterable[str] = ()) -> tuple[str, ...]:
    """The names that are meant, in their order. passes: True for all, False for none, or names. Raises weft.Error (invalid_argument)."""
    wanted = set(PASS_NAMES if passes is True else () if passes is False else [passes] if isinstance(passes, str) else passes)
    without = set(without)
    for name in sorted(wanted | without):
        if name not in PASS_NAMES:
            raise Error("invalid_argument", f"'{name}' is no pass", "passes", f"choose of {', '.join(PASS_NAMES)}")
    return tuple(name for name in PASS_NAMES if name in wanted - without)


def parse_passes(text: str) -> tuple[str, ...]:
    """Names with commas between them, as the `type` of an argument of argparse's."""
    try:
        return choose_passes(name.strip() for name in text.split(","))
    except Error as error:
        raise argparse.ArgumentTypeError(f"{error.message}; {error.fix}") from error
