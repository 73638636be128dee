"""What Temporal carries about a run: the task or pipeline going in, the outcome coming out."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from shared.contracts.attempts import StoredFile
from shared.contracts.enums import (
    ErrorCategory,
    MappingTransform,
    ProviderType,
    TaskQueue,
    TaskStatus,
    TaskType,
    WorkflowStatus,
)
from shared.contracts.message import Message


class Owner(Message):
    """Whom a run belongs to: written beside every object it makes, and its fairness key."""

    origin_instance: str
    origin_tenant_id: str | None = None


class TaskRun(Message):
    """One task, complete but for what a pipeline maps into it."""

    task_id: UUID
    task_type: TaskType
    provider_type: ProviderType
    task_queue: TaskQueue
    provider_config: dict[str, Any] = {}
    inputs: dict[str, Any] = {}
    """The task type's request fields by their REST names; images as object keys."""
    max_retries: int = 3
    owner: Owner

    def with_inputs(self, inputs: dict[str, Any]) -> "TaskRun":
        """The same task with some inputs replaced."""
        return self.model_copy(update={"inputs": {**self.inputs, **inputs}}) if inputs else self


class TaskOutcome(Message):
    """How a task ended; `finish_task` writes it into the records."""

    task_id: UUID
    status: TaskStatus
    owner: Owner
    attempt: int = 0
    retry_count: int = 0
    mapped_inputs: dict[str, Any] = {}
    """What a pipeline mapped into the task's inputs."""
    results: dict[str, Any] = {}
    """Result fields by their REST names."""
    files: list[StoredFile] = []
    errors: list[str] = []
    error_category: ErrorCategory | None = None
    executor_type: str | None = None
    executor_instance: str | None = None
    started_at: datetime | None = None


class TaskStanding(Message):
    """How a task stands in the records: an earlier end outlives a later one."""

    status: TaskStatus
    results: dict[str, Any] = {}


class StepMapping(Message):
    """One value on its way from an earlier step's result to a later step's input."""

    from_step: str
    from_field: str
    to_field: str
    transform: MappingTransform | None = None


class PipelineStep(Message):
    """One node of the DAG."""

    step_id: str
    depends_on: list[str] = []
    """Every step it waits for, mappings' sources included."""
    mappings: list[StepMapping] = []
    run: TaskRun
    result: dict[str, Any] | None = None
    """Set where an earlier run of this pipeline completed the step: it is not run again."""


class PipelineRun(Message):
    """A DAG of tasks, its steps in topological order."""

    workflow_id: UUID
    name: str
    steps: list[PipelineStep] = Field(min_length=1, max_length=200)


class PipelineStanding(Message):
    """How a workflow stands in the records: an earlier end outlives a later one."""

    status: WorkflowStatus


class PipelineOutcome(Message):
    """How a pipeline ended; `finish_pipeline` writes it into the records."""

    workflow_id: UUID
    status: WorkflowStatus
    errors: list[str] = []
