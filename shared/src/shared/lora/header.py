"""Parser of the header of an untrusted safetensors file; everything in it is checked.

The format: eight bytes with the header's length, a JSON object that maps each tensor's name to its
type, shape and offsets, then the data of the tensors without gaps.
"""

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn, cast

from shared.lora.errors import LoraFileError, shown

MAX_HEADER_BYTES = 16 * 1024 * 1024
"""The format allows 100 MB, which would take a gigabyte as Python objects. The headers of the
largest LoRAs (thousands of tensors and a trainer's metadata) have a few hundred kilobytes."""

MAX_TENSORS = 32_768
MAX_NAME_CHARS = 512
_MAX_DIMENSIONS = 8
_LENGTH_BYTES = 8
_TOO_LARGE = 2**48
_METADATA = "__metadata__"
_FIELDS = {"dtype", "shape", "data_offsets"}

ITEM_BYTES = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "U16": 2,
    "I16": 2,
    "F16": 2,
    "BF16": 2,
    "U32": 4,
    "I32": 4,
    "F32": 4,
    "U64": 8,
    "I64": 8,
    "F64": 8,
}
"""Bytes per number of each supported type."""


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """A tensor: type, shape, and offsets of its data relative to the end of the header."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Header:
    """The checked header of a file."""

    tensors: dict[str, TensorEntry]
    metadata: dict[str, str]
    data_start: int
    """Offset of the tensors' data in the file, in bytes."""


def read_header(file: BinaryIO, size_bytes: int) -> Header:
    """Read and check the header of a file of this size.

    Raises:
        LoraFileError: the file is not safetensors, or its header is inconsistent.
    """
    prefix = file.read(_LENGTH_BYTES)
    if len(prefix) < _LENGTH_BYTES:
        raise LoraFileError("is not a safetensors file: it is shorter than 8 bytes")
    length = int.from_bytes(prefix, "little")
    if length > size_bytes - _LENGTH_BYTES:
        raise LoraFileError(
            f"is not a safetensors file: its header would have {length} bytes, "
            f"but the whole file has {size_bytes}"
        )
    if length > MAX_HEADER_BYTES:
        raise LoraFileError(
            f"has a header of {length} bytes; at most {MAX_HEADER_BYTES} are allowed"
        )
    encoded = file.read(length)
    if len(encoded) != length:
        raise LoraFileError("ends within its header")
    return parse_header(encoded, size_bytes)


def parse_header(encoded: bytes, size_bytes: int) -> Header:
    """Parse a header, and check it against the size of its file.

    Raises:
        LoraFileError: the header is invalid; the message says where and why.
    """
    fields = _decode(encoded)
    metadata = _check_metadata(fields.pop(_METADATA, {}))
    if not fields:
        raise LoraFileError("has no tensors")
    if len(fields) > MAX_TENSORS:
        raise LoraFileError(f"has {len(fields)} tensors; at most {MAX_TENSORS} are allowed")
    data_start = _LENGTH_BYTES + len(encoded)
    tensors = {name: _check_entry(name, entry) for name, entry in fields.items()}
    _check_places(tensors, size_bytes - data_start)
    return Header(tensors, metadata, data_start)


def _decode(encoded: bytes) -> dict[str, Any]:
    if not encoded.startswith(b"{"):
        raise LoraFileError("is not a safetensors file: its header does not begin with '{'")
    try:
        decoded = json.loads(
            encoded.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant
        )
    except LoraFileError:
        raise
    except (ValueError, RecursionError) as error:
        raise LoraFileError("is not a safetensors file: its header is not JSON") from error
    assert isinstance(decoded, dict)  # it begins with a brace
    return cast("dict[str, Any]", decoded)


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_TENSORS + 1:
        raise LoraFileError(f"has more than {MAX_TENSORS} entries in one object of its header")
    found = dict(pairs)
    if len(found) != len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise LoraFileError(f"names {shown(twice)} twice in its header")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise LoraFileError(f"has {name} in its header, which is not JSON")


def _check_metadata(metadata: object) -> dict[str, str]:
    if not isinstance(metadata, dict):
        raise LoraFileError(f"has a {_METADATA} that is not an object of strings")
    checked: dict[str, str] = {}
    for name, value in cast("dict[str, object]", metadata).items():
        if not isinstance(value, str):
            raise LoraFileError(f"has a {_METADATA} that is not an object of strings")
        if not _is_text(name) or not _is_text(value):
            raise LoraFileError(f"has a {_METADATA} with text that is not Unicode, or with NUL")
        checked[name] = value
    return checked


def _is_text(value: str) -> bool:
    """Return true if a text is storable: JSON can contain lone surrogates and NUL."""
    return "\0" not in value and not any("\ud800" <= char <= "\udfff" for char in value)


def _check_entry(name: str, entry: object) -> TensorEntry:
    if not name or len(name) > MAX_NAME_CHARS or not _is_text(name):
        raise LoraFileError(
            f"has a tensor named {shown(name)}; names must have 1 to {MAX_NAME_CHARS} characters"
        )
    if not isinstance(entry, dict) or entry.keys() != _FIELDS:
        raise LoraFileError(
            f"has other fields for tensor {shown(name)} than dtype, shape and data_offsets"
        )
    fields = cast("dict[str, Any]", entry)
    dtype, shape, offsets = fields["dtype"], fields["shape"], fields["data_offsets"]
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        raise LoraFileError(
            f"has tensor {shown(name)} of type {shown(str(dtype))}; "
            f"supported are {', '.join(ITEM_BYTES)}"
        )
    sizes, places = _whole_numbers(shape), _whole_numbers(offsets)
    if sizes is None or len(sizes) > _MAX_DIMENSIONS:
        raise LoraFileError(
            f"has an invalid shape for tensor {shown(name)}; it must be at most {_MAX_DIMENSIONS} "
            "integers, 0 or greater"
        )
    if places is None or len(places) != 2 or places[0] > places[1]:
        raise LoraFileError(
            f"has invalid offsets for tensor {shown(name)}; they must be [begin, end], begin <= end"
        )
    found = TensorEntry(dtype, sizes, *places)
    if found.end - found.start != found.size * ITEM_BYTES[dtype]:
        raise LoraFileError(
            f"has {found.end - found.start} bytes for tensor {shown(name)}; "
            f"its type and shape need {found.size * ITEM_BYTES[dtype]}"
        )
    return found


def _whole_numbers(values: object) -> tuple[int, ...] | None:
    if not isinstance(values, list):
        return None
    items = cast("list[object]", values)
    numbers = tuple(item for item in items if type(item) is int and 0 <= item < _TOO_LARGE)
    return numbers if len(numbers) == len(items) else None


def _check_places(tensors: dict[str, TensorEntry], data_bytes: int) -> None:
    """Check that the tensors fill the rest of the file without gaps or overlaps, in any order."""
    expected = 0
    for name, entry in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].end)):
        if entry.end > data_bytes:
            raise LoraFileError(f"ends before tensor {shown(name)} does")
        if entry.start != expected:
            fault = "overlaps the one before it" if entry.start < expected else "leaves a gap"
            raise LoraFileError(f"has tensor {shown(name)} at an offset that {fault}")
        expected = entry.end
    if expected != data_bytes:
        raise LoraFileError(f"has {data_bytes - expected} bytes after its last tensor")
