"""Readers of single values of a LoRA file without loading it: alphas, and checks for 0."""

from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from shared.lora.errors import LoraFileError, shown
from shared.lora.header import Header

_FIRST_CHUNK_BYTES = 4096
"""Enough to find a non-zero value in any trained layer."""
_CHUNK_BYTES = 1024 * 1024
_PLAIN = {
    "U8": "<u1",
    "I8": "<i1",
    "U16": "<u2",
    "I16": "<i2",
    "F16": "<f2",
    "U32": "<u4",
    "I32": "<i4",
    "F32": "<f4",
    "U64": "<u8",
    "I64": "<i8",
    "F64": "<f8",
}


def read_number(file: BinaryIO, header: Header, name: str) -> float:
    """Return the only number of a tensor.

    Raises:
        LoraFileError: the file ends before it, or its type is not one of an alpha.
    """
    entry = header.tensors[name]
    file.seek(header.data_start + entry.start)
    encoded = file.read(entry.end - entry.start)
    if len(encoded) < entry.end - entry.start:
        raise LoraFileError(f"ends within tensor {shown(name)}")
    if entry.dtype == "BF16":  # the upper 16 bits of a float32
        return float(np.frombuffer(b"\0\0" + encoded, "<f4")[0])
    if entry.dtype not in _PLAIN:
        raise LoraFileError(
            f"has {shown(name)} of type {entry.dtype}; the type of an alpha must be one of BF16, "
            f"{', '.join(_PLAIN)}"
        )
    return float(np.frombuffer(encoded, _PLAIN[entry.dtype])[0])


def is_zero(file: BinaryIO, header: Header, name: str) -> bool:
    """Return true if all numbers of a tensor are 0: trainers also save untrained layers.

    Raises:
        LoraFileError: the file ends before the tensor does.
    """
    entry = header.tensors[name]
    file.seek(header.data_start + entry.start)
    left, size = entry.end - entry.start, _FIRST_CHUNK_BYTES
    while left:
        chunk = file.read(min(left, size))
        size = _CHUNK_BYTES
        if not chunk:
            raise LoraFileError(f"ends within tensor {shown(name)}")
        left -= len(chunk)
        numbers: NDArray[np.uint8] = np.frombuffer(chunk, np.uint8)
        if np.any(numbers):
            return False
    return True
