"""Finished tiles outlive the worker: a later attempt edits only those that are missing."""

import hashlib
import json
from typing import Protocol
from uuid import UUID

from pydantic import ValidationError

from inference_worker.pipelines.engine import ImageEngine
from shared.contracts.refinement import RefineInputs, TiledRefinerConfig, TileReport
from shared.errors import ObjectNotFoundError
from shared.storage.object_store import ObjectStore

_RECIPE = 1
"""Raise it when a change to this package changes the pixels of a tile."""
_REPORT = "report"


class TileStore(Protocol):
    """Keeps the finished tiles of one refinement."""

    async def load(self, index: int) -> tuple[bytes, TileReport] | None:
        """A finished tile as PNG, with its report, or none."""
        ...

    async def save(self, index: int, png: bytes, report: TileReport) -> None:
        """Keep a finished tile."""
        ...


class S3TileStore:
    """Implements `TileStore` over the object store; the report is the object's metadata.

    Args:
        objects: the object store.
        task_id: attempts of one task share their tiles.
        digest: of everything that changes a tile's pixels, from `tile_digest`.
    """

    def __init__(self, objects: ObjectStore, task_id: UUID, digest: str) -> None:
        self._objects = objects
        self._prefix = f"refines/{task_id}/tiles/{digest}"

    async def load(self, index: int) -> tuple[bytes, TileReport] | None:
        key = self._key(index)
        found = await self._objects.head(key)
        if found is None:
            return None
        try:
            report = TileReport.model_validate_json(found.metadata.get(_REPORT, ""))
            return await self._objects.get(key), report
        except (ValidationError, ObjectNotFoundError):
            return None

    async def save(self, index: int, png: bytes, report: TileReport) -> None:
        await self._objects.put(
            self._key(index), png, "image/png", {_REPORT: report.model_dump_json()}
        )

    def _key(self, index: int) -> str:
        return f"{self._prefix}/{index:03}.png"


def tile_digest(
    source: bytes, inputs: RefineInputs, config: TiledRefinerConfig, engine: ImageEngine
) -> str:
    """Digest of the source picture and of every parameter that changes a tile's pixels."""
    parameters = {
        "recipe": _RECIPE,
        "source": hashlib.sha256(source).hexdigest(),
        "model": engine.model_id,
        "edit_side_px": engine.edit_side_px,
        "multiple_of": engine.multiple_of,
        "inputs": inputs.model_dump(mode="json", exclude={"base_image_url", "config"}),
        "config": config.model_dump(mode="json", exclude={"max_workers", "save_debug_tiles"}),
    }
    return hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()
