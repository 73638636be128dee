"""One picture of a request: base64, a data URL, a remote URL or the path of a stored object."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from api_gateway.auth.principal import Principal
from api_gateway.errors import Problem, unavailable
from api_gateway.resources import Resources
from api_gateway.storage.loose import note
from shared.contracts.pictures import is_remote
from shared.db.models.tables import StoredObject, Task
from shared.db.repositories.loose_objects import forget_loose
from shared.db.repositories.object_use import pin_pictures
from shared.db.repositories.subjects import find_object
from shared.egress.errors import ForbiddenUrlError
from shared.egress.urls import check_url
from shared.errors import StorageError
from shared.images.admission import ImageRefusedError, UnsupportedImageError, admit_image
from shared.images.inline import decode_base64_image, is_data_url
from shared.settings import PictureLimits

_log = structlog.stdlib.get_logger(__name__)

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
) -> Upload | StoredObject | str:
    """What is to become of one picture.

    Returns:
        An upload for bytes, the row of a stored object that the caller may see, or a URL, which is
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
        # Many a path is base64 as well.
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


async def note_uploads(res: Resources, uploads: list[Upload]) -> None:
    """Note a request's pictures before the transaction in which they are `stored` and owned."""
    await note(res, [upload.row.key for upload in uploads])


@asynccontextmanager
async def stored(res: Resources, uploads: list[Upload]) -> AsyncGenerator[None]:
    """Keep a request's pictures if the body ends well: it writes their rows.

    The transaction commits outside: where it is not known whether a commit came through, a picture
    too many is the better mistake, and one that is swept.
    """
    try:
        for upload in uploads:
            await res.objects.put(upload.row.key, upload.content, upload.row.content_type)
        yield
    except Exception:
        await _withdraw(res, uploads)
        raise


async def _withdraw(res: Resources, uploads: list[Upload]) -> None:
    """Remove what was stored; their notes stay, since this is within the request's transaction."""
    try:
        for upload in uploads:
            await res.objects.delete(upload.row.key)
    except StorageError as error:
        _log.warning("uploads_left_to_the_sweep", exc_info=error)


async def add_tasks(
    session: AsyncSession, caller: Principal, tasks: list[Task], uploads: list[Upload]
) -> None:
    """Add tasks with their uploads, and hold the other pictures that they name until the commit.

    Raises:
        Problem: 409, a picture is gone since the request was looked at; 503, the uploads are.
    """
    await settle_uploads(session, uploads)
    own = {upload.row.key for upload in uploads}
    if gone := await pin_pictures(session, caller.scope, tasks, excluding=own):
        raise picture_gone(gone[0])
    session.add_all([*tasks, *(upload.row for upload in uploads)])


async def settle_uploads(session: AsyncSession, uploads: list[Upload]) -> None:
    """Take back the notes of uploads whose rows this transaction writes.

    Raises:
        Problem: 503, it took so long that the sweep has been there.
    """
    if not await forget_loose(session, [upload.row.key for upload in uploads]):
        raise unavailable("the object store")


def picture_gone(path: str) -> Problem:
    """A picture was there when the request was looked at, and is not there any more."""
    return Problem(
        409, "picture_gone", f"{path!r} was deleted while the request came in; save it again"
    )
