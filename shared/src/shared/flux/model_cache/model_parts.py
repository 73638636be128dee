"""The parts of one model folder, each loaded when it is first needed."""

import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from shared.contracts.error_text import one_line
from shared.errors import PlatformError
from shared.flux.errors import ModelLoadError
from shared.flux.fingerprint import fingerprint
from shared.flux.model_cache.part_cache import CachedPart, PartCache

Prepare = Callable[[str, str, nn.Module], nn.Module]
"""Moves a loaded part to its device and makes it ready to run: takes its key, name and module."""

_PLAIN = ("diffusion_pytorch_model.safetensors", "model.safetensors")
_NUMBER = re.compile(r"\d+")


class FolderParts:
    """The parts of a folder, loaded through a cache.

    Args:
        folder: the model in diffusers format.
        classes: class of each part, by subfolder.
        cache: keeps loaded parts.
        device: where they compute.
        dtype: their number format.
        prepare: called with each part once it is loaded on the CPU.
    """

    def __init__(
        self,
        folder: Path,
        classes: Mapping[str, Any],
        cache: PartCache,
        *,
        device: torch.device,
        dtype: torch.dtype,
        prepare: Prepare,
    ) -> None:
        self._cache = cache
        self.device = device
        self.dtype = dtype
        self._parts = {name: self._part(folder / name, classes[name], prepare) for name in classes}

    def __getitem__(self, name: str) -> Any:
        return self.load(name)

    def load(self, name: str) -> nn.Module:
        """Return the part of a subfolder, loaded if need be."""
        return self._cache.get(self._parts[name])

    def pin(self, name: str) -> nn.Module:
        """Return a part that is never evicted: its module may be changed."""
        module = self.load(name)
        self._cache.pin(self.key(name))
        return module

    def key(self, name: str) -> str:
        """Return a key that is equal for equal weights."""
        return self._parts[name].key

    def _part(self, folder: Path, part_class: Any, prepare: Prepare) -> CachedPart:
        key = f"{folder.name}:{fingerprint(folder)}"

        # Tensors that are created in inference mode cannot be changed outside of it.
        @torch.inference_mode(mode=False)
        @torch.no_grad()
        def load() -> nn.Module:
            try:
                module = part_class.from_pretrained(folder, dtype=self.dtype)
                return prepare(key, folder.name, module.eval())
            except (torch.OutOfMemoryError, MemoryError, PlatformError):
                raise
            except Exception as error:
                raise ModelLoadError(
                    f"cannot load {str(folder)!r} on {self.device}: {one_line(error)}"
                ) from error

        return CachedPart(
            key=key,
            name=f"the {folder.name} of {folder.parent.name}",
            expected_bytes=_expected_bytes(folder, self.dtype),
            load=load,
        )


def _expected_bytes(folder: Path, dtype: torch.dtype) -> int:
    """Return the memory that a part's weights will take, from the headers of its files.

    Raises:
        ModelLoadError: it has no safetensors files, or one that cannot be read.
    """
    try:
        return sum(_file_bytes(path, dtype) for path in _weight_files(folder))
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ModelLoadError(
            f"cannot read the weights in {str(folder)!r}: {one_line(error)}"
        ) from error


def _weight_files(folder: Path) -> list[Path]:
    """Return the files that `from_pretrained` reads: those of the index, or the only one."""
    for index in folder.glob("*.safetensors.index.json"):
        if index.name.removesuffix(".index.json") in _PLAIN:
            names = json.loads(index.read_text())["weight_map"].values()
            return [folder / name for name in sorted(set(names))]
    files = [path for name in _PLAIN if (path := folder / name).is_file()]
    if not files:
        raise FileNotFoundError(f"there is neither {' nor '.join(_PLAIN)}")
    return files


def _file_bytes(path: Path, dtype: torch.dtype) -> int:
    opened: Any = safe_open(path, framework="pt")
    with opened as file:
        slices = [file.get_slice(name) for name in file.keys()]  # noqa: SIM118 -- no mapping
        return sum(_slice_bytes(part.get_shape(), part.get_dtype(), dtype) for part in slices)


def _slice_bytes(shape: list[int], stored_as: str, dtype: torch.dtype) -> int:
    bits = _NUMBER.search(stored_as)
    is_float = stored_as.startswith(("F", "BF"))
    item = dtype.itemsize if is_float else int(bits[0]) // 8 if bits else 1
    return math.prod(shape) * item
