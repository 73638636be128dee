"""Objects on their way to an owner, or from one: noted, so that a crash leaves nothing behind."""

from collections.abc import Sequence

import structlog
from sqlalchemy.exc import SQLAlchemyError

from api_gateway.resources import Resources
from shared.db.repositories.loose_objects import forget_loose, note_loose
from shared.errors import StorageError

_log = structlog.stdlib.get_logger(__name__)


async def note(res: Resources, keys: Sequence[str]) -> None:
    """Note objects before their bytes are written; not within another transaction."""
    if keys:
        async with res.sessions.begin() as session:
            await note_loose(session, keys)


async def discard(res: Resources, keys: Sequence[str]) -> None:
    """Remove noted objects that are nobody's; what cannot be removed now, the sweep will."""
    try:
        for key in keys:
            await res.objects.delete(key)
        if keys:
            async with res.sessions.begin() as session:
                await forget_loose(session, keys)
    except (StorageError, SQLAlchemyError, OSError) as error:
        _log.warning("objects_left_to_the_sweep", keys=keys, exc_info=error)
