"""Runs of single tasks on a real server: attempts, retries, lost workers, cancellation, records."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.worker import Worker

from shared.contracts.editing import EditImage, EditingConfig
from shared.contracts.enums import ErrorCategory, ProviderType, TaskQueue, TaskStatus, TaskType
from shared.contracts.fixing import EnhanceDetails, EnhanceFaces
from shared.contracts.provenance import Provenance, ProvenanceRecord
from shared.contracts.runs import ProviderVerdict, TaskOutcome
from shared.errors import PlatformError, StorageError
from shared.temporal.heartbeat import Heartbeat
from tests.fakes.fixing import FakeFixers
from tests.fakes.inference import STARTED_AT, Attempt, result_path
from tests.fixtures.workflow_runs import (
    OWNER,
    Runs,
    editing,
    generation,
    kinds,
    refinement,
    until_event,
)

LONG_S = 25.0


def fails(*categories: ErrorCategory, retry_after_s: float | None = None):
    """Fail attempt n with the nth category; attempts after the last one succeed."""

    async def act(attempt: Attempt) -> None:
        if attempt.attempt <= len(categories):
            raise PlatformError(
                f"no luck {attempt.attempt}",
                category=categories[attempt.attempt - 1],
                retry_after_s=retry_after_s,
            )

    return act


async def failure_of(handle) -> ApplicationError | CancelledError:
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    assert isinstance(failed.value.cause, ApplicationError | CancelledError)
    return failed.value.cause


async def test_provenance_is_recorded_with_the_request_of_the_run(working: Runs) -> None:
    made = Provenance(engine="flux.1", model="swatch", steps=8)
    working.inference.provenance = made
    run = generation(inputs={"prompt": "a hat", "width": 64, "height": 64, "seed": 3})
    outcome = await (await working.start_task(run)).result()
    recorded = working.outcome(run.task_id)
    assert recorded.provenance == ProvenanceRecord(
        provider_type=ProviderType.LOCAL, inputs=run.inputs, made=made
    )
    assert outcome == recorded.model_copy(update={"provenance": None})


async def test_task_completes_in_twelve_events_and_is_recorded(working: Runs) -> None:
    run = generation()
    handle = await working.start_task(run)
    outcome = await handle.result()
    [attempt] = working.inference.attempts
    path = result_path(attempt)
    assert attempt.inputs.prompt == run.inputs["prompt"]
    assert outcome == working.outcome(run.task_id)
    assert outcome == TaskOutcome(
        task_id=run.task_id,
        status=TaskStatus.COMPLETED,
        owner=OWNER,
        attempt=1,
        results={"result_image_path": path, "result_image_paths": [path]},
        files=outcome.files,
        executor_type="fake",
        executor_instance="fake-1",
        started_at=STARTED_AT,
        verdict=ProviderVerdict(provider_type=ProviderType.LOCAL, is_success=True),
    )
    assert [file.key for file in outcome.files] == [path]
    assert kinds(await handle.fetch_history()) == [
        "WORKFLOW_EXECUTION_STARTED",
        "WORKFLOW_TASK_SCHEDULED",
        "WORKFLOW_TASK_STARTED",
        "WORKFLOW_TASK_COMPLETED",
        "ACTIVITY_TASK_SCHEDULED",
        "ACTIVITY_TASK_STARTED",
        "ACTIVITY_TASK_COMPLETED",
        "WORKFLOW_TASK_SCHEDULED",
        "WORKFLOW_TASK_STARTED",
        "WORKFLOW_TASK_COMPLETED",
        "MARKER_RECORDED",
        "WORKFLOW_EXECUTION_COMPLETED",
    ]


async def test_history_of_a_task_is_small(working: Runs) -> None:
    handle = await working.start_task(
        generation(inputs=generation().inputs | {"prompt": "x" * 9000})
    )
    await handle.result()
    history = await handle.fetch_history()
    # The prompt occurs twice: in the run's input and in the attempt's.
    assert sum(event.ByteSize() for event in history.events) < 2 * 9000 + 6000


async def test_refiner_gets_the_provider_config(working: Runs) -> None:
    inputs = {
        "base_image_url": "uploads/a.png",
        "upscale_seed": 3,
        "config": {"strict_checks": True},
    }
    run = refinement(provider_config={"num_tiles": 4}, inputs=inputs)
    await (await working.start_task(run)).result()
    [attempt] = working.inference.attempts
    assert attempt.refiner.num_tiles == 4
    assert attempt.inputs.base_image_url == "uploads/a.png"
    assert attempt.inputs.config.strict_checks


async def test_editing_gets_its_pictures_and_its_config(working: Runs) -> None:
    inputs = editing().inputs | {
        "reference_images": ["uploads/b.png", "uploads/c.png"],
        "config": {"strength": 0.4, "num_images": 2, "backend_generation_id": "x"},
    }
    outcome = await (await working.start_task(editing(inputs=inputs))).result()
    [attempt] = working.inference.attempts
    assert isinstance(attempt, EditImage)
    assert attempt.inputs.base_image == "uploads/a.png"
    assert attempt.inputs.reference_images == ["uploads/b.png", "uploads/c.png"]
    assert attempt.inputs.config == EditingConfig(strength=0.4, num_images=2)
    path = result_path(attempt)
    assert outcome.results == {"result_image_path": path, "result_image_paths": [path]}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reference_images", ["uploads/b.png"] * 9),
        ("base_image", None),
        ("config", {"strength": 2}),
    ],
)
async def test_invalid_editing_reaches_no_worker(working: Runs, field: str, value: object) -> None:
    run = editing(inputs=editing().inputs | {field: value})
    error = await failure_of(await working.start_task(run))
    assert error.type == "VALIDATION"
    assert f"inputs.{field}" in working.outcome(run.task_id).errors[0]
    assert not working.inference.attempts


async def test_transient_failure_is_retried(hurried: Runs) -> None:
    hurried.inference.act = fails(ErrorCategory.NETWORK)
    run = generation(max_retries=1)
    outcome = await (await hurried.start_task(run)).result()
    assert outcome.status == TaskStatus.COMPLETED
    assert (outcome.attempt, outcome.retry_count) == (2, 1)
    assert outcome.errors == ["attempt 1: no luck 1"]
    assert outcome.error_category is None
    assert outcome.results["result_image_path"] == f"fake/{run.task_id}/a2.png"


async def test_task_fails_once_its_retries_are_used_up(hurried: Runs) -> None:
    hurried.inference.act = fails(*[ErrorCategory.RESOURCE] * 9)
    run = generation(max_retries=1)
    error = await failure_of(await hurried.start_task(run))
    assert (error.type, error.message) == ("RESOURCE", "attempt 2: no luck 2")
    outcome = hurried.outcome(run.task_id)
    assert outcome.status == TaskStatus.FAILED
    assert outcome.error_category == ErrorCategory.RESOURCE
    assert (outcome.attempt, outcome.retry_count) == (2, 1)
    assert outcome.errors == ["attempt 1: no luck 1", "attempt 2: no luck 2"]
    assert len(hurried.inference.attempts) == 2


@pytest.mark.parametrize(
    "category",
    [ErrorCategory.VALIDATION, ErrorCategory.CONTENT_POLICY, ErrorCategory.CONSISTENCY_CHECK],
)
async def test_final_failure_is_not_retried(working: Runs, category: ErrorCategory) -> None:
    working.inference.act = fails(category)
    run = generation()
    error = await failure_of(await working.start_task(run))
    assert error.type == category
    outcome = working.outcome(run.task_id)
    assert (outcome.status, outcome.attempt, outcome.retry_count) == (TaskStatus.FAILED, 1, 0)


async def test_unknown_exception_counts_as_internal(hurried: Runs) -> None:
    async def act(attempt: Attempt) -> None:
        raise ZeroDivisionError("by zero")

    hurried.inference.act = act
    run = generation(max_retries=0)
    error = await failure_of(await hurried.start_task(run))
    assert (error.type, error.message) == ("INTERNAL", "attempt 1: ZeroDivisionError: by zero")


async def test_incomplete_inputs_fail_the_task_without_an_attempt(working: Runs) -> None:
    run = generation(inputs={"prompt": "no size"})
    error = await failure_of(await working.start_task(run))
    assert error.type == "VALIDATION"
    assert "inputs.width" in working.outcome(run.task_id).errors[0]
    assert not working.inference.attempts


async def test_retry_waits_as_long_as_the_provider_asked(working: Runs) -> None:
    working.inference.act = fails(ErrorCategory.RATE_LIMIT, retry_after_s=2)
    handle = await working.start_task(generation())
    await handle.result()
    timer = await until_event(handle, EventType.EVENT_TYPE_TIMER_STARTED)
    assert timer.timer_started_event_attributes.start_to_fire_timeout.ToSeconds() == 2


async def test_silent_worker_is_not_counted_as_a_retry(
    working: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    timeout = timedelta(seconds=2)
    monkeypatch.setattr("workflows.definitions.attempt.HEARTBEAT_TIMEOUT", timeout)
    is_over = asyncio.Event()

    async def act(attempt: Attempt) -> None:
        if attempt.attempt == 1:  # no heartbeat: the server treats this worker as lost
            await is_over.wait()

    working.inference.act = act
    outcome = await (await working.start_task(generation(max_retries=0))).result()
    is_over.set()
    assert outcome.status == TaskStatus.COMPLETED
    assert (outcome.attempt, outcome.retry_count) == (2, 1)
    assert outcome.errors == ["attempt 1: the worker stopped sending heartbeats"]


async def test_attempt_of_a_worker_that_shuts_down_is_retried(runs: Runs) -> None:
    is_running = asyncio.Event()

    async def act(attempt: Attempt) -> None:
        if attempt.attempt == 1:
            is_running.set()
            async with Heartbeat():
                await asyncio.sleep(LONG_S)

    runs.inference.act = act
    async with runs.workflow_worker():
        async with runs.inference_worker():
            handle = await runs.start_task(generation(max_retries=0))
            await is_running.wait()
        await until_event(handle, EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED)
        async with runs.inference_worker():
            outcome = await handle.result()
    assert outcome.status == TaskStatus.COMPLETED
    assert (outcome.attempt, outcome.retry_count) == (2, 1)
    assert outcome.errors == ["attempt 1: the worker shut down"]


async def test_database_outage_delays_the_record_only(hurried: Runs) -> None:
    hurried.records.failures_left = 4
    run = generation()
    outcome = await (await hurried.start_task(run)).result()
    assert hurried.records.calls == 5
    assert hurried.outcome(run.task_id) == outcome
    assert len(hurried.inference.attempts) == 1


async def test_failed_storage_start_is_retried_as_storage(hurried: Runs) -> None:
    async def act(attempt: Attempt) -> None:
        raise StorageError("the store is away")

    hurried.inference.act = act
    run = generation(max_retries=0)
    assert (await failure_of(await hurried.start_task(run))).type == "STORAGE"


async def test_task_waits_for_a_worker_that_supports_its_type(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.policies.UNSERVED_INITIAL_S", 0.3)
    run = generation(
        task_type=TaskType.FACE_ENHANCER,
        provider_type=ProviderType.SARTIQ_ULTIMATE_FACE_FIXER,
        inputs={"input_image": "uploads/a.png"},
    )
    async with runs.workflow_worker():
        async with runs.inference_worker():
            handle = await runs.start_task(run)
            await until_event(handle, EventType.EVENT_TYPE_TIMER_STARTED)
            assert not runs.records.tasks
        later = Worker(
            runs.client,
            task_queue=TaskQueue.INFERENCE,
            activities=[FakeFixers().enhance_faces],
        )
        async with later:
            outcome = await handle.result()
    assert (outcome.status, outcome.attempt, outcome.retry_count) == (TaskStatus.COMPLETED, 1, 0)
    assert outcome.errors == []


async def test_fixers_get_messages_of_their_own(runs: Runs) -> None:
    fixers = FakeFixers()
    face = generation(
        task_type=TaskType.FACE_ENHANCER,
        provider_type=ProviderType.SARTIQ_ULTIMATE_FACE_FIXER,
        provider_config={"provider_type": "sartiq_ultimate_face_fixer", "expand_percent": 0.25},
        inputs={"input_image": "uploads/a.png", "config": {"strict_checks": True}},
    )
    detail = generation(
        task_type=TaskType.DETAIL_ENHANCER,
        provider_type=ProviderType.SARTIQ_ULTIMATE_GARMENT_FIXER,
        provider_config={"split_threshold": 2.5},
        inputs={"base_image": "uploads/a.png", "reference_image": "b.png", "detail_label": "logo"},
    )
    worker = Worker(
        runs.client,
        task_queue=TaskQueue.INFERENCE,
        activities=[fixers.enhance_faces, fixers.enhance_details],
    )
    async with runs.workflow_worker(), worker:
        outcomes = [await (await runs.start_task(run)).result() for run in (face, detail)]
    assert [outcome.status for outcome in outcomes] == [TaskStatus.COMPLETED] * 2
    assert outcomes[0].results["face_detected"] is False
    faces, details = fixers.requests
    assert isinstance(faces, EnhanceFaces)
    assert isinstance(details, EnhanceDetails)
    assert (faces.fixer.expand_percent, faces.inputs.config.strict_checks) == (0.25, True)
    assert (details.fixer.split_threshold, details.inputs.detail_label) == (2.5, "logo")
