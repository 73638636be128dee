"""Finished tiles outlive the worker: a later attempt edits only those that are missing."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Protocol

from pydantic import ValidationError

from shared.contracts.checks import CheckedEdit, TileReport
from shared.contracts.message import Message
from shared.errors import ObjectNotFoundError
from shared.flux.engine import ImageEngine
from shared.storage.object_store import ObjectStore

_RECIPE = 4
"""Raise it when a change to this package changes the pixels of a tile."""
_REPORT = "report"
_PICTURES = ("base_image_url", "base_image", "reference_image", "input_image")
_SAME_PIXELS: Any = {**dict.fromkeys(_PICTURES, True), "config": {"strict_checks": True}}
"""Inputs that change no tile: pictures count by their bytes."""
_SAME_PIXELS_CONFIG = {"max_workers", "save_debug_tiles", "save_debug_images"}


class TileStore(Protocol):
    """Keeps the finished tiles of one picture."""

    async def load(self, name: str) -> tuple[bytes, TileReport] | None:
        """A finished tile as PNG, with its report, or none."""
        ...

    async def save(self, name: str, png: bytes, report: TileReport) -> None:
        """Keep a finished tile."""
        ...


class S3TileStore:
    """Implements `TileStore` over the object store; the report is the object's metadata.

    Args:
        objects: the object store.
        folder: of the task's objects; attempts of one task share their tiles.
        digest: of everything that changes a tile's pixels, from `tile_digest`.
    """

    def __init__(self, objects: ObjectStore, folder: str, digest: str) -> None:
        self._objects = objects
        self._prefix = f"{folder}/tiles/{digest}"

    async def load(self, name: str) -> tuple[bytes, TileReport] | None:
        key = self._key(name)
        found = await self._objects.head(key)
        if found is None:
            return None
        try:
            report = TileReport.model_validate_json(found.metadata.get(_REPORT, ""))
            return await self._objects.get(key), report
        except (ValidationError, ObjectNotFoundError):
            return None

    async def save(self, name: str, png: bytes, report: TileReport) -> None:
        await self._objects.put(
            self._key(name),
            png,
            "image/png",
            {_REPORT: report.model_dump_json(exclude_none=True)},
        )

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}.png"


def tile_digest(
    sources: Sequence[bytes],
    inputs: Message,
    config: CheckedEdit,
    *,
    engine: ImageEngine,
    traits: Sequence[str] = (),
) -> str:
    """Digest of all that changes a tile's pixels.

    Args:
        sources: the pictures, as they lie in the store.
        inputs: the task's inputs; pictures' keys among them do not count.
        config: its provider config.
        engine: the model.
        traits: what else of this worker counts.
    """
    parameters = {
        "recipe": _RECIPE,
        "sources": [hashlib.sha256(source).hexdigest() for source in sources],
        "model": engine.model_id,
        "edit_side_px": engine.edit_side_px,
        "multiple_of": engine.multiple_of,
        "edit_batch": engine.edit_batch,
        "traits": list(traits),
        "inputs": inputs.model_dump(mode="json", exclude=_SAME_PIXELS),
        "config": config.model_dump(mode="json", exclude=_SAME_PIXELS_CONFIG),
    }
    return hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()
