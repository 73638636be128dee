"""The field `waiting_for` of trainings, filled in when they are read."""

from collections.abc import Sequence

from api_gateway.resources import Resources
from api_gateway.training.schemas import TrainingTask
from api_gateway.waiting import is_overdue, waits_for_workers
from shared.contracts.datasets import MODEL_STRATEGIES
from shared.contracts.enums import TaskQueue, TrainingStatus

_QUEUES = {
    TrainingStatus.PENDING: TaskQueue.PREPROCESSING,
    TrainingStatus.PREPROCESSING: TaskQueue.TRAINING,
}
"""The task queue in which a training waits: its stage begins with a worker's first report."""


async def fill_waiting(res: Resources, shown: Sequence[TrainingTask]) -> None:
    """Set what trainings wait for.

    Args:
        res: the gateway's connections.
        shown: trainings in their public schema; changed in place.
    """
    waiting = [(training, queue) for training in shown if (queue := _queue_of(training))]
    if waiting:
        workers = await waits_for_workers(res, (queue for _, queue in waiting))
        for training, queue in waiting:
            training.waiting_for = workers.get(queue)


def _queue_of(training: TrainingTask) -> TaskQueue | None:
    """Return the task queue that should have taken the training up by now; none if it runs."""
    if training.status not in _QUEUES:
        return None
    if _is_captioned_by_a_model(training):
        return TaskQueue.PROVIDER_LLM if is_overdue(training.updated_at) else None
    return _QUEUES[training.status] if _is_waiting(training) else None


def _is_waiting(training: TrainingTask) -> bool:
    if training.status == TrainingStatus.PENDING:
        return is_overdue(training.created_at)
    prepared_at = training.preprocessing_completed_at
    return prepared_at is not None and is_overdue(prepared_at)


def _is_captioned_by_a_model(training: TrainingTask) -> bool:
    return (
        training.preprocessing_stage == "captioning"
        and training.preprocessing_completed_at is None
        and training.preprocessing_captioning_strategy in MODEL_STRATEGIES
    )
