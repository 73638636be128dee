"""Marks rows whose object is gone, so that lists show what can be read; takes back what is there.

Nothing that we do loses an object that a row names. A row is therefore marked, never removed: a
bucket that was mounted wrongly, or that is being restored, must not cost the records.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import structlog
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.models.tables import StoredObject
from shared.db.session import Sessions
from shared.storage.object_store import ObjectStore

_log = structlog.stdlib.get_logger(__name__)

_A_PASS = 300
"""Rows that are looked at in one pass: a million take two days, at one question each."""
_SIDE_BY_SIDE = 10


class LostPictures:
    """Walks over all rows, and apart over the marked ones, some in each pass, again and again.

    Args:
        sessions: the records.
        objects: where the bytes lie.
    """

    def __init__(self, sessions: Sessions, objects: ObjectStore) -> None:
        self._sessions = sessions
        self._objects = objects
        self._all = _Walk(StoredObject.key.is_not(None))
        self._lost = _Walk(StoredObject.lost_at.is_not(None))

    async def look(self, counts: Counter[str]) -> None:
        """Look at the next rows.

        Args:
            counts: takes `pictures_lost` and `pictures_found`.
        """
        for walk in (self._lost, self._all):
            async with self._sessions() as session:
                page = await walk.next_page(session)
            for first in range(0, len(page), _SIDE_BY_SIDE):
                some = page[first : first + _SIDE_BY_SIDE]
                await asyncio.gather(*(self._look_at(row, counts) for row in some))

    async def _look_at(self, row: StoredObject, counts: Counter[str]) -> None:
        is_there = await self._objects.head(row.content_key) is not None
        if is_there == (row.lost_at is None):
            return
        async with self._sessions.begin() as session:
            held = await session.get(StoredObject, row.key, with_for_update={"skip_locked": True})
            if held is None or (held.content_key, held.lost_at) != (row.content_key, row.lost_at):
                return  # replaced or removed since
            # Again, now that nobody replaces it.
            if (await self._objects.head(held.content_key) is not None) != is_there:
                return
            held.lost_at = None if is_there else datetime.now(UTC)
        counts["pictures_found" if is_there else "pictures_lost"] += 1
        _log.warning(
            "picture_found" if is_there else "picture_lost", path=row.key, key=row.content_key
        )


class _Walk:
    """Some rows after the others, in the order of their paths."""

    def __init__(self, which: ColumnElement[bool]) -> None:
        self._which = which
        self._after = ""

    async def next_page(self, session: AsyncSession) -> Sequence[StoredObject]:
        """Return the next rows; behind the last the first come again."""
        rows = select(StoredObject).where(self._which, StoredObject.key > self._after)
        page = (await session.scalars(rows.order_by(StoredObject.key).limit(_A_PASS))).all()
        self._after = page[-1].key if len(page) == _A_PASS else ""
        return page
