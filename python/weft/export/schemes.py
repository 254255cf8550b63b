"""Names of the ways to store a weight in fewer bits, and which layer is stored how.

    plan = make_plan("int4-g64", {"lm_head": "int8", "model.layers.0.*": "none"})
    plan.scheme_of("model.layers.0.mlp.up_proj")

Imports no torch: the command line looks at these first.
"""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Iterable, Mapping

from weft.errors import Error

GROUP = 32  # columns that share a scale in the kernels' layout
_LARGEST_GROUP = 256

_FORMS = "none, bf16, int8, int4; a group's size and symmetry may follow: int4-g64, int4-g128-sym, int8-asym"


@dataclasses.dataclass(frozen=True)
class Scheme:
    """Weights of `bits` (4 or 8), each `group` neighbours of a row with a scale of their own; or bfloat16 (16).

    symmetric: codes count from zero, both ways; else from the group's smallest value to its largest.
    """

    bits: int
    symmetric: bool
    group: int = GROUP

    @property
    def name(self) -> str:
        if self.bits == 16:
            return "bf16"
        usual = (self.bits == 8) == self.symmetric
        return f"int{self.bits}" + (f"-g{self.group}" if self.group != GROUP else "") + ("" if usual else "-sym" if self.symmetric else "-asym")


INT8 = Scheme(8, symmetric=True)
INT4 = Scheme(4, symmetric=False)
BF16 = Scheme(16, symmetric=True)


def parse_scheme(text: str) -> Scheme | None:
    """The scheme by this name; None for "none". Raises weft.Error (unsupported), which says what is possible."""
    base, *options = text.split("-")
    if text == "none":
        return None
    if text == "bf16":
        return BF16
    scheme = {"int8": INT8, "int4": INT4}.get(base)
    if scheme is None:
        raise _unknown(text)
    for option in options:
        if option in ("sym", "asym"):
            scheme = dataclasses.replace(scheme, symmetric=option == "sym")
        elif option[:1] == "g" and option[1:].isascii() and option[1:].isdigit():
            group = int(option[1:])
            if group % GROUP != 0 or not GROUP <= group <= _LARGEST_GROUP:
                sizes = f"groups are multiples of {GROUP}, up to {_LARGEST_GROUP}: the kernels have a scale for each {GROUP} columns"
                raise Error("unsupported", f"'{text}' asks for groups of {option[1:]}", "quantize", sizes)
            scheme = dataclasses.replace(scheme, group=group)
        else:
            raise _unknown(text)
    return scheme


def _unknown(text: str) -> Error:
    return Error("unsupported", f"'{text}' is no way to quantise", "quantize", f"choose one of: {_FORMS}; or keep")


@dataclasses.dataclass(frozen=True)
class Plan:
    """Which layer is stored how."""

    default: Scheme | None
    keep: bool  # where the source itself holds quantised weights, those
    layers: tuple[tuple[str, Scheme | None], ...] = ()  # patterns as the shell has them; of several that match, the last counts

    def override(self, name: str) -> tuple[str, Scheme | None] | None:
        """The pattern that names the module, and its scheme."""
        for pattern, scheme in reversed(self.layers):
            if fnmatch.fnmatchcase(name, pattern):
                return pattern, scheme
        return None

    def check_patterns(self, names: Iterable[str]) -> None:
        """Raises weft.Error if a pattern names none of the modules: a misspelt one must not pass for a rule."""
        names = list(names)
        for pattern, _ in self.layers:
            if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
                some = ", ".join([*names[:2], "...", *names[-2:]] if len(names) > 4 else names)
                raise Error("invalid_argument", f"'{pattern}' names no linear or embedding of the model", "quantize_layers", f"these are: {some}")

    @property
    def quantizes(self) -> bool:
        return self.keep or self.default is not None or any(scheme is not None for _, scheme in self.layers)

    @property
    def name(self) -> str:
        """For weft.json."""
        default = "keep" if self.keep else self.default.name if self.default else "none"
        return ", ".join([default, *(f"{pattern}={scheme.name if scheme else 'none'}" for pattern, scheme in self.layers)])


def make_plan(quantize: str, layers: Mapping[str, str] | None = None) -> Plan:
    """quantize: a scheme's name, or "keep". Raises weft.Error (unsupported, invalid_argument)."""
    rules = []
    for pattern, text in (layers or {}).items():
        if text == "keep":
            raise Error("unsupported", f"'{pattern}=keep': a layer can't be kept by itself", "quantize_layers", "keep all, and name the layers that are not kept")
        rules.append((pattern, parse_scheme(text)))
    keep = quantize == "keep"
    return Plan(None if keep else parse_scheme(quantize), keep, tuple(rules))


def read_rule(text: str) -> tuple[str, str]:
    """"PATTERN=SCHEME" of the command line. Raises weft.Error (invalid_argument)."""
    pattern, equals, scheme = text.rpartition("=")
    if not equals or not pattern or not scheme:
        raise Error("invalid_argument", f"'{text}' is not PATTERN=SCHEME", "quantize_layers", "write it like 'lm_head=int8'")
    parse_scheme(scheme)
    return pattern, scheme
