"""Work at an outside provider: submitted once, awaited with retries, withdrawn when cancelled."""

import asyncio
from datetime import timedelta

import pytest
from temporalio import activity
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from shared.contracts.enums import ErrorCategory, ProviderType, TaskQueue, TaskStatus, TaskType
from shared.contracts.runs import TaskOutcome, TaskRun
from shared.contracts.service_requests import BilledUnits
from shared.contracts.submissions import RemoteWork
from shared.errors import PlatformError, SubmissionUnknownError, WorkDroppedError
from shared.temporal.heartbeat import Heartbeat
from tests.fakes.provider import request
from tests.fixtures.workflow_runs import Runs, generation, kinds, refinement, until
from tests.workflows.test_run_task import failure_of


def fal(**fields: object) -> TaskRun:
    return generation(
        **{
            "task_type": TaskType.EXPERIMENTAL_FAL,
            "provider_type": ProviderType.FAL_STANDARD,
            "task_queue": TaskQueue.PROVIDER_FAL,
            "inputs": {"fal_app_id": "fal-ai/flux/dev"},
        }
        | fields
    )


async def ended(runs: Runs, run: TaskRun) -> TaskOutcome:
    """Return the outcome of a task that does not complete, from the records."""
    await failure_of(await runs.start_task(run))
    return runs.outcome(run.task_id)


async def test_result_and_calls_are_recorded(working: Runs) -> None:
    async with working.provider_worker():
        outcome = await (await working.start_task(fal())).result()
    assert outcome.status == TaskStatus.COMPLETED
    assert outcome.results == {"result_url": "https://fal.example/result.png"}
    assert outcome.service_task_id == "request-1"
    assert [each.method for each in outcome.service_requests] == ["POST", "GET"]
    assert outcome.resumes == 0


async def test_billed_units_of_every_attempt_are_recorded(hurried: Runs) -> None:
    credit = BilledUnits(provider=ProviderType.FAL_STANDARD, unit="credits", amount=1.5)

    async def fail(work: RemoteWork) -> None:
        if work.attempt == 1:
            raise PlatformError(
                "a GPU died",
                category=ErrorCategory.PROVIDER_ERROR,
                is_final=True,
                service_requests=[request("GET", "https://fal.example/result", 1)],
                billed=[credit, credit],
            )

    hurried.provider.on_await = fail
    hurried.provider.billed = [credit]
    async with hurried.provider_worker():
        outcome = await (await hurried.start_task(fal())).result()
    assert [(each.attempt, each.amount) for each in outcome.billed] == [(1, 3), (2, 1.5)]
    assert [each.method for each in outcome.service_requests] == ["POST", "GET", "POST", "GET"]


async def test_units_billed_for_withdrawn_work_are_recorded(hurried: Runs) -> None:
    async def dawdle(work: RemoteWork) -> None:
        raise PlatformError(
            "not done in time",
            category=ErrorCategory.TIMEOUT,
            is_final=True,
            billed=[BilledUnits(provider=ProviderType.FAL_STANDARD, unit="seconds", amount=7)],
        )

    hurried.provider.on_await = dawdle
    hurried.provider.is_withdrawn = False
    async with hurried.provider_worker():
        outcome = await ended(hurried, fal())
    assert [(each.unit, each.amount) for each in outcome.billed] == [("seconds", 7)]


async def test_calls_and_units_of_our_own_workers_are_recorded(working: Runs) -> None:
    working.inference.service_requests = [request("POST", "https://vertex.example/edit", 1)]
    working.inference.billed = [
        BilledUnits(provider=ProviderType.VERTEX, unit="tokens", amount=1290)
    ]
    run = refinement(inputs={"base_image_url": "uploads/a.png", "upscale_seed": 3})
    outcome = await (await working.start_task(run)).result()
    assert [each.method for each in outcome.service_requests] == ["POST"]
    assert [(each.attempt, each.amount) for each in outcome.billed] == [(1, 1290)]
    assert not outcome.results.keys() & {"service_requests", "billed"}


async def test_the_providers_id_is_recorded_before_the_wait(working: Runs) -> None:
    seen: list[str | None] = []

    async def look(work: RemoteWork) -> None:
        seen.extend(account.service_task_id for account in working.records.accounts)

    working.provider.on_await = look
    async with working.provider_worker():
        await (await working.start_task(fal())).result()
    assert seen == ["request-1"]


async def test_a_broken_wait_is_resumed_without_a_second_submission(hurried: Runs) -> None:
    async def break_off(work: RemoteWork) -> None:
        if activity.info().attempt < 3:
            raise PlatformError("the line broke", category=ErrorCategory.NETWORK)

    hurried.provider.on_await = break_off
    async with hurried.provider_worker():
        outcome = await (await hurried.start_task(fal())).result()
    assert len(hurried.provider.submitted) == 1
    assert outcome.resumes == 2
    assert outcome.resumed_at is not None
    assert outcome.retry_count == 0


