"""Edits by a provider that are parts of a task: runs that the task's worker starts and joins."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
from temporalio import activity
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.common import Priority, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from inference_worker.cpu_threads import gather
from inference_worker.refinement.edit_runs import TemporalEditRuns
from shared.contracts.enums import ErrorCategory, ProviderType, TaskQueue, TaskStatus, TaskType
from shared.contracts.failures import SUBMISSION_UNKNOWN
from shared.contracts.refinement import RefineImage, RefineImageResult
from shared.contracts.remote_editing import EditedPicture, PictureEdit
from shared.contracts.runs import TaskOutcome, TaskRun
from shared.contracts.service_requests import BilledUnits
from shared.contracts.submissions import RemoteWork
from shared.errors import ConsistencyError, PlatformError, SubmissionUnknownError
from shared.temporal.heartbeat import Heartbeat
from tests.fakes.inference import STARTED_AT
from tests.fixtures.workflow_runs import (
    Runs,
    activity_worker,
    edit,
    pipeline,
    refinement,
    step,
)
from tests.workflows.test_run_task import failure_of
from workflows.definitions.run_task import RunTask

TOKENS = BilledUnits(provider=ProviderType.VERTEX, unit="tokens", amount=1290)


def edit_id(task_id: UUID, tile: int) -> str:
    return f"edit-{task_id}-0-{tile}-1"


@dataclass
class Tiles:
    """A refiner that lets a provider edit some tiles at once."""

    count: int = 3
    max_retries: int = 0
    attempts: list[RefineImage] = field(default_factory=list[RefineImage])
    keys: list[str] = field(default_factory=list[str])
    fails_checks: asyncio.Event | None = None
    """If set, the attempt fails its checks once this event is."""

    @activity.defn(name="refine_image")
    async def refine_image(self, request: RefineImage) -> RefineImageResult:
        self.attempts.append(request)
        runs = TemporalEditRuns.of_activity()
        edits = [self._edit(runs, request, tile) for tile in range(self.count)]
        if self.fails_checks is not None:
            edits.append(self._fail_checks())
        async with Heartbeat(0.1), runs.ended_with_attempt():
            self.keys = [each.key for each in await gather(edits)]
        return RefineImageResult(
            started_at=STARTED_AT,
            executor_instance="fake-1",
            executor_type="fake",
            result_image_path=self.keys[0],
        )

    async def _edit(self, runs: TemporalEditRuns, request: RefineImage, tile: int) -> EditedPicture:
        assert request.owner is not None
        asked = edit(
            request.task_id,
            name=f"tile {tile}, try 1",
            parent_id=activity.info().workflow_id,
            folder=f"refines/{request.task_id}/edits/{tile}",
            seed=tile,
            max_retries=self.max_retries,
            owner=request.owner,
        )
        return await runs.result(edit_id(request.task_id, tile), asked)

    async def _fail_checks(self) -> EditedPicture:
        assert self.fails_checks is not None
        await self.fails_checks.wait()
        raise ConsistencyError("tile 0 failed its checks 4 times")


def nano_banana(**fields: object) -> TaskRun:
    return refinement(
        **{
            "provider_type": ProviderType.NANO_BANANA_UPSCALER,
            "task_queue": TaskQueue.INFERENCE_CPU,
            "inputs": {"base_image_url": "uploads/a.png", "upscale_factor": 2.0},
        }
        | fields
    )


@pytest.fixture
def tiles() -> Tiles:
    return Tiles()


@pytest.fixture
async def editing(working: Runs, tiles: Tiles) -> AsyncIterator[Runs]:
    """Runs with a refiner of tiles, and a provider of edits."""
    working.provider.results = {"result_image_path": "edited.png"}
    working.provider.billed = [TOKENS]
    async with working.provider_worker(TaskQueue.PROVIDER_VERTEX), refiner(working, tiles):
        yield working


def refiner(runs: Runs, tiles: Tiles) -> Worker:
    return activity_worker(runs.client, TaskQueue.INFERENCE_CPU, tiles.refine_image)


async def ended(runs: Runs, run: TaskRun) -> TaskOutcome:
    """Return the outcome of a task that does not complete, from the records."""
    await failure_of(await runs.start_task(run))
    return runs.outcome(run.task_id)


async def statuses(runs: Runs, run: TaskRun, count: int) -> list[WorkflowExecutionStatus | None]:
    handles = [runs.client.get_workflow_handle(edit_id(run.task_id, n)) for n in range(count)]
    return [(await handle.describe()).status for handle in handles]


async def test_edits_run_side_by_side_and_are_in_the_record_of_the_task(
    editing: Runs, tiles: Tiles
) -> None:
    all_there = asyncio.Barrier(3)

    async def meet(_work: RemoteWork) -> None:
        async with asyncio.timeout(10):
            await all_there.wait()

    editing.provider.on_submit = meet
    run = nano_banana()
    outcome = await (await editing.start_task(run)).result()
    assert outcome.status == TaskStatus.COMPLETED
    assert tiles.keys == ["edited.png"] * 3
    assert [each.method for each in outcome.service_requests].count("POST") == 3
    assert {each.attempt for each in outcome.service_requests} == {1}
    assert [(each.attempt, each.amount) for each in outcome.billed] == [(1, 3 * 1290)]
    for work in editing.provider.submitted:
        assert work.folder is not None
        assert work.folder.startswith(f"refines/{run.task_id}/edits/{work.inputs['seed']}/")
        assert (work.task_type, work.provider_type) == (TaskType.EDITING, ProviderType.VERTEX)
        assert work.task_id != run.task_id
    assert run.task_id not in {account.task_id for account in editing.records.accounts}


async def test_an_edit_is_shown_beside_its_task(editing: Runs) -> None:
    run = nano_banana(owner={"origin_instance": "shop", "origin_tenant_id": "acme"})
    handle = await editing.client.start_workflow(
        RunTask.run,
        run,
        id=f"task-{run.task_id}",
        task_queue=TaskQueue.WORKFLOWS,
        priority=Priority(priority_key=2, fairness_key="acme"),
    )
    await handle.result()
    found = await editing.client.get_workflow_handle(edit_id(run.task_id, 1)).describe()
    assert found.workflow_type == "EditPicture"
    assert await found.static_summary() == "tile 1, try 1 · REFINE"
    assert str(run.task_id) in (await found.static_details() or "")
    shown = {pair.key.name: pair.value for pair in found.typed_search_attributes}
    shown.pop("BuildIds", None)  # the server's own
    assert shown == {
        "Kind": "edit",
        "TaskType": "REFINE",
        "Provider": "vertex",
        "OriginInstance": "shop",
        "TenantId": "acme",
    }
    history = await editing.client.get_workflow_handle(edit_id(run.task_id, 1)).fetch_history()
    begun = history.events[0].workflow_execution_started_event_attributes
    assert (begun.priority.priority_key, begun.priority.fairness_key) == (2, "acme")


async def test_an_edit_is_retried_by_category_and_counts_at_the_providers_breaker(
    editing: Runs, tiles: Tiles
) -> None:
    tiles.count, tiles.max_retries = 1, 3

    async def refuse(work: RemoteWork) -> None:
        if work.attempt == 1:
            raise PlatformError("later", category=ErrorCategory.RATE_LIMIT, retry_after_s=0.1)

    editing.provider.on_submit = refuse
    run = nano_banana()
    outcome = await (await editing.start_task(run)).result()
    assert (outcome.attempt, len(tiles.attempts)) == (1, 1)
    assert [work.attempt for work in editing.provider.submitted] == [1, 2]
    reports = [*editing.records.accounts, *editing.records.tasks.values()]
    verdicts = [
        each.verdict.is_success
        for each in reports
        if each.verdict and each.verdict.provider_type == ProviderType.VERTEX
    ]
    assert verdicts == [False, True]


async def test_an_unknown_submission_is_final_for_its_task(editing: Runs, tiles: Tiles) -> None:
    tiles.count = 1

    async def lose(_work: RemoteWork) -> None:
        raise SubmissionUnknownError("Gemini's response was lost")

    editing.provider.on_submit = lose
    run = nano_banana()
    outcome = await ended(editing, run)
    assert len(editing.provider.submitted) == len(tiles.attempts) == 1
    assert outcome.error_category == ErrorCategory.PROVIDER_ERROR
    assert outcome.errors == ["attempt 1: tile 0, try 1: Gemini's response was lost"]

    runs = TemporalEditRuns(editing.client, Priority())
    with pytest.raises(SubmissionUnknownError, match="lost"):
        await runs.result(edit_id(run.task_id, 0), edit(run.task_id))
    assert len(editing.provider.submitted) == 1


async def test_a_failed_edit_starts_anew_with_the_tasks_retry(editing: Runs, tiles: Tiles) -> None:
    failed: list[str | None] = []

    async def fail_once(work: RemoteWork) -> None:
        if work.inputs["seed"] == 1 and not failed:
            failed.append(work.folder)
            raise PlatformError("no picture", category=ErrorCategory.PROVIDER_ERROR)

    editing.provider.on_submit = fail_once
    outcome = await (await editing.start_task(nano_banana())).result()
    assert (outcome.status, outcome.attempt) == (TaskStatus.COMPLETED, 2)
    assert outcome.errors == ["attempt 1: tile 1, try 1: no picture"]
    seeds = [work.inputs["seed"] for work in editing.provider.submitted]
    assert sorted(seeds) == [0, 1, 1, 2], "the others were joined"
    folders = {work.folder for work in editing.provider.submitted}
    assert len(folders) == 4, "marks of the failed run do not end the next one"
    assert sum(each.amount for each in outcome.billed) == 3 * 1290


class Overtaken(TemporalEditRuns):
    """Runs of a worker that another one overtakes when both start a failed edit anew."""

    async def _start(
        self, edit_id: str, edit: PictureEdit, reuse: WorkflowIDReusePolicy
    ) -> WorkflowHandle[Any, EditedPicture]:
        if reuse is WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY:
            await TemporalEditRuns(self.client, self.priority).result(edit_id, edit)
        return await super()._start(edit_id, edit, reuse)


async def test_an_edit_that_another_worker_has_completed_meanwhile_is_joined(
    editing: Runs,
) -> None:
    async def fail_once(_work: RemoteWork) -> None:
        if len(editing.provider.submitted) == 1:
            raise PlatformError("no picture", category=ErrorCategory.PROVIDER_ERROR)

    editing.provider.on_submit = fail_once
    asked = edit(uuid4(), max_retries=0)
    name = edit_id(asked.task_id, 0)
    with pytest.raises(PlatformError, match="no picture"):
        await TemporalEditRuns(editing.client, Priority()).result(name, asked)
    assert (await Overtaken(editing.client, Priority()).result(name, asked)).key == "edited.png"
    assert len(editing.provider.submitted) == 2


async def test_the_next_worker_joins_the_edits_of_a_lost_one(working: Runs, tiles: Tiles) -> None:
    waiting, go_on = asyncio.Barrier(4), asyncio.Event()

    async def wait(_work: RemoteWork) -> None:
        async with Heartbeat(0.1):
            await waiting.wait()
            await go_on.wait()

    working.provider.on_await, working.provider.billed = wait, [TOKENS]
    working.provider.results = {"result_image_path": "edited.png"}
    async with working.provider_worker(TaskQueue.PROVIDER_VERTEX):
        async with refiner(working, tiles):
            handle = await working.start_task(nano_banana())
            async with asyncio.timeout(10):
                await waiting.wait()
        async with refiner(working, tiles):
            go_on.set()
            outcome = await handle.result()
    assert (outcome.status, len(tiles.attempts)) == (TaskStatus.COMPLETED, 2)
    assert len(working.provider.submitted) == 3
    assert working.provider.withdrawn == []
    assert sum(each.amount for each in outcome.billed) == 3 * 1290
    assert [each.method for each in outcome.service_requests].count("POST") == 3


async def _waiting_edits(runs: Runs) -> asyncio.Barrier:
    """Let edits wait at the provider until they are cancelled; the barrier has a place for each."""
    waiting = asyncio.Barrier(4)

    async def wait(_work: RemoteWork) -> None:
        try:
            async with Heartbeat(0.1):
                await waiting.wait()
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ApplicationError(
                "cancelled; Gemini had responded already", type="CANCELLED", non_retryable=True
            ) from None

    runs.provider.on_await = wait
    return waiting


async def test_cancelling_the_task_cancels_its_edits(editing: Runs) -> None:
    waiting = await _waiting_edits(editing)
    run = nano_banana()
    handle = await editing.start_task(run)
    async with asyncio.timeout(10):
        await waiting.wait()
    await handle.cancel()
    await failure_of(handle)
    assert await statuses(editing, run, 3) == [WorkflowExecutionStatus.CANCELED] * 3
    outcome = editing.outcome(run.task_id)
    assert outcome.status == TaskStatus.CANCELLED
    assert [each.method for each in outcome.service_requests] == ["POST"] * 3


async def test_edits_end_with_a_task_that_failed_for_good(editing: Runs, tiles: Tiles) -> None:
    waiting = await _waiting_edits(editing)
    tiles.fails_checks = asyncio.Event()
    run = nano_banana()
    handle = await editing.start_task(run)
    async with asyncio.timeout(10):
        await waiting.wait()
    tiles.fails_checks.set()
    await failure_of(handle)
    assert await statuses(editing, run, 3) == [WorkflowExecutionStatus.CANCELED] * 3
    outcome = editing.outcome(run.task_id)
    assert outcome.error_category == ErrorCategory.CONSISTENCY_CHECK
    assert [each.method for each in outcome.service_requests] == ["POST"] * 3


async def test_a_refusal_fails_the_task_with_the_models_words(editing: Runs, tiles: Tiles) -> None:
    tiles.max_retries = 3

    async def refuse(work: RemoteWork) -> None:
        if work.inputs["seed"] == 2:
            raise PlatformError("Gemini declined: 'no'", category=ErrorCategory.CONTENT_POLICY)

    editing.provider.on_await = refuse
    outcome = await ended(editing, nano_banana())
    assert outcome.error_category == ErrorCategory.CONTENT_POLICY
    assert outcome.errors == ["attempt 1: tile 2, try 1: Gemini declined: 'no'"]
    assert len(tiles.attempts) == 1


async def test_an_edit_that_lost_its_worker_goes_on(editing: Runs, tiles: Tiles) -> None:
    tiles.count = 1

    async def fall_away(_work: RemoteWork) -> None:
        if len(editing.provider.awaited) == 1:
            raise ApplicationError("the worker shut down", type="WORKER_LOST")

    editing.provider.on_await = fall_away
    outcome = await (await editing.start_task(nano_banana())).result()
    assert outcome.status == TaskStatus.COMPLETED
    assert (len(editing.provider.submitted), len(editing.provider.awaited)) == (1, 2)


async def test_a_failed_edit_has_its_category_and_its_own_run_needs_no_open_task(
    editing: Runs,
) -> None:
    """The run of its task may have closed: the edit's report is then dropped."""
    run = nano_banana()

    async def lose(_work: RemoteWork) -> None:
        raise SubmissionUnknownError("lost")

    done: WorkflowHandle[object, EditedPicture] = await editing.start_edit(edit(run.task_id))
    assert (await done.result()).key == "edited.png"
    editing.provider.on_submit = lose
    cause = await failure_of(await editing.start_edit(edit(nano_banana().task_id)))
    assert isinstance(cause, ApplicationError)
    assert cause.type == SUBMISSION_UNKNOWN


async def test_a_step_of_a_pipeline_has_the_costs_of_its_own_edits(editing: Runs) -> None:
    first, second = nano_banana(), nano_banana()
    steps = [step("first", run=first), step("second", run=second)]
    await (await editing.start_pipeline(pipeline(*steps))).result()
    for run in (first, second):
        outcome = editing.outcome(run.task_id)
        assert [(each.attempt, each.amount) for each in outcome.billed] == [(1, 3 * 1290)]
        assert [each.method for each in outcome.service_requests].count("POST") == 3
