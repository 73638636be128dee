"""Checkpoints of finished tiles, so that a later attempt edits only the missing ones."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Protocol

from pydantic import ValidationError

from shared.contracts.checks import CheckedEdit, TileReport
from shared.contracts.message import Message
from shared.errors import ObjectNotFoundError
from shared.storage.object_store import ObjectStore

_RECIPE = 4
"""Version of the algorithm; increase it with any change that alters a tile's pixels."""
_REPORT = "report"
_PICTURES = ("base_image_url", "base_image", "reference_image", "input_image")
_SAME_PIXELS: Any = {**dict.fromkeys(_PICTURES, True), "config": {"strict_checks": True}}
"""Inputs that do not affect a tile; pictures enter the digest by their bytes."""
_SAME_PIXELS_CONFIG = {"max_workers", "save_debug_tiles", "save_debug_images"}


class EditModel(Protocol):
    """The model that edits tiles, as far as it affects their pixels."""

    @property
    def model_id(self) -> str:
        """The model's identity, with its settings."""
        ...

    @property
    def edit_side_px(self) -> int:
        """The longer side of edited pictures, in pixels."""
        ...

    @property
    def multiple_of(self) -> int:
        """The divisor of both sides of edited pictures, in pixels."""
        ...

    @property
    def edit_batch(self) -> int:
        """Number of pictures that are edited in one run."""
        ...


class TileStore(Protocol):
    """Store of the finished tiles of one picture."""

    async def load(self, name: str) -> tuple[bytes, TileReport] | None:
        """Return a finished tile as PNG, with its report; None if there is none."""
        ...

    async def save(self, name: str, png: bytes, report: TileReport) -> None:
        """Store a finished tile."""
        ...


class S3TileStore:
    """`TileStore` over the object store; the report is the object's metadata.

    Args:
        objects: the object store.
        folder: of the task's objects; its attempts share their tiles.
        digest: of everything that affects a tile's pixels, from `tile_digest`.
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
    engine: EditModel,
    traits: Sequence[str] = (),
) -> str:
    """Return the digest of everything that affects a tile's pixels.

    Args:
        sources: the pictures' files, as stored.
        inputs: the task's inputs; the keys of pictures are left out.
        config: its provider config.
        engine: the model.
        traits: other properties of this worker that affect pixels.
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
