"""Check that all numbers of a LoRA file are finite: a single NaN makes every picture black."""

from typing import BinaryIO

import numpy as np

from shared.lora.errors import LoraFileError, shown
from shared.lora.header import Header

_CHUNK_BYTES = 1024 * 1024
_NOT_FINITE: dict[str, tuple[str, int]] = {
    "F8_E4M3": ("<u1", 0x7F),
    "F8_E5M2": ("<u1", 0x7C),
    "F16": ("<u2", 0x7C00),
    "BF16": ("<u2", 0x7F80),
    "F32": ("<u4", 0x7F800000),
    "F64": ("<u8", 0x7FF0000000000000),
}
"""NumPy type to read the bits, and mask of the bits that only NaN and infinity set, by type."""


def check_finite(file: BinaryIO, header: Header) -> None:
    """Read all tensors in chunks, and check their numbers.

    Raises:
        LoraFileError: a number is NaN or infinite, or the file ends before a tensor does.
    """
    for name, entry in header.tensors.items():
        bits = _NOT_FINITE.get(entry.dtype)
        if bits is None:
            continue
        file.seek(header.data_start + entry.start)
        left = entry.end - entry.start
        while left:
            chunk = file.read(min(left, _CHUNK_BYTES))
            if not chunk:
                raise LoraFileError(f"ends within tensor {shown(name)}")
            left -= len(chunk)
            numbers = np.frombuffer(chunk, dtype=bits[0])
            if np.any((numbers & bits[1]) == bits[1]):
                raise LoraFileError(
                    f"has NaN or infinity in tensor {shown(name)}; every number must be finite"
                )
