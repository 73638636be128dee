"""Tasks and workflows in full, for the dashboard."""

from datetime import datetime, timedelta

from api_gateway.monitoring.schemas.tasks import TaskDetailResponse
from api_gateway.monitoring.schemas.workflows import WorkflowDetailResponse, WorkflowStepMonitor
from api_gateway.recorded import from_record
from api_gateway.tasks.presentation import present_task
from api_gateway.tasks.schemas.public import TaskPublicBase
from shared.db.models.tables import Task, Workflow, WorkflowStep
from shared.db.repositories.tasks import TaskRow

_MILLISECOND = timedelta(milliseconds=1)
_COMMON = frozenset(TaskPublicBase.model_fields)


def duration_ms(started_at: datetime | None, completed_at: datetime | None) -> float | None:
    """Return the time from start to end in milliseconds; none before the end."""
    if started_at is None or completed_at is None:
        return None
    return (completed_at - started_at) / _MILLISECOND


def percent_done(completed: int, total: int) -> float:
    """Return the share of a workflow's completed steps in percent."""
    return 100 * completed / total if total else 0


def present_task_detail(task: Task | TaskRow) -> TaskDetailResponse:
    """Return a task with the fields of all tasks and, apart from them, those of its type."""
    own = present_task(task).model_dump(mode="json", exclude=set(_COMMON))
    computed = {"duration_ms", "celery_task_id", "task_data"}
    fields = {
        name: getattr(task, name)
        for name in TaskDetailResponse.model_fields
        if name not in computed
    }
    return from_record(
        TaskDetailResponse,
        fields
        | {
            "duration_ms": duration_ms(task.started_at, task.completed_at),
            "celery_task_id": task.temporal_id,
            "task_data": {name: value for name, value in own.items() if name != "task_type"},
        },
    )


def present_workflow_detail(workflow: Workflow) -> WorkflowDetailResponse:
    """Return a workflow and its steps, in topological order."""
    computed = {"duration_ms", "progress", "canvas_task_id", "steps"}
    fields = {
        name: getattr(workflow, name)
        for name in WorkflowDetailResponse.model_fields
        if name not in computed
    }
    return from_record(
        WorkflowDetailResponse,
        fields
        | {
            "duration_ms": duration_ms(workflow.started_at, workflow.completed_at),
            "progress": percent_done(workflow.completed_steps, workflow.total_steps),
            "canvas_task_id": workflow.temporal_id,
            "steps": [_present_step(step) for step in workflow.steps],
        },
    )


def _present_step(step: WorkflowStep) -> WorkflowStepMonitor:
    fields = {
        name: getattr(step, name)
        for name in WorkflowStepMonitor.model_fields
        if name != "duration_ms"
    }
    return from_record(
        WorkflowStepMonitor,
        fields | {"duration_ms": duration_ms(step.started_at, step.completed_at)},
    )
