"""weft runs language models exported from PyTorch; this package makes the files that it runs (weft.export)."""

from weft.errors import Error

__all__ = ["Error", "__version__"]
__version__ = "0.1.0"
