"""Submissions whose worker is lost: repeated, never as another attempt, recalled if cancelled."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.exceptions import ApplicationError

from shared.contracts.enums import ErrorCategory, ProviderType, TaskQueue, TaskStatus, TaskType
from shared.contracts.failures import WORKER_LOST
from shared.contracts.runs import TaskOutcome, TaskRun
from shared.contracts.submissions import RemoteWork
from shared.errors import PlatformError, SubmissionUnknownError
from shared.temporal.heartbeat import Heartbeat
from tests.fixtures.workflow_runs import Runs, generation, until, until_event
from tests.workflows.test_run_task import failure_of
from workflows.policies import MAX_LOST_WORKERS


def fal() -> TaskRun:
    provider = {"provider_type": ProviderType.FAL_STANDARD, "task_queue": TaskQueue.PROVIDER_FAL}
    fallback = {"provider_type": "local", "task_queue": "inference"}
    return generation(**{**provider, "task_type": TaskType.GENERATION, "fallback": fallback})


async def ended(runs: Runs, run: TaskRun) -> TaskOutcome:
    """Return the outcome of a task that does not complete, from the records."""
    await failure_of(await runs.start_task(run))
    return runs.outcome(run.task_id)


def lose_first(then: Callable[[RemoteWork], Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Return an action that loses the first worker, and does something at the next."""

    async def act(work: RemoteWork) -> None:
        if not work.is_repeated:
            raise _lost()
        await then(work)

    return act


def _lost() -> ApplicationError:
    return ApplicationError("the worker shut down", type=WORKER_LOST)


async def succeed(_work: RemoteWork) -> None:
    """Find the response of the lost worker."""


