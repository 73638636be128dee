"""Cancellation of trainings; the response is the record."""

from contextlib import suppress
from uuid import UUID

import structlog

from api_gateway.auth.principal import Principal
from api_gateway.errors import Problem, not_found, unavailable
from api_gateway.resources import Resources
from api_gateway.training.service import get_training
from shared.contracts.enums import TrainingStatus
from shared.contracts.training import TrainingOutcome
from shared.db.models.trainings import Training
from shared.db.repositories.outcomes import owner_of
from shared.db.repositories.trainings import find_training, write_training_outcome
from workflows.control import (
    RUN_TERMINATED,
    RunUnreachableError,
    Stop,
    cancel_run,
    stop_run,
    terminate_run,
)

_log = structlog.stdlib.get_logger(__name__)

_SETTLES_WITHIN_S = 3.0
"""Seconds that a cancellation waits for a running training; it stops later otherwise."""


async def cancel_training(res: Resources, caller: Principal, training_id: UUID) -> Training:
    """Cancel a training that has not ended; cancelling again changes nothing.

    Returns:
        The current training. A training that a worker has begun is CANCELLED only once that worker
        has stopped: if that takes longer, its status is still the running one.

    Raises:
        Problem: 404; 409, it is COMPLETED or FAILED; 503, it runs and Temporal does not respond.
    """
    async with res.sessions.begin() as session:
        training = await find_training(session, caller.scope, training_id, is_locked=True)
        if training is None:
            raise not_found(f"training {training_id}")
        before = training.status
        if before in {TrainingStatus.COMPLETED, TrainingStatus.FAILED}:
            raise Problem(
                409,
                "already_ended",
                f"training {training_id} is {before}; "
                "only a PENDING, PREPROCESSING or TRAINING one can be cancelled",
            )
        if before == TrainingStatus.PENDING:
            await write_training_outcome(session, _cancelled(training))
    if before == TrainingStatus.PENDING:
        await _notify_run(res, training)
        return training
    if before == TrainingStatus.CANCELLED:
        return training
    await _stop(res, training)
    return await get_training(res, caller, training_id)


async def _notify_run(res: Resources, training: Training) -> None:
    """Cancel the run of a cancelled record; if that fails, the run finds out by itself."""
    try:
        await cancel_run(res.temporal, training.temporal_id)
    except RunUnreachableError as error:
        _log.warning("cancel_not_delivered", training=str(training.id), exc_info=error)


async def _stop(res: Resources, training: Training) -> None:
    """Cancel a run that a worker has begun, and wait a few seconds for it to record its end."""
    try:
        stop = await stop_run(res.temporal, training.temporal_id, within_s=_SETTLES_WITHIN_S)
    except RunUnreachableError as error:
        raise unavailable("Temporal") from error
    if stop is Stop.STOPPING:
        return
    # A run records its end before it closes. If it is gone and the record is still open, it was
    # terminated or deleted, or it is stuck: nothing else will end this record.
    why = RUN_TERMINATED if stop is Stop.UNRESPONSIVE else None
    async with res.sessions.begin() as session:
        await write_training_outcome(session, _cancelled(training, why))
    if stop is Stop.UNRESPONSIVE:
        with suppress(RunUnreachableError):  # the reconciler terminates it later
            await terminate_run(res.temporal, training.temporal_id)


def _cancelled(training: Training, why: str | None = None) -> TrainingOutcome:
    return TrainingOutcome(
        training_id=training.id,
        status=TrainingStatus.CANCELLED,
        owner=owner_of(training),
        error=why,
    )
