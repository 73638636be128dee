"""A workflow's rows as clients see them."""

from collections.abc import Sequence

from api_gateway.waiting.words import before_a_step
from api_gateway.workflows.schemas import WorkflowPublic, WorkflowStepPublic
from shared.contracts.enums import StepStatus, WorkflowStatus
from shared.db.models.tables import Workflow


def present_workflow(workflow: Workflow) -> WorkflowPublic:
    """The answer for a workflow and its steps, in topological order."""
    total = workflow.total_steps
    plain = {
        name: getattr(workflow, name)
        for name in WorkflowPublic.model_fields
        if name not in {"progress", "canvas_task_id", "steps"}
    }
    steps = [
        WorkflowStepPublic.model_validate(step, from_attributes=True) for step in workflow.steps
    ]
    _tell_what_comes_before(WorkflowStatus(workflow.status), steps)
    return WorkflowPublic.model_validate(
        plain
        | {
            "progress": 100 * workflow.completed_steps / total if total else 0,
            "canvas_task_id": workflow.temporal_id,
            "steps": steps,
        }
    )


def _tell_what_comes_before(workflow: WorkflowStatus, steps: Sequence[WorkflowStepPublic]) -> None:
    open_steps = {step.step_id: step.status for step in steps}
    for step in steps:
        if step.status == StepStatus.PENDING:
            before = {name: open_steps[name] for name in step.dependencies if name in open_steps}
            unfinished = {n: s for n, s in before.items() if s != StepStatus.COMPLETED}
            step.waiting_for = before_a_step(workflow, unfinished)
