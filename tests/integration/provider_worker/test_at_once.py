"""Requests whose response is the result: sent once, stored whole, read again."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from provider_worker import submission as submissions
from provider_worker.calls import CallLog
from provider_worker.errors import DamagedResultError
from provider_worker.submission import Marks, Sent
from provider_worker.wire.at_once import AtOnce
from provider_worker.wire.errors import Errors, category_of_status
from provider_worker.wire.once import Gate, replayed
from provider_worker.wire.response import WireResponse
from shared.contracts.enums import ErrorCategory as Category
from shared.contracts.enums import ProviderType, TaskType
from shared.contracts.submissions import RemoteWork, Submission, SubmittedWork
from shared.errors import PlatformError, StorageError, SubmissionUnknownError
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.raw_server import Answer, Server, listening, reply

KEY = "secret-key-0123456789"
BODY = b'{"id": "gen-1", "text": "a red dress"}'


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with listening() as opened:
        yield opened


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=Gate(), trust_env=False) as opened:
        yield opened


@pytest.fixture
def log() -> CallLog:
    return CallLog(ProviderType.VERTEX, 1)


class FailingStore(MemoryObjectStore):
    """A store that refuses some writes."""

    failures = 0

    async def put(self, key: str, content: bytes, *args: Any, **options: Any) -> None:
        if self.failures and not key.endswith("/sent"):
            self.failures -= 1
            raise StorageError("object storage is away")
        await super().put(key, content, *args, **options)


def at_once(timeout_s: float = 5) -> AtOnce[WireResponse]:
    errors: Errors[WireResponse] = Errors(
        "Gemini", lambda response: category_of_status(response.status), lambda _: False
    )
    return AtOnce(
        name="Gemini",
        key=KEY,
        timeout_s=timeout_s,
        response=WireResponse,
        errors=errors,
        request_id=lambda response: response.field("id"),
        max_bytes=10_000,
    )


def work() -> RemoteWork:
    return RemoteWork(
        task_id=uuid.uuid4(),
        attempt=1,
        task_type=TaskType.LLM_INTERACTION,
        provider_type=ProviderType.VERTEX,
        inputs={"prompt": "x"},
    )


def submission(request_id: str) -> Submission:
    return Submission(
        request_id=request_id,
        submitted_at=datetime.now(UTC),
        executor_instance="worker-1",
        executor_type="provider-worker",
    )


def posting(client: httpx.AsyncClient, server: Server) -> Callable[[], Awaitable[object]]:
    """Return a client's call that repeats a failed request, as vendors' clients do."""

    async def call() -> object:
        for _ in range(4):
            try:
                return await client.post(server.url("/"), json={})
            except httpx.HTTPError:
                await asyncio.sleep(0)
        return None

    return call


async def stored(
    store: MemoryObjectStore, given: RemoteWork, server: Server, client: httpx.AsyncClient
) -> SubmittedWork:
    async def send() -> Sent:
        accepted = await at_once().send(posting(client, server), CallLog(ProviderType.VERTEX, 1))
        return Sent(submission(accepted.request_id), accepted.response)

    found = await Marks(store, sending_s=0.1).submit(given, send)
    return SubmittedWork(**dict(given), submission=found)


async def test_stored_response_is_read_again_and_replayed(
    server: Server, client: httpx.AsyncClient
) -> None:
    server.answers["/"] = reply(BODY, content_type="application/json")
    store, given = MemoryObjectStore(), work()
    submitted = await stored(store, given, server, client)
    assert await Marks(store, sending_s=0.1).parked(given) == submitted.submission
    for _ in range(2):
        response, received = await at_once().result(store, submitted)
        assert response.json() == {"id": "gen-1", "text": "a red dress"}
        with replayed(received):
            again = await client.post(server.url("/"))
        assert again.content == BODY
    assert len(server.requests) == 1


async def test_store_that_comes_back_gets_the_response(
    server: Server, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submissions, "_STORES_AGAIN_AFTER_S", 0.01)
    server.answers["/"] = reply(BODY)
    store, given = FailingStore(), work()
    store.failures = 3
    submitted = await stored(store, given, server, client)
    response, _ = await at_once().result(store, submitted)
    assert response.content == BODY


async def test_response_that_cannot_be_stored_is_lost_and_final(
    server: Server, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submissions, "_STORES_WITHIN_S", 0.05)
    monkeypatch.setattr(submissions, "_STORES_AGAIN_AFTER_S", 0.01)
    server.answers["/"] = reply(BODY)
    store, given = FailingStore(), work()
    store.failures = 1000
    with pytest.raises(SubmissionUnknownError, match="its result was lost"):
        await stored(store, given, server, client)
    with pytest.raises(SubmissionUnknownError):
        await Marks(store, sending_s=0).parked(given)


async def test_removed_response_is_told(server: Server, client: httpx.AsyncClient) -> None:
    server.answers["/"] = reply(BODY)
    store = MemoryObjectStore()
    submitted = await stored(store, work(), server, client)
    store.objects.clear()
    with pytest.raises(DamagedResultError, match="is gone"):
        await at_once().result(store, submitted)


async def test_key_is_in_nothing_that_is_stored(server: Server, client: httpx.AsyncClient) -> None:
    server.answers["/"] = reply(f'{{"id": "{KEY}"}}'.encode(), x_echo=KEY)
    store = MemoryObjectStore()
    await stored(store, work(), server, client)
    assert all(KEY.encode() not in content for content, _ in store.objects.values())


async def _dropped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


@pytest.mark.parametrize(
    "response",
    [
        _dropped,
        _silent,
        b"",
        reply(b"half", length=100),
        reply(b"x" * 20_000),
        reply(b"<html>"),
        reply(b"[1]"),
        reply(b"gateway", "502 Bad Gateway"),
    ],
)
async def test_lost_or_unreadable_response_is_unknown_and_not_asked_for_again(
    server: Server, client: httpx.AsyncClient, log: CallLog, response: bytes | Answer
) -> None:
    server.answers["/"] = response
    with pytest.raises(SubmissionUnknownError):
        await at_once(timeout_s=0.3).send(posting(client, server), log)
    assert len(server.requests) == 1


async def test_refusal_is_told_and_charged_nothing(
    server: Server, client: httpx.AsyncClient, log: CallLog
) -> None:
    server.answers["/"] = reply(b'{"message": "too many"}', "429 Too Many", Retry_After="7")
    with pytest.raises(PlatformError, match="too many") as caught:
        await at_once().send(posting(client, server), log)
    assert (caught.value.category, caught.value.retry_after_s) == (Category.RATE_LIMIT, 7)


async def test_unreachable_provider_was_sent_nothing(
    client: httpx.AsyncClient, log: CallLog
) -> None:
    async def call() -> object:
        return await client.post("http://127.0.0.1:9/", json={})

    with pytest.raises(PlatformError, match="nothing was sent") as caught:
        await at_once().send(call, log)
    assert caught.value.category is Category.NETWORK


async def test_request_that_its_client_cannot_build_is_our_error(log: CallLog) -> None:
    async def call() -> object:
        raise TypeError(f"unexpected {KEY}")

    with pytest.raises(PlatformError, match="could not be built") as caught:
        await at_once().send(call, log)
    assert caught.value.category is Category.INTERNAL
    assert KEY not in str(caught.value)
