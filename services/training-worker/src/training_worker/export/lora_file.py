"""Writes LoRA files: atomically, and equal bytes for equal weights and metadata.

The safetensors package orders metadata at random; the format is simple, and written here: eight
bytes with the header's length, the header as JSON, the tensors' bytes without gaps.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training_worker.export.layouts import DIFFUSERS, Layout, Weights

_ALIGNMENT = 8
_DTYPES = {torch.bfloat16: "BF16", torch.float32: "F32"}
_UP = ".lora_B.weight"


@dataclass(frozen=True)
class WrittenFile:
    """A file on the disk.

    Attributes:
        path: of the file.
        sha256: of all its bytes.
        size_bytes: of the file.
    """

    path: Path
    sha256: str
    size_bytes: int


Describe = Callable[[str], Mapping[str, str]]
"""Returns the metadata of a file, in the order of the file, from its tensors' SHA-256."""


def write_lora(
    path: Path,
    weights: Weights,
    describe: Describe,
    *,
    scale: float = 1.0,
    dtype: torch.dtype = torch.bfloat16,
    layout: Layout = DIFFUSERS,
) -> WrittenFile:
    """Write trained weights to a file. It is there as a whole, or not at all.

    Args:
        path: of the file; replaced if it exists.
        weights: by the names of `Model.parameters`.
        describe: returns the metadata.
        scale: alpha / rank, multiplied into `lora_B`: the file needs no alpha.
        dtype: bfloat16, or float32.
        layout: names and shapes of the matrices.
    """
    folded = {
        name: tensor.detach().float() * (scale if name.endswith(_UP) else 1)
        for name, tensor in weights.items()
    }
    tensors = {name: tensor.to(dtype) for name, tensor in sorted(layout.tensors(folded).items())}
    digest = hashlib.sha256()
    for content in _contents(tensors):
        digest.update(content)
    header = _header(tensors, describe(digest.hexdigest()))
    return _write(path, header, tensors)


def _header(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    entries: dict[str, Any] = {"__metadata__": dict(metadata)}
    offset = 0
    for name, tensor in tensors.items():
        end = offset + tensor.numel() * tensor.element_size()
        entries[name] = {
            "dtype": _DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    encoded = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    padded = encoded.ljust(-(-len(encoded) // _ALIGNMENT) * _ALIGNMENT)
    return len(padded).to_bytes(8, "little") + padded


def _contents(tensors: Mapping[str, Tensor]) -> Iterator[bytes]:
    for tensor in tensors.values():
        flat = tensor.cpu().contiguous().reshape(-1)
        yield flat.view(torch.uint8).numpy().tobytes()


def _write(path: Path, header: bytes, tensors: Mapping[str, Tensor]) -> WrittenFile:
    digest = hashlib.sha256()
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("wb") as file:
        for content in chain([header], _contents(tensors)):
            digest.update(content)
            file.write(content)
        file.flush()
        os.fsync(file.fileno())
        size_bytes = file.tell()
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return WrittenFile(path, digest.hexdigest(), size_bytes)
