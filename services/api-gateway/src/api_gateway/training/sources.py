"""A training's source pictures: bytes become object keys, URLs and owned paths stay as they are."""

import hashlib
import uuid

from api_gateway.auth.ownership import Origin
from api_gateway.auth.principal import Principal
from api_gateway.resources import Resources
from api_gateway.tasks.image_inputs import (
    _SIGNATURES,  # pyright: ignore[reportPrivateUsage] -- until there is one module for sources
    PictureError,
    Upload,
    _decode,  # pyright: ignore[reportPrivateUsage] -- the same
)
from shared.db.models.tables import StoredObject
from shared.db.repositories.subjects import find_object

_LONGEST_PATH = 1024


async def take_source(
    value: str,
    *,
    folder: str,
    origin: Origin,
    task_id: uuid.UUID,
    res: Resources,
    caller: Principal,
) -> Upload | str:
    """What stands for a source in the records.

    Returns:
        The picture to be stored, where the source holds its bytes; else its URL or storage path.

    Raises:
        PictureError: the source is none of base64, data URL, http(s) URL and a path of the caller.
    """
    if value.lower().startswith(("http://", "https://")):
        return value
    if len(value) <= _LONGEST_PATH and not value.startswith("data:"):
        async with res.sessions() as session:
            if await find_object(session, caller.scope, value):
                return value
    content = _decode(value, res.settings.max_input_bytes)
    kind = next((kind for magic, kind in _SIGNATURES if content.startswith(magic)), None)
    if kind is None:
        raise PictureError("must be a PNG, JPEG or WebP picture")
    digest = hashlib.sha256(content).hexdigest()
    row = StoredObject(
        key=f"{folder}/{task_id}/inputs/{digest[:16]}.{kind}",
        origin_instance=origin.origin_instance,
        origin_tenant_id=origin.origin_tenant_id,
        task_id=task_id,
        size_bytes=len(content),
        content_type=f"image/{kind}",
        sha256=digest,
    )
    return Upload(row, content)
