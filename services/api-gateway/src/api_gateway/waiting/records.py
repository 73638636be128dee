"""Fills in what tasks, workflows and trainings wait for, on their way to a client."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from api_gateway.resources import Resources
from api_gateway.tasks.schemas.public import TaskPublicBase
from api_gateway.training.schemas import TrainingTask
from api_gateway.waiting.words import before_a_step, worker_of
from api_gateway.workflows.schemas import WorkflowPublic, WorkflowStepPublic
from shared.contracts.enums import (
    StepStatus,
    TaskQueue,
    TaskStatus,
    TrainingStatus,
    WorkflowStatus,
)
from shared.db.repositories.waiting import StepDependencies, queues_of, unfinished_dependencies

_NEW_FOR = timedelta(seconds=3)
"""So long work is simply on its way to a worker."""
_STAGES = {
    TrainingStatus.PENDING: TaskQueue.PREPROCESSING,
    TrainingStatus.PREPROCESSING: TaskQueue.TRAINING,
}
"""Where a training waits: its stage begins with the first report of a worker."""
_QUEUES = frozenset(TaskQueue)


async def tell_tasks(
    res: Resources, rows: Sequence[Any], answers: Sequence[TaskPublicBase]
) -> None:
    """Say what tasks wait for.

    Args:
        res: the gateway's connections.
        rows: the tasks' rows.
        answers: the same, as they are answered.
    """
    waiting = [row for row in rows if row.status == TaskStatus.PENDING and _is_old(row.created_at)]
    if not waiting:
        return
    steps = {row.workflow_id: row.id for row in waiting if row.workflow_id is not None}
    before: Mapping[UUID, StepDependencies] = {}
    if steps:
        tasks = [row.id for row in waiting if row.workflow_id is not None]
        async with res.sessions() as session:
            before = await unfinished_dependencies(session, list(steps), tasks)
    abandoned = await res.queues.abandoned(_known(row.queue_name for row in waiting))
    said = {row.id: _of_task(row, before.get(row.id), abandoned) for row in waiting}
    for row, answer in zip(rows, answers, strict=True):
        if row.id in said:
            answer.waiting_for = said[row.id]


def _of_task(
    row: Any, step: StepDependencies | None, abandoned: frozenset[TaskQueue]
) -> str | None:
    held = before_a_step(step.workflow, step.unfinished) if step else None
    return held or row.waiting_for or _worker(row.queue_name, abandoned)


def _known(names: Iterable[str]) -> frozenset[TaskQueue]:
    """The queues of these names; another version may have others."""
    return frozenset(TaskQueue(name) for name in names if name in _QUEUES)


def _worker(queue: str, abandoned: frozenset[TaskQueue]) -> str | None:
    return worker_of(TaskQueue(queue)) if queue in abandoned else None


async def tell_workflows(res: Resources, answers: Sequence[WorkflowPublic]) -> None:
    """Say which steps wait for a worker; what they wait for within their workflow is said."""
    ready = {
        step.task_id: step
        for workflow in answers
        if workflow.status == WorkflowStatus.RUNNING
        for step in workflow.steps
        if step.task_id and step.waiting_for is None and _is_ready(step)
    }
    if not ready:
        return
    async with res.sessions() as session:
        queues = await queues_of(session, list(ready))
    abandoned = await res.queues.abandoned(_known(each.queue for each in queues.values()))
    for task_id, each in queues.items():
        ready[task_id].waiting_for = each.waiting_for or _worker(each.queue, abandoned)


def _is_ready(step: WorkflowStepPublic) -> bool:
    return step.status == StepStatus.PENDING and _is_old(step.updated_at)


async def tell_trainings(res: Resources, answers: Sequence[TrainingTask]) -> None:
    """Say what trainings wait for."""
    waiting = [
        (answer, _STAGES[answer.status])
        for answer in answers
        if answer.status in _STAGES and _is_waiting(answer)
    ]
    if waiting:
        abandoned = await res.queues.abandoned(queue for _, queue in waiting)
        for answer, queue in waiting:
            answer.waiting_for = _worker(queue, abandoned)


def _is_waiting(training: TrainingTask) -> bool:
    if training.status == TrainingStatus.PENDING:
        return _is_old(training.created_at)
    prepared_at = training.preprocessing_completed_at
    return prepared_at is not None and _is_old(prepared_at)


def _is_old(since: datetime) -> bool:
    return datetime.now(UTC) - since > _NEW_FOR
