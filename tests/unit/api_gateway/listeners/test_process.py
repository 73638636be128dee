"""Limits of the real process, `python -m api_gateway`, without any dependency."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator

import pytest
from cryptography.fernet import Fernet

from local_stack.ports import choose_ports
from local_stack.settings import LocalSettings

_LIMITS = {
    "SARTIQ_GATEWAY_MAX_HEAD_BYTES": "2048",
    "SARTIQ_GATEWAY_HEAD_TIMEOUT_S": "0.3",
    "SARTIQ_GATEWAY_MAX_CONNECTIONS_PER_ADDRESS": "2",
}
_STARTS_WITHIN_S = 60
_GET = b"GET /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"


@pytest.fixture(scope="module")
async def ports(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[int]]:
    chosen = choose_ports(LocalSettings(state_dir=tmp_path_factory.mktemp("listeners")))
    public, internal = chosen.gateway, chosen.gateway_internal
    environment = os.environ | _LIMITS
    environment |= {
        "SARTIQ_GATEWAY_PORT": str(public),
        "SARTIQ_GATEWAY_INTERNAL_PORT": str(internal),
        "SARTIQ_WEBHOOKS_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "api_gateway", env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(_STARTS_WITHIN_S):
            for port in (public, internal):
                while not await _received(port, _GET):
                    assert process.returncode is None, "the gateway ended at its start"
                    await asyncio.sleep(0.1)
        yield [public, internal]
    finally:
        with contextlib.suppress(ProcessLookupError):  # it has ended
            process.terminate()
        await process.wait()


async def _received(port: int, *sent: bytes, source: str = "127.0.0.1") -> bytes:
    """Return all bytes that a listener sends before it closes."""
    received = b""
    with contextlib.suppress(ConnectionError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
        try:
            for part in sent:
                writer.write(part)
            while part := await reader.read(65536):
                received += part
        finally:
            writer.transport.abort()
    return received


def _code(received: bytes) -> str:
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head, received
    return json.loads(body)["code"]


@pytest.mark.parametrize("listener", [0, 1], ids=["public", "internal"])
async def test_listeners_bound_what_a_stranger_sends(ports: list[int], listener: int) -> None:
    port = ports[listener]
    async with asyncio.timeout(10):
        assert _code(await _received(port, b"GET / HTTP/1.1\r\nx: ", *[b"a" * 1000] * 100)) == (
            "head_too_long"
        )
        assert _code(await _received(port, b"GET / HT")) == "too_slow"
        assert _code(await _received(port, b"nonsense\r\n\r\n")) == "malformed_request"
        assert await _received(port) == b""


async def test_each_listener_counts_the_connections_of_an_address(ports: list[int]) -> None:
    async with asyncio.timeout(10):
        for port in ports:
            received = await asyncio.gather(
                *(_received(port, b"GET / HT", source="127.0.0.2") for _ in range(3))
            )
            assert sorted(map(_code, received)) == ["too_many_connections", "too_slow", "too_slow"]


async def test_public_listener_serves(ports: list[int]) -> None:
    assert (await _received(ports[0], _GET)).startswith(b"HTTP/1.1 200")
