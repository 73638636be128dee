"""The gate of paid requests: one POST a submission, whatever client sends it.

Vendors' clients repeat a request whose response is lost, three to ten times, and each repetition
may be charged. The gate is a transport below such a client: it lets one POST through, and knows
whether any byte of it may have left this process.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import httpx

from provider_worker.calls import Call, CallLog
from provider_worker.errors import ResponseTooLargeError

_HAS_STARTED = "send_request_headers.started"


class SentTwiceError(Exception):
    """A client tried to send a paid request again, or outside a submission; it was not sent."""


@dataclass
class Passage:
    """The right to send one paid request.

    Attributes:
        log: receives the request.
        max_bytes: size limit of a successful response.
    """

    log: CallLog
    max_bytes: int
    has_left: bool = field(default=False, init=False)
    """True once a byte of the request may have reached the provider."""
    is_used: bool = field(default=False, init=False)


_PASSAGE: ContextVar[Passage | None] = ContextVar("paid_request", default=None)


@asynccontextmanager
async def one_request(log: CallLog, *, max_bytes: int) -> AsyncGenerator[Passage]:
    """Permit one paid request to the clients that are used in this context."""
    passage = Passage(log, max_bytes)
    token = _PASSAGE.set(passage)
    try:
        yield passage
    finally:
        _PASSAGE.reset(token)


class Gate(httpx.AsyncBaseTransport):
    """A transport that sends one request for each `one_request`, and no other.

    It keeps no connection alive: a provider may close an idle connection just as it is used again,
    and the outcome of that request would be unknown. A response beyond the size limit raises
    `ResponseTooLargeError` while it is read; of an error only as much is read.

    Args:
        request_id_header: response header with the provider's id of the request.
    """

    def __init__(self, request_id_header: str = "x-request-id") -> None:
        self._request_id_header = request_id_header
        self._inner = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_keepalive_connections=0))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request of the current passage.

        Raises:
            SentTwiceError: there is no passage, or it is used up.
        """
        passage = _PASSAGE.get()
        if passage is None or passage.is_used:
            raise SentTwiceError("a paid request is sent once")
        passage.is_used = True

        async def trace(event: str, _info: Mapping[str, Any]) -> None:
            passage.has_left |= event.endswith(_HAS_STARTED)

        request.extensions = {**request.extensions, "trace": trace}
        call = Call(request.method, str(request.url))
        try:
            response = await self._inner.handle_async_request(request)
        except BaseException:
            passage.log.add(call)
            raise
        call.status = response.status_code
        call.request_id = response.headers.get(self._request_id_header)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Bounded(response, response.stream, call, passage)
        return response

    async def aclose(self) -> None:
        """Close connections."""
        await self._inner.aclose()


class _Bounded(httpx.AsyncByteStream):
    """The body of a response, bounded; its end completes the log entry."""

    def __init__(
        self, response: httpx.Response, body: httpx.AsyncByteStream, call: Call, passage: Passage
    ) -> None:
        self._is_success = response.is_success
        self._body = body
        self._call = call
        self._passage = passage

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._body:
            size += len(chunk)
            if size > self._passage.max_bytes:
                if self._is_success:
                    raise ResponseTooLargeError(self._passage.max_bytes)
                return
            yield chunk

    async def aclose(self) -> None:
        self._passage.log.add(self._call)
        await self._body.aclose()
