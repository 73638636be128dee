"""Workflow rows in their public schemas."""

from collections.abc import Sequence

from api_gateway.recorded import from_record, texts
from api_gateway.waiting import before_a_step
from api_gateway.workflows.schemas import WorkflowPublic, WorkflowStepPublic
from shared.contracts.enums import StepStatus, WorkflowStatus
from shared.db.models.tables import Workflow, WorkflowStep


def present_workflow(workflow: Workflow) -> WorkflowPublic:
    """Return a workflow in its public schema, its steps in topological order."""
    total = workflow.total_steps
    plain = {
        name: getattr(workflow, name)
        for name in WorkflowPublic.model_fields
        if name not in {"progress", "canvas_task_id", "steps"}
    }
    steps = [_present_step(step) for step in workflow.steps]
    _fill_waiting_before(WorkflowStatus(workflow.status), steps)
    return from_record(
        WorkflowPublic,
        plain
        | {
            "progress": 100 * workflow.completed_steps / total if total else 0,
            "canvas_task_id": workflow.temporal_id,
            "steps": steps,
        },
    )


def _present_step(step: WorkflowStep) -> WorkflowStepPublic:
    names = WorkflowStepPublic.model_fields.keys() - {"waiting_for"}
    return from_record(WorkflowStepPublic, {name: getattr(step, name) for name in names})


def _fill_waiting_before(workflow: WorkflowStatus, steps: Sequence[WorkflowStepPublic]) -> None:
    open_steps = {step.step_id: step.status for step in steps}
    for step in steps:
        if step.status == StepStatus.PENDING:
            dependencies = texts(step.dependencies)
            before = {name: open_steps[name] for name in dependencies if name in open_steps}
            unfinished = {n: s for n, s in before.items() if s != StepStatus.COMPLETED}
            step.waiting_for = before_a_step(workflow, unfinished)
