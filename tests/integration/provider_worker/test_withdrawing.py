"""Withdrawal of work at fal, and its limits."""

import asyncio

import pytest
from temporalio.testing import ActivityEnvironment

from provider_worker.activities import RemoteProviders
from provider_worker.errors import WorkCancelled
from provider_worker.sandbox.faults import Fault
from shared.contracts.enums import ErrorCategory as Category
from shared.errors import PlatformError
from tests.fixtures.remote_work import generation_work, submission, submitted, take, until_true
from tests.fixtures.sandbox import OpenSandbox


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (None, "fal returned CANCELLATION_REQUESTED to the cancellation; work that has started"),
        (Fault(on="cancel", status=400, body={"status": "ALREADY_COMPLETED"}), "not withdrawn"),
        (Fault(on="cancel", status=404, body={"status": "NOT_FOUND"}), "NOT_FOUND"),
        (Fault(on="cancel", is_dropped=True), "not at the provider"),
        (Fault(on="cancel", status=500), "not at the provider"),
    ],
)
async def test_a_cancellation_withdraws_the_work_and_reports_the_outcome(
    fal: OpenSandbox, activities: RemoteProviders, fault: Fault | None, told: str
) -> None:
    fal.play(Fault(on="work", polls=0), *([fault] if fault else []))
    work = await take(activities, generation_work())
    env = ActivityEnvironment()
    task = asyncio.create_task(env.run(activities.await_work, work))
    (entry,) = fal.ledger.entries.values()
    await until_true(lambda: entry.polls > 1)
    env.cancel()
    with pytest.raises(WorkCancelled, match=told) as caught:
        await task
    assert caught.value.category is Category.CANCELLED
    assert fal.ledger.cancels == [work.submission.request_id]
    assert entry.is_cancelled == (fault is None)
    assert caught.value.service_requests[-1].method == "PUT"


async def test_a_worker_that_stops_withdraws_nothing(
    fal: OpenSandbox, activities: RemoteProviders
) -> None:
    fal.play(Fault(on="work", polls=0))
    work = await take(activities, generation_work())
    env = ActivityEnvironment()
    task = asyncio.create_task(env.run(activities.await_work, work))
    (entry,) = fal.ledger.entries.values()
    await until_true(lambda: entry.polls)
    env.worker_shutdown()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert fal.ledger.cancels == []


async def test_withdrawing_reports_the_response_of_fal(
    fal: OpenSandbox, activities: RemoteProviders
) -> None:
    fal.play(Fault(on="work", polls=0))
    work = await take(activities, generation_work())
    withdraw = ActivityEnvironment().run
    first = await withdraw(activities.withdraw_work, work)
    assert (first.is_withdrawn, len(first.service_requests)) == (True, 1)
    again = await withdraw(activities.withdraw_work, work)
    assert not again.is_withdrawn
    assert "ALREADY_COMPLETED" in again.message
    unknown = submitted(generation_work(), submission("gone"))
    assert not (await withdraw(activities.withdraw_work, unknown)).is_withdrawn


async def test_a_withdrawal_without_a_response_is_retried_by_temporal(
    fal: OpenSandbox, activities: RemoteProviders
) -> None:
    work = await take(activities, generation_work())
    fal.play(Fault(on="cancel", status=503))
    with pytest.raises(PlatformError) as caught:
        await ActivityEnvironment().run(activities.withdraw_work, work)
    assert (caught.value.category, caught.value.is_final) == (Category.NETWORK, False)
