"""Which module of a model, and which operator, an export failed at."""

from __future__ import annotations

import contextlib
import re
import traceback
from collections.abc import Iterator
from typing import Any

from weft.errors import Error, first_line

# How the compilers name an operator in their messages: aten.amax.default, torch.ops.aten.amax, aten::amax.out.
_OPERATOR = re.compile(r"\b(?:torch\.ops\.)?(?:aten|prims|weft|transformers|quantized_decomposed|_c10d_functional)(?:\.|::)\w+(?:\.\w+)?")


@contextlib.contextmanager
def explained_failures(model) -> Iterator[None]:
    """Within the block, what a tracer or a compiler raises becomes a weft.Error; what the system raises stays as it is."""
    from weft.export.attention import Unsupported

    try:
        yield
    except Unsupported as error:
        raise Error("unsupported", f"can't be exported: {error}", type(model).__name__, "report the model") from error
    except (Error, MemoryError, OSError):
        raise
    except Exception as error:  # of many kinds: a tracer runs the model's own code, a compiler its own
        raise explain(error, model) from error


def explain(error: Exception, origin: Any) -> Error:
    """A weft.Error that names the module and the operator, as far as `error` tells."""
    where = _module(error) or type(origin).__name__
    text = str(error)
    operators = sorted(set(_OPERATOR.findall(text)))
    operator = f" (operator {', '.join(operators[:3])})" if operators else ""
    return Error(
        "unsupported",
        f"can't be exported: {type(error).__name__}: {first_line(error)}{operator}",
        where,
        "try the other backend (.pte or .pt2) and --no-passes; report the model",
    )


def _module(error: Exception) -> str:
    """The innermost module of the model on the stack, as file and line: `modeling_mpt.py:120, MptAttention.forward`."""
    chain: BaseException | None = error
    while chain is not None:
        for frame, line in reversed(list(traceback.walk_tb(chain.__traceback__))):
            code = frame.f_code
            if code.co_name == "forward" and "/torch/" not in code.co_filename and "/weft/export/" not in code.co_filename:
                owner = type(frame.f_locals.get("self")).__name__
                return f"{code.co_filename.rpartition('/')[2]}:{line}, {owner}.forward"
        chain = chain.__cause__ or chain.__context__
    return ""
