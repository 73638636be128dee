"""Runs of trainings on a real server: both stages, retries, failures, cancellation, records."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError, CancelledError

from shared.contracts.datasets import PreprocessDataset
from shared.contracts.enums import (
    ErrorCategory,
    TaskQueue,
    TrainingStatus,
    TrainingType,
    TransformType,
)
from shared.contracts.training import (
    Hyperparameters,
    TrainingMetrics,
    TrainingOutcome,
    TrainModel,
)
from shared.contracts.transforms import Transform
from shared.errors import PlatformError
from shared.temporal.heartbeat import Heartbeat
from tests.fakes.training import LORA, STARTED_AT
from tests.fixtures.workflow_runs import OWNER, Runs, kinds, training, until, until_event
from workflows.definitions.run_training import RunTraining
from workflows.policies import STAGE_RETRY

LONG_S = 25.0
URL = "https://example.com/b.png"

Handle = WorkflowHandle[RunTraining, TrainingOutcome]
Stage = type[PreprocessDataset] | type[TrainModel]
STAGES = [PreprocessDataset, TrainModel]


@pytest.fixture
async def staffed(runs: Runs) -> AsyncIterator[Runs]:
    """Workers on every queue of a training."""
    async with AsyncExitStack() as stack:
        for worker in (
            runs.workflow_worker(),
            runs.fetch_worker(),
            runs.dataset_worker(),
            runs.training_worker(),
        ):
            await stack.enter_async_context(worker)
        yield runs


class Busy:
    """One stage that runs until it is cancelled; the other returns at once."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.is_running = asyncio.Event()

    async def __call__(self, request: PreprocessDataset | TrainModel) -> None:
        if isinstance(request, self.stage):
            self.is_running.set()
            async with Heartbeat():
                await asyncio.sleep(LONG_S)


def fails(stage: Stage, *categories: ErrorCategory):
    """Fail the first attempts of a stage with these categories; the next one succeeds."""
    left = list(categories)

    async def act(request: PreprocessDataset | TrainModel) -> None:
        if isinstance(request, stage) and left:
            raise PlatformError("no luck", category=left.pop(0))

    return act


async def assert_cancelled(handle: Handle) -> None:
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    assert isinstance(failed.value.cause, CancelledError)
    assert (await handle.describe()).status == WorkflowExecutionStatus.CANCELED


async def test_training_goes_through_both_stages_and_is_recorded(staffed: Runs) -> None:
    run = training(
        transforms=[Transform(type=TransformType.RESIZE, parameters={"size": 512})],
        hyperparameters=Hyperparameters(
            steps=7, rank=4, sample_prompts=["a sh0e"], resolutions=[64], held_out_share=0.2
        ),
    )
    handle = await staffed.start_training(run)
    outcome = await handle.result()

    [preprocessing] = staffed.training.datasets
    assert preprocessing == PreprocessDataset(
        training_id=run.training_id,
        source_images=run.source_images,
        fetched_at={1: f"trainings/{run.training_id}/inputs/b.png"},
        transforms=run.transforms,
        captioning=run.captioning,
        resolutions=[64],
        held_out_share=0.2,
        owner=OWNER,
    )
    record = staffed.records.datasets[run.training_id]
    assert (record.dataset.processed_files_count, record.dataset.total_files_count) == (2, 2)
    [trained] = staffed.training.loras
    assert trained.dataset_path == record.dataset.dataset_path
    assert trained.hyperparameters == run.hyperparameters
    assert outcome == staffed.records.trainings[run.training_id]
    assert outcome == TrainingOutcome(
        training_id=run.training_id,
        status=TrainingStatus.COMPLETED,
        owner=OWNER,
        local_model_path="product/sh0e.safetensors",
        current_step=7,
        files=outcome.files,
        metrics=TrainingMetrics(loss=0.25, device="fake"),
        logs="trained\n",
        warnings=["trained on nothing"],
        started_at=STARTED_AT,
    )
    assert [file.key for file in outcome.files] == [
        f"trainings/{run.training_id}/model.safetensors"
    ]
    assert not staffed.training.models
    assert kinds(await handle.fetch_history())[-2:] == [
        "MARKER_RECORDED",
        "WORKFLOW_EXECUTION_COMPLETED",
    ]


