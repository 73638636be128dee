"""Feed of new events for all open streams of a process, by one query per poll.

A stream asks for the events after its position and waits until there are some. Nothing is
buffered per stream beyond its current page: a slow reader asks later.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db.repositories.event_streams import (
    EventPosition,
    RecordedEvent,
    read_events,
    without_events,
)

_log = structlog.stdlib.get_logger(__name__)

_POLL_S = 0.25
_RETRY_S = 1.0
"""Delay after a query that failed."""
_SWEEP_S = 5.0
"""Interval between checks for subjects that were removed with all their events."""
_MOST_PLACES = 200
"""Streams per query."""
_PAGE_EVENTS = 50
"""Events per page of a stream."""


@dataclass(frozen=True)
class Page:
    """The next events of a subject; empty if the wait timed out."""

    events: Sequence[RecordedEvent]
    is_last: bool
    """True if there were no more events when it was read."""

    @classmethod
    def of(cls, found: Sequence[RecordedEvent]) -> "Page":
        """Return a page of the events found, of which one more than a page was requested."""
        return cls(found[:_PAGE_EVENTS], is_last=len(found) <= _PAGE_EVENTS)


_NOTHING = Page((), is_last=True)


class EventFeed:
    """Poller of new events, active only while a stream waits.

    Args:
        reads: connections for single statements.
    """

    def __init__(self, reads: AsyncEngine) -> None:
        self._reads = reads
        self._asked: dict[EventPosition, set[asyncio.Future[Page | None]]] = {}
        self._behind: set[EventPosition] = set()
        self._wake = asyncio.Event()
        self._polling: asyncio.Task[None] | None = None
        self._swept_at = float("-inf")
        self._is_closed = False

    async def next(self, place: EventPosition, *, is_behind: bool, wait_s: float) -> Page | None:
        """Return the events after a position as soon as there are any.

        Args:
            place: the position that the stream has reached.
            is_behind: read at once, since there may be events already, instead of at the next poll.
            wait_s: timeout in seconds.

        Returns:
            None if no event will come: the subject is gone, or this process is shutting down.
        """
        if self._is_closed:
            return None
        future: asyncio.Future[Page | None] = asyncio.get_running_loop().create_future()
        self._asked.setdefault(place, set()).add(future)
        if is_behind:
            self._behind.add(place)
            self._wake.set()
        if self._polling is None:
            self._polling = asyncio.create_task(self._poll())
        try:
            async with asyncio.timeout(wait_s):
                return await future
        except TimeoutError:
            return _NOTHING
        finally:
            self._forget(place, future)

    def close(self) -> None:
        """End every stream; the clients reconnect to another process."""
        self._is_closed = True
        for place in list(self._asked):
            self._resolve(place, None)
        self._wake.set()

    def _forget(self, place: EventPosition, future: asyncio.Future[Page | None]) -> None:
        waiting = self._asked.get(place)
        if waiting is not None:
            waiting.discard(future)
            if not waiting:
                del self._asked[place]

    def _resolve(self, place: EventPosition, page: Page | None) -> None:
        for future in self._asked.pop(place, ()):
            if not future.done():
                future.set_result(page)

    async def _poll(self) -> None:
        clock = asyncio.get_running_loop().time
        round_at = clock() + _POLL_S
        try:
            while self._asked:
                is_round = clock() >= round_at
                if is_round:
                    round_at = clock() + _POLL_S
                try:
                    await self._read(is_round=is_round)
                except (SQLAlchemyError, OSError):
                    _log.warning("events_not_read", exc_info=True)
                    round_at = clock() + _RETRY_S
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(round_at):
                        await self._wake.wait()
        except Exception as error:  # noqa: BLE001 — raised in each waiting stream
            self._fail(error)
        finally:
            self._polling = None

    async def _read(self, *, is_round: bool) -> None:
        behind = self._behind & self._asked.keys()
        self._behind.clear()
        self._wake.clear()
        places = list(self._asked if is_round else behind)
        for start in range(0, len(places), _MOST_PLACES):
            some = places[start : start + _MOST_PLACES]
            async with self._reads.connect() as connection:
                found = await read_events(connection, some, most=_PAGE_EVENTS + 1)
            for place, events in found.items():
                self._resolve(place, Page.of(events))
        if is_round:
            await self._sweep()

    async def _sweep(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._swept_at < _SWEEP_S or not self._asked:
            return
        self._swept_at = now
        subjects = {place.subject_id for place in self._asked}
        async with self._reads.connect() as connection:
            removed = await without_events(connection, subjects)
        for place in [place for place in self._asked if place.subject_id in removed]:
            self._resolve(place, None)

    def _fail(self, error: Exception) -> None:
        for place in list(self._asked):
            for future in self._asked.pop(place):
                if not future.done():
                    future.set_exception(error)
