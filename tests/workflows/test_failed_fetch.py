"""A failed fetch is retried like an attempt: counted, recorded, bounded by max_retries."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from shared.contracts.attempts import StoredFile
from shared.contracts.enums import ErrorCategory, TaskQueue, TaskStatus
from shared.contracts.failures import WORKER_LOST
from shared.contracts.inputs import FetchedInputs, FetchInputs
from shared.contracts.runs import TaskOutcome, TaskRun
from shared.errors import PlatformError
from tests.fakes.inference import Attempt
from tests.fixtures.workflow_runs import (
    Runs,
    activity_worker,
    generation,
    pipeline,
    step,
    summaries,
)

_URL = "https://pictures.example/a.png"
_DOWN = "reference_image_url: the server does not answer"


class Fetcher:
    """A fetcher that fails as set, then fetches."""

    def __init__(self, *failures: ErrorCategory | str) -> None:
        self.calls = 0
        self._failures = failures

    @activity.defn(name="fetch_inputs")
    async def fetch_inputs(self, request: FetchInputs) -> FetchedInputs:
        assert activity.info().attempt == 1
        self.calls += 1
        if self.calls <= len(self._failures):
            failure = self._failures[self.calls - 1]
            if failure == WORKER_LOST:
                raise ApplicationError("shut down", type=WORKER_LOST, non_retryable=True)
            raise PlatformError(_DOWN, category=ErrorCategory(failure))
        file = StoredFile(key="k", size_bytes=1, content_type="image/png", sha256="0" * 64)
        return FetchedInputs(keys=dict.fromkeys(request.urls, "k"), files=[file])

    def working(self, runs: Runs) -> AbstractAsyncContextManager[Any]:
        return activity_worker(runs.client, TaskQueue.FETCH, self.fetch_inputs)


def _run(**fields: Any) -> TaskRun:
    inputs = {"prompt": "a hat", "width": 64, "height": 64, "seed": 3}
    return generation(inputs=inputs | {"reference_image_url": _URL}, **fields)


async def _outcome(runs: Runs, fetcher: Fetcher, run: TaskRun) -> TaskOutcome:
    async with fetcher.working(runs):
        handle = await runs.start_task(run)
        with suppress(WorkflowFailureError):
            await handle.result()
    return runs.outcome(run.task_id)


NETWORK, VALIDATION = ErrorCategory.NETWORK, ErrorCategory.VALIDATION


@pytest.mark.parametrize(
    ("failures", "max_retries", "calls", "retry_count"),
    [
        ([NETWORK] * 9, 0, 1, 0),
        ([NETWORK] * 9, 1, 2, 1),
        ([NETWORK] * 9, 6, 7, 6),
        ([VALIDATION], 3, 1, 0),
        ([NETWORK, VALIDATION], 3, 2, 1),
    ],
)
async def test_failed_fetch_is_retried_as_often_as_an_attempt(
    hurried: Runs,
    failures: Sequence[ErrorCategory],
    max_retries: int,
    calls: int,
    retry_count: int,
) -> None:
    fetcher = Fetcher(*failures)

    outcome = await _outcome(hurried, fetcher, _run(max_retries=max_retries))

    assert fetcher.calls == calls
    assert (outcome.status, outcome.error_category) == (TaskStatus.FAILED, failures[calls - 1])
    assert outcome.errors == [_DOWN] * calls
    assert (outcome.attempt, outcome.retry_count) == (0, retry_count)
    told = [account for account in hurried.records.accounts if account.task_id == outcome.task_id]
    assert [account.retry_count for account in told] == list(range(1, retry_count + 1))
    assert outcome.verdict is None


async def test_attempts_have_the_retries_that_fetches_left(
    hurried: Runs,
) -> None:
    async def fail(_: Attempt) -> None:
        raise PlatformError("no memory", category=ErrorCategory.RESOURCE)

    done = await _outcome(hurried, Fetcher(NETWORK, NETWORK), _run(max_retries=3))
    assert (done.status, done.attempt, done.retry_count) == (TaskStatus.COMPLETED, 1, 2)
    assert done.errors == [_DOWN, _DOWN]

    hurried.inference.act = fail
    failed = await _outcome(hurried, Fetcher(NETWORK), _run(max_retries=2))
    assert (failed.status, failed.attempt, failed.retry_count) == (TaskStatus.FAILED, 2, 2)
    assert failed.errors == [_DOWN, "attempt 1: no memory", "attempt 2: no memory"]


async def test_lost_worker_of_a_fetch_counts_as_no_retry(hurried: Runs) -> None:
    done = await _outcome(hurried, Fetcher(WORKER_LOST, WORKER_LOST), _run(max_retries=0))

    assert (done.status, done.attempt) == (TaskStatus.COMPLETED, 1)


async def test_the_web_ui_names_the_step_of_each_activity(working: Runs) -> None:
    async with Fetcher().working(working):
        handle = await working.start_pipeline(pipeline(step("draw", run=_run())))
        await handle.result()

    assert await summaries(handle) == [
        "draw: 1 remote picture",
        "draw",
        "draw: COMPLETED",
        "COMPLETED",
    ]


async def test_errors_in_the_details_are_a_list_of_their_own(working: Runs) -> None:
    async def fail(_: Attempt) -> None:
        raise PlatformError("no such thing", category=VALIDATION)

    working.inference.act = fail
    handle = await working.start_pipeline(pipeline(step("draw"), step("later", "draw")))
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    shown = (await handle.query("__temporal_workflow_metadata")).current_details

    assert shown.splitlines()[2:] == [
        "- `draw` GENERATION: failed",
        "- `later` GENERATION: –",
        "",
        "Errors:",
        "",
        "- step draw: attempt 1: no such thing",
    ]