async def test_full_training_trains_all_weights(staffed: Runs) -> None:
    await (await staffed.start_training(training(training_type=TrainingType.FULL))).result()
    assert (len(staffed.training.models), len(staffed.training.loras)) == (1, 0)


@pytest.mark.parametrize("stage", STAGES)
async def test_transient_failure_of_a_stage_is_retried(staffed: Runs, stage: Stage) -> None:
    staffed.training.act = fails(stage, ErrorCategory.NETWORK)
    outcome = await (await staffed.start_training(training())).result()
    assert outcome.status == TrainingStatus.COMPLETED
    tried = (len(staffed.training.datasets), len(staffed.training.loras))
    assert tried == ((2, 1) if stage is PreprocessDataset else (1, 2))


@pytest.mark.parametrize("stage", STAGES)
async def test_final_failure_fails_the_run_and_the_record(staffed: Runs, stage: Stage) -> None:
    staffed.training.act = fails(stage, *[ErrorCategory.VALIDATION] * 3)
    run = training()
    handle = await staffed.start_training(run)
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    cause = failed.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.message) == ("VALIDATION", "no luck")
    outcome = staffed.records.trainings[run.training_id]
    assert (outcome.status, outcome.error) == (TrainingStatus.FAILED, "no luck")
    assert outcome.error_category == ErrorCategory.VALIDATION
    tried = (len(staffed.training.datasets), len(staffed.training.loras))
    assert tried == ((1, 0) if stage is PreprocessDataset else (1, 1))


async def test_training_of_a_worker_that_shuts_down_is_retried(runs: Runs) -> None:
    runs.training.act = busy = Busy(TrainModel)
    async with runs.workflow_worker(), runs.fetch_worker(), runs.dataset_worker():
        async with runs.training_worker():
            handle = await runs.start_training(training())
            await busy.is_running.wait()
        runs.training.act = fails(TrainModel)
        async with runs.training_worker():
            outcome = await handle.result()
    assert outcome.status == TrainingStatus.COMPLETED
    assert len(runs.training.loras) == 2


@pytest.mark.parametrize("stage", STAGES)
async def test_running_stage_is_cancelled(staffed: Runs, stage: Stage) -> None:
    staffed.training.act = busy = Busy(stage)
    run = training()
    handle = await staffed.start_training(run)
    await busy.is_running.wait()
    await handle.cancel()
    await assert_cancelled(handle)
    outcome = staffed.records.trainings[run.training_id]
    assert (outcome.status, outcome.error) == (TrainingStatus.CANCELLED, None)


