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
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from api_gateway.auth.admission import is_still_admitted
from api_gateway.auth.dependencies import Caller
from api_gateway.dependencies import Res
from api_gateway.errors import AllSeen, Fault, InvalidRequestError, not_found
from api_gateway.events.last_event_id import Resumed
from api_gateway.events.presentation import present_event
from shared.contracts.deliveries import SubjectKind
from shared.contracts.enums import WorkflowStatus
from shared.db.repositories.event_streams import (
    ENDED_STATES,
    EventPosition,
    RecordedEvent,
    SubjectState,
    find_subject,
)

_ADMISSION_EVERY_S = 2.0
"""How often the credential is looked at again; a key is remembered for a few seconds besides."""
_HEARTBEAT_S = 15.0
"""So often something is sent, so that nobody on the way takes the connection for dead."""
_RECONNECT_MS = (500, 1500)
_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
"""Nobody on the way is to keep an event back; the second is nginx's word for it."""


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
            raise not_found(f"{kind} {subject_id}")
        seen = self.resumed.seq
        if seen is not None and seen > state.last_seq:
            message = f"this stream has events up to {state.last_seq}; none has the id {seen}"
            raise InvalidRequestError([Fault(self.resumed.loc, message)])
        if seen == state.last_seq and state.is_over:
            raise AllSeen
        return EventStream(self, kind, EventPosition(subject_id, seen or 0), state)


class EventStreamResponse(StreamingResponse):
    """Server-Sent Events.

    Not FastAPI's own (0.165): there a client that hangs up while an event waits to be sent is an
    unexpected error of ours.
    """

    media_type = "text/event-stream"


class EventStream:
    """One client's way through a subject's events.

    Args:
        opened: who follows; asked for its credential again as long as it does.
        kind: what the subject is.
        place: how far the client is.
        state: how far the subject was when the stream was opened.
    """

    def __init__(
        self, opened: StreamRequest, kind: SubjectKind, place: EventPosition, state: SubjectState
    ) -> None:
        self._opened = opened
        self._kind = kind
        self._place = place
        self._state = state
        self._look_again_at = self._silent_until = 0.0

    def response(self) -> "EventStreamResponse":
        """The answer that carries it."""
        return EventStreamResponse(self._follow(), headers=_HEADERS)

    async def _follow(self) -> AsyncGenerator[bytes]:
        self._look_again_at = _now() + _ADMISSION_EVERY_S
        # Not the same for all: the clients of a process that ends would come back at once.
        retry_ms = random.randint(*_RECONNECT_MS)  # noqa: S311 — no secret
        yield self._sending(format_sse_event(retry=retry_ms))
        is_over = self._state.is_over and self._place.seq == self._state.last_seq
        is_behind = True
        while not is_over:
            page = await self._opened.res.feed.next(
                self._place, is_behind=is_behind, wait_s=_ADMISSION_EVERY_S
            )
            if page is None or not await self._is_admitted():
                return
            for event in page.events:
                yield self._sending(_as_text(event))
                self._place = EventPosition(self._place.subject_id, event.seq)
                if not await self._is_admitted():
                    return
            is_behind = not page.is_last
            is_over = page.is_last and bool(page.events) and self._is_end(page.events[-1])
            if is_over and self._may_be_resumed(page.events[-1]):
                hint = f"FAILED: come back after a resume, with Last-Event-ID {self._place.seq}"
                yield format_sse_event(comment=hint)
            elif _now() >= self._silent_until:
                yield self._sending(KEEPALIVE_COMMENT)

    def _sending(self, text: bytes) -> bytes:
        self._silent_until = _now() + _HEARTBEAT_S
        return text

    async def _is_admitted(self) -> bool:
        if _now() < self._look_again_at:
            return True
        self._look_again_at = _now() + _ADMISSION_EVERY_S
        opened = self._opened
        return await is_still_admitted(opened.request, opened.res, opened.caller)

    def _is_end(self, event: RecordedEvent) -> bool:
        was_over = self._state.is_over and event.seq == self._state.last_seq
        return was_over or event.payload["status"] in ENDED_STATES[self._kind]

    def _may_be_resumed(self, event: RecordedEvent) -> bool:
        is_workflow = self._kind is SubjectKind.WORKFLOW
        return is_workflow and event.payload["status"] == WorkflowStatus.FAILED


def _as_text(event: RecordedEvent) -> bytes:
    return format_sse_event(
        data_str=present_event(event).model_dump_json(),
        event=event.event_type,
        id=str(event.seq),
    )


def _now() -> float:
    return asyncio.get_running_loop().time()


Opening = Annotated[StreamRequest, Depends()]
