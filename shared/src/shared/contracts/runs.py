"""Messages of workflow runs: tasks and pipelines, their outcomes, and their database activities."""

from datetime import datetime
from typing import Any, Self, TypeAlias
from uuid import UUID

from pydantic import Field

from shared.contracts.attempts import StoredFile
from shared.contracts.enums import (
    AiProvider,
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
from shared.contracts.owners import Owner
from shared.contracts.provenance import ProvenanceRecord
from shared.contracts.service_requests import BilledUnits, ServiceRequest
from shared.contracts.untrusted import ErrorText, clean_text

BreakerKey: TypeAlias = ProviderType | AiProvider
"""Owner of a circuit breaker: a provider, or the vendor of a language model."""


class Fallback(Message):
    """The provider used if the first one fails for good or its circuit breaker is open."""

    provider_type: ProviderType
    task_queue: TaskQueue
    provider_config: dict[str, Any] = {}


class TaskRun(Message):
    """A task, complete except for values that a pipeline maps into it."""

    task_id: UUID
    task_type: TaskType
    provider_type: ProviderType
    task_queue: TaskQueue
    provider_config: dict[str, Any] = {}
    fallback: Fallback | None = None
    inputs: dict[str, Any] = {}
    """The task type's request fields by their REST names. Images are paths; `picture_objects` has
    the object keys of those whose key differs from the path."""
    max_retries: int = 3
    priority: int | None = None
    """The step's own priority, as in the request. None: the run's priority."""
    owner: Owner
    folder: str | None = None
    """Folder of the objects of its attempts, if it is a part of another task."""

    @property
    def breaker(self) -> BreakerKey:
        """The owner of the circuit breaker for its attempts; of `ai_core` the vendor."""
        vendor = self.provider_config.get("ai_provider")
        if self.provider_type is ProviderType.AI_CORE and vendor in tuple(AiProvider):
            return AiProvider(vendor)
        return self.provider_type

    def with_inputs(self, inputs: dict[str, Any]) -> "TaskRun":
        """Return the task with some inputs replaced."""
        if not inputs:
            return self
        return self.model_copy(update={"inputs": merged_inputs(self.inputs, inputs)})

    def on_fallback(self) -> "TaskRun":
        """Return the task for its fallback provider, without a further fallback."""
        assert self.fallback is not None
        return self.model_copy(update={**dict(self.fallback), "fallback": None})


class ProviderVerdict(Message):
    """The outcome of an attempt for the provider's circuit breaker."""

    provider_type: BreakerKey
    is_success: bool | None
    """None: the attempt has ended, and its outcome does not concern the provider."""


class TaskHistory(Message):
    """The attempts of a task so far: counts, errors, and calls to outside services."""

    task_id: UUID
    attempt: int = 0
    retry_count: int = 0
    errors: list[ErrorText] = []
    """One for each failed attempt, oldest first."""
    error_category: ErrorCategory | None = None
    fallback_used: bool = False
    service_task_id: str | None = None
    """The provider's id of the work."""
    service_requests: list[ServiceRequest] = []
    """All calls to outside services."""
    billed: list[BilledUnits] = []
    """Units that outside services billed, by attempt."""
    resumes: int = 0
    """Number of times that the wait for a provider's work was resumed."""
    resumed_at: datetime | None = None
    waiting_for: str | None = None
    """The condition that the task waits for."""
    verdict: ProviderVerdict | None = None
    """Outcome of the last attempt for the breaker. None: it does not concern the provider."""

    def without_untrusted(self, note: str) -> Self:
        """Return a copy without untrusted data, for when the database refuses it."""
        service_task_id = self.service_task_id and clean_text(self.service_task_id, 255)
        return self.model_copy(
            update={
                "errors": [clean_text(note)],
                "service_task_id": service_task_id,
                "service_requests": [],
                "billed": [],
            }
        )


class TaskOutcome(TaskHistory):
    """The outcome of a task; `finish_task` writes it to the database."""

    status: TaskStatus
    owner: Owner
    mapped_inputs: dict[str, Any] = {}
    """Values that a pipeline mapped into the task's inputs."""
    results: dict[str, Any] = {}
    """Result fields by their REST names."""
    files: list[StoredFile] = []
    warnings: list[ErrorText] = []
    """Parts of the request that had less effect than expected, one sentence each."""
    provenance: ProvenanceRecord | None = None
    executor_type: str | None = None
    executor_instance: str | None = None
    started_at: datetime | None = None
    is_final: bool = False
    """True if an outside service may have done the work and charged for it: it must not be
    submitted again."""

    def without_untrusted(self, note: str) -> Self:
        """Return a copy without untrusted data; a COMPLETED outcome becomes FAILED."""
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
    """The decision of a provider's circuit breaker on an attempt."""

    state: BreakerState
    is_admitted: bool
    """A half-open breaker admits one probe at a time."""
    probing_since: datetime | None = None
    """Start of the admitted probe; none: the breaker is closed, or did not admit it."""


class AdmissionRequest(Message):
    """A request to the circuit breaker; sent only for tasks that have a fallback."""

    provider_type: BreakerKey


class OwnershipCheck(Message):
    """Object keys from untrusted sources, and the owner who wants to read them."""

    owner: Owner
    keys: list[str] = Field(max_length=1000)


class PinPictures(Message):
    """Paths from untrusted sources that were mapped into a task's inputs."""

    task_id: UUID
    owner: Owner
    paths: list[str] = Field(max_length=1000)


class TaskRecordState(Message):
    """The state of a task in the database. The first recorded terminal state is final."""

    status: TaskStatus
    results: dict[str, Any] = {}
    """The recorded results, if they differ from those of the outcome."""
    note: str | None = None
    """The part of the outcome that the database refused and that was left out."""


class StepMapping(Message):
    """A mapping of a value from an earlier step's result to a later step's input."""

    from_step: str
    from_field: str
    to_field: str
    transform: MappingTransform | None = None


class PipelineStep(Message):
    """One node of the DAG."""

    step_id: str
    depends_on: list[str] = []
    """All steps that it waits for, including the sources of its mappings."""
    mappings: list[StepMapping] = []
    run: TaskRun
    result: dict[str, Any] | None = None
    """The result, if an earlier run of this pipeline completed the step; it is not run again."""


class PipelineRun(Message):
    """A DAG of tasks, its steps in topological order."""

    workflow_id: UUID
    name: str
    steps: list[PipelineStep] = Field(min_length=1, max_length=200)


class PipelineRecordState(Message):
    """The state of a workflow in the database. The first recorded terminal state is final."""

    status: WorkflowStatus


class PipelineOutcome(Message):
    """The outcome of a pipeline; `finish_pipeline` writes it to the database."""

    workflow_id: UUID
    status: WorkflowStatus
    errors: list[ErrorText] = []

    def without_untrusted(self, note: str) -> Self:
        """Return a copy without untrusted data, for when the database refuses it."""
        return self.model_copy(update={"errors": [clean_text(note)]})
