"""The field `waiting_for` of trainings, filled in when they are read."""

from collections.abc import Sequence

from api_gateway.resources import Resources
from api_gateway.training.schemas import TrainingTask
from api_gateway.waiting import is_overdue, waits_for_workers
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
    waiting = [
        (training, _QUEUES[training.status])
        for training in shown
        if training.status in _QUEUES and _is_waiting(training)
    ]
    if waiting:
        workers = await waits_for_workers(res, (queue for _, queue in waiting))
        for training, queue in waiting:
            training.waiting_for = workers.get(queue)


def _is_waiting(training: TrainingTask) -> bool:
    if training.status == TrainingStatus.PENDING:
        return is_overdue(training.created_at)
    prepared_at = training.preprocessing_completed_at
    return prepared_at is not None and is_overdue(prepared_at)
