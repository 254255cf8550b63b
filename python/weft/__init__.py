"""weft exports language models from PyTorch, and runs them.

    import weft

    model = weft.load("model.pte")                     # or a .pt2
    chat = weft.ChatPipeline(model)
    print(chat.send("What is the capital of France?"))

    model = weft.export("path/to/checkpoint", backend="aoti")   # exported, checked, loaded

Importing weft imports neither torch nor the native module: each comes with the first name that needs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from weft.errors import Error
from weft.installation import PREFIXES

if TYPE_CHECKING:
    import weft.export as export
    from weft._native import (
        Cache,
        Cancellation,
        ChatPipeline,
        ChatTemplate,
        CompletionPipeline,
        Encoding,
        FinishReason,
        GenerationDefaults,
        GenerationResult,
        GenerationStats,
        LogitRows,
        ModelInfo,
        Padding,
        Sampler,
        SamplingOptions,
        Side,
        Specials,
        StreamDecoder,
        TextPart,
        Tokenizer,
        Truncation,
        TruncationStrategy,
        encode_batch,
        make_sampler,
    )
    from weft.hf_tokenizer import transformers_tokenizer
    from weft.model import Model, load
    from weft.streaming import stream

__version__ = "0.1.0"

# Where each name is.
_PLACES = {
    "export": "weft.export",
    "Model": "weft.model",
    "load": "weft.model",
    "stream": "weft.streaming",
    "transformers_tokenizer": "weft.hf_tokenizer",
    **dict.fromkeys(
        (
            "Cache",
            "Cancellation",
            "ChatPipeline",
            "ChatTemplate",
            "CompletionPipeline",
            "Encoding",
            "FinishReason",
            "GenerationDefaults",
            "GenerationResult",
            "GenerationStats",
            "LogitRows",
            "ModelInfo",
            "Padding",
            "Sampler",
            "SamplingOptions",
            "Side",
            "Specials",
            "StreamDecoder",
            "TextPart",
            "Tokenizer",
            "Truncation",
            "TruncationStrategy",
            "encode_batch",
            "make_sampler",
        ),
        "weft._native",
    ),
}
__all__ = ["Error", "__version__", *_PLACES]

# weft._native lies beside the plug-ins of the backends.
__path__ += [str(prefix / "lib" / "weft") for prefix in PREFIXES]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'weft' has no attribute '{name}'")
    try:
        module = importlib.import_module(_PLACES[name])
    except ModuleNotFoundError as error:
        if error.name != "weft._native":
            raise
        places = ", ".join(__path__)
        raise Error("not_found", f"the native module is in none of: {places}", "weft", "build it: ./weft setup, or pip install .") from error
    value = module if name == "export" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
