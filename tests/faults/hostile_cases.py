"""Cases of hostile external servers, which must not affect other tenants."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.faults.cases import Case
from tests.faults.clients import Clients, picture, task
from tests.faults.held_server import HeldServer, held_server
from tests.faults.rig import Rig

_MANY = 60
_WELL_WITHIN_S = 15.0
"""Limit for other tenants' work; the hostile servers hang for longer."""

_ANSWERS = (
    b"",
    b"HTTP/1.1 200 OK\r\n",
    b"\x16\x03\x01 no HTTP \x00\xff\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhalf",
    b"HTTP/1.1 999 Odd\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n",
    b"HTTP/1.1 429 Slow\r\nRetry-After: " + b"9" * 300 + b"\r\n\r\n",
    b"HTTP/1.1 503 Away\r\nRetry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
)


async def _another_is_served(rig: Rig, clients: Clients, host: str = "127.0.0.1") -> None:
    """Assert that another tenant's task is fetched, done and delivered within the limit."""
    async with held_server(picture(), "image/png") as own:
        own.released.set()
        url = own.url.replace("127.0.0.1", host)

        async def end_is_told() -> bool:
            bodies = [json.loads(body) for fields, body in own.requests if "webhook-id" in fields]
            return any(body["status"] == "COMPLETED" for body in bodies)

        await clients.submit(
            task(
                origin_tenant_id="modest",
                reference_image_url=f"{url}/picture.png",
                webhook_url=f"{own.url}/hook",
            )
        )
        await rig.until(end_is_told, timeout_s=_WELL_WITHIN_S)


async def _names_without_answer(rig: Rig, clients: Clients) -> None:
    """Withhold DNS responses for a while; the names are resolved later and nothing is lost."""
    async with held_server(picture(), "image/png") as server:
        server.released.set()
        port = server.url.rpartition(":")[2]
        rig.names.silent.add("slow.example")
        rig.names.asked.clear()
        works = [
            task(
                origin_tenant_id="greedy",
                reference_image_url=f"http://n{number}.slow.example:{port}/{number}.png",
            )
            for number in range(_MANY)
        ]
        await clients.submit_all(works)

        async def are_asked_for() -> bool:
            return bool(rig.names.asked)

        await rig.until(are_asked_for)
        await _another_is_served(rig, clients, "modest.example")
        rig.names.silent.clear()

        async def are_fetched() -> bool:
            return server.num_answered == _MANY

        await rig.until(are_fetched, timeout_s=60)


async def _receivers_that_hang(rig: Rig, clients: Clients) -> None:
    async with held_server() as hanging:
        await _submit_hooked(clients, hanging)
        await asyncio.wait_for(hanging.arrived.wait(), 20)
        await _another_is_served(rig, clients)


async def _receivers_that_answer_oddly(rig: Rig, clients: Clients) -> None:
    async with _odd_server() as url:
        hooks = [f"{url}/{number}" for number in range(_MANY)]
        await clients.submit_all([task(origin_tenant_id="greedy", webhook_url=h) for h in hooks])
        await _another_is_served(rig, clients)


async def _submit_hooked(clients: Clients, receiver: HeldServer) -> None:
    hooks = [f"{receiver.url}/{number}" for number in range(2 * _MANY)]
    await clients.submit_all([task(origin_tenant_id="greedy", webhook_url=h) for h in hooks])


@asynccontextmanager
async def _odd_server() -> AsyncIterator[str]:
    """Serve an invalid response for each path."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            writer.write(_ANSWERS[int(head.split()[1].rpartition("/")[2]) % len(_ANSWERS)])
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.close()


HOSTILE: tuple[Case, ...] = (
    Case("hostile names", "without a response for a while", _names_without_answer),
    Case("hostile receivers", "hang", _receivers_that_hang),
    Case("hostile receivers", "answer oddly", _receivers_that_answer_oddly),
)
