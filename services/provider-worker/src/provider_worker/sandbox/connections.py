"""A server whose responses can be disturbed: reset, cut, padded, slowed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Generator
from typing import Any, cast

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_TRANSPORTS: dict[tuple[str, int], asyncio.Transport] = {}
_CHUNK = 64 * 1024
_TICK_S = 0.1


class Dropped(Response):
    """No response: the connection is reset."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        host, port = request.client or ("", 0)
        self._transport = _TRANSPORTS[host, port]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Abort the connection."""
        self._transport.abort()
        # Wait for the disconnect: returning without a response would give a 500.
        while (await receive())["type"] != "http.disconnect":
            pass


class Cut(Dropped):
    """The head of a response and half of its body."""

    def __init__(self, request: Request, response: Response) -> None:
        super().__init__(request)
        self._response = response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send half of the response, then close the connection."""
        body = bytes(self._response.body)
        head = {
            "type": "http.response.start",
            "status": self._response.status_code,
            "headers": self._response.raw_headers,
        }
        await send(head)
        half = body[: len(body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        self._transport.close()
        while (await receive())["type"] != "http.disconnect":
            pass


def paced(response: Response, pad_bytes: int, bytes_per_s: int | None) -> Response:
    """Return a response whose body is longer by some blanks or zeros, and sent slowly."""
    filler = b"\0" if (response.media_type or "").startswith(("image", "video")) else b" "
    content = bytes(response.body)
    step = max(1, int(bytes_per_s * _TICK_S)) if bytes_per_s else _CHUNK

    async def body() -> AsyncIterator[bytes]:
        for at in range(0, len(content), step):
            yield content[at : at + step]
            await asyncio.sleep(_TICK_S if bytes_per_s else 0)
        for at in range(0, pad_bytes, step):
            yield filler * min(step, pad_bytes - at)
            await asyncio.sleep(_TICK_S if bytes_per_s else 0)

    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    length = {"content-length": str(len(content) + pad_bytes)}
    return StreamingResponse(body(), response.status_code, headers | length)


class _Protocol(H11Protocol):
    """A protocol that gives responses access to their connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        _TRANSPORTS[cast("tuple[str, int]", self.client)] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        _TRANSPORTS.pop(cast("tuple[str, int]", self.client), None)
        super().connection_lost(exc)


class Server(uvicorn.Server):
    """A server within another process's event loop, without signal handlers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave the signals to the process."""
        yield


def server_config(app: Starlette, **options: Any) -> uvicorn.Config:
    """Return uvicorn's configuration."""
    return uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_level="warning",
        timeout_graceful_shutdown=1,
        **options,
    )
