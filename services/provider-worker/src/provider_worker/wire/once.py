"""The gate of paid requests: one POST a submission, whatever client sends it.

Vendors' clients repeat a request whose response is lost, three to ten times, and each repetition
may be charged. The gate is a transport below such a client: it lets one POST through, knows whether
any byte of it may have left this process, and keeps the whole response. Later the client can read
that response again, in place of a request. There are two, since the clients use two libraries:
httpx and its successor httpx2.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import httpx
import httpx2

from provider_worker.calls import Call, CallLog
from provider_worker.errors import ResponseTooLargeError

_HAS_STARTED = "send_request_headers.started"
_ABOUT_THE_TRANSFER = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_REQUEST_ID = "x-request-id"


class SentTwiceError(Exception):
    """A client tried to send a paid request again, or outside a submission; it was not sent."""


@dataclass(frozen=True)
class Received:
    """A whole response.

    Attributes:
        status: HTTP status.
        headers: lower-case names.
        content: the body, decoded; of an error at most as much as a success may have.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes


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
    received: Received | None = field(default=None, init=False)
    """The whole response, once there is one."""


_PASSAGE: ContextVar[Passage | Received | None] = ContextVar("paid_request", default=None)


@asynccontextmanager
async def one_request(log: CallLog, *, max_bytes: int) -> AsyncGenerator[Passage]:
    """Permit one paid request to the clients that are used in this context."""
    passage = Passage(log, max_bytes)
    token = _PASSAGE.set(passage)
    try:
        yield passage
    finally:
        _PASSAGE.reset(token)


@contextmanager
def replayed(received: Received) -> Generator[None]:
    """Give the clients that are used in this context a stored response; they send nothing."""
    token = _PASSAGE.set(received)
    try:
        yield
    finally:
        _PASSAGE.reset(token)


class Gate(httpx.AsyncBaseTransport):
    """A transport that sends one request for each `one_request`, and no other.

    It keeps no connection alive: a provider may close an idle connection just as it is used again,
    and the outcome of that request would be unknown.

    Args:
        request_id_header: response header with the provider's id of the request.
    """

    def __init__(self, request_id_header: str = _REQUEST_ID) -> None:
        self._request_id_header = request_id_header
        self._inner = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_keepalive_connections=0))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request of the current passage, and read its whole response.

        Raises:
            SentTwiceError: there is no passage, or it is used up.
            ResponseTooLargeError: a successful response exceeds the size limit.
        """
        found = await _pass(request, self._inner.handle_async_request, self._request_id_header)
        return httpx.Response(found.status, headers=dict(found.headers), content=found.content)

    async def aclose(self) -> None:
        """Close connections."""
        await self._inner.aclose()


class Gate2(httpx2.AsyncBaseTransport):
    """`Gate` for clients that use httpx2.

    Args:
        request_id_header: response header with the provider's id of the request.
    """

    def __init__(self, request_id_header: str = _REQUEST_ID) -> None:
        self._request_id_header = request_id_header
        self._inner = httpx2.AsyncHTTPTransport(limits=httpx2.Limits(max_keepalive_connections=0))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request of the current passage, and read its whole response.

        Raises:
            SentTwiceError: there is no passage, or it is used up.
            ResponseTooLargeError: a successful response exceeds the size limit.
        """
        found = await _pass(request, self._inner.handle_async_request, self._request_id_header)
        return httpx2.Response(found.status, headers=dict(found.headers), content=found.content)

    async def aclose(self) -> None:
        """Close connections."""
        await self._inner.aclose()


async def _pass(
    request: Any, send: Callable[[Any], Awaitable[Any]], request_id_header: str
) -> Received:
    """Send a request of either library, or return the response that is replayed."""
    passage = _PASSAGE.get()
    if isinstance(passage, Received):
        return passage
    if passage is None or passage.is_used:
        raise SentTwiceError("a paid request is sent once")
    passage.is_used = True

    async def trace(event: str, _info: Mapping[str, Any]) -> None:
        passage.has_left |= event.endswith(_HAS_STARTED)

    request.extensions = {**request.extensions, "trace": trace}
    request.headers["Accept-Encoding"] = "identity"
    call = Call(request.method, str(request.url))
    try:
        response = await send(request)
        try:
            call.status = response.status_code
            call.request_id = response.headers.get(request_id_header)
            passage.received = await _read(response, passage.max_bytes)
        finally:
            await response.aclose()
    finally:
        passage.log.add(call)
    return passage.received


async def _read(response: Any, max_bytes: int) -> Received:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > max_bytes:
            if response.is_success:
                raise ResponseTooLargeError(max_bytes)
            del content[max_bytes:]
            break  # the status of an error is enough
    headers = {
        name.lower(): value
        for name, value in response.headers.items()
        if name.lower() not in _ABOUT_THE_TRANSFER
    }
    return Received(response.status_code, headers, bytes(content))
