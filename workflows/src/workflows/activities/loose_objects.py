"""Settles the notes of objects that may be nobody's: whoever has no owner after a while goes.

Requests note an object before they write it, and take the note back when a record owns it. What a
crash leaves is exactly what is noted: nothing is ever removed because a listing shows it and a
record does not, as records may have been restored from a backup.
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

_AT_ONCE = 500
_PASS_S = 30.0
"""After so long the rest is left to the next pass: rows and runs wait for this one."""
_SIDE_BY_SIDE = 5


class LooseSweep:
    """Removes noted objects that no record owns, and the notes of all.

    Args:
        sessions: the records.
        objects: what is swept.
    """

    def __init__(self, sessions: Sessions, objects: ObjectStore) -> None:
        self._sessions = sessions
        self._objects = objects

    async def sweep(self, age: timedelta, counts: Counter[str]) -> None:
        """Settle what was noted longest ago.

        Args:
            age: younger notes are left alone.
            counts: takes `loose_swept`, and `failed` notes.
        """
        ends_at = time.monotonic() + _PASS_S
        while True:
            async with self._sessions() as session:
                keys = await loose_for(session, age, _AT_ONCE)
            for first in range(0, len(keys), _SIDE_BY_SIDE):
                if time.monotonic() > ends_at:
                    return
                some = keys[first : first + _SIDE_BY_SIDE]
                await asyncio.gather(*(self._settle(key, age, counts) for key in some))
            if len(keys) < _AT_ONCE:
                return

    async def _settle(self, key: str, age: timedelta, counts: Counter[str]) -> None:
        try:
            async with self._sessions.begin() as session:
                # Locked: who wants to own it now waits, finds no note, and gives up.
                note = await lock_loose(session, key, age)
                if note is None:
                    return
                for each in await self._nobodys(session, key):
                    await self._objects.delete(each)
                    counts["loose_swept"] += 1
                await session.delete(note)
        except Exception:  # noqa: BLE001 — logged, and tried again by a later pass
            # One that cannot be settled must not keep the others from it.
            _log.exception("not_settled", key=key)
            counts["failed"] += 1
            async with self._sessions.begin() as session:
                await postpone_loose(session, key)

    async def _nobodys(self, session: AsyncSession, key: str) -> Sequence[str]:
        if not key.endswith("/"):
            return [] if await has_owner(session, key) else [key]
        # Objects before rows: what a record names has its row when it is looked for.
        stored = [found.key for found in await self._objects.list(key)]
        owned = await owned_keys(session, key)
        return [each for each in stored if each not in owned]
