"""Limits of a listener's connections: raw bytes on real sockets, with short deadlines."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from api_gateway.settings import ListenerSettings
from tests.fixtures.http_server import serving
from tests.fixtures.raw_http import (
    GET,
    LARGE_BYTES,
    Client,
    Seen,
    Target,
    application,
    endless,
    problem,
)

LIMITS = ListenerSettings(
    max_head_bytes=2048,
    max_target_bytes=512,
    head_timeout_s=0.3,
    body_timeout_s=0.3,
    write_timeout_s=0.3,
    max_connections_per_address=3,
)
HEAD = b"POST /echo HTTP/1.1\r\nhost: a\r\n"
UNTRUSTED, UNTRUSTED_TOO = "127.0.0.2", "127.0.0.3"


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[Target]:
    seen = Seen()
    async with serving(application(seen), LIMITS) as url:
        parts = urlsplit(url)
        yield Target(seen, parts.hostname or "", parts.port or 0)


@pytest.fixture
def target(served: Target) -> Target:
    served.seen.forget()
    return served


CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("start", "piece", "code"),
    [
        (b"GET /here HTTP/1.1\r\nx: ", b"a" * 1000, "head_too_long"),
        (b"GET /here HTTP/1.1\r\n", b"x: 1\r\n" * 20, "too_many_headers"),
        (b"GET /here HTTP/1.1\r\n", b"x: " + b"a" * 500 + b"\r\n", "head_too_long"),
        (b"GET /here HTTP/1.1\r\n" + b"a" * 1000, b"a" * 1000, "head_too_long"),
        (b"GET /", b"a" * 100, "target_too_long"),
        (CHUNKED + b"1;", b"a" * 1000, "head_too_long"),
        (CHUNKED + b"1\r\na\r\n0\r\n", b"x: 1\r\n" * 20, "too_many_headers"),
        (CHUNKED + b"1\r\na\r\n0\r\nx: ", b"a" * 1000, "head_too_long"),
        (b"", b"\r\n" * 500, "head_too_long"),
    ],
    ids=[
        "a header",
        "headers",
        "long headers",
        "a header's name",
        "the URL",
        "a chunk's extension",
        "trailers",
        "a trailer",
        "empty lines",
    ],
)
async def test_what_has_no_end_is_refused(
    target: Target, start: bytes, piece: bytes, code: str
) -> None:
    async with target.client() as client:
        found = problem(await endless(client, start, piece))

    assert (found["status"], found["code"]) == (414 if code.startswith("target") else 431, code)
    await target.is_serving()


async def test_head_in_one_piece_has_the_same_limit(target: Target) -> None:
    async with target.client() as client:
        await client.send(b"GET /here HTTP/1.1\r\nx: " + b"a" * 3000 + b"\r\n\r\n")
        assert problem(await client.rest())["status"] == 431


async def test_head_within_the_limits_is_served(target: Target) -> None:
    path = b"/here?" + b"q" * 500
    async with target.client() as client:
        await client.send(
            b"GET " + path + b" HTTP/1.1\r\nx: " + b"a" * 1000, b"\r\nhost: a\r\n\r\n"
        )
        assert (await client.response())[0] == 200
        await client.send(GET)
        assert (await client.response())[0] == 200


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00", b"GET /here HTTP/1.1\nx: 1\n\n", b"NONE / HTTP/1.1\r\n\r\n"]
)
async def test_what_is_not_http_is_a_problem(target: Target, sent: bytes) -> None:
    async with target.client() as client:
        await client.send(sent)
        found = problem(await client.rest())

    assert (found["status"], found["code"]) == (400, "malformed_request")


@pytest.mark.parametrize("piece", [b"", b"a"], ids=["half", "dripping"])
async def test_head_that_does_not_end_in_time_is_408(target: Target, piece: bytes) -> None:
    began = asyncio.get_running_loop().time()
    async with target.client() as client:
        found = problem(await dripped(client, b"GET /here HTTP/1.1\r\nx: ", piece))

    assert found["code"] == "too_slow"
    assert 0.3 <= asyncio.get_running_loop().time() - began < 2


async def dripped(client: Client, start: bytes, piece: bytes) -> bytes:
    await client.send(start)

    async def drip() -> None:
        while piece:
            await asyncio.sleep(0.05)
            await client.send(piece)

    dripping = asyncio.create_task(drip())
    try:
        return await client.rest()
    finally:
        dripping.cancel()


async def test_connection_on_which_nothing_is_said_is_closed(target: Target) -> None:
    async with target.client() as client:
        assert await client.rest() == b""


async def test_second_head_has_its_own_time(target: Target) -> None:
    async with target.client() as client:
        await client.send(GET)
        assert (await client.response())[0] == 200
        await asyncio.sleep(0.4)
        await client.send(GET[:10])
        await asyncio.sleep(0.1)
        await client.send(GET[10:])
        assert (await client.response())[0] == 200
        await client.send(GET[:10])
        assert problem(await client.rest())["status"] == 408


@pytest.mark.parametrize("piece", [b"", b"a"], ids=["standing", "dripping"])
async def test_body_that_does_not_move_is_408(target: Target, piece: bytes) -> None:
    async with target.client() as client:
        found = problem(await dripped(client, HEAD + b"content-length: 9999\r\n\r\nabc", piece))

    assert (found["status"], found["code"]) == (408, "too_slow")
    async with asyncio.timeout(2):
        await target.seen.interrupted.wait()


async def test_body_that_moves_may_take_longer(target: Target) -> None:
    async with target.client() as client:
        await client.send(HEAD + b"content-length: 30000\r\n\r\n")
        for _ in range(10):
            await client.send(b"a" * 3000)
            await asyncio.sleep(0.05)
        assert await client.response() == (200, b"30000")


async def test_client_that_waits_to_be_told_to_go_on_is_not_slow(target: Target) -> None:
    async with target.client() as client:
        await client.send(HEAD + b"expect: 100-continue\r\ncontent-length: 3\r\n\r\n")
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"abc")
        assert await client.response() == (200, b"3")


REFUSED = b"POST /refuse HTTP/1.1\r\nhost: a\r\ncontent-length: 100000000\r\n\r\n"


async def test_body_after_its_response_is_taken_for_a_while_only(target: Target) -> None:
    async with target.client() as client:
        received = await endless(client, REFUSED, b"a" * 1000)

    assert received.startswith(b"HTTP/1.1 401")


async def test_body_that_ends_after_its_response_leaves_the_connection(target: Target) -> None:
    async with target.client() as client:
        await client.send(REFUSED.replace(b"100000000", b"5"))
        assert (await client.response())[0] == 401
        await client.send(b"ab", b"cde")
        await client.send(GET)
        assert (await client.response())[0] == 200
        await client.send(REFUSED.replace(b"100000000", b"5"))
        assert (await client.response())[0] == 401
        await client.send(b"abcde")
        assert await client.rest(within_s=2) == b""


async def test_response_that_nobody_reads_is_given_up(target: Target) -> None:
    async with target.client() as client:
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await client.send(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n")
        await asyncio.sleep(0.8)
        client.reader._transport.resume_reading()  # type: ignore[attr-defined]
        assert len(await client.rest()) < LARGE_BYTES


@pytest.mark.parametrize("closing", [b"", b"connection: close\r\n"], ids=["kept", "closing"])
async def test_response_that_is_read_slowly_is_whole(target: Target, closing: bytes) -> None:
    received = 0
    async with target.client() as client:
        await client.send(b"GET /large HTTP/1.1\r\nhost: a\r\n" + closing + b"\r\n")
        async with asyncio.timeout(8):
            while received < LARGE_BYTES:
                part = await client.reader.read(65536)
                assert part, received
                received += len(part)
                await asyncio.sleep(0.005)


async def test_address_has_so_many_connections(target: Target) -> None:
    async with contextlib.AsyncExitStack() as opened:
        clients = [await opened.enter_async_context(target.client(UNTRUSTED)) for _ in range(2)]
        async with target.client(UNTRUSTED) as last:
            await last.send(GET)
            assert (await last.response())[0] == 200
            async with target.client(UNTRUSTED) as refused:
                received = await refused.rest()
                found = problem(received)
                assert (found["status"], found["code"]) == (429, "too_many_connections")
                assert b"retry-after: 1" in received
        await until_served(target)
        for client in clients:
            await client.send(GET)
            assert (await client.response())[0] == 200


async def until_served(target: Target) -> None:
    async with asyncio.timeout(2):
        while True:
            async with target.client(UNTRUSTED) as client:
                with contextlib.suppress(ConnectionError):
                    await client.send(GET)
                if (await client.response())[0] == 200:
                    return
            await asyncio.sleep(0.05)


async def test_address_that_keeps_on_is_not_even_told(target: Target) -> None:
    async with contextlib.AsyncExitStack() as opened:
        clients = [await opened.enter_async_context(target.client(UNTRUSTED_TOO)) for _ in range(7)]
        received = await asyncio.gather(*(client.rest() for client in clients))
    assert sum(b"HTTP/1.1 429" in one for one in received) == 3
    assert sum(one == b"" for one in received) == 4


async def test_trusted_proxy_has_any_number(target: Target) -> None:
    async with contextlib.AsyncExitStack() as opened:
        clients = [await opened.enter_async_context(target.client()) for _ in range(10)]
        for client in clients:
            await client.send(GET)
            assert (await client.response())[0] == 200


async def test_requests_sent_ahead_are_answered_in_order(target: Target) -> None:
    async with target.client() as client:
        await client.send(GET * 5 + HEAD + b"content-length: 3\r\n\r\nabc")
        for _ in range(5):
            assert await client.response() == (200, b'"here"')
        assert await client.response() == (200, b"3")


async def test_flood_of_requests_sent_ahead_is_hung_up_on(target: Target) -> None:
    async with target.client() as client:
        await client.send(GET * 2000)
        assert (await client.rest()).count(b"HTTP/1.1 200") < 100
    await target.is_serving()


async def test_stream_ends_with_its_client_whatever_waits_behind_it(target: Target) -> None:
    async with target.client() as client:
        await client.send(b"GET /stream HTTP/1.1\r\nhost: a\r\n\r\n")
        await target.seen.streaming.wait()
        await client.send(GET)
        await asyncio.sleep(0.1)
    async with asyncio.timeout(2):
        await target.seen.ended.wait()


async def test_refusal_is_not_written_into_a_response_under_way(target: Target) -> None:
    async with target.client() as client:
        await client.send(b"GET /stream HTTP/1.1\r\nhost: a\r\n\r\n")
        await target.seen.streaming.wait()
        received = await endless(client, b"GET /here HTTP/1.1\r\nx: ", b"a" * 1000)
    assert b"431" not in received


async def test_half_request_behind_a_stream_does_not_end_it(target: Target) -> None:
    async with target.client() as client:
        await client.send(b"GET /stream HTTP/1.1\r\nhost: a\r\n\r\n")
        await target.seen.streaming.wait()
        await client.send(GET[:10])
        await asyncio.sleep(0.5)
        assert not target.seen.ended.is_set()


async def test_many_half_requests_hold_nobody_up_and_are_gone(target: Target) -> None:
    async with contextlib.AsyncExitStack() as opened:
        clients = [await opened.enter_async_context(target.client()) for _ in range(100)]
        for client in clients:
            await client.send(GET[:10])
        await target.is_serving()
        received = await asyncio.gather(*(client.rest() for client in clients))
    # A client whose bytes were not read in time is disconnected without a response.
    assert any(received)
    assert all(not one or problem(one)["status"] == 408 for one in received)
