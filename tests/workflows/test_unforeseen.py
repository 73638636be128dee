"""An unexpected error ends its step and record as INTERNAL, and never blocks a run."""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.client import WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from shared.contracts.enums import ErrorCategory, TaskQueue, TaskStatus, TaskType, TrainingStatus
from shared.contracts.runs import (
    PipelineStep,
    StepMapping,
    TaskHistory,
    TaskOutcome,
    TaskRecordState,
    TaskRun,
)
from shared.contracts.training import DatasetRecord, TrainingRecordState
from shared.contracts.untrusted import MAPPED
from tests.fakes.inference import Attempt
from tests.fakes.records import FakeRecords
from tests.fixtures.workflow_runs import (
    Runs,
    editing,
    generation,
    pipeline,
    refinement,
    step,
    training,
    until_event,
)
from tests.workflows.test_remote_attempts import fal
from tests.workflows.test_run_task import failure_of

_SOON_S = 20
_PICTURE, _PICTURES = "base_image_url", "reference_images"
_FREE = "fal_parameters.value"


def _after_app(value: Any, to_field: str, **fields: Any) -> tuple[PipelineStep, PipelineStep]:
    """Build a completed app step, and a step into which one of its values is mapped."""
    link = StepMapping(from_step="app", from_field="value", to_field=to_field, **fields)
    app = step("app", run=fal()).model_copy(update={"result": {"value": value}})
    runs = {_PICTURE: refinement, _PICTURES: editing, _FREE: fal}
    return app, step("next", "app", run=runs[to_field](), mappings=[link])


STANDING: dict[str, tuple[Any, str, str | None]] = {
    "beyond floats": (10**400, _FREE, "to_float"),
    "half a character": ('"\\ud83d"', _FREE, "json"),
    "deep text": ("[" * 900 + "]" * 900, _FREE, "json"),
    "many links": ([f"mine/{number}.png" for number in range(1001)], _FREE, "to_url"),
    "many pictures": ([f"mine/{number}.png" for number in range(1001)], _PICTURES, None),
}
"""Values that used to block a run; `test_mapping.py` tries more."""


async def test_no_mapped_value_blocks_a_run(working: Runs) -> None:
    async def end_of(value: Any, to_field: str, transform: str | None) -> TaskOutcome:
        app, following = _after_app(value, to_field, transform=transform)
        await failure_of(await working.start_pipeline(pipeline(app, following)))
        return working.outcome(following.run.task_id)

    async with asyncio.timeout(_SOON_S):
        ends = await asyncio.gather(*(end_of(*case) for case in STANDING.values()))
    for name, outcome in zip(STANDING, ends, strict=True):
        assert outcome.error_category == ErrorCategory.VALIDATION, (name, outcome.errors)
        assert outcome.errors[0], name
        assert "http" not in outcome.errors[0], name
    assert not working.provider.submitted


async def test_total_size_of_mapped_values_is_bounded(working: Runs) -> None:
    """Steps that start together start in one message, which Temporal limits to 4 MiB."""
    assert MAPPED.max_bytes is not None
    text = "x" * (MAPPED.max_bytes - 100)
    app, _ = _after_app(text, _FREE)
    link = StepMapping(from_step="app", from_field="value", to_field=_FREE)
    fans = [step(f"fan_{n}", "app", run=fal(), mappings=[link]) for n in range(20)]
    async with working.provider_worker(), asyncio.timeout(_SOON_S):
        await failure_of(await working.start_pipeline(pipeline(app, *fans)))
    ends = [working.outcome(each.run.task_id) for each in fans]
    refused = [end.errors[0] for end in ends if end.status == TaskStatus.FAILED]
    assert len(ends) - len(refused) == len(working.provider.submitted) == 5
    assert set(refused) == {"the workflow maps more than 1048576 bytes between its steps"}


def unknown_type(**fields: Any) -> TaskRun:
    """Build a task that the code does not support."""
    return generation(task_type=TaskType.LLM_INTERACTION, **fields)


async def test_a_bug_in_a_step_ends_its_task(working: Runs) -> None:
    run = unknown_type()
    async with asyncio.timeout(_SOON_S):
        error = await failure_of(await working.start_task(run))
    outcome = working.outcome(run.task_id)
    assert (outcome.status, outcome.error_category) == (TaskStatus.FAILED, ErrorCategory.INTERNAL)
    assert "AssertionError" in outcome.errors[0]
    assert isinstance(error, ApplicationError)
    assert error.type == ErrorCategory.INTERNAL


