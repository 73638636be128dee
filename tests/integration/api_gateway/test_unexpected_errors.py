"""An unexpected error gets a problem response, and its connection stays open."""

import asyncio
import json
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from api_gateway.app import create_app, create_internal_app
from tests.fixtures.gateway import Gateway
from tests.fixtures.http_server import serving

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def broken() -> None:
    raise ZeroDivisionError("a bug at 0x7f00")


async def half() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"half of it"
        raise ZeroDivisionError("a bug")

    return StreamingResponse(parts())


async def connect(url: str) -> Connection:
    where = urlsplit(url)
    return await asyncio.open_connection(where.hostname, where.port)


async def ask(connection: Connection, path: str) -> tuple[str, bytes]:
    """Return the head and the body of one response."""
    reader, writer = connection
    writer.write(f"GET {path} HTTP/1.1\r\nHost: gateway\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
    return head, await reader.readexactly(length)


@pytest.mark.parametrize("make", [create_app, create_internal_app])
async def test_connection_outlives_a_500(gateway: Gateway, make: type[FastAPI]) -> None:
    app = make(gateway.resources)
    app.add_api_route("/broken", broken)
    async with serving(app) as url, asyncio.timeout(20):
        connection = await connect(url)
        for _ in range(2):
            head, body = await ask(connection, "/broken")
            assert head.startswith("http/1.1 500 ")
            assert "connection: close" not in head
            assert "application/problem+json" in head
            assert json.loads(body)["code"] == "internal_error"
            assert b"0x7f00" not in body
        connection[1].close()


async def test_half_an_answer_is_cut_off(gateway: Gateway) -> None:
    """A partial response is not mistaken for a complete one."""
    app = create_app(gateway.resources)
    app.add_api_route("/half", half)
    async with serving(app) as url, asyncio.timeout(20):
        reader, writer = await connect(url)
        writer.write(b"GET /half HTTP/1.1\r\nHost: gateway\r\n\r\n")
        answer = await reader.read()
        assert b"half of it" in answer
        assert not answer.endswith(b"0\r\n\r\n")
        writer.close()
