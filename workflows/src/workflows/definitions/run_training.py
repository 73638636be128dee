"""The workflow of a training: prepare the dataset, train on it, record the outcome."""

import asyncio
from datetime import datetime

from temporalio import workflow
from temporalio.exceptions import ApplicationError, is_cancelled_exception

from shared.contracts.attempts import StoredFile
from shared.contracts.datasets import PreparedDataset
from shared.contracts.enums import ErrorCategory, TaskQueue, TrainingStatus, TrainingType
from shared.contracts.folders import TRAININGS_FOLDER
from shared.contracts.training import (
    ENDED,
    DatasetRecord,
    TrainedModel,
    TrainingActivities,
    TrainingMetrics,
    TrainingOutcome,
    TrainingRecordState,
    TrainingRun,
    TrainModel,
)
from shared.uninterrupted import is_cancelling
from workflows.definitions.failure import read_error
from workflows.definitions.recording import record_dataset, record_training
from workflows.definitions.training_dataset import DatasetPreparation
from workflows.definitions.unexpected_errors import failing_as_internal
from workflows.policies import HEARTBEAT_TIMEOUT, TRAINING_RETRY, TRAINING_START_TO_CLOSE

_TRAINERS = {
    TrainingType.LORA: TrainingActivities.train_lora,
    TrainingType.FULL: TrainingActivities.train_model,
}


@workflow.defn(name="Training")
class RunTraining:
    """Run of one training, id `training-<uuid>`. It fails or is cancelled as the training is.

    The worker that starts a stage reports it to the records over the progress route. Until then the
    training is PENDING, however long it waits in a queue.
    """

    def __init__(self) -> None:
        self._preprocessing = "waits for a worker or runs"
        self._training = "–"
        self._files: list[StoredFile] = []
        """Files without owner rows yet."""
        self._started_at: datetime | None = None

    @workflow.run
    async def run(self, run: TrainingRun) -> TrainingOutcome:
        """Run the training to its end."""
        with failing_as_internal():
            return await self._run(run)

    async def _run(self, run: TrainingRun) -> TrainingOutcome:
        outcome = await record_training(await self._work(run))
        self._training = _ending(outcome)
        self._show(run)
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
            dataset = await self._prepare(run)
            standing = await self._record_dataset(run, dataset)
            if standing.status in ENDED:
                # The gateway ended the training, but could not reach Temporal.
                return self._ended(run, standing.status, standing.error)
            if is_cancelling():
                return self._ended(run, TrainingStatus.CANCELLED)
            return self._completed(run, await self._train(run, dataset))
        except asyncio.CancelledError:
            return self._ended(run, TrainingStatus.CANCELLED)
        except workflow.NondeterminismError:
            raise
        except Exception as error:  # noqa: BLE001 — an unexpected error ends the training, too
            if is_cancelled_exception(error) or is_cancelling():
                return self._ended(run, TrainingStatus.CANCELLED)
            failure = read_error(error)
            return self._ended(run, TrainingStatus.FAILED, failure.message, failure.category)

    async def _prepare(self, run: TrainingRun) -> PreparedDataset:
        def show(state: str) -> None:
            self._preprocessing = state
            self._show(run)

        preparation = DatasetPreparation(run, show)
        self._files = preparation.files
        return await preparation.prepare()

    async def _record_dataset(
        self, run: TrainingRun, dataset: PreparedDataset
    ) -> TrainingRecordState:
        self._started_at = dataset.started_at
        done, total = dataset.processed_files_count, dataset.total_files_count
        self._preprocessing = f"done, {done} of {total} files"
        standing = await record_dataset(
            DatasetRecord(training_id=run.training_id, owner=run.owner, dataset=dataset)
        )
        self._files = []
        return standing

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
                log=dataset.log,
            ),
            task_queue=TaskQueue.TRAINING,
            start_to_close_timeout=TRAINING_START_TO_CLOSE,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=TRAINING_RETRY,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=f"{run.hyperparameters.steps} steps",
        )

    def _completed(self, run: TrainingRun, model: TrainedModel) -> TrainingOutcome:
        return TrainingOutcome(
            training_id=run.training_id,
            status=TrainingStatus.COMPLETED,
            owner=run.owner,
            local_model_path=model.local_model_path,
            lora=model.lora,
            folder=run.folder if model.lora else None,
            current_step=model.current_step,
            files=model.files,
            metrics=model.metrics,
            logs=model.logs or None,
            warnings=model.warnings,
            started_at=self._started_at,
        )

    def _ended(
        self,
        run: TrainingRun,
        status: TrainingStatus,
        error: str | None = None,
        category: ErrorCategory | None = None,
    ) -> TrainingOutcome:
        return TrainingOutcome(
            training_id=run.training_id,
            status=status,
            owner=run.owner,
            files=self._files,
            error=error,
            error_category=category,
        )

    def _show(self, run: TrainingRun) -> None:
        """Show the state of the run in the Temporal UI."""
        trigger = " ".join(run.trigger_word.split()).replace("`", "'")
        workflow.set_current_details(
            f"**{run.training_type}** `{trigger}` → `{run.folder}`\n\n"
            f"- preprocessing, queue `{TaskQueue.PREPROCESSING}`: {self._preprocessing}\n"
            f"- training, queue `{TaskQueue.TRAINING}`: {self._training}\n"
            f"- dataset, samples, contact sheet and log: `{TRAININGS_FOLDER}/{run.training_id}/`"
        )


def _ending(outcome: TrainingOutcome) -> str:
    """Return the end of a training for the Temporal UI."""
    if outcome.status != TrainingStatus.COMPLETED:
        return outcome.status.lower()
    metrics = outcome.metrics or TrainingMetrics()
    figures = {"loss": metrics.loss, "held-out loss": metrics.held_out_loss}
    losses = "".join(f", {name} {loss:.4g}" for name, loss in figures.items() if loss is not None)
    return f"done, {outcome.current_step} steps{losses}: `{outcome.local_model_path}`"
