"""Cancellation of a single task in any state: record and run both end as CANCELLED."""

import asyncio

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import CancelledError

from shared.contracts.enums import ErrorCategory, TaskStatus
from shared.contracts.runs import TaskOutcome
from shared.errors import PlatformError, StorageError
from shared.temporal.heartbeat import Heartbeat
from tests.fakes.inference import Attempt
from tests.fixtures.workflow_runs import Runs, generation, until_event
from workflows.definitions.run_task import RunTask

LONG_S = 25.0

Handle = WorkflowHandle[RunTask, TaskOutcome]


class Busy:
    """An attempt that runs until it is cancelled."""

    def __init__(self) -> None:
        self.is_running = asyncio.Event()

    async def __call__(self, attempt: Attempt) -> None:
        self.is_running.set()
        async with Heartbeat():
            await asyncio.sleep(LONG_S)


async def assert_cancelled(handle: Handle) -> None:
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    assert isinstance(failed.value.cause, CancelledError)
    assert (await handle.describe()).status == WorkflowExecutionStatus.CANCELED


async def test_running_task_is_cancelled(working: Runs) -> None:
    working.inference.act = busy = Busy()
    run = generation()
    handle = await working.start_task(run)
    await busy.is_running.wait()
    await handle.cancel()
    await assert_cancelled(handle)
    outcome = working.outcome(run.task_id)
    assert (outcome.status, outcome.attempt) == (TaskStatus.CANCELLED, 1)
    assert outcome.error_category == ErrorCategory.CANCELLED
    assert not outcome.errors


async def test_task_that_waits_for_a_retry_is_cancelled(working: Runs) -> None:
    async def act(attempt: Attempt) -> None:
        raise PlatformError("later", category=ErrorCategory.RATE_LIMIT, retry_after_s=LONG_S)

    working.inference.act = act
    run = generation()
    handle = await working.start_task(run)
    await until_event(handle, EventType.EVENT_TYPE_TIMER_STARTED)
    await handle.cancel()
    await assert_cancelled(handle)
    outcome = working.outcome(run.task_id)
    assert (outcome.status, outcome.attempt, outcome.retry_count) == (TaskStatus.CANCELLED, 1, 0)
    assert outcome.errors == ["attempt 1: later"]
    assert len(working.inference.attempts) == 1


async def test_queued_task_is_cancelled(runs: Runs) -> None:
    async with runs.workflow_worker():
        run = generation()
        handle = await runs.start_task(run)
        await until_event(handle, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
        await handle.cancel()
        await assert_cancelled(handle)
    assert runs.outcome(run.task_id).status == TaskStatus.CANCELLED
    assert not runs.inference.attempts


async def test_unstarted_run_is_recorded_as_cancelled(runs: Runs) -> None:
    run = generation()
    handle = await runs.start_task(run)
    await handle.cancel()
    async with runs.working():
        await assert_cancelled(handle)
    assert runs.outcome(run.task_id).status == TaskStatus.CANCELLED
    assert not runs.inference.attempts


async def test_attempt_that_fails_while_it_is_cancelled_is_not_retried(working: Runs) -> None:
    busy = Busy()

    async def act(attempt: Attempt) -> None:
        try:
            await busy(attempt)
        except asyncio.CancelledError:
            raise StorageError("the store went away meanwhile") from None

    working.inference.act = act
    run = generation()
    handle = await working.start_task(run)
    await busy.is_running.wait()
    await handle.cancel()
    await assert_cancelled(handle)
    outcome = working.outcome(run.task_id)
    assert (outcome.status, outcome.attempt) == (TaskStatus.CANCELLED, 1)
    assert outcome.errors == ["attempt 1: the store went away meanwhile"]


async def test_attempt_that_completes_while_it_is_cancelled_is_completed(working: Runs) -> None:
    busy = Busy()

    async def act(attempt: Attempt) -> None:
        try:
            await busy(attempt)
        except asyncio.CancelledError:
            return

    working.inference.act = act
    run = generation()
    handle = await working.start_task(run)
    await busy.is_running.wait()
    await handle.cancel()
    assert (await handle.result()).status == TaskStatus.COMPLETED
    assert working.outcome(run.task_id).status == TaskStatus.COMPLETED


async def test_cancel_during_the_record_of_the_outcome_changes_nothing(working: Runs) -> None:
    working.records.is_open.clear()
    run = generation()
    handle = await working.start_task(run)
    await working.records.is_called.wait()
    await handle.cancel()
    working.records.is_open.set()
    assert (await handle.result()).status == TaskStatus.COMPLETED
    assert working.outcome(run.task_id).status == TaskStatus.COMPLETED


async def test_cancelled_task_is_recorded_once_the_database_is_back(working: Runs) -> None:
    working.inference.act = busy = Busy()
    working.records.failures_left = 3
    run = generation()
    handle = await working.start_task(run)
    await busy.is_running.wait()
    await handle.cancel()
    await assert_cancelled(handle)
    assert working.records.calls == 4
    assert working.outcome(run.task_id).status == TaskStatus.CANCELLED
