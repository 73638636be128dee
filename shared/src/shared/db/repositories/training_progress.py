"""Reports of a running training: its stage, steps, figures, log and files.

A report writes the row each time. It adds an event if the training has moved far enough, so that a
training of a million steps has about a thousand events.
"""

import json
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.enums import TrainingStatus
from shared.contracts.progress import LOG_MAX_CHARS, TrainingProgress
from shared.contracts.training import ENDED, TrainingMetrics
from shared.contracts.untrusted import clean_text, cleaned
from shared.db.models.trainings import Training
from shared.db.repositories.events import add_training_event
from shared.db.repositories.outcomes import owner_of
from shared.db.repositories.training_files import write_training_files

_ORDER = {TrainingStatus.PENDING: 0, TrainingStatus.PREPROCESSING: 1, TrainingStatus.TRAINING: 2}
"""The non-terminal states, in order."""
_STAGES = {
    "downloading": 0,
    "validating": 1,
    "deduplicating": 2,
    "transforming": 3,
    "captioning": 4,
    # A model captions pictures that are in buckets, other strategies do it before.
    "bucketing": 4,
    "completed": 5,
}
"""The order of the stages of preprocessing: a retry does not go back in the record."""
_EVENTS_OF_STEPS = 1000
"""Events of a whole training's steps, at most."""
_EVENTS_OF_A_STAGE = 100
"""Events of the pictures of one preprocessing stage, at most."""
_MANY_EVENTS = 2000
"""From then on, new files alone add no event."""


async def write_training_progress(session: AsyncSession, report: TrainingProgress) -> bool:
    """Write a report of a running stage.

    Returns:
        True if it added an event. False if it did not, or if nothing was written: the training has
        ended or is past that stage.
    """
    training = await session.get(Training, report.training_id, with_for_update=True)
    if training is None:
        return False
    if training.status in ENDED:
        await _write_last_files(session, training, report)
        return False
    passed = _ORDER[report.stage] - _ORDER[TrainingStatus(training.status)]
    if passed < 0:
        return False
    if training.status != report.stage:
        training.status = report.stage
    training.started_at = training.started_at or report.at
    has_moved = (
        _move_preprocessing(training, report)
        if report.stage == TrainingStatus.PREPROCESSING
        else _move_training(training, report)
    )
    if report.logs:
        write_logs(training, report.logs)
    is_alarmed = report.metrics is not None and write_metrics(training, report.metrics)
    has_new_files = await write_training_files(
        session, owner_of(training), training.id, report.files
    )
    has_news = has_new_files and training.last_seq < _MANY_EVENTS
    if not (passed or has_moved or is_alarmed or has_news):
        return False
    add_training_event(session, training)
    return True


async def _write_last_files(
    session: AsyncSession, training: Training, report: TrainingProgress
) -> None:
    """Write what a worker stored after its training was cancelled or has failed: state and log.

    The outcome of a completed one has its last files.
    """
    if training.status == TrainingStatus.COMPLETED or report.stage != TrainingStatus.TRAINING:
        return
    if report.logs:
        write_logs(training, report.logs)
    if report.metrics is not None:
        write_metrics(training, report.metrics)
    await write_training_files(session, owner_of(training), training.id, report.files)


def write_logs(training: Training, logs: str) -> None:
    """Write the end of a training's log."""
    training.logs = clean_text(logs[-LOG_MAX_CHARS:], LOG_MAX_CHARS)


def write_metrics(training: Training, metrics: TrainingMetrics) -> bool:
    """Write the figures of a training, without those that are not known or not finite.

    Returns:
        True if it has other alarms than before.
    """
    figures: dict[str, Any] = json.loads(metrics.model_dump_json())
    known = {name: cleaned(value) for name, value in figures.items() if value not in (None, [])}
    before = training.metrics or {}
    if known != before:
        training.metrics = known
    return known.get("alarms") != before.get("alarms")


def _move_preprocessing(training: Training, report: TrainingProgress) -> bool:
    """Write the stage and the counts; return whether that is worth an event."""
    if training.preprocessing_completed_at is not None:
        return False
    training.preprocessing_started_at = training.preprocessing_started_at or report.at
    stage, known_stage = report.preprocessing_stage, training.preprocessing_stage
    if stage and known_stage and _rank(stage) < _rank(known_stage):
        return False  # a later attempt repeats what the record is past already
    is_new_stage = stage is not None and stage != known_stage
    total, done = training.total_files_count or 0, training.processed_files_count or 0
    if report.total_files_count is not None:
        training.total_files_count = report.total_files_count
    if report.processed_files_count is not None:
        known = 0 if is_new_stage else done
        training.processed_files_count = max(known, report.processed_files_count)
    if is_new_stage:
        training.preprocessing_stage = stage
    now, now_total = training.processed_files_count or 0, training.total_files_count or 0
    is_further = _part(now, now_total, _EVENTS_OF_A_STAGE) > _part(done, total, _EVENTS_OF_A_STAGE)
    return is_new_stage or is_further or now_total != total


def _rank(stage: str) -> int:
    """Return the position of a preprocessing stage; unknown ones count as the last."""
    return _STAGES.get(stage, len(_STAGES))


def _move_training(training: Training, report: TrainingProgress) -> bool:
    """Write the steps; return whether that is worth an event."""
    before = training.current_step
    step = min(report.current_step, training.steps)
    if report.eta_seconds is not None:
        training.eta_seconds = report.eta_seconds
    if step <= before:
        return False
    training.current_step = step
    training.progress = 100 * step / training.steps
    return _part(step, training.steps, _EVENTS_OF_STEPS) > _part(
        before, training.steps, _EVENTS_OF_STEPS
    )


def _part(done: int, total: int, parts: int) -> int:
    """Return how many of `parts` equal parts of the total are done."""
    return parts * done // total if total else 0
