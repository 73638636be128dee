"""The gate: one POST a submission, whatever its client does, and the truth about what has left."""

import asyncio
import socket
from collections.abc import AsyncIterator

import httpx
import pytest

from provider_worker.calls import CallLog
from provider_worker.errors import ResponseTooLargeError
from provider_worker.wire.once import Gate, SentTwiceError, one_request
from shared.contracts.enums import ProviderType
from tests.fixtures.raw_server import Server, listening, reply


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with listening() as opened:
        yield opened


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=Gate()) as opened:
        yield opened


@pytest.fixture
def log() -> CallLog:
    return CallLog(ProviderType.FAL_STANDARD, 1)


async def insist(client: httpx.AsyncClient, url: str) -> httpx.Response:
    """Send a request as vendors' clients do: again after every lost response."""
    for _ in range(4):
        try:
            return await client.post(url, json={})
        except httpx.HTTPError:
            await asyncio.sleep(0)
    raise AssertionError("it was permitted to repeat the request")


async def dropped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


@pytest.mark.parametrize(
    "response", [dropped, b"", reply(b"half", length=100), b"HTTP/1.1 nonsense\r\n\r\n"]
)
async def test_lost_response_is_not_asked_for_again(
    server: Server, client: httpx.AsyncClient, log: CallLog, response: bytes
) -> None:
    server.answers["/"] = response
    async with one_request(log, max_bytes=1000) as passage:
        with pytest.raises(SentTwiceError):
            await insist(client, server.url("/"))
    assert passage.has_left
    assert len(server.requests) == 1
    assert len(log.requests) == 1


async def test_refused_connection_has_sent_nothing(client: httpx.AsyncClient, log: CallLog) -> None:
    with socket.socket() as bound:  # nobody else gets the port, and it accepts nothing
        bound.bind(("127.0.0.1", 0))
        async with one_request(log, max_bytes=1000) as passage:
            with pytest.raises(httpx.ConnectError):
                await client.post(f"http://127.0.0.1:{bound.getsockname()[1]}/")
    assert not passage.has_left
    assert [request.status for request in log.requests] == [None]


async def test_request_without_a_submission_is_not_sent(
    server: Server, client: httpx.AsyncClient
) -> None:
    server.answers["/"] = reply(b"{}")
    with pytest.raises(SentTwiceError):
        await client.post(server.url("/"))
    assert not server.requests


async def test_concurrent_submissions_have_a_request_each(
    server: Server, client: httpx.AsyncClient
) -> None:
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


async def test_response_is_bounded(server: Server, client: httpx.AsyncClient, log: CallLog) -> None:
    server.answers["/"] = reply(b"x" * 2000)
    server.answers["/error"] = reply(b"x" * 2000, "500 Internal Server Error")
    async with one_request(log, max_bytes=1000) as passage:
        with pytest.raises(ResponseTooLargeError):
            await client.post(server.url("/"))
    assert passage.has_left
    async with one_request(log, max_bytes=1000):
        response = await client.post(server.url("/error"))
    assert (response.status_code, len(response.content) <= 1000) == (500, True)
