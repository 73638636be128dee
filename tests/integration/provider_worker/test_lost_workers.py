"""Paid work after a lost worker, an outage of the store or a bug: neither lost nor paid twice."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.testing import ActivityEnvironment

from provider_worker import submission as marks_module
from provider_worker.activities import RemoteProviders
from provider_worker.sandbox.faults import Fault
from provider_worker.submission import Marks, Sent
from shared.contracts.enums import ErrorCategory as Category
from shared.contracts.failures import WORKER_LOST
from shared.contracts.submissions import RemoteWork, Submission, Withdrawal
from shared.errors import PlatformError, StorageError, SubmissionUnknownError
from shared.storage.object_store import ObjectInfo
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.remote_work import fal_activities, generation_work, marker_of, submission, take
from tests.fixtures.sandbox import OpenSandbox

SECRET = "sandbox-key:secret"


class Store(MemoryObjectStore):
    """A store with outages."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = False
        self.parks = asyncio.Event()
        self.parks.set()
        self.error: Exception | None = None

    async def head(self, key: str) -> ObjectInfo | None:
        if self.is_away:
            raise StorageError("away")
        return await super().head(key)

    async def put_new(self, key: str, content: bytes, content_type: str) -> bool:
        if self.is_away:
            raise StorageError("away")
        return await super().put_new(key, content, content_type)

    async def put(
        self,
        key: str,
        content: bytes,
        content_type: str,
        metadata: dict[str, str] | None = None,
    ) -> None:
        if key.endswith("/answer"):
            await self.parks.wait()
            if self.error:
                raise self.error
        await super().put(key, content, content_type, metadata)


@pytest.fixture
def objects() -> Store:
    return Store()


def again(work: RemoteWork) -> RemoteWork:
    """Return the work as it is repeated after a lost worker."""
    return work.model_copy(update={"is_repeated": True})


async def _submit(activities: RemoteProviders, work: RemoteWork) -> Submission:
    return await ActivityEnvironment().run(activities.submit_work, work)


async def _failed(activities: RemoteProviders, work: RemoteWork) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        await _submit(activities, work)
    return caught.value


async def _recall(activities: RemoteProviders, work: RemoteWork) -> Withdrawal:
    return await ActivityEnvironment().run(activities.recall_work, work)


async def _mark(objects: Store, work: RemoteWork) -> None:
    await objects.put(f"generations/{work.task_id}/a{work.attempt}/sent", b"", "text/plain")


async def test_refusal_of_a_lost_worker_is_not_asked_for_again(
    fal: OpenSandbox, activities: RemoteProviders
) -> None:
    work = generation_work()
    fal.play(Fault(on="submit", like="rate_limit_seconds"))
    first = await _failed(activities, work)
    second = await _failed(activities, again(work))
    assert (second.category, second.retry_after_s) == (Category.RATE_LIMIT, 2)
    assert (str(second), type(second)) == (str(first), PlatformError)
    assert fal.ledger.posts == {marker_of(work): 1}


@pytest.mark.parametrize("error", [StorageError("away"), RuntimeError("threads have stopped")])
async def test_acceptance_that_cannot_be_parked_is_returned(
    fal: OpenSandbox, activities: RemoteProviders, objects: Store, error: Exception
) -> None:
    objects.error = error
    accepted = await _submit(activities, generation_work())
    assert [accepted.request_id] == list(fal.ledger.entries)


