"""Schemas of workflows for the dashboard."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from api_gateway.recorded import Recorded
from api_gateway.request_fields import JsonObject
from shared.contracts.enums import StepStatus, WorkflowStatus


class WorkflowListItem(Recorded):
    """One line of the workflow list."""

    id: UUID
    name: str
    description: str | None = None
    status: WorkflowStatus
    total_steps: int = 0
    completed_steps: int = 0
    progress: float = 0.0
    current_step: str | None = None
    final_step_id: str | None = None
    origin_instance: str
    origin_zone: str | None = None
    origin_tenant_id: str | None = None
    created_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    duration_ms: float | None = Field(
        default=None,
        description="Duration in milliseconds (computed from started_at to completed_at)",
    )
    has_error: bool = Field(default=False, description="Whether workflow has any errors")


class MonitoringWorkflowListResponse(BaseModel):
    """Paginated workflow list response for monitoring."""

    items: list[WorkflowListItem]
    total: int = Field(description="Total number of workflows matching filters")
    page: int = Field(description="Current page number (1-indexed)")
    page_size: int = Field(description="Number of items per page")
    pages: int = Field(description="Total number of pages")


class WorkflowStepMonitor(Recorded):
    """One step of a workflow, for the dashboard."""

    id: UUID
    step_id: str = Field(description="Logical step identifier (e.g., 'generate', 'refine')")
    task_type: str = Field(description="Task type for this step")
    status: StepStatus
    task_id: UUID | None = Field(default=None, description="ID of the task created for this step")
    dependencies: list[str] = Field(default=[], description="List of step IDs this step depends on")
    input_mappings: list[JsonObject] = Field(
        default=[], description="Input mappings from previous steps"
    )
    config: JsonObject = Field(default={}, description="Step configuration")
    started_at: datetime | None = None
    completed_at: datetime | None = None
    duration_ms: float | None = Field(default=None, description="Duration in milliseconds")
    error_message: str | None = None
    retry_count: int = 0
    max_retries: int = 3
    result: JsonObject | None = Field(default=None, description="Output data from this step")


class WorkflowDetailResponse(Recorded):
    """Detailed workflow view with all steps."""

    id: UUID
    name: str
    description: str | None = None
    status: WorkflowStatus
    total_steps: int = 0
    completed_steps: int = 0
    progress: float = 0.0
    current_step: str | None = None
    final_step_id: str | None = None
    canvas_task_id: str | None = None
    origin_instance: str
    origin_zone: str | None = None
    origin_tenant_id: str | None = None
    origin_reference: str | None = None
    config: JsonObject = Field(default={}, description="Workflow configuration")
    webhook_url: str | None = None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    duration_ms: float | None = Field(default=None, description="Duration in milliseconds")
    error_message: str | None = None
    errors: list[str] = Field(default=[], description="List of error messages")
    steps: list[WorkflowStepMonitor] = Field(
        default=[], description="Workflow steps in execution order"
    )


class WorkflowAggregateStats(BaseModel):
    """Aggregate statistics for workflow monitoring."""

    total_workflows: int = Field(description="Total number of workflows")
    by_status: dict[str, int] = Field(
        default={},
        description="Workflow count by status (PENDING, RUNNING, PAUSED, COMPLETED, FAILED, "
        "CANCELLED)",
    )
    workflows_last_hour: int = Field(default=0, description="Workflows created in the last hour")
    workflows_last_24h: int = Field(default=0, description="Workflows created in the last 24 hours")
    avg_steps_per_workflow: float = Field(
        default=0.0, description="Average number of steps per workflow"
    )
