"""The field `waiting_for` of workflow steps, filled in when workflows are read."""

from collections.abc import Sequence

from api_gateway.resources import Resources
from api_gateway.waiting import is_overdue, waits_for_workers
from api_gateway.workflows.schemas import WorkflowPublic, WorkflowStepPublic
from shared.contracts.enums import StepStatus, WorkflowStatus
from shared.db.repositories.waiting import queues_of


async def fill_waiting(res: Resources, shown: Sequence[WorkflowPublic]) -> None:
    """Set which steps wait for a worker; what they wait for within their workflow is set already.

    Args:
        res: the gateway's connections.
        shown: workflows in their public schema; changed in place.
    """
    ready = {
        step.task_id: step
        for workflow in shown
        if workflow.status == WorkflowStatus.RUNNING
        for step in workflow.steps
        if step.task_id and step.waiting_for is None and _is_ready(step)
    }
    if not ready:
        return
    async with res.sessions() as session:
        queues = await queues_of(session, list(ready))
    workers = await waits_for_workers(res, (each.queue for each in queues.values()))
    for task_id, each in queues.items():
        ready[task_id].waiting_for = each.waiting_for or workers.get(each.queue)


def _is_ready(step: WorkflowStepPublic) -> bool:
    return step.status == StepStatus.PENDING and is_overdue(step.updated_at)
