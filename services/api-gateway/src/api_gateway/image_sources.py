"""Image inputs of requests: base64, a data URL, a remote URL or the path of a stored object."""

import asyncio
import hashlib
from dataclasses import dataclass
from uuid import UUID

from api_gateway.auth.principal import Principal
from api_gateway.errors import Problem
from api_gateway.resources import Resources
from api_gateway.uploads import Upload
from shared.contracts.pictures import is_remote
from shared.db.models.tables import StoredObject
from shared.db.repositories.subjects import find_object
from shared.egress.errors import ForbiddenUrlError
from shared.egress.urls import check_url
from shared.images.admission import ImageRefusedError, UnsupportedImageError, admit_image
from shared.images.inline import decode_base64_image, is_data_url
from shared.settings import PictureLimits

_LONGEST_PATH = 1024


@dataclass(frozen=True)
class Destination:
    """The folder and the owner of an image that a request sends along."""

    folder: str
    """`generations`, `trainings` …"""
    subject_id: UUID
    """The task or training that the image belongs to."""
    origin_instance: str
    origin_tenant_id: str | None


async def resolve_source(
    value: str, destination: Destination, res: Resources, caller: Principal
) -> Upload | StoredObject | str:
    """Resolve one image input.

    Returns:
        An upload for bytes, the row of a stored object that the caller may see, or a URL, which the
        run fetches itself.

    Raises:
        ImageRefusedError: the value is none of these; the message names the remedy.
    """
    if is_remote(value):
        try:
            check_url(value, res.guard)
        except ForbiddenUrlError as error:
            raise ImageRefusedError(str(error)) from error
        return value
    is_path = len(value) <= _LONGEST_PATH and not is_data_url(value) and "\0" not in value
    if is_path:
        async with res.sessions() as session:
            found = await find_object(session, caller.scope, value)
        if found is not None and found.lost_at is None:
            return found
    try:
        return await asyncio.to_thread(_upload, value, destination, res.pictures)
    except UnsupportedImageError as error:
        if not is_path:
            raise
        # Many paths are valid base64 as well.
        raise ImageRefusedError(
            "is neither the path of a stored picture nor a PNG, JPEG or WebP picture in base64"
        ) from error


def _upload(value: str, destination: Destination, limits: PictureLimits) -> Upload:
    content = decode_base64_image(value, max_bytes=limits.max_bytes)
    admitted = admit_image(content, max_bytes=limits.max_bytes, max_pixels=limits.max_pixels)
    digest = hashlib.sha256(content).hexdigest()
    folder = f"{destination.folder}/{destination.subject_id}/inputs"
    row = StoredObject(
        key=f"{folder}/{digest[:16]}.{admitted.extension}",
        origin_instance=destination.origin_instance,
        origin_tenant_id=destination.origin_tenant_id,
        task_id=destination.subject_id,
        size_bytes=len(content),
        content_type=admitted.content_type,
        sha256=digest,
    )
    return Upload(row, content)


def picture_gone(path: str) -> Problem:
    """Return the problem of an image that was deleted while the request was being handled."""
    return Problem(409, "picture_gone", f"{path!r} was deleted during this request; save it again")
