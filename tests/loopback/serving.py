"""A server whose responses can be cut: a reset connection, or half a body."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_TRANSPORTS: dict[tuple[str, int], asyncio.Transport] = {}


class Dropped(Response):
    """No response: the connection is reset."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        self._transport = _TRANSPORTS[tuple(request.client or ())]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._transport.abort()
        # Wait for the disconnect: returning without a response would give a 500.
        while (await receive())["type"] != "http.disconnect":
            pass


class Cut(Dropped):
    """The head of a response and half of its body."""

    def __init__(self, request: Request, answer: Response) -> None:
        super().__init__(request)
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytes(self._answer.body)
        head = {
            "type": "http.response.start",
            "status": self._answer.status_code,
            "headers": self._answer.raw_headers,
        }
        await send(head)
        await send(
            {"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True}
        )
        self._transport.close()
        while (await receive())["type"] != "http.disconnect":
            pass


class _Protocol(H11Protocol):
    """A protocol that gives responses access to their connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        _TRANSPORTS[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        _TRANSPORTS.pop(self.client, None)
        super().connection_lost(exc)


class Server(uvicorn.Server):
    """A server within a test, without signal handlers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def config(app: Starlette, **options: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_level="warning",
        timeout_graceful_shutdown=1,
        **options,
    )
