"""Resume states as files: one safetensors file each, written whole or not at all."""

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]

from shared.contracts.error_text import one_line
from shared.errors import ResourceError, StorageError
from training_worker.state.snapshot import Snapshot

_FACTS = "sartiq.state"
_PARTIAL = ".partial"
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class StateFile:
    """A resume state on this machine.

    Attributes:
        step: number of finished steps.
        path: the file.
        sha256: of its content.
        size: in bytes.
    """

    step: int
    path: Path
    sha256: str
    size: int


def write_state(snapshot: Snapshot, folder: Path) -> StateFile:
    """Write a state, durably: a crash at any moment leaves no damaged file of the final name.

    Raises:
        ResourceError: the disk is full, or fails.
    """
    path = folder / f"{snapshot.step}.safetensors"
    partial = path.with_name(path.name + _PARTIAL)
    tensors = {name: tensor.cpu().contiguous() for name, tensor in snapshot.tensors.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, partial, metadata={_FACTS: json.dumps(snapshot.facts)})
        _sync(partial)
        partial.replace(path)
        _sync(folder)
        return StateFile(snapshot.step, path, file_digest(path), path.stat().st_size)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            partial.unlink()
        raise ResourceError(f"the resume state cannot be written: {one_line(error)}") from error


def read_state(path: Path) -> Snapshot:
    """Read a state file whose digest was checked.

    Raises:
        StorageError: it is no state of a training.
    """
    try:
        opened = cast(Any, safe_open(path, framework="pt"))
        with opened as file:
            facts = json.loads(file.metadata()[_FACTS])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- no mapping
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise StorageError(f"{path.name} is no resume state: {one_line(error)}") from error
    return Snapshot(tensors, facts)


def remove_partial_files(folder: Path) -> None:
    """Remove what writes left that were cut short."""
    for path in folder.glob(f"*{_PARTIAL}"):
        path.unlink(missing_ok=True)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
