"""Idle connections stay open longer than clients keep them, but not forever."""

import asyncio
import time
from urllib.parse import urlsplit

import httpx
from fastapi import FastAPI

from api_gateway.listeners.server import create_listener
from api_gateway.settings import ListenerSettings
from tests.fixtures.http_server import serving

_LONGEST_OF_BALANCERS_S = 60
_GET = b"GET /here HTTP/1.1\r\nhost: a\r\n\r\n"


def application() -> FastAPI:
    app = FastAPI()

    @app.get("/here")
    async def here() -> str:
        return "here"

    return app


def test_client_closes_first() -> None:
    """A server that closes while a client sends loses the request, and no POST may be retried."""
    server = create_listener(application(), ListenerSettings(), drain_timeout_s=5)
    kept_s = server.config.timeout_keep_alive
    assert kept_s > _LONGEST_OF_BALANCERS_S
    assert kept_s > (httpx.Limits().keepalive_expiry or 0)


async def test_idle_connection_is_closed_in_time() -> None:
    async with serving(application(), ListenerSettings(keep_alive_s=1)) as url:
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        async with asyncio.timeout(10):
            writer.write(_GET)
            await reader.readuntil(b'"here"')
            begun = time.monotonic()
            assert await reader.read() == b""
        writer.close()
        assert time.monotonic() - begun > 0.9
