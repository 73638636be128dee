"""The field `waiting_for` of tasks, filled in when they are read."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from api_gateway.resources import Resources
from api_gateway.tasks.schemas.public import TaskPublicBase
from api_gateway.waiting import before_a_step, is_overdue, waits_for_workers
from shared.contracts.enums import TaskStatus
from shared.db.repositories.waiting import StepDependencies, unfinished_dependencies


async def fill_waiting(
    res: Resources, rows: Sequence[Any], shown: Sequence[TaskPublicBase]
) -> None:
    """Set what pending tasks wait for.

    Args:
        res: the gateway's connections.
        rows: the tasks' rows.
        shown: the same tasks in their public schemas; changed in place.
    """
    waiting = [
        row for row in rows if row.status == TaskStatus.PENDING and is_overdue(row.created_at)
    ]
    if not waiting:
        return
    steps = {row.workflow_id: row.id for row in waiting if row.workflow_id is not None}
    before: Mapping[UUID, StepDependencies] = {}
    if steps:
        tasks = [row.id for row in waiting if row.workflow_id is not None]
        async with res.sessions() as session:
            before = await unfinished_dependencies(session, list(steps), tasks)
    workers = await waits_for_workers(res, (row.queue_name for row in waiting))
    found = {row.id: _of_task(row, before.get(row.id), workers) for row in waiting}
    for row, task in zip(rows, shown, strict=True):
        if row.id in found:
            task.waiting_for = found[row.id]


def _of_task(row: Any, step: StepDependencies | None, workers: Mapping[str, str]) -> str | None:
    held = before_a_step(step.workflow, step.unfinished) if step else None
    return held or row.waiting_for or workers.get(row.queue_name)
