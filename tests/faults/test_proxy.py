"""The proxy: each fault has its effect and no other."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from tests.faults.proxy import NetworkFault, Proxy, Stall

_PATIENCE_S = 0.3
"""Longer than any delivery on loopback."""


@dataclass
class Echo:
    """A server that echoes and records its input."""

    heard: list[bytes] = field(default_factory=list)
    num_ended: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(65_536):
                self.heard.append(chunk)
                writer.write(chunk)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            self.num_ended += 1
            writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[tuple[Echo, Proxy]]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with Proxy(f"{host}:{port}") as proxy:
        yield echo, proxy
    server.close()


@dataclass
class Line:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, sent: bytes = b"?") -> bytes:
        self.writer.write(sent)
        return await asyncio.wait_for(self.reader.readexactly(len(sent)), 5)

    async def is_silent(self) -> bool:
        try:
            await asyncio.wait_for(self.reader.read(1), _PATIENCE_S)
        except TimeoutError:
            return True
        return False


@asynccontextmanager
async def line(proxy: Proxy) -> AsyncIterator[Line]:
    host, _, port = proxy.address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Line(reader, writer)
    finally:
        writer.transport.abort()


async def until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


async def test_without_a_fault_everything_passes(echo: tuple[Echo, Proxy]) -> None:
    _, proxy = echo
    sent = bytes(range(256)) * 4_000

    async with line(proxy) as one, line(proxy) as other:
        assert await one.ask(sent) == sent
        assert await other.ask() == b"?"
        assert proxy.num_connections == 2
    await until(lambda: proxy.num_connections == 0)


async def test_end_of_one_side_reaches_the_other(echo: tuple[Echo, Proxy]) -> None:
    server, proxy = echo
    async with line(proxy) as one:
        await one.ask()
        one.writer.write_eof()

        assert await one.reader.read() == b""

    assert server.num_ended == 1


async def test_latency_delays_each_chunk_in_both_directions(echo: tuple[Echo, Proxy]) -> None:
    _, proxy = echo
    proxy.impose(NetworkFault(latency_s=0.1))
    async with line(proxy) as one:
        begin = time.monotonic()
        await one.ask()

        assert time.monotonic() - begin >= 0.2
        proxy.heal()
        begin = time.monotonic()
        await one.ask()
        assert time.monotonic() - begin < 0.2


async def test_latency_delays_chunks_concurrently(echo: tuple[Echo, Proxy]) -> None:
    server, proxy = echo
    async with line(proxy) as one:
        await one.ask()
        proxy.impose(NetworkFault(latency_s=0.2))
        begin = time.monotonic()
        for _ in range(5):
            one.writer.write(b"!")
            await asyncio.sleep(0.02)
        await until(lambda: b"".join(server.heard) == b"?!!!!!")

        assert 0.2 <= time.monotonic() - begin < 0.9


async def test_bandwidth_is_limited(echo: tuple[Echo, Proxy]) -> None:
    server, proxy = echo
    proxy.impose(NetworkFault(bytes_per_s=2_000))
    async with line(proxy) as one:
        begin = time.monotonic()
        one.writer.write(b"x" * 1_000)
        await until(lambda: sum(map(len, server.heard)) >= 900)

        assert time.monotonic() - begin >= 0.4


async def test_connection_is_reset_after_a_number_of_bytes(echo: tuple[Echo, Proxy]) -> None:
    server, proxy = echo
    proxy.impose(NetworkFault(reset_after_bytes=10))
    async with line(proxy) as one:
        one.writer.write(b"x" * 100)

        with pytest.raises(ConnectionResetError):
            await one.reader.read()

    assert b"".join(server.heard) in {b"", b"x" * 10}
    await until(lambda: server.num_ended == 1)


async def test_half_open_connection_neither_responds_nor_ends(echo: tuple[Echo, Proxy]) -> None:
    server, proxy = echo
    async with line(proxy) as before:
        await before.ask()
        proxy.impose(NetworkFault(is_half_open=True))
        async with line(proxy) as during:
            before.writer.write(b"lost")
            during.writer.write(b"lost")
            assert await before.is_silent()
            assert await during.is_silent()
        proxy.heal()

        assert await before.is_silent()  # for good, although the fault has ended
        async with line(proxy) as after:
            assert await after.ask() == b"?"
    assert server.heard == [b"?", b"?"]
    await until(lambda: server.num_ended == 1)
    await asyncio.sleep(_PATIENCE_S)
    assert server.num_ended == 1  # it has not seen the close of the frozen client


async def test_dropped_responses_do_not_stop_requests(echo: tuple[Echo, Proxy]) -> None:
    server, proxy = echo
    proxy.impose(NetworkFault(drops_responses=True))
    async with line(proxy) as one:
        one.writer.write(b"heard")

        assert await one.is_silent()

    assert server.heard == [b"heard"]


async def test_slow_close_delays_the_end(echo: tuple[Echo, Proxy]) -> None:
    server, proxy = echo
    proxy.impose(NetworkFault(slow_close_s=0.3))
    async with line(proxy) as one:
        await one.ask()
        begin = time.monotonic()
        one.writer.write_eof()
        await until(lambda: server.num_ended == 1)

        assert time.monotonic() - begin >= 0.3


async def test_cut_resets_open_connections_only(echo: tuple[Echo, Proxy]) -> None:
    _, proxy = echo
    async with line(proxy) as one:
        await one.ask()
        proxy.cut()

        with pytest.raises(ConnectionResetError):
            await one.reader.read()

    async with line(proxy) as later:
        assert await later.ask() == b"?"


async def test_watched_bytes_are_found_across_chunks(echo: tuple[Echo, Proxy]) -> None:
    _, proxy = echo
    put = proxy.watch(b"PUT /")
    async with line(proxy) as one:
        await one.ask(b"GET / ... PU")
        assert not put.is_set()

        await one.ask(b"T /bucket")

        assert put.is_set()


@pytest.mark.parametrize("is_forwarded", [False, True])
async def test_stall_holds_one_connection_at_its_point(
    echo: tuple[Echo, Proxy], *, is_forwarded: bool
) -> None:
    server, proxy = echo
    proxy.impose(NetworkFault(stall=Stall(b"COMMIT", after=b"mine", is_forwarded=is_forwarded)))
    async with line(proxy) as other, line(proxy) as mine:
        assert await other.ask(b"COMMIT") == b"COMMIT"
        await mine.ask(b"mine")
        mine.writer.write(b"COMMIT")
        assert await mine.is_silent()
        assert proxy.stalled.is_set()
        mine.writer.write(b"more")
        assert await mine.is_silent()
        assert await other.ask(b"mine COMMIT") == b"mine COMMIT"  # one is enough

    await until(lambda: server.num_ended == 2)  # its end is seen, unlike that of a half-open one
    assert server.heard.count(b"COMMIT") == 1 + is_forwarded
    assert b"more" not in server.heard


async def test_stall_holds_every_connection_at_its_point(echo: tuple[Echo, Proxy]) -> None:
    server, proxy = echo
    proxy.impose(NetworkFault(stall=Stall(b"POST", is_every=True)))
    async with line(proxy) as one, line(proxy) as other:
        for each in (one, other):
            assert await each.ask(b"GET") == b"GET"
            each.writer.write(b"POST")
        await until(lambda: proxy.num_stalled == 2)
        assert await one.is_silent()
        assert await other.is_silent()
    proxy.heal()
    assert proxy.num_stalled == 0
    assert b"POST" not in server.heard


async def test_missing_server_resets_the_connection(echo: tuple[Echo, Proxy]) -> None:
    async with Proxy("127.0.0.1:9") as proxy, line(proxy) as one:
        with pytest.raises(ConnectionResetError):
            await one.reader.read()
