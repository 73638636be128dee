"""Marking of rows whose object is missing, and unmarking once it is back.

Lists then show readable pictures only. A row is marked and never removed: a bucket that is mounted
wrongly or being restored must not destroy records.
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

_PAGE_SIZE = 300
"""Rows per pass, with one HEAD request each: a million rows take two days."""
_CONCURRENCY = 10


class MissingObjects:
    """Cyclic check of all rows, and separately of the marked ones, one page per pass.

    Args:
        sessions: the records.
        objects: the object store.
    """

    def __init__(self, sessions: Sessions, objects: ObjectStore) -> None:
        self._sessions = sessions
        self._objects = objects
        self._all = _Walk(StoredObject.key.is_not(None))
        self._lost = _Walk(StoredObject.lost_at.is_not(None))

    async def check(self, counts: Counter[str]) -> None:
        """Check the next page of rows.

        Args:
            counts: `pictures_lost` and `pictures_found` are added to it.
        """
        for walk in (self._lost, self._all):
            async with self._sessions() as session:
                page = await walk.next_page(session)
            for first in range(0, len(page), _CONCURRENCY):
                some = page[first : first + _CONCURRENCY]
                await asyncio.gather(*(self._check_row(row, counts) for row in some))

    async def _check_row(self, row: StoredObject, counts: Counter[str]) -> None:
        is_there = await self._objects.head(row.content_key) is not None
        if is_there == (row.lost_at is None):
            return
        async with self._sessions.begin() as session:
            held = await session.get(StoredObject, row.key, with_for_update={"skip_locked": True})
            if held is None or (held.content_key, held.lost_at) != (row.content_key, row.lost_at):
                return  # replaced or removed since
            # Again, under the lock, since nobody can replace it now.
            if (await self._objects.head(held.content_key) is not None) != is_there:
                return
            held.lost_at = None if is_there else datetime.now(UTC)
        counts["pictures_found" if is_there else "pictures_lost"] += 1
        _log.warning(
            "picture_found" if is_there else "picture_lost", path=row.key, key=row.content_key
        )


class _Walk:
    """Cyclic pages over rows, in the order of their paths."""

    def __init__(self, which: ColumnElement[bool]) -> None:
        self._which = which
        self._after = ""

    async def next_page(self, session: AsyncSession) -> Sequence[StoredObject]:
        """Return the next page; the first page follows the last."""
        rows = select(StoredObject).where(self._which, StoredObject.key > self._after)
        page = (await session.scalars(rows.order_by(StoredObject.key).limit(_PAGE_SIZE))).all()
        self._after = page[-1].key if len(page) == _PAGE_SIZE else ""
        return page
