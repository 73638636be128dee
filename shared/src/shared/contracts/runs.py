"""What Temporal carries about a run: the task or pipeline going in, the outcome coming out."""

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import Field

from shared.contracts.attempts import StoredFile
from shared.contracts.enums import (
    BreakerState,
    ErrorCategory,
    MappingTransform,
    ProviderType,
    TaskQueue,
    TaskStatus,
    TaskType,
    WorkflowStatus,
)
from shared.contracts.inputs import merged_inputs
from shared.contracts.message import Message
from shared.contracts.provenance import ProvenanceRecord
from shared.contracts.submissions import ServiceRequest
from shared.contracts.untrusted import ErrorText, clean_text


class Owner(Message):
    """Whom a run belongs to: written beside every object it makes, and its fairness key."""

    origin_instance: str
    origin_tenant_id: str | None = None


class Fallback(Message):
    """Who does a task once its provider has failed for good, or is known to be down."""

    provider_type: ProviderType
    task_queue: TaskQueue
    provider_config: dict[str, Any] = {}


class TaskRun(Message):
    """One task, complete but for what a pipeline maps into it."""

    task_id: UUID
    task_type: TaskType
    provider_type: ProviderType
    task_queue: TaskQueue
    provider_config: dict[str, Any] = {}
    fallback: Fallback | None = None
    inputs: dict[str, Any] = {}
    """The task type's request fields by their REST names; images as paths, beside which
    `picture_objects` has the keys of those whose bytes lie elsewhere."""
    max_retries: int = 3
    priority: int | None = None
    """A step's own priority, as requests have it; none: the run's."""
    owner: Owner

    def with_inputs(self, inputs: dict[str, Any]) -> "TaskRun":
        """The same task with some inputs replaced."""
        if not inputs:
            return self
        return self.model_copy(update={"inputs": merged_inputs(self.inputs, inputs)})

    def on_fallback(self) -> "TaskRun":
        """The same task, given to its fallback; nobody steps in for that one."""
        assert self.fallback is not None
        return self.model_copy(update={**dict(self.fallback), "fallback": None})


class ProviderVerdict(Message):
    """What an attempt says about its provider: the provider's breaker counts it."""

    provider_type: ProviderType
    is_success: bool | None
    """None: it has ended, and says nothing about the provider."""


class TaskHistory(Message):
    """What a task has been through so far."""

    task_id: UUID
    attempt: int = 0
    retry_count: int = 0
    errors: list[ErrorText] = []
    """One for each attempt that failed, oldest first."""
    error_category: ErrorCategory | None = None
    fallback_used: bool = False
    service_task_id: str | None = None
    """The provider's own id of the work."""
    service_requests: list[ServiceRequest] = []
    """Every call to an outside service."""
    resumes: int = 0
    """How often the wait for a provider's work was taken up again."""
    resumed_at: datetime | None = None
    waiting_for: str | None = None
    """What has to come before it can go on."""
    verdict: ProviderVerdict | None = None
    """Of the last attempt; none where it says nothing about its provider."""

    def without_untrusted(self, note: str) -> Self:
        """The same without what came from elsewhere, for records that could not hold it."""
        service_task_id = self.service_task_id and clean_text(self.service_task_id, 255)
        return self.model_copy(
            update={
                "errors": [clean_text(note)],
                "service_task_id": service_task_id,
                "service_requests": [],
            }
        )


class TaskOutcome(TaskHistory):
    """How a task ended; `finish_task` writes it into the records."""

    status: TaskStatus
    owner: Owner
    mapped_inputs: dict[str, Any] = {}
    """What a pipeline mapped into the task's inputs."""
    results: dict[str, Any] = {}
    """Result fields by their REST names."""
    files: list[StoredFile] = []
    warnings: list[ErrorText] = []
    """What of the request had less effect than its sender may think."""
    provenance: ProvenanceRecord | None = None
    executor_type: str | None = None
    executor_instance: str | None = None
    started_at: datetime | None = None

    def without_untrusted(self, note: str) -> Self:
        """The same without what came from elsewhere; what had completed has no result then."""
        own: dict[str, Any] = {
            "mapped_inputs": {},
            "results": {},
            "files": [],
            "warnings": [],
            "provenance": None,
            "executor_type": None,
            "executor_instance": None,
        }
        if self.status == TaskStatus.COMPLETED:
            own |= {"status": TaskStatus.FAILED, "error_category": ErrorCategory.INTERNAL}
        return super().without_untrusted(note).model_copy(update=own)


class Admission(Message):
    """Whether a provider is given work now, by its breaker."""

    state: BreakerState
    is_admitted: bool
    """A half-open breaker admits one probe at a time."""


class AdmissionRequest(Message):
    """The question; asked where there is a fallback, since without one there is no choice."""

    provider_type: ProviderType


class OwnershipCheck(Message):
    """Object keys of doubtful origin, and who is about to read them."""

    owner: Owner
    keys: list[str] = Field(max_length=1000)


class PinPictures(Message):
    """Paths of doubtful origin that a task is about to read, mapped into its inputs."""

    task_id: UUID
    owner: Owner
    paths: list[str] = Field(max_length=1000)


class TaskRecordState(Message):
    """How a task stands in the records: an earlier end outlives a later one."""

    status: TaskStatus
    results: dict[str, Any] = {}
    """Where they are not those that the outcome came with."""
    note: str | None = None
    """What of the outcome the records could not hold, and left out."""


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


class PipelineRecordState(Message):
    """How a workflow stands in the records: an earlier end outlives a later one."""

    status: WorkflowStatus


class PipelineOutcome(Message):
    """How a pipeline ended; `finish_pipeline` writes it into the records."""

    workflow_id: UUID
    status: WorkflowStatus
    errors: list[ErrorText] = []

    def without_untrusted(self, note: str) -> Self:
        """The same without what came from elsewhere, for records that could not hold it."""
        return self.model_copy(update={"errors": [clean_text(note)]})
