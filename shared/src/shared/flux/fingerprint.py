"""Digests of model folders, which tell apart models of the same name."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

_SMALL_BYTES = 16 * 1024 * 1024
_SAMPLE_BYTES = 4096
_LENGTH_BYTES = 8


def fingerprint(folder: Path) -> str:
    """Return a digest, in hex, of the names, sizes and contents of a folder's files.

    Small files are hashed whole; of large weights the header and the first 4 KiB of every tensor
    are. Training changes each number of the tensors that it trains, and reading tens of gigabytes
    at every start would take minutes.
    """
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        size_bytes = path.stat().st_size
        digest.update(f"{path.relative_to(folder).as_posix()}\0{size_bytes}\0".encode())
        with path.open("rb") as file:
            for sample in _samples(path, file, size_bytes):
                digest.update(sample)
    return digest.hexdigest()


def _samples(path: Path, file: BinaryIO, size_bytes: int) -> Iterator[bytes]:
    if size_bytes <= _SMALL_BYTES or path.suffix != ".safetensors":
        while chunk := file.read(_SMALL_BYTES):
            yield chunk
        return
    length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
    encoded = file.read(length)
    yield encoded
    header: dict[str, Any] = json.loads(encoded)
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            file.seek(_LENGTH_BYTES + length + begin)
            yield file.read(min(end - begin, _SAMPLE_BYTES))
