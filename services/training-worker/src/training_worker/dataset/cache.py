"""Tensors encoded once: in memory within a budget, and on disk as safetensors files."""

import contextlib
import hashlib
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from threading import get_ident
from typing import Any

import structlog
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor

_log = structlog.stdlib.get_logger(__name__)

Tensors = Mapping[str, Tensor]

_SUFFIX, _PARTIAL = ".safetensors", ".partial"
_CUT_AFTER_S = 3600
"""Age of a partial file that nobody writes any more."""
_DIGEST = "sha256"
_MIB = 1024 * 1024


class TensorCache:
    """Encoded tensors by key. A key names all that its tensors depend on.

    Several processes may share the folder. One process uses the cache on one thread.

    Args:
        folder: created if missing.
        device: where tensors are returned.
        memory_bytes: tensors kept in memory; the least recently used leave first.
        disk_bytes: size of the folder, which `trim` enforces.
    """

    def __init__(
        self, folder: Path, device: torch.device, *, memory_bytes: int, disk_bytes: int
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._device = device
        self._memory_bytes = memory_bytes
        self._disk_bytes = disk_bytes
        self._kept: OrderedDict[str, Tensors] = OrderedDict()
        self._used_bytes = 0

    def get(self, key: str, encode: Callable[[], Tensors]) -> Tensors:
        """Return the tensors of a key; they are encoded where neither memory nor disk has them."""
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept
        tensors = self._read(key)
        if tensors is None:
            tensors = {name: tensor.contiguous() for name, tensor in encode().items()}
            self._write(key, tensors)
        own = {name: tensor.to(self._device) for name, tensor in tensors.items()}
        self._keep(key, own)
        return own

    def trim(self, needed: Iterable[str] = ()) -> None:
        """Delete the least recently used files until the folder fits its size.

        Args:
            needed: keys whose files stay.
        """
        self._delete_cut_writes()
        kept_names = {key + _SUFFIX for key in needed}
        files = sorted(self._files(), key=lambda entry: entry[1].st_mtime_ns)
        excess = sum(info.st_size for _, info in files) - self._disk_bytes
        for path, info in files:
            if excess <= 0:
                return
            if path.name not in kept_names:
                path.unlink(missing_ok=True)
                excess -= info.st_size
        if excess > 0:
            _log.warning("encoded_dataset_exceeds_its_disk_space", mib=excess // _MIB)

    def _delete_cut_writes(self) -> None:
        """Delete what killed processes left; another process may be writing its own."""
        for path in self._folder.glob(f"*{_PARTIAL}"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _CUT_AFTER_S:
                    path.unlink()

    def _files(self) -> Iterable[tuple[Path, os.stat_result]]:
        for path in self._folder.glob(f"*{_SUFFIX}"):
            try:
                yield path, path.stat()
            except FileNotFoundError:  # another process trims too
                continue

    def _keep(self, key: str, tensors: Tensors) -> None:
        self._kept[key] = tensors
        self._used_bytes += _num_bytes(tensors)
        while self._used_bytes > self._memory_bytes and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._used_bytes -= _num_bytes(dropped)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}{_SUFFIX}"

    def _read(self, key: str) -> Tensors | None:
        path = self._path(key)
        try:
            opened: Any = safe_open(path, framework="pt")
            with opened as file:
                metadata: dict[str, str] = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- no mapping
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError):
            metadata, tensors = {}, {}
        if metadata.get(_DIGEST) != _digest(tensors):
            _log.warning("damaged_cache_file_is_encoded_again", file=path.name)
            return None
        os.utime(path)
        return tensors

    def _write(self, key: str, tensors: Tensors) -> None:
        path = self._path(key)
        partial = path.with_suffix(f".{os.getpid()}-{get_ident()}{_PARTIAL}")
        try:
            on_cpu = {name: tensor.cpu() for name, tensor in tensors.items()}
            save_file(on_cpu, partial, metadata={_DIGEST: _digest(on_cpu)})
            partial.replace(path)
        except (OSError, SafetensorError) as error:
            # The tensors are at hand: a full disk costs time in later runs, not this training.
            _log.warning("encoded_tensors_not_cached", file=path.name, error=str(error))
        finally:
            partial.unlink(missing_ok=True)


def _num_bytes(tensors: Tensors) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def _digest(tensors: Tensors) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
