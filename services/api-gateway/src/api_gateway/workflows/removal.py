"""Cleanup of workflows: their tasks' files are deleted, the records stay, hidden from lists."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from api_gateway.auth.principal import Principal
from api_gateway.errors import Problem, not_found
from api_gateway.resources import Resources
from api_gateway.tasks.cancellation import has_closed_run
from api_gateway.tasks.removal import files_of, remove_files, require_unused_files, shown_paths
from api_gateway.workflows.lifecycle import cancel_workflow
from api_gateway.workflows.presentation import present_workflow
from api_gateway.workflows.schemas import (
    WorkflowCleanupDetail,
    WorkflowCleanupError,
    WorkflowCleanupResponse,
)
from shared.contracts.enums import WorkflowStatus
from shared.db.models.tables import Task, Workflow
from shared.db.repositories.subjects import find_workflow
from shared.db.repositories.tasks import mark_deleted, tasks_of_workflow
from shared.errors import StorageError

_OPEN = frozenset({WorkflowStatus.PENDING, WorkflowStatus.RUNNING})


async def clean_up_workflow(
    res: Resources, caller: Principal, workflow_id: UUID, *, cleans_tasks: bool
) -> WorkflowCleanupResponse:
    """Mark a workflow as deleted and, if asked for, delete its tasks' files.

    Raises:
        Problem: 404; 409, it does not end, or other work reads its tasks' files.
    """
    async with res.sessions() as session:
        workflow = await find_workflow(session, caller.scope, workflow_id)
        if workflow is None:
            raise not_found(f"workflow {workflow_id}")
        tasks = await tasks_of_workflow(session, workflow_id) if cleans_tasks else []
        # Before the cancellation: a refused cleanup must not change anything.
        await require_unused_files(session, tasks, workflow_id)
    await _end(res, caller, workflow)
    async with res.sessions() as session:
        tasks = await tasks_of_workflow(session, workflow_id) if cleans_tasks else []
    detail = await _clean_up_tasks(res, tasks, workflow_id)
    async with res.sessions.begin() as session:
        workflow = await find_workflow(session, caller.scope, workflow_id, lock=True)
        if workflow is None:
            raise not_found(f"workflow {workflow_id}")
        if not workflow.is_deleted:
            workflow.is_deleted, workflow.deleted_at = True, datetime.now(UTC)
        await session.flush()
    return WorkflowCleanupResponse(workflow=present_workflow(workflow), cleanup=detail)


async def _end(res: Resources, caller: Principal, workflow: Workflow) -> None:
    if workflow.status in _OPEN:
        await cancel_workflow(res, caller, workflow.id)
    if not await has_closed_run(res, workflow.temporal_id):
        message = f"workflow {workflow.id} is still being cancelled; try again in a moment"
        raise Problem(409, "conflict", message)


async def _clean_up_tasks(
    res: Resources, tasks: Sequence[Task], workflow_id: UUID
) -> WorkflowCleanupDetail:
    """Delete the files of all tasks together; tasks whose files cannot be listed are skipped."""
    detail = WorkflowCleanupDetail(tasks_processed=len(tasks))
    listed: list[Task] = []
    keys: list[str] = []
    for task in tasks:
        try:
            keys += await files_of(res, task)
        except StorageError as error:
            detail.errors.append(
                WorkflowCleanupError(
                    task_id=task.id,
                    step_id=task.step_id or "",
                    task_type=task.task_type,
                    error=str(error),
                )
            )
        else:
            listed.append(task)
    await remove_files(res, listed, keys, mark_deleted, workflow_id)
    detail.deleted_paths = shown_paths(keys)
    detail.tasks_cleaned = len(listed)
    return detail
