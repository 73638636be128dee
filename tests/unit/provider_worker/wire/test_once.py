"""The gate: one POST a submission, whatever its client does, and the truth about what has left."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator

import httpx
import httpx2
import pytest

from provider_worker.calls import CallLog
from provider_worker.errors import ResponseTooLargeError
from provider_worker.wire.once import (
    Gate,
    Gate2,
    Received,
    SentTwiceError,
    one_request,
    replayed,
)
from shared.contracts.enums import ProviderType
from tests.fixtures.raw_server import Server, listening, reply

Client = httpx.AsyncClient | httpx2.AsyncClient
ERRORS = (httpx.HTTPError, httpx2.HTTPError)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with listening() as opened:
        yield opened


@pytest.fixture(params=["httpx", "httpx2"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    opened = (
        httpx.AsyncClient(transport=Gate())
        if request.param == "httpx"
        else httpx2.AsyncClient(transport=Gate2())
    )
    async with opened:
        yield opened


@pytest.fixture
def log() -> CallLog:
    return CallLog(ProviderType.FAL_STANDARD, 1)


async def insist(client: Client, url: str) -> object:
    """Send a request as vendors' clients do: again after every lost response."""
    for _ in range(4):
        try:
            return await client.post(url, json={})
        except ERRORS:
            await asyncio.sleep(0)
    raise AssertionError("it was permitted to repeat the request")


async def dropped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


@pytest.mark.parametrize(
    "response", [dropped, b"", reply(b"half", length=100), b"HTTP/1.1 nonsense\r\n\r\n"]
)
async def test_lost_response_is_not_asked_for_again(
    server: Server, client: Client, log: CallLog, response: bytes
) -> None:
    server.answers["/"] = response
    async with one_request(log, max_bytes=1000) as passage:
        with pytest.raises(SentTwiceError):
            await insist(client, server.url("/"))
    assert passage.has_left
    assert len(server.requests) == 1
    assert len(log.requests) == 1


async def test_refused_connection_has_sent_nothing(client: Client, log: CallLog) -> None:
    with socket.socket() as bound:  # nobody else gets the port, and it accepts nothing
        bound.bind(("127.0.0.1", 0))
        async with one_request(log, max_bytes=1000) as passage:
            with pytest.raises((httpx.ConnectError, httpx2.ConnectError)):
                await client.post(f"http://127.0.0.1:{bound.getsockname()[1]}/")
    assert not passage.has_left
    assert [request.status for request in log.requests] == [None]


async def test_request_without_a_submission_is_not_sent(server: Server, client: Client) -> None:
    server.answers["/"] = reply(b"{}")
    with pytest.raises(SentTwiceError):
        await client.post(server.url("/"))
    assert not server.requests


async def test_concurrent_submissions_have_a_request_each(server: Server, client: Client) -> None:
    server.answers["/"] = reply(b"{}", x_request_id="r-1")

    async def submit(attempt: int) -> list[int]:
        log = CallLog(ProviderType.FAL_STANDARD, attempt)
        async with one_request(log, max_bytes=1000):
            await client.post(server.url("/"))
        (request,) = log.requests
        assert (request.status, request.provider_request_id) == (200, "r-1")
        return [request.attempt]

    assert await asyncio.gather(*map(submit, range(1, 6))) == [[1], [2], [3], [4], [5]]
    assert len(server.requests) == 5


async def test_response_is_bounded(server: Server, client: Client, log: CallLog) -> None:
    server.answers["/"] = reply(b"x" * 2000)
    server.answers["/error"] = reply(b"x" * 2000, "500 Internal Server Error")
    async with one_request(log, max_bytes=1000) as passage:
        with pytest.raises(ResponseTooLargeError):
            await client.post(server.url("/"))
    assert passage.has_left
    async with one_request(log, max_bytes=1000):
        response = await client.post(server.url("/error"))
    assert (response.status_code, len(response.content) <= 1000) == (500, True)


async def test_whole_response_is_kept_even_compressed(
    server: Server, client: Client, log: CallLog
) -> None:
    body = gzip.compress(b'{"id": 1}')
    server.answers["/"] = reply(body, content_encoding="gzip", content_type="application/json")
    async with one_request(log, max_bytes=1000) as passage:
        response = await client.post(server.url("/"))
    assert passage.received is not None
    assert passage.received.content == response.content == b'{"id": 1}'
    assert passage.received.headers == {"content-type": "application/json"}


async def test_decoded_response_is_bounded(server: Server, client: Client, log: CallLog) -> None:
    server.answers["/"] = reply(gzip.compress(b"x" * 100_000), content_encoding="gzip")
    async with one_request(log, max_bytes=1000):
        with pytest.raises(ResponseTooLargeError):
            await client.post(server.url("/"))


async def test_replayed_response_needs_no_request(server: Server, client: Client) -> None:
    stored = Received(200, {"content-type": "application/json"}, b'{"id": 7}')
    with replayed(stored):
        assert (await client.post(server.url("/"))).json() == {"id": 7}
        assert (await client.post(server.url("/"))).json() == {"id": 7}
    with pytest.raises(SentTwiceError):
        await client.post(server.url("/"))
    assert not server.requests
