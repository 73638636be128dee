"""The workflow of a training: prepare the dataset, train on it, record the outcome."""

import asyncio
from datetime import datetime

from temporalio import workflow
from temporalio.exceptions import ApplicationError, is_cancelled_exception

from shared.contracts.datasets import DatasetActivities, PreparedDataset, PreprocessDataset
from shared.contracts.enums import ErrorCategory, TaskQueue, TrainingStatus, TrainingType
from shared.contracts.training import (
    ENDED,
    DatasetRecord,
    TrainedModel,
    TrainingActivities,
    TrainingOutcome,
    TrainingRecordState,
    TrainingRun,
    TrainModel,
)
from shared.uninterrupted import is_cancelling
from workflows.definitions.failure import read_error
from workflows.definitions.recording import record_dataset, record_training
from workflows.definitions.unexpected_errors import failing_as_internal
from workflows.policies import (
    HEARTBEAT_TIMEOUT,
    PREPROCESSING_START_TO_CLOSE,
    STAGE_RETRY,
    TRAINING_START_TO_CLOSE,
)

_TRAINERS = {
    TrainingType.LORA: TrainingActivities.train_lora,
    TrainingType.FULL: TrainingActivities.train_model,
}
_WAIT = workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED


@workflow.defn(name="Training")
class RunTraining:
    """Run of one training, id `training-<uuid>`. It fails or is cancelled as the training is.

    The worker that starts a stage reports it to the records over the progress route. Until then the
    training is PENDING, however long it waits in a queue.
    """

    def __init__(self) -> None:
        self._preprocessing = "waits for a worker or runs"
        self._training = "–"
        self._started_at: datetime | None = None

    @workflow.run
    async def run(self, run: TrainingRun) -> TrainingOutcome:
        """Run the training to its end."""
        with failing_as_internal():
            return await self._run(run)

    async def _run(self, run: TrainingRun) -> TrainingOutcome:
        outcome = await record_training(await self._work(run))
        if outcome.status == TrainingStatus.CANCELLED:
            raise asyncio.CancelledError
        if outcome.status == TrainingStatus.FAILED:
            raise ApplicationError(
                outcome.error or "the training failed",
                type=outcome.error_category,
                non_retryable=True,
            )
        return outcome

    async def _work(self, run: TrainingRun) -> TrainingOutcome:
        try:
            dataset = await self._preprocess(run)
            standing = await self._record_dataset(run, dataset)
            if standing.status in ENDED:
                # The gateway ended the training, but could not reach Temporal.
                return _ended(run, standing.status, standing.error)
            if is_cancelling():
                return _ended(run, TrainingStatus.CANCELLED)
            return _completed(run, await self._train(run, dataset), self._started_at)
        except asyncio.CancelledError:
            return _ended(run, TrainingStatus.CANCELLED)
        except workflow.NondeterminismError:
            raise
        except Exception as error:  # noqa: BLE001 — an unexpected error ends the training, too
            if is_cancelled_exception(error) or is_cancelling():
                return _ended(run, TrainingStatus.CANCELLED)
            failure = read_error(error)
            return _ended(run, TrainingStatus.FAILED, failure.message, failure.category)

    async def _preprocess(self, run: TrainingRun) -> PreparedDataset:
        self._show(run)
        return await workflow.execute_activity_method(
            DatasetActivities.preprocess_dataset,
            PreprocessDataset(
                training_id=run.training_id,
                source_images=run.source_images,
                transforms=run.transforms,
                captioning=run.captioning,
                owner=run.owner,
            ),
            task_queue=TaskQueue.PREPROCESSING,
            start_to_close_timeout=PREPROCESSING_START_TO_CLOSE,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=STAGE_RETRY,
            cancellation_type=_WAIT,
            summary=f"{len(run.source_images)} pictures",
        )

    async def _record_dataset(
        self, run: TrainingRun, dataset: PreparedDataset
    ) -> TrainingRecordState:
        self._started_at = dataset.started_at
        done, total = dataset.processed_files_count, dataset.total_files_count
        self._preprocessing = f"done, {done} of {total} files"
        return await record_dataset(
            DatasetRecord(training_id=run.training_id, owner=run.owner, dataset=dataset)
        )

    async def _train(self, run: TrainingRun, dataset: PreparedDataset) -> TrainedModel:
        self._training = "waits for a worker or runs"
        self._show(run)
        return await workflow.execute_activity_method(
            _TRAINERS[run.training_type],
            TrainModel(
                training_id=run.training_id,
                entity_type=run.entity_type,
                trigger_word=run.trigger_word,
                base_model_path=run.base_model_path,
                dataset_path=dataset.dataset_path,
                folder=run.folder,
                hyperparameters=run.hyperparameters,
                owner=run.owner,
            ),
            task_queue=TaskQueue.TRAINING,
            start_to_close_timeout=TRAINING_START_TO_CLOSE,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=STAGE_RETRY,
            cancellation_type=_WAIT,
            summary=f"{run.hyperparameters.steps} steps",
        )

    def _show(self, run: TrainingRun) -> None:
        """Show the state of the run in the Temporal UI."""
        workflow.set_current_details(
            f"**{run.training_type}** `{run.trigger_word}` → `{run.folder}`\n\n"
            f"- preprocessing, queue `{TaskQueue.PREPROCESSING}`: {self._preprocessing}\n"
            f"- training, queue `{TaskQueue.TRAINING}`: {self._training}"
        )


def _completed(
    run: TrainingRun, model: TrainedModel, started_at: datetime | None
) -> TrainingOutcome:
    return TrainingOutcome(
        training_id=run.training_id,
        status=TrainingStatus.COMPLETED,
        owner=run.owner,
        local_model_path=model.local_model_path,
        current_step=model.current_step,
        files=model.files,
        started_at=started_at,
    )


def _ended(
    run: TrainingRun,
    status: TrainingStatus,
    error: str | None = None,
    category: ErrorCategory | None = None,
) -> TrainingOutcome:
    return TrainingOutcome(
        training_id=run.training_id,
        status=status,
        owner=run.owner,
        error=error,
        error_category=category,
    )
