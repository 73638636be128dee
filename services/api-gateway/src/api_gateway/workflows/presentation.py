"""A workflow's rows as clients see them."""

from api_gateway.recorded import shown
from api_gateway.workflows.schemas import WorkflowPublic, WorkflowStepPublic
from shared.db.models.tables import Workflow, WorkflowStep


def present_workflow(workflow: Workflow) -> WorkflowPublic:
    """The answer for a workflow and its steps, in topological order."""
    total = workflow.total_steps
    plain = {
        name: getattr(workflow, name)
        for name in WorkflowPublic.model_fields
        if name not in {"progress", "canvas_task_id", "steps"}
    }
    return shown(
        WorkflowPublic,
        plain
        | {
            "progress": 100 * workflow.completed_steps / total if total else 0,
            "canvas_task_id": workflow.temporal_id,
            "steps": [_present_step(step) for step in workflow.steps],
        },
    )


def _present_step(step: WorkflowStep) -> WorkflowStepPublic:
    fields = {name: getattr(step, name) for name in WorkflowStepPublic.model_fields}
    return shown(WorkflowStepPublic, fields)
