"""Reads the header of a safetensors file as untrusted data: nothing in it is believed unchecked.

The format: eight bytes with the header's length, a JSON object that maps each tensor's name to its
type, shape and place, then the tensors' bytes without gaps.
"""

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn, cast

from shared.lora.errors import LoraFileError, shown

MAX_HEADER_BYTES = 16 * 1024 * 1024
"""The format allows 100 MB, which as Python objects would be a gigabyte; the headers of the largest
LoRAs (some thousand tensors, and a trainer's notes) have a few hundred kilobytes."""

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
"""The types that are admitted, by the bytes of one number."""


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """One tensor: its type, its shape, and its bytes' place behind the header."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Header:
    """What a file says it holds, once it has been found to be consistent."""

    tensors: dict[str, TensorEntry]
    metadata: dict[str, str]
    data_start: int
    """Where the tensors' bytes begin in the file."""


def read_header(file: BinaryIO, size_bytes: int) -> Header:
    """Read and check the header of a file of this size.

    Raises:
        LoraFileError: the file is not safetensors, or its header contradicts itself or the file.
    """
    prefix = file.read(_LENGTH_BYTES)
    if len(prefix) < _LENGTH_BYTES:
        raise LoraFileError("is not a safetensors file: it is shorter than 8 bytes")
    length = int.from_bytes(prefix, "little")
    if length > size_bytes - _LENGTH_BYTES:
        raise LoraFileError(
            f"is not a safetensors file: its header would have {length} bytes, "
            f"the whole file has {size_bytes}"
        )
    if length > MAX_HEADER_BYTES:
        raise LoraFileError(f"has a header of {length} bytes; at most {MAX_HEADER_BYTES} may be")
    encoded = file.read(length)
    if len(encoded) != length:
        raise LoraFileError("ends within its header")
    return parse_header(encoded, size_bytes)


def parse_header(encoded: bytes, size_bytes: int) -> Header:
    """Check a header's bytes against the size of their file.

    Raises:
        LoraFileError: says what is wrong and where.
    """
    fields = _decode(encoded)
    metadata = _check_metadata(fields.pop(_METADATA, {}))
    if not fields:
        raise LoraFileError("holds no tensors")
    if len(fields) > MAX_TENSORS:
        raise LoraFileError(f"holds {len(fields)} tensors; at most {MAX_TENSORS} may be")
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
    """Whether it is text everywhere: JSON can spell lone surrogates and NUL."""
    return "\0" not in value and not any("\ud800" <= char <= "\udfff" for char in value)


def _check_entry(name: str, entry: object) -> TensorEntry:
    if not name or len(name) > MAX_NAME_CHARS or not _is_text(name):
        raise LoraFileError(
            f"has a tensor named {shown(name)}; names have 1 to {MAX_NAME_CHARS} characters of text"
        )
    if not isinstance(entry, dict) or entry.keys() != _FIELDS:
        raise LoraFileError(f"gives tensor {shown(name)} other fields than dtype, shape, offsets")
    fields = cast("dict[str, Any]", entry)
    dtype, shape, offsets = fields["dtype"], fields["shape"], fields["data_offsets"]
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        raise LoraFileError(
            f"gives tensor {shown(name)} the type {shown(str(dtype))}; "
            f"these are read: {', '.join(ITEM_BYTES)}"
        )
    sizes, places = _whole_numbers(shape), _whole_numbers(offsets)
    if sizes is None or len(sizes) > _MAX_DIMENSIONS:
        raise LoraFileError(
            f"gives tensor {shown(name)} no shape of at most {_MAX_DIMENSIONS} sizes, 0 or greater"
        )
    if places is None or len(places) != 2 or places[0] > places[1]:
        raise LoraFileError(f"gives tensor {shown(name)} no offsets [begin, end], begin <= end")
    found = TensorEntry(dtype, sizes, *places)
    if found.end - found.start != found.size * ITEM_BYTES[dtype]:
        raise LoraFileError(
            f"gives tensor {shown(name)} {found.end - found.start} bytes; "
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
    """Side by side, in whatever order they are named, the tensors fill the rest of the file."""
    expected = 0
    for name, entry in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].end)):
        if entry.end > data_bytes:
            raise LoraFileError(f"ends before tensor {shown(name)} does")
        if entry.start != expected:
            what = "overlaps the one before it" if entry.start < expected else "leaves a gap"
            raise LoraFileError(f"has tensor {shown(name)} at a place that {what}")
        expected = entry.end
    if expected != data_bytes:
        raise LoraFileError(f"has {data_bytes - expected} bytes behind its last tensor")
