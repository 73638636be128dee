"""A repeated submission: after a lost worker, and by several workers, in a real object store."""

import asyncio
import uuid

import pytest
from temporalio.testing import ActivityEnvironment

from provider_worker.submission import Marks, Sent
from shared.contracts.submissions import RemoteWork, Submission
from shared.errors import StorageError, SubmissionUnknownError
from shared.settings import StorageSettings
from shared.storage.s3 import S3ObjectStore
from tests.fixtures.gateway import storage_settings
from tests.fixtures.remote_work import fal_activities, generation_work, marker_of, submission
from tests.fixtures.sandbox import OpenSandbox
from tests.fixtures.servers import Servers


@pytest.fixture
def store(servers: Servers) -> S3ObjectStore:
    return S3ObjectStore(storage_settings(servers))


def folder(work: RemoteWork) -> str:
    return f"generations/{work.task_id}/a{work.attempt}"


async def _submit(
    fal: OpenSandbox, store: S3ObjectStore, work: RemoteWork, *, sending_s: float = 0.1
) -> Submission:
    async with fal_activities(fal, store, sending_s=sending_s) as activities:
        return await ActivityEnvironment().run(activities.submit_work, work)


async def test_workers_that_race_submit_once(fal: OpenSandbox, store: S3ObjectStore) -> None:
    work = generation_work()
    submissions = await asyncio.gather(*(_submit(fal, store, work, sending_s=30) for _ in range(4)))
    assert fal.ledger.posts == {marker_of(work): 1}
    assert len({each.request_id for each in submissions}) == 1


async def test_parked_response_is_used(fal: OpenSandbox, store: S3ObjectStore) -> None:
    work = generation_work()
    first = await _submit(fal, store, work)
    assert await _submit(fal, store, work) == first
    assert fal.ledger.posts == {marker_of(work): 1}


async def test_mark_without_a_response_is_unknown(fal: OpenSandbox, store: S3ObjectStore) -> None:
    work = generation_work()
    await store.put(f"{folder(work)}/sent", b"", "text/plain")
    with pytest.raises(SubmissionUnknownError, match="may have accepted"):
        await _submit(fal, store, work)
    assert not fal.ledger.posts


async def test_unreadable_response_is_unknown(fal: OpenSandbox, store: S3ObjectStore) -> None:
    work = generation_work()
    await store.put(f"{folder(work)}/sent", b"", "text/plain")
    await store.put(f"{folder(work)}/answer", b"{", "application/json")
    with pytest.raises(SubmissionUnknownError):
        await _submit(fal, store, work)
    assert not fal.ledger.posts


async def test_next_attempt_is_submitted_anew(fal: OpenSandbox, store: S3ObjectStore) -> None:
    work = generation_work()
    first = await _submit(fal, store, work)
    second = await _submit(fal, store, work.model_copy(update={"attempt": 2}))
    assert first.request_id != second.request_id
    assert fal.ledger.posts == {marker_of(work): 2}


async def test_response_of_a_worker_that_is_still_sending_is_awaited(store: S3ObjectStore) -> None:
    work, marks = generation_work(), Marks(store, sending_s=60)
    is_sending, may_end = asyncio.Event(), asyncio.Event()

    async def send() -> Sent:
        is_sending.set()
        await may_end.wait()
        return Sent(submission("r-7"))

    async def never() -> Sent:
        raise AssertionError("sent twice")

    sending = asyncio.create_task(marks.submit(work, send))
    await is_sending.wait()
    waiting = asyncio.create_task(marks.submit(work, never))
    parked = asyncio.create_task(marks.parked(work))
    may_end.set()
    assert {(await each).request_id for each in (sending, waiting)} == {"r-7"}
    assert (await parked) == await sending


async def test_without_a_mark_nothing_is_sent(fal: OpenSandbox) -> None:
    away = S3ObjectStore(StorageSettings(endpoint="127.0.0.1:9", bucket=f"b-{uuid.uuid4()}"))
    with pytest.raises(StorageError):
        await _submit(fal, away, generation_work())
    assert not fal.ledger.posts
    away.close()
