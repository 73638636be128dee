"""Last use of API keys, written in the background at most once a minute per key."""

import asyncio
import time
from collections.abc import Callable
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from shared.db.repositories.keys import LAST_USE_INTERVAL, touch_keys
from shared.db.session import Sessions

_log = structlog.stdlib.get_logger(__name__)

_INTERVAL_S = LAST_USE_INTERVAL.total_seconds()
_CLOSE_TIMEOUT_S = 3


class LastUse:
    """Collector of key uses; one task at a time writes all that are pending."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._noted_at: dict[UUID, float] = {}
        self._pending: set[UUID] = set()
        self._writing: asyncio.Task[None] | None = None

    def note(self, sessions: Sessions, key_id: UUID) -> None:
        """Note that a key was used just now, without waiting."""
        now = self._clock()
        if now - self._noted_at.get(key_id, float("-inf")) < _INTERVAL_S:
            return
        self._noted_at[key_id] = now
        self._pending.add(key_id)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(sessions))

    async def close(self) -> None:
        """Wait a few seconds until pending uses are written."""
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=_CLOSE_TIMEOUT_S)
            self._writing.cancel()

    async def _write(self, sessions: Sessions) -> None:
        while self._pending:
            key_ids, self._pending = self._pending, set()
            try:
                async with sessions.begin() as session:
                    await touch_keys(session, key_ids)
            except (SQLAlchemyError, OSError):
                # The next use after the interval tries again; until then the column is outdated.
                _log.warning("last_use_not_written", keys=len(key_ids), exc_info=True)
        self._forget_old()

    def _forget_old(self) -> None:
        since = self._clock() - _INTERVAL_S
        self._noted_at = {key: at for key, at in self._noted_at.items() if at > since}