async def test_a_submission_with_a_lost_response_is_not_sent_again(working: Runs) -> None:
    async def lose(work: RemoteWork) -> None:
        raise SubmissionUnknownError("fal took the request and did not answer")

    working.provider.on_submit = lose
    fallback = {"provider_type": "local", "task_queue": "inference"}
    run = fal(task_type=TaskType.GENERATION, inputs=generation().inputs, fallback=fallback)
    async with working.provider_worker():
        outcome = await ended(working, run)
    assert len(working.provider.submitted) == 1
    assert working.inference.attempts == []
    assert outcome.status == TaskStatus.FAILED
    assert outcome.error_category == ErrorCategory.PROVIDER_ERROR
    assert outcome.errors == ["attempt 1: fal took the request and did not answer"]


async def test_a_refused_submission_is_retried(hurried: Runs) -> None:
    async def refuse(work: RemoteWork) -> None:
        if work.attempt == 1:
            raise PlatformError("try later", category=ErrorCategory.RATE_LIMIT, retry_after_s=0.1)

    hurried.provider.on_submit = refuse
    async with hurried.provider_worker():
        outcome = await (await hurried.start_task(fal())).result()
    assert outcome.retry_count == 1
    assert len(hurried.provider.submitted) == 2


async def test_work_that_failed_at_the_provider_is_submitted_again(hurried: Runs) -> None:
    async def fail(work: RemoteWork) -> None:
        if work.attempt == 1:
            raise PlatformError("a GPU died", category=ErrorCategory.PROVIDER_ERROR, is_final=True)

    hurried.provider.on_await = fail
    async with hurried.provider_worker():
        outcome = await (await hurried.start_task(fal())).result()
    assert outcome.attempt == 2
    assert outcome.service_task_id == "request-2"
    assert hurried.provider.withdrawn == []


async def test_work_that_takes_too_long_is_withdrawn_before_another_try(hurried: Runs) -> None:
    async def dawdle(work: RemoteWork) -> None:
        if work.attempt == 1:
            raise PlatformError("not done in time", category=ErrorCategory.TIMEOUT, is_final=True)

    hurried.provider.on_await = dawdle
    async with hurried.provider_worker():
        outcome = await (await hurried.start_task(fal())).result()
    assert [work.attempt for work in hurried.provider.withdrawn] == [1]
    assert outcome.attempt == 2
    assert outcome.errors == ["attempt 1: not done in time; fal returned OK"]


async def test_work_that_the_provider_dropped_is_submitted_again(hurried: Runs) -> None:
    async def drop(work: RemoteWork) -> None:
        if work.attempt == 1:
            raise WorkDroppedError("it did not start in time", is_final=True)

    hurried.provider.on_await, hurried.provider.is_withdrawn = drop, False
    async with hurried.provider_worker():
        outcome = await (await hurried.start_task(fal())).result()
    assert hurried.provider.withdrawn == []
    assert (outcome.attempt, outcome.status) == (2, TaskStatus.COMPLETED)
    assert outcome.errors == ["attempt 1: it did not start in time"]


async def test_work_that_cannot_be_withdrawn_is_not_paid_for_twice(working: Runs) -> None:
    async def dawdle(work: RemoteWork) -> None:
        raise PlatformError("not done in time", category=ErrorCategory.TIMEOUT, is_final=True)

    working.provider.on_await, working.provider.is_withdrawn = dawdle, False
    async with working.provider_worker():
        outcome = await ended(working, fal())
    assert len(working.provider.submitted) == 1
    assert outcome.error_category == ErrorCategory.TIMEOUT
    assert outcome.errors == ["attempt 1: not done in time; fal returned ALREADY_COMPLETED"]


async def test_a_cancellation_has_the_providers_message(working: Runs) -> None:
    waiting = asyncio.Event()

    async def wait(work: RemoteWork) -> None:
        waiting.set()
        try:
            async with Heartbeat(0.1):
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ApplicationError(
                "cancelled; fal returned ALREADY_COMPLETED", type="CANCELLED", non_retryable=True
            ) from None

    working.provider.on_await = wait
    run = fal()
    async with working.provider_worker():
        handle = await working.start_task(run)
        await asyncio.wait_for(waiting.wait(), 10)
        await handle.cancel()
        await failure_of(handle)
    outcome = working.outcome(run.task_id)
    assert outcome.status == TaskStatus.CANCELLED
    assert outcome.error_category == ErrorCategory.CANCELLED
    assert outcome.errors == ["attempt 1: cancelled; fal returned ALREADY_COMPLETED"]


