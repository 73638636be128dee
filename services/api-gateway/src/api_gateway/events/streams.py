"""A subject's events as one client follows them: what it has missed, then what happens.

A stream ends by itself with its subject. A workflow that is PAUSED is waited for; one that is
FAILED ends the stream, and who resumes it comes back with the last id.
"""

import asyncio
import random
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from fastapi.sse import ServerSentEvent

from api_gateway.auth.admission import is_still_admitted
from api_gateway.auth.dependencies import Caller
from api_gateway.dependencies import Res
from api_gateway.errors import AllSeen, Fault, InvalidRequestError, not_found
from api_gateway.events.feed import Page
from api_gateway.events.last_event_id import Resumed
from api_gateway.events.presentation import present_event
from shared.contracts.enums import WorkflowStatus
from shared.db.repositories.event_streams import (
    Place,
    RecordedEvent,
    SubjectKind,
    SubjectState,
    find_subject,
)

_ADMISSION_EVERY_S = 2.0
"""How often the credential is looked at again; a key is remembered for a few seconds besides."""
_RECONNECT_MS = (500, 1500)


@dataclass(frozen=True)
class StreamRequest:
    """Who wants to follow, and from where."""

    request: Request
    res: Res
    caller: Caller
    resumed: Resumed

    async def open(self, kind: SubjectKind, subject_id: UUID) -> "EventStream":
        """The stream of a subject.

        Raises:
            Problem: 404.
            AllSeen: it has ended, and the client has seen all of it.
            InvalidRequestError: the client names an event that there is not.
        """
        async with self.res.reads.connect() as connection:
            state = await find_subject(connection, self.caller.scope, kind, subject_id)
        if state is None:
            raise not_found(f"{kind.name.lower()} {subject_id}")
        seen = self.resumed.seq
        if seen is not None and seen > state.last_seq:
            message = f"this stream has events up to {state.last_seq}; none has the id {seen}"
            raise InvalidRequestError([Fault(self.resumed.loc, message)])
        if seen == state.last_seq and state.is_over:
            raise AllSeen
        return EventStream(self, kind, Place(subject_id, seen or 0), state)


class EventStream:
    """One client's way through a subject's events.

    Args:
        opened: who follows; asked for its credential again as long as it does.
        kind: what the subject is.
        place: how far the client is.
        state: how far the subject was when the stream was opened.
    """

    def __init__(
        self, opened: StreamRequest, kind: SubjectKind, place: Place, state: SubjectState
    ) -> None:
        self._opened = opened
        self._kind = kind
        self._place = place
        self._state = state
        self._admitted_until = 0.0

    async def follow(self) -> AsyncGenerator[ServerSentEvent]:
        """Every event from the client's place on, until there will be no more."""
        self._admitted_until = asyncio.get_running_loop().time() + _ADMISSION_EVERY_S
        # Not the same for all: the clients of a process that ends would come back at once.
        yield ServerSentEvent(retry=random.randint(*_RECONNECT_MS))  # noqa: S311 — no secret
        is_over = self._state.is_over and self._place.seq == self._state.last_seq
        is_behind = True
        while not is_over:
            page = await self._next(is_behind=is_behind)
            if page is None:
                return
            for event in page.events:
                if not await self._is_admitted():
                    return
                yield _as_sent(event)
            last = page.events[-1]
            self._place = Place(self._place.subject_id, last.seq)
            is_behind = not page.is_last
            is_over = page.is_last and self._is_end(last)
            if is_over and self._kind is SubjectKind.WORKFLOW and _has_failed(last):
                yield ServerSentEvent(
                    comment=f"FAILED: resume it, then come back with Last-Event-ID {last.seq}"
                )

    async def _next(self, *, is_behind: bool) -> Page | None:
        while await self._is_admitted():
            try:
                async with asyncio.timeout_at(self._admitted_until):
                    feed = self._opened.res.feed
                    return await feed.next(self._place, is_behind=is_behind)
            except TimeoutError:
                is_behind = False
        return None

    async def _is_admitted(self) -> bool:
        now = asyncio.get_running_loop().time()
        if now < self._admitted_until:
            return True
        self._admitted_until = now + _ADMISSION_EVERY_S
        opened = self._opened
        return await is_still_admitted(opened.request, opened.res, opened.caller)

    def _is_end(self, event: RecordedEvent) -> bool:
        was_over = self._state.is_over and event.seq == self._state.last_seq
        return was_over or event.payload["status"] in self._kind.ended


def _as_sent(event: RecordedEvent) -> ServerSentEvent:
    return ServerSentEvent(data=present_event(event), event=event.event_type, id=str(event.seq))


def _has_failed(event: RecordedEvent) -> bool:
    return event.payload["status"] == WorkflowStatus.FAILED


Opening = Annotated[StreamRequest, Depends()]