async def test_acceptance_does_not_wait_for_a_store_that_hangs(
    fal: OpenSandbox,
    activities: RemoteProviders,
    objects: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(marks_module, "_PARKS_WITHIN_S", 0.05)
    objects.parks.clear()
    accepted = await _submit(activities, generation_work())
    assert [accepted.request_id] == list(fal.ledger.entries)


async def test_nothing_is_sent_after_a_mark_that_took_too_long(
    fal: OpenSandbox, objects: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_arguments: object) -> bool:
        await asyncio.Event().wait()
        return True

    monkeypatch.setattr(marks_module, "_MARKS_WITHIN_S", 0.05)
    monkeypatch.setattr(objects, "put_new", hang)
    async with fal_activities(fal, objects) as activities:
        error = await _failed(activities, generation_work())
    assert isinstance(error, StorageError)
    assert not fal.ledger.posts


async def test_unexpected_error_of_a_submission_is_unknown_and_hides_its_text(
    objects: Store,
) -> None:
    async def break_down() -> Sent:
        raise ValueError(f"cannot encode {SECRET}")

    with pytest.raises(SubmissionUnknownError, match="ValueError") as caught:
        await Marks(objects, sending_s=0.1).submit(generation_work(), break_down)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_outage_of_the_store_leaves_the_outcome_of_a_lost_worker_open(
    fal: OpenSandbox, activities: RemoteProviders, objects: Store
) -> None:
    """An error of storage would lead to another attempt, and that to another charge."""
    work = generation_work()
    first = await _submit(activities, work)
    objects.is_away = True
    assert (await _failed(activities, again(work))).failure_type == WORKER_LOST
    objects.is_away = False
    assert await _submit(activities, again(work)) == first
    assert fal.ledger.posts == {marker_of(work): 1}


async def test_failed_preparation_after_a_lost_worker_stops_that_worker_too(
    fal: OpenSandbox, activities: RemoteProviders, objects: Store
) -> None:
    work = generation_work(reference_image_url="uploads/gone.png")
    error = await _failed(activities, again(work))
    assert error.category is Category.VALIDATION
    zombie = Marks(objects, sending_s=0.1)

    async def send() -> Sent:
        raise AssertionError("sent after another attempt may have been")

    with pytest.raises(PlatformError, match=r"gone\.png"):
        await zombie.submit(work, send)


async def test_wait_for_another_worker_does_not_depend_on_the_stores_clock(
    objects: Store,
) -> None:
    work, marks = generation_work(), Marks(objects, sending_s=60)
    await _mark(objects, work)
    key = f"generations/{work.task_id}/a1/sent"
    content, info = objects.objects[key]
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    objects.objects[key] = (content, replace(info, last_modified=long_ago))
    waiting = asyncio.create_task(marks.parked(work))
    await asyncio.sleep(0)
    answer = submission("r-9").model_dump_json().encode()
    await objects.put(f"generations/{work.task_id}/a1/answer", answer, "application/json")
    found = await waiting
    assert found is not None
    assert found.request_id == "r-9"


async def test_suspended_worker_sends_nothing_later(
    fal: OpenSandbox, activities: RemoteProviders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provider_worker.activities._SENDS_WITHIN_S", -1)
    error = await _failed(activities, generation_work())
    assert "too late" in str(error)
    assert not fal.ledger.posts


async def test_recall_before_the_request_stops_it(
    fal: OpenSandbox, activities: RemoteProviders
) -> None:
    work = generation_work()
    withdrawal = await _recall(activities, work)
    assert (withdrawal.is_withdrawn, withdrawal.message) == (True, "nothing was sent")
    assert (await _failed(activities, work)).category is Category.CANCELLED
    assert not fal.ledger.posts


async def test_recall_cancels_what_a_lost_worker_sent(
    fal: OpenSandbox, activities: RemoteProviders
) -> None:
    work = generation_work()
    taken = await take(activities, work)
    withdrawal = await _recall(activities, work)
    assert withdrawal.is_withdrawn
    assert withdrawal.submission == taken.submission
    assert fal.ledger.cancels == [taken.submission.request_id]
    assert [request.method for request in withdrawal.service_requests] == ["PUT"]


async def test_recall_says_that_the_outcome_is_unknown(
    activities: RemoteProviders, objects: Store
) -> None:
    work = generation_work()
    await _mark(objects, work)
    withdrawal = await _recall(activities, work)
    assert not withdrawal.is_withdrawn
    assert "may have accepted the work" in withdrawal.message


async def test_recall_of_a_refused_request_has_nothing_to_cancel(
    fal: OpenSandbox, activities: RemoteProviders
) -> None:
    work = generation_work()
    fal.play(Fault(on="submit", status=422, body={"detail": "no"}))
    await _failed(activities, work)
    assert (await _recall(activities, work)).is_withdrawn
    assert not fal.ledger.cancels


async def test_recall_waits_for_the_store(activities: RemoteProviders, objects: Store) -> None:
    objects.is_away = True
    with pytest.raises(StorageError):
        await _recall(activities, generation_work())
