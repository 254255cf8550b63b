"""Reads GGUF files, the format of llama.cpp (its gguf-py/README and docs/gguf.md): metadata, and weights as float32.

    file = GgufFile(Path("model.gguf"))
    file.text("general.architecture"), file.tensors["output_norm.weight"].rows(0, 1)

The whole header is checked against the file's size before anything is believed. The `gguf` package knows the block
formats; its own reader trusts the counts in a file, and runs without end on a damaged one.
"""

from __future__ import annotations

import dataclasses
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

from weft.errors import Error

_CUT_SHORT = "the file is cut short or damaged; fetch it again"
_CONVERT_AGAIN = "convert the model again with a current convert_hf_to_gguf.py of llama.cpp"

_VERSIONS = (2, 3)
_DEFAULT_ALIGNMENT = 32
_MAX_DIMENSIONS = 4

# Metadata types of a fixed size, by their number in the file.
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9

_MISSING: Any = object()


class _Cursor:
    """Reads forward through bytes, and says where they end too early."""

    def __init__(self, data: memoryview, path: Path) -> None:
        self.data, self.path, self.position = data, path, 0
        self.place = "header"  # what is being read, for errors

    def fail(self, message: str, fix: str = _CUT_SHORT, code: str = "corrupt") -> Error:
        return Error(code, message, f"{self.path}: {self.place} at byte {self.position}", fix)

    def take(self, count: int) -> memoryview:
        left = len(self.data) - self.position
        if count > left:
            raise self.fail(f"needs {count} more bytes, but only {left} are left")
        start, self.position = self.position, self.position + count
        return self.data[start : self.position]

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def string(self) -> str:
        data = self.take(self.number("<Q"))
        try:
            return str(data, "utf-8")
        except UnicodeDecodeError as error:
            raise self.fail(f"is a text that isn't UTF-8 ({error.reason})") from error

    def value(self, kind: int) -> Any:
        if kind in _SCALARS:
            return self.number(_SCALARS[kind])
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            return self.array()
        raise self.fail(f"has the unknown type {kind}")

    def array(self) -> list[Any]:
        kind, count = self.number("<I"), self.number("<Q")
        if kind in _SCALARS:
            # Taken before anything is made: a count out of nowhere fails here.
            data = self.take(count * struct.calcsize(_SCALARS[kind]))
            return np.frombuffer(data, dtype=np.dtype(_SCALARS[kind])).tolist()
        if kind == _STRING:
            if count > (len(self.data) - self.position) // 8:
                raise self.fail(f"claims {count} texts, more than the file has room for")
            return [self.string() for _ in range(count)]
        raise self.fail(f"is an array of the type {kind}, which has no use in a model", _CONVERT_AGAIN, "unsupported")


@dataclasses.dataclass(frozen=True)
class GgufTensor:
    """One tensor, still as it lies in the file."""

    name: str
    shape: tuple[int, ...]  # as PyTorch counts: rows first
    type: GGMLQuantizationType
    data: np.ndarray  # u8 [rows, bytes of a row], mapped

    def rows(self, start: int, stop: int) -> np.ndarray:
        """f32 [stop - start, columns]: some of the rows, dequantised. A tensor of one dimension is one row."""
        return dequantize(self.data[start:stop], self.type)


