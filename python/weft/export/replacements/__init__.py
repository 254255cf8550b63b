"""Exportable stand-ins for modules of Transformers whose own code a tracer can't follow: it branches on values, loops over what
was hit, or computes attention past the AttentionInterface.

Each does what the module does (tests/export/test_replacements.py), and takes its place only while the model is tried and traced. A
module is found by its class, so that a checkpoint's weights and names stay as they are.
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Iterator

import torch

from weft.export.replacements import attention, experts, indexer

_MODELS = "transformers.models."
# Class -> (method, stand-in). These give the same in every way of running the model.
_ALWAYS = {
    _MODELS + "dbrx.modeling_dbrx.DbrxExperts": ("forward", experts.dbrx),
    _MODELS + "longcat_flash.modeling_longcat_flash.LongcatFlashExperts": ("forward", experts.longcat_flash),
    _MODELS + "qwen4_exp.modeling_qwen4_exp.Qwen4ExpTextQSAIndexer": ("forward", indexer.qwen4_exp),
}
# And these where the cache lies outside of the graph.
_OUTSIDE = {
    _MODELS + "codegen.modeling_codegen.CodeGenAttention": ("_attn", attention.codegen),
    _MODELS + "gpt_neo.modeling_gpt_neo.GPTNeoSelfAttention": ("_attn", attention.gpt_neo),
    _MODELS + "gptj.modeling_gptj.GPTJAttention": ("_attn", attention.gptj),
}


@contextlib.contextmanager
def replaced_modules(model: torch.nn.Module, *, outside: bool) -> Iterator[None]:
    """Within the block, `model` has the stand-ins. outside: its cache is the operator's."""
    table = {**_ALWAYS, **(_OUTSIDE if outside else {})}
    changed = []
    for module in model.modules():
        kind = type(module)
        method, function = table.get(f"{kind.__module__}.{kind.__qualname__}", (None, None))
        if method is not None and method not in module.__dict__:
            setattr(module, method, types.MethodType(function, module))
            changed.append((module, method))
    try:
        yield
    finally:
        for module, method in changed:
            delattr(module, method)