async def test_queued_training_is_visible_and_cancelled(runs: Runs) -> None:
    async with runs.workflow_worker():
        run = training(source_images=["trainings/a.png"])
        handle = await runs.start_training(run)
        await until_event(handle, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
        assert not runs.records.calls

        async def shows_its_queue() -> bool:
            shown = await handle.query("__temporal_workflow_metadata")
            return TaskQueue.PREPROCESSING in str(shown)

        await until(shows_its_queue)
        await handle.cancel()
        await assert_cancelled(handle)
    assert runs.records.trainings[run.training_id].status == TrainingStatus.CANCELLED


async def test_dataset_that_is_ready_while_it_is_cancelled_is_not_trained_on(
    staffed: Runs,
) -> None:
    busy = Busy(PreprocessDataset)

    async def act(request: PreprocessDataset | TrainModel) -> None:
        try:
            await busy(request)
        except asyncio.CancelledError:
            return

    staffed.training.act = act
    run = training()
    handle = await staffed.start_training(run)
    await busy.is_running.wait()
    await handle.cancel()
    await assert_cancelled(handle)
    assert run.training_id in staffed.records.datasets
    assert not staffed.training.loras


async def test_cancel_during_the_record_of_the_dataset_is_not_lost(
    staffed: Runs,
) -> None:
    staffed.training.act = Busy(TrainModel)
    staffed.records.is_open.clear()
    handle = await staffed.start_training(training())
    await staffed.records.is_called.wait()
    await handle.cancel()
    staffed.records.is_open.set()
    await assert_cancelled(handle)


@pytest.mark.parametrize("status", [TrainingStatus.CANCELLED, TrainingStatus.FAILED])
async def test_training_that_the_gateway_has_ended_is_not_trained(
    staffed: Runs, status: TrainingStatus
) -> None:
    run = training()
    staffed.records.trainings[run.training_id] = TrainingOutcome(
        training_id=run.training_id, status=status, owner=OWNER, error="ended before"
    )
    handle = await staffed.start_training(run)
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    if status == TrainingStatus.CANCELLED:
        # Temporal received no cancellation, so its own status for this end is FAILED.
        assert isinstance(failed.value.cause, CancelledError)
    else:
        assert isinstance(failed.value.cause, ApplicationError)
        assert failed.value.cause.message == "ended before"
    assert not staffed.training.loras


async def test_database_outage_delays_the_records_only(staffed: Runs) -> None:
    staffed.records.failures_left = 3
    run = training()
    outcome = await (await staffed.start_training(run)).result()
    assert staffed.records.trainings[run.training_id] == outcome
    assert (len(staffed.training.datasets), len(staffed.training.loras)) == (1, 1)


async def test_failures_of_a_training_are_retried_beyond_those_of_other_stages(
    hurried: Runs,
) -> None:
    """The training worker itself ends a series of attempts without a newer state."""
    count = (STAGE_RETRY.maximum_attempts or 0) + 2
    hurried.training.act = fails(TrainModel, *[ErrorCategory.RESOURCE] * count)
    async with hurried.dataset_worker(), hurried.training_worker():
        run = training(source_images=["trainings/a.png"])
        handle = await hurried.start_training(run, run_timeout=timedelta(hours=1))
        outcome = await handle.result()
    assert outcome.status == TrainingStatus.COMPLETED
    assert len(hurried.training.loras) == count + 1


async def test_trained_lora_is_recorded_with_its_folder_and_returned_with_its_path(
    staffed: Runs,
) -> None:
    staffed.training.lora = LORA
    run = training(folder="styles")
    outcome = await (await staffed.start_training(run)).result()
    assert (outcome.lora, outcome.folder) == (LORA, "styles")
    assert outcome.local_model_path == "styles/sh0e.safetensors"


async def test_details_show_both_stages_and_where_files_are(staffed: Runs) -> None:
    staffed.training.lora = LORA
    run = training(trigger_word="a `sh0e`\nb")
    handle = await staffed.start_training(run)
    await handle.result()
    shown = (await handle.query("__temporal_workflow_metadata")).current_details
    assert shown.splitlines() == [
        "**LORA** `a 'sh0e' b` → `product`",
        "",
        "- preprocessing, queue `preprocessing`: done, 2 of 2 files",
        "- training, queue `training`: done, 7 steps, loss 0.25: `product/sh0e.safetensors`",
        f"- dataset, samples, contact sheet and log: `trainings/{run.training_id}/`",
    ]


async def test_saved_pictures_keep_their_paths_as_names(staffed: Runs) -> None:
    run = training(
        source_images=["shop/red_dress.png"],
        picture_objects={"shop/red_dress.png": "saved_pictures/1f"},
    )
    await (await staffed.start_training(run)).result()
    [request] = staffed.training.datasets
    assert request.source_images == ["shop/red_dress.png"]
    assert request.fetched == {"shop/red_dress.png": "saved_pictures/1f"}
