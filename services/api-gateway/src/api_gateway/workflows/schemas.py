"""Request and response schemas of workflows."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    StringConstraints,
    model_validator,
)

from api_gateway.recorded import Recorded
from api_gateway.request_fields import (
    AcceptedTaskType,
    JsonObject,
    OriginInstance,
    OriginReference,
    OriginTenant,
    OriginZone,
    WebhookUrl,
    refuse_unstorable,
    small_json,
)
from api_gateway.tasks.schemas.provider_choice import ProviderChoice
from shared.contracts.enums import MappingTransform, ProviderType, StepStatus, WorkflowStatus
from shared.contracts.pictures import field_meant
from shared.contracts.request_model import RequestModel

MAX_STEPS = 200

StepId = Annotated[str, StringConstraints(min_length=1, max_length=100)]
WorkflowName = Annotated[str, StringConstraints(min_length=1, max_length=255)]
WorkflowDescription = Annotated[str, StringConstraints(max_length=1000)]
StepIds = Annotated[list[StepId], Field(max_length=MAX_STEPS), FailFast()]
WorkflowConfig = Annotated[
    JsonObject, AfterValidator(small_json(max_bytes=64 * 1024, max_depth=20))
]


class FieldMapping(RequestModel):
    """A mapping from one step's output to another's input."""

    from_step: StepId = Field(description="Step ID to get output from")
    from_field: str = Field(min_length=1, description="Output field name from source step")
    to_field: str = Field(min_length=1, description="Input field name in target step")
    transform: MappingTransform | None = Field(
        default=None, description="Optional transformation to apply when mapping"
    )


# A mapping is of one input, and no task has so many. Lists within lists report the first fault.
FieldMappings = Annotated[list[FieldMapping], Field(max_length=50), FailFast()]


class WorkflowStepDefinition(ProviderChoice):
    """A step of a workflow, as a client defines it."""

    id: StepId = Field(description="Unique identifier for this step within the workflow")
    task_type: AcceptedTaskType = Field(description="Type of task to execute")
    config: JsonObject = Field(
        default={}, description="Static configuration for the task (prompt, dimensions, etc.)"
    )
    depends_on: StepIds = Field(default=[], description="List of step IDs this step depends on")
    input_mappings: FieldMappings = Field(
        default=[], description="Mappings from previous step outputs to this step's inputs"
    )
    max_retries: int = Field(
        default=3, ge=0, le=100, description="Maximum retry attempts for this step"
    )

    @model_validator(mode="after")
    def _aliases_are_the_fields_that_they_mean(self) -> Self:
        for mapping in self.input_mappings:
            mapping.to_field = field_meant(self.task_type, mapping.to_field)
        return self


class CreateWorkflow(RequestModel):
    """Schema for creating a new workflow."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "description": "Generate and refine fashion images",
                "name": "Fashion Image Pipeline",
                "origin_instance": "api-prod",
                "steps": [
                    {
                        "config": {"prompt": "fashion model wearing elegant dress"},
                        "id": "generate",
                        "task_type": "GENERATION",
                    },
                    {
                        "config": {"upscale_factor": 2.0},
                        "depends_on": ["generate"],
                        "id": "refine",
                        "input_mappings": [
                            {
                                "from_field": "result_image_path",
                                "from_step": "generate",
                                "to_field": "base_image_url",
                            }
                        ],
                        "task_type": "REFINE",
                    },
                ],
            }
        }
    )

    _storable = model_validator(mode="before")(refuse_unstorable)

    name: WorkflowName = Field(description="Human-readable workflow name")
    description: WorkflowDescription | None = Field(
        default=None, description="Optional workflow description"
    )
    steps: list[WorkflowStepDefinition] = Field(
        min_length=1, max_length=MAX_STEPS, description="List of steps defining the workflow DAG"
    )
    config: WorkflowConfig = Field(
        default={},
        description="Global workflow configuration; at most 64 KiB of JSON, 20 levels deep",
    )
    origin_instance: OriginInstance = Field(description="Origin instance identifier")
    origin_zone: OriginZone | None = Field(default=None, description="Origin zone identifier")
    origin_tenant_id: OriginTenant | None = Field(
        default=None, description="Tenant identifier for multi-tenant setups"
    )
    origin_reference: OriginReference | None = Field(
        default=None, description="External reference ID for tracking"
    )
    webhook_url: WebhookUrl | None = Field(
        default=None, description="URL to call when workflow completes"
    )
    suppress_subtask_events: bool = Field(
        default=True, description="Whether to suppress individual task events"
    )


class WorkflowUpdate(RequestModel):
    """Schema for updating a workflow."""

    _storable = model_validator(mode="before")(refuse_unstorable)

    name: WorkflowName | None = None
    description: WorkflowDescription | None = None
    webhook_url: WebhookUrl | None = None


class WorkflowStepPublic(Recorded):
    """A step of a workflow with its current state."""

    id: UUID
    step_id: str
    task_type: str
    config: JsonObject | None = None
    provider_config: Any | None = None
    active_provider_capabilities: list[str] | None = None
    fallback_provider_type: ProviderType | None = None
    fallback_provider_config: Any | None = None
    fallback_provider_capabilities: list[str] | None = None
    dependencies: list[str]
    input_mappings: list[JsonObject]
    status: StepStatus
    task_id: UUID | None = None
    result: JsonObject | None = None
    error_message: str | None = None
    warnings: list[str] | None = Field(
        default=None, description="Parts of the request that were ignored or have no effect"
    )
    waiting_for: str | None = Field(
        default=None, description="The reason why it has not begun; null once it has"
    )
    started_at: datetime | None = None
    completed_at: datetime | None = None
    retry_count: int
    max_retries: int
    created_at: datetime
    updated_at: datetime


class WorkflowPublic(Recorded):
    """Public representation of a workflow."""

    id: UUID
    name: str
    description: str | None = None
    status: WorkflowStatus
    total_steps: int
    completed_steps: int
    progress: float
    current_step: str | None = None
    final_step_id: str | None = None
    final_step_result: JsonObject | None = None
    canvas_task_id: str | None = None
    config: JsonObject
    suppress_subtask_events: bool
    origin_instance: str
    origin_zone: str | None = None
    origin_tenant_id: str | None = None
    origin_reference: str | None = None
    webhook_url: str | None = None
    error_message: str | None = None
    errors: list[str]
    warnings: list[str] | None = Field(
        default=None, description="Parts of the request that were ignored or have no effect"
    )
    started_at: datetime | None = None
    completed_at: datetime | None = None
    created_at: datetime
    updated_at: datetime
    is_deleted: bool = False
    deleted_at: datetime | None = None
    steps: list[WorkflowStepPublic] = []


class WorkflowListResponse(BaseModel):
    """Response schema for listing workflows."""

    workflows: list[WorkflowPublic]
    total: int
    skip: int
    limit: int


class WorkflowCleanupError(BaseModel):
    """The error that kept one task of a workflow from being cleaned up."""

    task_id: UUID
    step_id: str
    task_type: str
    error: str


class WorkflowCleanupDetail(BaseModel):
    """Result of a cleanup for the tasks of a workflow."""

    tasks_processed: int = 0
    tasks_cleaned: int = 0
    deleted_paths: list[str] = []
    errors: list[WorkflowCleanupError] = []


class WorkflowCleanupResponse(BaseModel):
    """Response schema for workflow cleanup endpoint."""

    workflow: WorkflowPublic
    cleanup: WorkflowCleanupDetail
