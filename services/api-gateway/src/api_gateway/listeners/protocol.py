"""uvicorn's HTTP/1.1 protocol with limits on the cost of a connection.

Every phase of a connection has a limit: a head in bytes and time; a request body and a response
must make progress; a body still arriving after its response is discarded for a limited time; idle
connections are closed by uvicorn. A refusal is a problem like any other error, unless another
response is in flight.
"""

import asyncio
import random
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from api_gateway.errors import Problem, problem_response
from api_gateway.listeners.heads import HeadBudget, head_too_long
from api_gateway.listeners.peers import Admission, Peers
from api_gateway.listeners.progress import LEAST_BYTES, Progress
from api_gateway.settings import ListenerSettings

_LINGER_S = 2.0
"""Time for a refused client to read the response. Closing a socket that has unread input resets
the connection, and the response would be lost."""
_MAX_PIPELINED = 16
_LONGEST_TICK_S = 1.0


def bounded_protocol(limits: ListenerSettings, peers: Peers) -> type[asyncio.Protocol]:
    """Return the protocol class of one listener."""

    class Bounded(BoundedProtocol):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs, limits=limits, peers=peers)

    return Bounded


class BoundedProtocol(HttpToolsProtocol):
    """Connection with limits."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: ListenerSettings,
        peers: Peers,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits, self._peers = limits, peers
        shortest_s = min(limits.head_timeout_s, limits.body_timeout_s, limits.write_timeout_s)
        self._tick_s = min(_LONGEST_TICK_S, shortest_s / 4)
        self._tick: asyncio.TimerHandle | None = None
        self._now = 0.0
        self._running: RequestResponseCycle | None = None
        """The request in progress; `cycle`, the newest, may be queued behind it."""
        self._problem: Problem | None = None
        """Reason for stopping the parser; none: the parser itself found an error."""
        self._left_at: float | None = None
        """Time of the refusal."""
        self._head = HeadBudget(limits)
        self._is_in_head = False
        self._head_since: float | None = None
        """Start of the wait for a head; none: no head is due."""
        self._has_heard = False
        self._unheard_bytes = 0
        """Bytes since the parser's last callback; it buffers them."""
        self._is_in_body = False
        self._body_bytes = 0
        self._body = Progress(limits.body_timeout_s)
        self._answered_at: float | None = None
        """Time of a response that was complete before its request's body."""
        self._writes = Progress(limits.write_timeout_s)
        self._is_closing = False

    # Callbacks of the transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] -- as uvicorn's
        super().connection_made(transport)
        self._head_since = self.loop.time()
        # Random, so that connections opened together are not all checked, and refused, at once.
        first_s = self._tick_s * random.random()  # noqa: S311 — no secret
        self._tick = self.loop.call_later(first_s, self._check)
        standing = self._peers.enter(self._host)
        if standing is Admission.REFUSED:
            message = "too many connections from this address; close some, or retry later"
            headers = {"Retry-After": "1"}
            self._refuse(Problem(429, "too_many_connections", message, headers=headers))
        elif standing is Admission.DROPPED:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._tick is not None:
            self._tick.cancel()
        self._peers.leave(self._host)
        self._disconnect()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._left_at is not None:
            return
        self._now = self.loop.time()
        if self._head_since is None and not self._is_in_body and not self._is_answering:
            self._head_since = self._now
        self._has_heard = False
        super().data_received(data)
        self._unheard_bytes = 0 if self._has_heard else self._unheard_bytes + len(data)
        if self._unheard_bytes > self._limits.max_head_bytes:
            self._refuse(head_too_long(self._limits))

    def pause_writing(self) -> None:
        super().pause_writing()
        self._writes.restart(self.loop.time(), -self.transport.get_write_buffer_size())

    # Callbacks of the parser

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head = HeadBudget(self._limits)
        self._is_in_head = self._has_heard = True
        if len(self.pipeline) >= _MAX_PIPELINED:
            message = f"more than {_MAX_PIPELINED} requests were pipelined; wait for a response"
            raise self._stopped(Problem(429, "too_many_requests", message))

    def on_url(self, url: bytes) -> None:
        self._has_heard = True
        try:
            self._head.add_target(url)
        except Problem as problem:
            raise self._stopped(problem) from problem
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._has_heard = True
        try:
            self._head.add_header(name, value)
        except Problem as problem:
            raise self._stopped(problem) from problem
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._has_heard, self._is_in_head, self._head_since = True, False, None
        self._is_in_body, self._answered_at = True, None
        self._body.restart(self._now, self._body_bytes)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._has_heard = True
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._has_heard, self._is_in_body = True, False
        super().on_message_complete()
        if not self._is_answering:
            # The response came first; uvicorn's own keep-alive timer is not running then.
            self._head_since = self._now

    # Hooks of uvicorn's protocol

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_answering:
            return
        now = self.loop.time()
        if self._is_in_body:
            self._answered_at = now
        elif self._is_in_head:
            self._head_since = now

    def send_400_response(self, msg: str) -> None:
        malformed = Problem(400, "malformed_request", "the request is not well-formed HTTP/1.1")
        self._refuse(self._problem or malformed)

    # Deadlines

    def _check(self) -> None:
        self._tick = self.loop.call_later(self._tick_s, self._check)
        self._now = self.loop.time()
        if self._left_at is not None:
            if self._now - self._left_at >= _LINGER_S:
                self.transport.abort()
        elif self._is_unread():
            self.transport.abort()
        elif not self._is_closing:
            self._check_head()
            self._check_body()

    def _is_unread(self) -> bool:
        """Return true if the client has stopped reading its response."""
        unsent_bytes = self.transport.get_write_buffer_size()
        if self.transport.is_closing() and not self._is_closing:
            self._is_closing = True
            self._writes.restart(self._now, -unsent_bytes)
        is_waiting = self._is_closing or self.flow.write_paused
        return is_waiting and self._writes.is_stalled(self._now, -unsent_bytes)

    def _check_head(self) -> None:
        timeout_s = self._limits.head_timeout_s
        if self._head_since is None or self._now - self._head_since < timeout_s:
            return
        if self._is_in_head:
            self._refuse(_too_slow(f"the headers were not complete after {timeout_s:g} seconds"))
        else:
            self.transport.close()

    def _check_body(self) -> None:
        if not self._is_in_body:
            return
        timeout_s = self._limits.body_timeout_s
        if self._answered_at is not None:
            if self._now - self._answered_at >= timeout_s:
                self.transport.abort()
        elif self.flow.read_paused or self.cycle.waiting_for_100_continue:
            # The client is waiting for us.
            self._body.restart(self._now, self._body_bytes)
        elif self._body.is_stalled(self._now, self._body_bytes):
            message = f"less than {LEAST_BYTES} bytes of the body came within {timeout_s:g} seconds"
            self._refuse(_too_slow(message))

    # Refusal

    def _stopped(self, problem: Problem) -> Problem:
        """Keep the reason and return it, to be raised in a parser callback.

        uvicorn then calls `send_400_response`.
        """
        self._problem = problem
        return problem

    def _refuse(self, problem: Problem) -> None:
        """Send the problem and close; only close if another response is in flight."""
        if not self._may_respond:
            self.transport.abort()
            return
        self._disconnect()
        self._unset_keepalive_if_required()
        self._left_at = self.loop.time()
        self.transport.write(self._written(problem))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    def _disconnect(self) -> None:
        """Notify the request in progress; uvicorn notifies only the newest, which may be queued."""
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()

    def _written(self, problem: Problem) -> bytes:
        response = problem_response(problem)
        headers = [*self.server_state.default_headers, *response.raw_headers]
        lines = [b"%b: %b\r\n" % header for header in headers]
        head = [STATUS_LINE[problem.status], *lines, b"connection: close\r\n\r\n"]
        return b"".join(head) + bytes(response.body)

    @property
    def _is_answering(self) -> bool:
        return self._running is not None and not self._running.response_complete

    @property
    def _may_respond(self) -> bool:
        if self._running is None or self._running.response_complete:
            return True
        return self._is_in_body and not self.pipeline and not self._running.response_started

    @property
    def _host(self) -> str | None:
        return self.client[0] if self.client else None


def _too_slow(message: str) -> Problem:
    return Problem(408, "too_slow", message)
