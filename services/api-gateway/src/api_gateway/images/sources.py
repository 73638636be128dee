"""One picture of a request: base64, a data URL, a remote URL or the path of a stored object."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from api_gateway.auth.principal import Principal
from api_gateway.resources import Resources
from shared.contracts.pictures import is_remote
from shared.db.models.tables import StoredObject
from shared.db.repositories.subjects import find_object
from shared.egress.errors import ForbiddenUrlError
from shared.egress.urls import check_url
from shared.images.admission import ImageRefusedError, admit_image, decode_base64_image
from shared.settings import PictureLimits

_LONGEST_PATH = 1024


@dataclass(frozen=True)
class Upload:
    """Bytes to be stored, and the row that says whose they are."""

    row: StoredObject
    content: bytes


@dataclass(frozen=True)
class Destination:
    """Whose the picture will be, and where it will lie."""

    folder: str
    """`generations`, `trainings` …"""
    subject_id: UUID
    """The task or training that the picture belongs to."""
    origin_instance: str
    origin_tenant_id: str | None


async def resolve_source(
    value: str, destination: Destination, res: Resources, caller: Principal
) -> Upload | str:
    """What is to become of one picture.

    Returns:
        An upload for bytes, the key of a stored object that the caller may see, or a URL, which is
        fetched by the run itself.

    Raises:
        ImageRefusedError: it is none of these; the message says what would do.
    """
    if is_remote(value):
        try:
            check_url(value, res.guard)
        except ForbiddenUrlError as error:
            raise ImageRefusedError(str(error)) from error
        return value
    is_path = len(value) <= _LONGEST_PATH and not value.startswith("data:") and "\0" not in value
    if is_path:
        async with res.sessions() as session:
            if await find_object(session, caller.scope, value):
                return value
    return await asyncio.to_thread(_upload, value, destination, res.pictures)


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


@asynccontextmanager
async def stored(res: Resources, uploads: list[Upload]) -> AsyncGenerator[None]:
    """Keep a request's pictures if the body ends well: it writes their rows.

    The transaction commits outside: where it is not known whether a commit came through, a picture
    too many is the better mistake.
    """
    try:
        for upload in uploads:
            await res.objects.put(upload.row.key, upload.content, upload.row.content_type)
        yield
    except Exception:
        for upload in uploads:
            await res.objects.delete(upload.row.key)
        raise
