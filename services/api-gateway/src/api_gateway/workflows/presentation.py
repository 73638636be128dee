"""A workflow's rows as clients see them."""

from api_gateway.workflows.schemas import WorkflowPublic, WorkflowStepPublic
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
    return WorkflowPublic.model_validate(
        plain
        | {
            "progress": 100 * workflow.completed_steps / total if total else 0,
            "canvas_task_id": workflow.temporal_id,
            "steps": steps,
        }
    )