class GgufFile:
    """A GGUF file's metadata and tensors. Weights are read from the disk when they are asked for.

    Raises weft.Error (not_found, io, corrupt, unsupported).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            size = path.stat().st_size
            with open(path, "rb") as file:
                magic = file.read(4)
            if magic != b"GGUF":
                shown = f"begins with {magic!r}" if magic else "is empty"
                raise Error(
                    "corrupt", f"is no GGUF file: it {shown}", path, "give a .gguf file, or a checkpoint's folder"
                )
            self._bytes = np.memmap(path, dtype=np.uint8, mode="r")
        except FileNotFoundError as error:
            raise Error("not_found", "is not there", path, "check the path") from error
        except OSError as error:
            raise Error("io", f"can't be read: {error.strerror}", path, "check the path and its permissions") from error
        cursor = _Cursor(memoryview(self._bytes), path)
        self.metadata: dict[str, Any] = {}
        tensor_count = self._read_metadata(cursor)
        if (parts := self.integer("split.count", 1)) > 1:
            message = f"is one of {parts} parts of a model"
            raise Error("unsupported", message, path, "join them first: llama-gguf-split --merge FIRST.gguf WHOLE.gguf")
        self.tensors: dict[str, GgufTensor] = {}
        self._read_tensors(cursor, tensor_count, size)

    def _read_metadata(self, cursor: _Cursor) -> int:
        cursor.take(4)
        version = cursor.number("<I")
        if version & 0xFFFF == 0 and version:
            raise cursor.fail("is big-endian", "convert it: gguf-convert-endian model.gguf little", "unsupported")
        if version not in _VERSIONS:
            raise cursor.fail(f"has version {version}; versions 2 and 3 are read", _CONVERT_AGAIN, "unsupported")
        tensor_count, pair_count = cursor.number("<Q"), cursor.number("<Q")
        for index in range(pair_count):
            cursor.place = f"metadata entry {index} of {pair_count}"
            key = cursor.string()
            cursor.place = f"metadata '{key[:80]}'"
            if key in self.metadata:
                raise cursor.fail("is there twice")
            self.metadata[key] = cursor.value(cursor.number("<I"))
        return tensor_count

    def _read_tensors(self, cursor: _Cursor, count: int, file_size: int) -> None:
        entries = []
        for index in range(count):
            cursor.place = f"tensor entry {index} of {count}"
            name = cursor.string()
            cursor.place = f"tensor '{name[:80]}'"
            dimensions = cursor.number("<I")
            if not 1 <= dimensions <= _MAX_DIMENSIONS:
                raise cursor.fail(f"has {dimensions} dimensions; 1 to {_MAX_DIMENSIONS} are possible")
            shape = tuple(reversed([cursor.number("<Q") for _ in range(dimensions)]))
            number, offset = cursor.number("<I"), cursor.number("<Q")
            if 0 in shape or math.prod(shape) >= 1 << 48:
                raise cursor.fail(f"has the impossible shape {list(shape)}")
            try:
                kind = GGMLQuantizationType(number)
            except ValueError as error:
                raise cursor.fail(f"has the unknown type {number}", "update the gguf package", "unsupported") from error
            entries.append((name, shape, kind, offset))

        alignment = self.integer("general.alignment", _DEFAULT_ALIGNMENT)
        if not 8 <= alignment <= 1 << 16 or alignment & (alignment - 1):
            raise Error(
                "corrupt",
                f"is {alignment}, no power of two from 8 to 65536",
                f"{self.path}: general.alignment",
                _CUT_SHORT,
            )
        data_start = -(-cursor.position // alignment) * alignment
        for name, shape, kind, offset in entries:
            where = f"{self.path}: tensor '{name}'"
            if name in self.tensors:
                raise Error("corrupt", "is there twice", where, _CUT_SHORT)
            block_values, block_bytes = GGML_QUANT_SIZES[kind]
            if shape[-1] % block_values:
                raise Error(
                    "corrupt",
                    f"has rows of {shape[-1]} values, but {kind.name} has blocks of {block_values}",
                    where,
                    _CUT_SHORT,
                )
            row_bytes = shape[-1] // block_values * block_bytes
            rows = math.prod(shape[:-1])
            start, end = data_start + offset, data_start + offset + rows * row_bytes
            if end > file_size:
                raise Error(
                    "corrupt", f"lies at bytes {start} to {end}, but the file ends after {file_size}", where, _CUT_SHORT
                )
            self.tensors[name] = GgufTensor(name, shape, kind, self._bytes[start:end].reshape(rows, row_bytes))

    def _get(self, key: str, default: Any, kinds: tuple[type, ...], expected: str) -> Any:
        value = self.metadata.get(key, default)
        if value is _MISSING:
            raise Error("corrupt", "is missing from the metadata", f"{self.path}: {key}", _CONVERT_AGAIN)
        if key in self.metadata and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
            shown = f"a list of {len(value)}" if isinstance(value, list) else repr(value)[:60]
            raise Error("corrupt", f"is {shown}, where {expected} was expected", f"{self.path}: {key}", _CONVERT_AGAIN)
        return value

    def text(self, key: str, default: Any = _MISSING) -> Any:
        """The text `key`; `default` where it isn't there (without one, that is an error). The others likewise."""
        return self._get(key, default, (str,), "a text")

    def integer(self, key: str, default: Any = _MISSING) -> Any:
        return self._get(key, default, (int,), "a whole number")

    def number(self, key: str, default: Any = _MISSING) -> Any:
        """Rounded to what the float32 of the file stands for: 1e-05 rather than 9.99999974e-06."""
        value = self._get(key, default, (int, float), "a number")
        if not isinstance(value, float):
            return value
        if not math.isfinite(value):
            raise Error("corrupt", f"is {value}", f"{self.path}: {key}", _CUT_SHORT)
        return float(str(np.float32(value))) if value == np.float32(value) else value

    def boolean(self, key: str, default: Any = _MISSING) -> Any:
        return self._get(key, default, (bool,), "true or false")

    def array(self, key: str, kind: type, default: Any = _MISSING) -> Any:
        values = self._get(key, default, (list,), "a list")
        if values and values is not default and not isinstance(values[0], kind):  # all have one type
            raise Error(
                "corrupt",
                f"is a list of {type(values[0]).__name__}, not of {kind.__name__}",
                f"{self.path}: {key}",
                _CONVERT_AGAIN,
            )
        return values
