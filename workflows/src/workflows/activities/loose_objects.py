"""Removal of objects that a crashed request left without an owner.

A request notes an object before it writes it, and removes the note once a record owns the object. A
crash leaves the note. Only noted objects are removed: an object without a record may also come
from records that were restored from a backup.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.repositories.loose_objects import has_owner, lock_loose, loose_for, postpone_loose
from shared.db.repositories.objects import owned_keys
from shared.db.session import Sessions
from shared.storage.object_store import ObjectStore

_log = structlog.stdlib.get_logger(__name__)

_BATCH_SIZE = 500
_PASS_TIMEOUT_S = 30.0
"""Time limit of one pass; the next pass does the rest, since reconciliation waits for this one."""
_CONCURRENCY = 5


class LooseSweep:
    """Removal of noted objects without an owner, and of all old notes.

    Args:
        sessions: the records.
        objects: the object store.
    """

    def __init__(self, sessions: Sessions, objects: ObjectStore) -> None:
        self._sessions = sessions
        self._objects = objects

    async def sweep(self, age: timedelta, counts: Counter[str]) -> None:
        """Handle the notes, oldest first.

        Args:
            age: minimum age of a note.
            counts: `loose_swept` and `failed` notes are added to it.
        """
        ends_at = time.monotonic() + _PASS_TIMEOUT_S
        while True:
            async with self._sessions() as session:
                keys = await loose_for(session, age, _BATCH_SIZE)
            for first in range(0, len(keys), _CONCURRENCY):
                if time.monotonic() > ends_at:
                    return
                some = keys[first : first + _CONCURRENCY]
                await asyncio.gather(*(self._settle(key, age, counts) for key in some))
            if len(keys) < _BATCH_SIZE:
                return

    async def _settle(self, key: str, age: timedelta, counts: Counter[str]) -> None:
        try:
            async with self._sessions.begin() as session:
                # Locked: a request that wants to own it waits, finds no note, and fails.
                note = await lock_loose(session, key, age)
                if note is None:
                    return
                for each in await self._unowned(session, key):
                    await self._objects.delete(each)
                    counts["loose_swept"] += 1
                await session.delete(note)
        except Exception:  # noqa: BLE001 — logged, and retried by a later pass
            # A failing note must not block the others.
            _log.exception("not_settled", key=key)
            counts["failed"] += 1
            async with self._sessions.begin() as session:
                await postpone_loose(session, key)

    async def _unowned(self, session: AsyncSession, key: str) -> Sequence[str]:
        if not key.endswith("/"):
            return [] if await has_owner(session, key) else [key]
        # Objects before rows: an object that a record names already has its row then.
        stored = [found.key for found in await self._objects.list(key)]
        owned = await owned_keys(session, key)
        return [each for each in stored if each not in owned]