async def test_a_bug_in_one_step_lets_the_others_end(working: Runs) -> None:
    released = asyncio.Event()

    async def hold(attempt: Attempt) -> None:
        await released.wait()

    working.inference.act = hold
    broken, other = step("broken", run=unknown_type()), step("other")
    run = pipeline(broken, other)
    async with asyncio.timeout(_SOON_S):
        handle = await working.start_pipeline(run)
        await until_event(handle, EventType.EVENT_TYPE_MARKER_RECORDED)
        released.set()
        await failure_of(handle)
    assert working.outcome(broken.run.task_id).error_category == ErrorCategory.INTERNAL
    assert working.outcome(other.run.task_id).status == TaskStatus.COMPLETED
    assert "step broken: AssertionError" in working.records.pipelines[run.workflow_id].errors[0]


class Refusing(FakeRecords):
    """Records that refuse every value from outside for good."""

    def __init__(self, *refused: str) -> None:
        super().__init__()
        self._refused = refused
        self.refusals = 0

    def _refuse(self, name: str, *, is_bare: bool) -> None:
        if name in self._refused and not is_bare:
            self.refusals += 1
            raise ApplicationError("22P05", type=ErrorCategory.INTERNAL, non_retryable=True)

    @activity.defn(name="finish_task")
    async def finish_task(self, outcome: TaskOutcome) -> TaskRecordState:
        self._refuse("task", is_bare=not outcome.results)
        return await super().finish_task(outcome)

    @activity.defn(name="record_account")
    async def record_account(self, account: TaskHistory) -> None:
        self._refuse("account", is_bare=not account.service_requests)
        await super().record_account(account)

    @activity.defn(name="record_dataset")
    async def record_dataset(self, record: DatasetRecord) -> TrainingRecordState:
        self._refuse("dataset", is_bare=False)
        return await super().record_dataset(record)


async def test_an_unstorable_outcome_is_recorded_bare(runs: Runs) -> None:
    runs.records = Refusing("task")
    run = generation()
    async with runs.working(), asyncio.timeout(_SOON_S):
        await failure_of(await runs.start_task(run))
    outcome = runs.outcome(run.task_id)
    assert (outcome.status, outcome.error_category) == (TaskStatus.FAILED, ErrorCategory.INTERNAL)
    assert outcome.results == {}
    assert "could not be recorded completely: 22P05" in outcome.errors[0]
    assert runs.records.refusals == 1


async def test_an_unstorable_attempt_log_is_recorded_bare(runs: Runs) -> None:
    runs.records = Refusing("account")
    run = fal()
    async with runs.working(), runs.provider_worker(), asyncio.timeout(_SOON_S):
        outcome = await (await runs.start_task(run)).result()
    assert outcome.status == TaskStatus.COMPLETED
    assert runs.records.accounts[0].service_task_id == "request-1"


async def test_an_unstorable_dataset_ends_its_training(runs: Runs) -> None:
    runs.records = Refusing("dataset")
    run = training(source_images=["trainings/a.png"])
    async with runs.working(), runs.dataset_worker(), asyncio.timeout(_SOON_S):
        await failure_of(await runs.start_training(run))
    outcome = runs.records.trainings[run.training_id]
    assert (outcome.status, outcome.error_category) == (
        TrainingStatus.FAILED,
        ErrorCategory.INTERNAL,
    )


async def test_an_error_is_recorded_without_unstorable_characters(working: Runs) -> None:
    async def fail(attempt: Attempt) -> None:
        raise ApplicationError("bro\0ken " + "x" * 5000, type=ErrorCategory.VALIDATION)

    working.inference.act = fail
    run = generation()
    async with asyncio.timeout(_SOON_S):
        error = await failure_of(await working.start_task(run))
    [recorded] = working.outcome(run.task_id).errors
    assert recorded.startswith("attempt 1: broken")
    assert len(recorded) <= 2000
    assert "\0" not in error.message


@workflow.defn(name="Task")
class Rewritten:
    """A deployment that does not match the histories of the previous one."""

    @workflow.run
    async def run(self, run: TaskRun) -> None:
        await workflow.sleep(3600)


async def test_a_run_that_does_not_match_its_history_waits_for_the_rollback(
    runs: Runs,
) -> None:
    started, released = asyncio.Event(), asyncio.Event()

    async def hold(attempt: Attempt) -> None:
        started.set()
        await released.wait()

    runs.inference.act = hold
    run = generation()
    async with runs.inference_worker(), asyncio.timeout(60):
        async with runs.workflow_worker():
            # A task of the closing worker times out before the next worker gets it.
            handle = await runs.start_task(run, task_timeout=timedelta(seconds=1))
            await started.wait()
        async with Worker(
            runs.client,
            task_queue=TaskQueue.WORKFLOWS,
            workflows=[Rewritten],
            workflow_runner=UnsandboxedWorkflowRunner(),
            sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
        ):
            released.set()
            event = await until_event(handle, EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED)
            failed = event.workflow_task_failed_event_attributes
            assert failed.cause == (
                WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR
            )
        assert (await handle.describe()).status == WorkflowExecutionStatus.RUNNING
        assert run.task_id not in runs.records.tasks
        async with runs.workflow_worker():
            assert (await handle.result()).status == TaskStatus.COMPLETED