async def test_a_cancellation_during_the_submission_withdraws_it(working: Runs) -> None:
    submitting = asyncio.Event()

    async def be_slow(work: RemoteWork) -> None:
        submitting.set()
        try:
            async with Heartbeat(0.1):
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            return  # the request was sent: its response is awaited

    working.provider.on_submit = be_slow
    run = fal()
    async with working.provider_worker():
        handle = await working.start_task(run)
        await asyncio.wait_for(submitting.wait(), 10)
        await handle.cancel()
        await failure_of(handle)
    outcome = working.outcome(run.task_id)
    assert outcome.status == TaskStatus.CANCELLED
    assert [work.submission.request_id for work in working.provider.withdrawn] == ["request-1"]
    assert outcome.errors == ["attempt 1: cancelled; fal returned OK"]


async def test_a_failed_wait_alone_does_not_lead_to_another_submission(
    working: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def be_throttled(work: RemoteWork) -> None:
        raise PlatformError("too many polls", category=ErrorCategory.RATE_LIMIT)

    twice = RetryPolicy(initial_interval=timedelta(milliseconds=10), maximum_attempts=2)
    monkeypatch.setattr("workflows.definitions.remote.AWAIT_RETRY", twice)
    working.provider.on_await, working.provider.is_withdrawn = be_throttled, False
    async with working.provider_worker():
        outcome = await ended(working, fal())
    assert len(working.provider.awaited) == 2
    assert len(working.provider.submitted) == 1
    assert outcome.errors == ["attempt 1: too many polls; fal returned ALREADY_COMPLETED"]


async def cancelled_while_records_are_slow(runs: Runs, run: TaskRun) -> None:
    """Cancel a task during a write that takes longer than a workflow task."""
    handle = await runs.start_task(run, task_timeout=timedelta(seconds=1))
    await asyncio.wait_for(runs.records.is_called.wait(), 20)
    await handle.cancel()

    async def is_told() -> bool:
        # During local activities a workflow task starts each 0.8 s; the next one has the signal.
        names = kinds(await handle.fetch_history())
        if "WORKFLOW_EXECUTION_CANCEL_REQUESTED" not in names:
            return False
        place = names.index("WORKFLOW_EXECUTION_CANCEL_REQUESTED")
        return "WORKFLOW_TASK_STARTED" in names[place:]

    await until(is_told)
    runs.records.is_open.set()
    await failure_of(handle)


async def test_a_cancellation_during_the_record_of_the_id_withdraws_the_work(
    working: Runs,
) -> None:
    working.records.is_open.clear()
    run = fal()
    async with working.provider_worker():
        await cancelled_while_records_are_slow(working, run)
    assert len(working.provider.submitted) == len(working.provider.withdrawn) == 1
    assert working.provider.awaited == []
    assert working.outcome(run.task_id).status == TaskStatus.CANCELLED


async def test_a_cancellation_during_the_record_of_a_failure_submits_nothing_more(
    working: Runs,
) -> None:
    async def refuse(work: RemoteWork) -> None:
        raise PlatformError("later", category=ErrorCategory.RATE_LIMIT, retry_after_s=0.1)

    working.provider.on_submit = refuse
    working.records.is_open.clear()
    run = fal()
    async with working.provider_worker():
        await cancelled_while_records_are_slow(working, run)
    assert [work.attempt for work in working.provider.submitted] == [1]
    assert working.outcome(run.task_id).status == TaskStatus.CANCELLED


async def test_a_failure_is_counted_against_its_provider_once(hurried: Runs) -> None:
    async def fail(work: RemoteWork) -> None:
        if work.attempt == 1:
            raise PlatformError("a GPU died", category=ErrorCategory.PROVIDER_ERROR, is_final=True)

    hurried.provider.on_await = fail
    async with hurried.provider_worker():
        await (await hurried.start_task(fal())).result()
    verdicts = [account.verdict for account in hurried.records.accounts if account.verdict]
    assert [verdict.is_success for verdict in verdicts] == [False]


async def test_a_provider_that_asks_for_a_long_wait_leaves_the_task_to_its_fallback(
    working: Runs,
) -> None:
    async def ask_for_a_day(work: RemoteWork) -> None:
        raise PlatformError("tomorrow", category=ErrorCategory.RATE_LIMIT, retry_after_s=86_400)

    working.provider.on_submit = ask_for_a_day
    fallback = {"provider_type": "local", "task_queue": "inference"}
    run = fal(task_type=TaskType.GENERATION, inputs=generation().inputs, fallback=fallback)
    async with working.provider_worker():
        outcome = await (await working.start_task(run)).result()
    assert len(working.provider.submitted) == 1
    assert outcome.fallback_used