async def test_silent_worker_is_repeated_in_the_same_attempt(
    hurried: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.definitions.submitting.HEARTBEAT_TIMEOUT", timedelta(seconds=1))
    stop = asyncio.Event()

    async def fall_silent(work: RemoteWork) -> None:
        if not work.is_repeated:
            await stop.wait()  # no heartbeat: Temporal treats the worker as lost

    hurried.provider.on_submit = fall_silent
    async with hurried.provider_worker():
        outcome = await (await hurried.start_task(fal())).result()
        stop.set()
    tries = [(work.attempt, work.is_repeated) for work in hurried.provider.submitted]
    assert tries == [(1, False), (1, True)]
    assert (outcome.status, outcome.attempt) == (TaskStatus.COMPLETED, 1)
    assert outcome.errors == []


async def test_unknown_outcome_of_a_lost_worker_is_final(hurried: Runs) -> None:
    async def be_unknown(work: RemoteWork) -> None:
        raise SubmissionUnknownError("the worker was lost; fal may have accepted the work")

    hurried.provider.on_submit = lose_first(be_unknown)
    async with hurried.provider_worker():
        outcome = await ended(hurried, fal())
    assert len(hurried.provider.submitted) == 2
    assert hurried.inference.attempts == []
    assert outcome.errors == ["attempt 1: the worker was lost; fal may have accepted the work"]


async def test_refusal_of_a_lost_workers_request_leads_to_another_attempt(hurried: Runs) -> None:
    async def refuse(work: RemoteWork) -> None:
        if work.attempt == 1:
            raise PlatformError("later", category=ErrorCategory.RATE_LIMIT)

    hurried.provider.on_submit = lose_first(refuse)
    async with hurried.provider_worker():
        outcome = await (await hurried.start_task(fal())).result()
    assert [work.attempt for work in hurried.provider.submitted] == [1, 1, 2, 2]
    assert outcome.attempt == 2


async def test_no_other_attempt_follows_while_the_outcome_is_not_known(
    hurried: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.definitions.submitting.submit_repeat_s", lambda _lost: 1)

    async def be_lost(work: RemoteWork) -> None:
        raise _lost()

    hurried.provider.on_submit = be_lost
    async with hurried.provider_worker():
        outcome = await ended(hurried, fal())
    assert [work.attempt for work in hurried.provider.submitted] == [1] * (MAX_LOST_WORKERS + 1)
    assert hurried.inference.attempts == []
    assert outcome.status == TaskStatus.FAILED
    assert "may have accepted the work" in outcome.errors[-1]


async def test_cancellation_recalls_a_lost_submission(working: Runs) -> None:
    submitting = asyncio.Event()

    async def be_cancelled(work: RemoteWork) -> None:
        submitting.set()
        async with Heartbeat(0.1):
            await asyncio.Event().wait()

    working.provider.on_submit = lose_first(be_cancelled)
    await _cancelled_after(working, submitting.wait)
    [work] = working.provider.recalled
    assert (work.attempt, work.is_repeated) == (1, True)


async def test_cancellation_before_the_repetition_recalls_it_too(
    working: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.definitions.submitting.submit_repeat_s", lambda _lost: 60)
    working.provider.on_submit = lose_first(succeed)

    async def is_lost() -> bool:
        return bool(working.provider.submitted)

    await _cancelled_after(working, lambda: until(is_lost))
    assert len(working.provider.submitted) == len(working.provider.recalled) == 1


async def _cancelled_after(runs: Runs, moment: Callable[[], Awaitable[object]]) -> None:
    run = fal()
    async with runs.provider_worker():
        handle = await runs.start_task(run)
        await asyncio.wait_for(moment(), 10)
        await handle.cancel()
        await failure_of(handle)
    outcome = runs.outcome(run.task_id)
    assert outcome.status == TaskStatus.CANCELLED
    assert outcome.errors == ["attempt 1: cancelled; nothing was sent"]


async def test_cancellation_of_a_submission_that_is_not_lost_recalls_nothing(
    working: Runs,
) -> None:
    submitting = asyncio.Event()

    async def prepare(work: RemoteWork) -> None:
        submitting.set()
        async with Heartbeat(0.1):
            await asyncio.Event().wait()

    working.provider.on_submit = prepare
    run = fal()
    async with working.provider_worker():
        handle = await working.start_task(run)
        await asyncio.wait_for(submitting.wait(), 10)
        await handle.cancel()
        await failure_of(handle)
    assert working.provider.recalled == []


async def test_work_that_the_provider_no_longer_knows_is_withdrawn_not_paid_for_twice(
    working: Runs,
) -> None:
    async def forget(work: RemoteWork) -> None:
        raise SubmissionUnknownError("fal returned 404: it does not know it", is_final=True)

    working.provider.on_await, working.provider.is_withdrawn = forget, False
    async with working.provider_worker():
        outcome = await ended(working, fal())
    assert len(working.provider.submitted) == len(working.provider.withdrawn) == 1
    assert working.inference.attempts == []
    assert outcome.errors == [
        "attempt 1: fal returned 404: it does not know it; fal returned ALREADY_COMPLETED"
    ]


@pytest.mark.parametrize("is_lost", [False, True])
async def test_cancellation_that_arrives_with_the_end_of_a_submission_hides_nothing(
    runs: Runs, *, is_lost: bool
) -> None:
    submitting, may_end = asyncio.Event(), asyncio.Event()

    async def wait(work: RemoteWork) -> None:
        submitting.set()
        async with Heartbeat(0.1):
            await may_end.wait()
        if is_lost:
            raise _lost()

    runs.provider.on_submit = wait
    run = fal()
    async with runs.provider_worker():
        async with runs.workflow_worker():
            handle = await runs.start_task(run)
            await asyncio.wait_for(submitting.wait(), 10)
        may_end.set()
        ended = "FAILED" if is_lost else "COMPLETED"
        await until_event(handle, EventType.Value(f"EVENT_TYPE_ACTIVITY_TASK_{ended}"))
        await handle.cancel()
        async with runs.workflow_worker():
            await failure_of(handle)
    outcome = runs.outcome(run.task_id)
    assert outcome.status == TaskStatus.CANCELLED
    assert len(runs.provider.recalled) == is_lost
    assert len(runs.provider.withdrawn) == (not is_lost)
    assert outcome.service_task_id == (None if is_lost else "request-1")
