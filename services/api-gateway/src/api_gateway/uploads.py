"""Objects that a request writes, and the notes that keep a crash from leaving them behind.

An object is noted before its bytes are written. The transaction that writes its row takes the note
back; a noted object that no row owns is removed by the sweep.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from api_gateway.errors import unavailable
from api_gateway.resources import Resources
from shared.db.models.tables import StoredObject
from shared.db.repositories.loose_objects import forget_loose, note_loose
from shared.errors import StorageError

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Upload:
    """The bytes of an object to be stored, and the row that names its owner."""

    row: StoredObject
    content: bytes


async def note(res: Resources, keys: Sequence[str]) -> None:
    """Note objects before their bytes are written; not to be called within a transaction."""
    if keys:
        async with res.sessions.begin() as session:
            await note_loose(session, keys)


async def note_uploads(res: Resources, uploads: Sequence[Upload]) -> None:
    """Note uploads before the transaction in which they are `stored`."""
    await note(res, [upload.row.key for upload in uploads])


async def discard(res: Resources, keys: Sequence[str]) -> None:
    """Remove noted objects without an owner; the sweep removes what cannot be removed now."""
    try:
        for key in keys:
            await res.objects.delete(key)
        if keys:
            async with res.sessions.begin() as session:
                await forget_loose(session, keys)
    except (StorageError, SQLAlchemyError, OSError) as error:
        _log.warning("objects_left_to_the_sweep", keys=keys, exc_info=error)


@asynccontextmanager
async def stored(
    res: Resources, session: AsyncSession, uploads: Sequence[Upload]
) -> AsyncGenerator[None]:
    """Store uploads while the body writes their rows; remove them again if the body raises.

    The transaction commits outside. If its commit is in doubt the objects stay: an object without
    a row is swept, a row without its object would be broken.

    Args:
        res: the gateway's connections.
        session: the transaction that writes the rows; it takes back the uploads' notes.
        uploads: noted already.

    Raises:
        Problem: 503, it took so long that the sweep has already removed them.
    """
    try:
        for upload in uploads:
            await res.objects.put(upload.row.key, upload.content, upload.row.content_type)
        if not await forget_loose(session, [upload.row.key for upload in uploads]):
            raise unavailable("the object store")
        yield
    except Exception:
        await _remove_stored(res, uploads)
        raise


async def _remove_stored(res: Resources, uploads: Sequence[Upload]) -> None:
    """Remove stored uploads; their notes stay, since this runs within the request's transaction."""
    try:
        for upload in uploads:
            await res.objects.delete(upload.row.key)
    except StorageError as error:
        _log.warning("uploads_left_to_the_sweep", exc_info=error)
