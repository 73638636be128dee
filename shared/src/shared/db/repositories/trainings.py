"""Trainings: reading within a client's scope, datasets and outcomes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.enums import TrainingStatus
from shared.contracts.training import ENDED, DatasetRecord, TrainingOutcome, TrainingRecordState
from shared.db.models.trainings import Training
from shared.db.repositories.events import add_training_event
from shared.db.repositories.scope import Scope
from shared.db.repositories.trained_loras import register_lora
from shared.db.repositories.training_files import write_training_files
from shared.db.repositories.training_progress import write_logs, write_metrics


async def find_training(
    session: AsyncSession, scope: Scope, training_id: UUID, *, is_locked: bool = False
) -> Training | None:
    """Return a training, optionally with its row lock; none if the client may not see it."""
    rows = scope.limit(select(Training).where(Training.id == training_id), Training)
    return await session.scalar(rows.with_for_update() if is_locked else rows)


async def list_trainings(
    session: AsyncSession, scope: Scope, *, skip: int, limit: int
) -> tuple[list[Training], int]:
    """Return one page of trainings, newest first, and their total number."""
    rows = scope.limit(select(Training), Training)
    total = await session.scalar(scope.limit(select(func.count(Training.id)), Training))
    newest = rows.order_by(Training.created_at.desc(), Training.id.desc())
    return list(await session.scalars(newest.offset(skip).limit(limit))), total or 0


async def write_training_outcome(
    session: AsyncSession, outcome: TrainingOutcome
) -> TrainingRecordState:
    """Write the outcome of a training: its row, its LoRA, owner rows of its files, and its event.

    Returns:
        The state of the training. If it had already ended, that state is kept.
    """
    training = await session.get(Training, outcome.training_id, with_for_update=True)
    if training is None:
        return TrainingRecordState(status=outcome.status, local_model_path=outcome.local_model_path)
    if training.status in ENDED:
        return _record_state(training)
    training.status = outcome.status
    training.started_at = training.started_at or outcome.started_at
    training.completed_at = datetime.now(UTC)
    training.eta_seconds = None
    if outcome.error:
        training.error_message = outcome.error
        training.errors = [*training.errors, outcome.error]
    if outcome.status == TrainingStatus.COMPLETED:
        training.local_model_path = await _model_path(session, outcome)
        training.current_step = outcome.current_step
        training.progress = 100
    if outcome.logs:
        write_logs(training, outcome.logs)
    elif outcome.error:
        # A stage that fails has no result, and its last report may be lost.
        _log_error(training, outcome.error)
    if outcome.metrics is not None:
        write_metrics(training, outcome.metrics)
    _add_warnings(training, outcome.warnings)
    add_training_event(session, training)
    await write_training_files(session, outcome.owner, training.id, outcome.files)
    return _record_state(training)


def _log_error(training: Training, error: str) -> None:
    """End a training's log with the cause of its failure, unless its worker wrote it."""
    text, logs = " ".join(error.split()), training.logs or ""
    if text in logs:
        return
    if logs and not logs.endswith("\n"):
        logs += "\n"
    at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    write_logs(training, f"{logs}{at} ERROR {text}\n")


async def _model_path(session: AsyncSession, outcome: TrainingOutcome) -> str | None:
    """Return the path of the trained file in the LoRA store, where it is registered if need be."""
    if outcome.lora is None or outcome.folder is None:
        return outcome.local_model_path
    return await register_lora(
        session, outcome.training_id, outcome.owner, outcome.folder, outcome.lora
    )


async def write_dataset(session: AsyncSession, record: DatasetRecord) -> TrainingRecordState:
    """Write that a training's dataset is prepared. Its status stays PREPROCESSING.

    Returns:
        The state of the training. If it has already ended, nothing is written.
    """
    training = await session.get(Training, record.training_id, with_for_update=True)
    if training is None:
        return TrainingRecordState(status=TrainingStatus.PREPROCESSING)
    if training.status in ENDED or training.preprocessing_completed_at is not None:
        return _record_state(training)
    dataset = record.dataset
    # The `started` report may have been lost; the result has the time as well.
    training.started_at = training.started_at or dataset.started_at
    training.preprocessing_started_at = training.preprocessing_started_at or dataset.started_at
    training.preprocessing_completed_at = dataset.completed_at
    training.preprocessing_stage = "completed"
    training.processed_files_count = dataset.processed_files_count
    training.total_files_count = dataset.total_files_count
    training.processed_dataset_path = dataset.dataset_path
    training.status = TrainingStatus.PREPROCESSING
    if dataset.log:
        write_logs(training, "".join(f"{line}\n" for line in dataset.log))
    _add_warnings(training, dataset.warnings)
    add_training_event(session, training)
    await write_training_files(session, record.owner, training.id, dataset.files)
    return _record_state(training)


def _add_warnings(training: Training, warnings: Sequence[str]) -> None:
    known = training.warnings or []
    if new := [warning for warning in dict.fromkeys(warnings) if warning not in known]:
        training.warnings = [*known, *new]


def _record_state(training: Training) -> TrainingRecordState:
    return TrainingRecordState(
        status=TrainingStatus(training.status),
        local_model_path=training.local_model_path,
        error=training.error_message,
    )
