"""Tells streams what is new: one question to the records for all that are open in this process.

A stream asks for what comes after the place it has reached, and is answered once there is
something. Who reads slowly asks late: nothing is kept for a stream but the page it is at.
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
"""After a question that the database did not answer."""
_SWEEP_S = 5.0
"""How often to look for subjects that were removed with all their events."""
_MOST_PLACES = 200
"""In one statement."""
_PAGE_EVENTS = 50
"""At once for one stream."""


@dataclass(frozen=True)
class Page:
    """The next events of a subject; none yet where the wait was over first."""

    events: Sequence[RecordedEvent]
    is_last: bool
    """There were no more when it was read."""

    @classmethod
    def of(cls, found: Sequence[RecordedEvent]) -> "Page":
        """A page of what was found, where one more than a page was asked for."""
        return cls(found[:_PAGE_EVENTS], is_last=len(found) <= _PAGE_EVENTS)


_NOTHING = Page((), is_last=True)


class EventFeed:
    """Asks while somebody waits, and only then.

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
        """What comes after a place, as soon as there is something.

        Args:
            place: how far the stream is.
            is_behind: there may be something already; it is not left to the next round.
            wait_s: how long to wait for something.

        Returns:
            None where nothing will come: the subject is gone, or this process is about to end.
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
        """Let every stream end: their clients come back, to another process."""
        self._is_closed = True
        for place in list(self._asked):
            self._answer(place, None)
        self._wake.set()

    def _forget(self, place: EventPosition, future: asyncio.Future[Page | None]) -> None:
        waiting = self._asked.get(place)
        if waiting is not None:
            waiting.discard(future)
            if not waiting:
                del self._asked[place]

    def _answer(self, place: EventPosition, page: Page | None) -> None:
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
                    await self._look(is_round=is_round)
                except (SQLAlchemyError, OSError):
                    _log.warning("events_not_read", exc_info=True)
                    round_at = clock() + _RETRY_S
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(round_at):
                        await self._wake.wait()
        except Exception as error:  # noqa: BLE001 — it is raised where it is awaited
            self._fail(error)
        finally:
            self._polling = None

    async def _look(self, *, is_round: bool) -> None:
        behind = self._behind & self._asked.keys()
        self._behind.clear()
        self._wake.clear()
        places = list(self._asked if is_round else behind)
        for start in range(0, len(places), _MOST_PLACES):
            some = places[start : start + _MOST_PLACES]
            async with self._reads.connect() as connection:
                found = await read_events(connection, some, most=_PAGE_EVENTS + 1)
            for place, events in found.items():
                self._answer(place, Page.of(events))
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
            self._answer(place, None)

    def _fail(self, error: Exception) -> None:
        for place in list(self._asked):
            for future in self._asked.pop(place):
                if not future.done():
                    future.set_exception(error)
