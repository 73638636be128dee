"""LoRA files as pairs of matrices by the layer that they change, scales multiplied in."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from shared.contracts.error_text import one_line
from shared.errors import InvalidInputError
from shared.flux.engine import LoraUse
from shared.lora.errors import LoraFileError
from shared.lora.flux import LoraChange, read_flux_plan
from shared.lora.flux_names import LayerSlice, ModelPart

_open = cast(Any, safe_open)

_FLOAT8 = frozenset({torch.float8_e4m3fn, torch.float8_e5m2})


@dataclass(frozen=True)
class Pair:
    """The change of a linear layer's matrix, `up @ down`.

    Attributes:
        down: [R, in].
        up: [out, R], times alpha / rank.
    """

    down: Tensor
    up: Tensor

    @property
    def rank(self) -> int:
        """R, the rank of the change."""
        return self.down.shape[0]

    @property
    def size_bytes(self) -> int:
        """The memory of both matrices."""
        return sum(t.numel() * t.element_size() for t in (self.down, self.up))


Pairs = Mapping[str, Pair]
"""Pairs by the name of the layer that they change."""


@dataclass(frozen=True)
class LoraParts:
    """The pairs of a file, by the part of the model that they change."""

    transformer: Pairs
    clip: Pairs
    t5: Pairs


def changed_parts(lora: LoraUse) -> frozenset[str]:
    """Return the parts of the model that a file changes, from its header.

    Raises:
        InvalidInputError: the file cannot be applied; names the request field.
    """
    with _at_field(lora.field):
        return _parts_of(lora.sha256, lora.path)


@lru_cache(maxsize=256)
def _parts_of(_sha256: str, path: Path) -> frozenset[str]:
    return frozenset(place.part for change in read_flux_plan(path) for place in change.places)


def read_lora(lora: LoraUse) -> LoraParts:
    """Read a file of any known trainer into the CPU's memory.

    Raises:
        InvalidInputError: the file cannot be applied; names the request field.
    """
    found: dict[str, dict[str, Pair]] = {part: {} for part in ModelPart}
    with _at_field(lora.field):
        plan = read_flux_plan(lora.path)
        with _open(lora.path, framework="pt") as file:
            for change in plan:
                down, up = file.get_tensor(change.pair.down), file.get_tensor(change.pair.up)
                for place, pair in _split(change, down, up):
                    found[place.part][place.layer] = pair
    return LoraParts(found[ModelPart.TRANSFORMER], found[ModelPart.CLIP], found[ModelPart.T5])


@contextmanager
def _at_field(field: str) -> Generator[None]:
    """Raise errors of a file as `InvalidInputError` that names the request field."""
    try:
        yield
    except LoraFileError as error:
        raise InvalidInputError(f"{field}: {error}") from error
    except (SafetensorError, OSError) as error:
        message = f"{field}: its file cannot be read: {one_line(error)}"
        raise InvalidInputError(message) from error


def _split(change: LoraChange, down: Tensor, up: Tensor) -> list[tuple[LayerSlice, Pair]]:
    """Return one pair a layer; of a joined projection, each has `down` and its rows of `up`."""
    # A CPU does not multiply float8 matrices.
    if down.dtype in _FLOAT8:
        down = down.to(torch.bfloat16)
    if up.dtype in _FLOAT8:
        up = up.to(torch.bfloat16)
    if change.scale != 1:
        up = up.float() * change.scale
    return [
        (
            place,
            _without_idle(Pair(down, torch.cat([up[first:last] for first, last in place.rows]))),
        )
        for place in change.places
    ]


def _without_idle(pair: Pair) -> Pair:
    """Drop ranks that are zero: in kohya's `split_qkv`, each part has ranks of its own."""
    acts = pair.up.any(dim=0)
    if acts.all() or not acts.any():
        return pair
    return Pair(pair.down[acts], pair.up[:, acts])
