"""Trainings: reading within a client's scope, progress and outcomes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.attempts import StoredFile
from shared.contracts.enums import TrainingStatus
from shared.contracts.progress import TrainingProgress
from shared.contracts.runs import Owner
from shared.contracts.training import ENDED, DatasetRecord, TrainingOutcome, TrainingRecordState
from shared.db.models.tables import StoredObject
from shared.db.models.trainings import Training
from shared.db.repositories.events import add_training_event
from shared.db.repositories.scope import Scope

_ORDER = {TrainingStatus.PENDING: 0, TrainingStatus.PREPROCESSING: 1, TrainingStatus.TRAINING: 2}
"""The non-terminal states, in order."""


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
    """Write the outcome of a training: its row, owner rows of its files, and its event.

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
        training.local_model_path = outcome.local_model_path
        training.current_step = outcome.current_step
        training.progress = 100
    add_training_event(session, training)
    await _write_owner_rows(session, outcome.owner, training.id, outcome.files)
    return _record_state(training)


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
    add_training_event(session, training)
    await _write_owner_rows(session, record.owner, training.id, dataset.files)
    return _record_state(training)


async def write_training_progress(session: AsyncSession, report: TrainingProgress) -> bool:
    """Write a report of a running stage.

    Returns:
        False if nothing was written: the training has ended, is past that stage, or nothing is new.
    """
    training = await session.get(Training, report.training_id, with_for_update=True)
    if training is None or training.status in ENDED:
        return False
    passed = _ORDER[report.stage] - _ORDER[TrainingStatus(training.status)]
    if passed < 0:
        return False
    training.status = report.stage
    training.started_at = training.started_at or report.at
    has_moved = (
        _move_preprocessing(training, report)
        if report.stage == TrainingStatus.PREPROCESSING
        else _move_training(training, report)
    )
    if passed == 0 and not has_moved:
        return False
    add_training_event(session, training)
    return True


def _move_preprocessing(training: Training, report: TrainingProgress) -> bool:
    if training.preprocessing_completed_at is not None:
        return False
    before = _preprocessing(training)
    training.preprocessing_started_at = training.preprocessing_started_at or report.at
    training.preprocessing_stage = report.preprocessing_stage or training.preprocessing_stage
    if report.total_files_count is not None:
        training.total_files_count = report.total_files_count
    if report.processed_files_count is not None:
        known = training.processed_files_count or 0
        training.processed_files_count = max(known, report.processed_files_count)
    return _preprocessing(training) != before


def _preprocessing(training: Training) -> tuple[object, ...]:
    return (
        training.preprocessing_stage,
        training.processed_files_count,
        training.total_files_count,
    )


def _move_training(training: Training, report: TrainingProgress) -> bool:
    step = min(report.current_step, training.steps)
    if step <= training.current_step:
        return False
    training.current_step = step
    training.progress = 100 * step / training.steps
    training.eta_seconds = report.eta_seconds
    return True


def _record_state(training: Training) -> TrainingRecordState:
    return TrainingRecordState(
        status=TrainingStatus(training.status),
        local_model_path=training.local_model_path,
        error=training.error_message,
    )


async def _write_owner_rows(
    session: AsyncSession, owner: Owner, training_id: UUID, files: Sequence[StoredFile]
) -> None:
    if not files:
        return
    owner_columns = owner.model_dump() | {"task_id": training_id}
    rows = [file.model_dump() | owner_columns for file in files]
    await session.execute(insert(StoredObject).values(rows).on_conflict_do_nothing())
