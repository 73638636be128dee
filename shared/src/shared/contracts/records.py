"""Activities of the workflow worker that read and write the database."""

from abc import ABC, abstractmethod
from typing import Protocol, Self

from temporalio import activity

from shared.contracts.evaluation import EvaluationRecord
from shared.contracts.runs import (
    Admission,
    AdmissionRequest,
    OwnershipCheck,
    PinPictures,
    PipelineOutcome,
    PipelineRecordState,
    TaskHistory,
    TaskOutcome,
    TaskRecordState,
)
from shared.contracts.training import DatasetRecord, TrainingOutcome, TrainingRecordState


class Recordable(Protocol):
    """A message that can be stripped of untrusted data, if the database refuses that data."""

    def without_untrusted(self, note: str) -> Self:
        """Return a copy without untrusted data, and with the note as its error."""
        ...


class RecordActivities(ABC):
    """Local activities of the workflow worker. Idempotent: a terminal record never changes."""

    @activity.defn(name="admit_attempt")
    @abstractmethod
    async def admit_attempt(self, request: AdmissionRequest) -> Admission:
        """Ask a provider's circuit breaker to admit an attempt."""

    @activity.defn(name="foreign_objects")
    @abstractmethod
    async def foreign_objects(self, question: OwnershipCheck) -> list[str]:
        """Return the keys that are not objects of the owner."""

    @activity.defn(name="pin_pictures")
    @abstractmethod
    async def pin_pictures(self, request: PinPictures) -> dict[str, str]:
        """Protect the owner's pictures from changes until the task ends; return keys by path."""

    @activity.defn(name="record_account")
    @abstractmethod
    async def record_account(self, account: TaskHistory) -> None:
        """Write the history of a task that is still running; do nothing if it has ended."""

    @activity.defn(name="finish_task")
    @abstractmethod
    async def finish_task(self, outcome: TaskOutcome) -> TaskRecordState:
        """Write a task's outcome, the owner rows of its files and its event; return its state."""

    @activity.defn(name="finish_pipeline")
    @abstractmethod
    async def finish_pipeline(self, outcome: PipelineOutcome) -> PipelineRecordState:
        """Write a workflow's outcome and its event; return its state."""

    @activity.defn(name="record_dataset")
    @abstractmethod
    async def record_dataset(self, record: DatasetRecord) -> TrainingRecordState:
        """Write a training's prepared dataset and its event; return its state."""

    @activity.defn(name="finish_training")
    @abstractmethod
    async def finish_training(self, outcome: TrainingOutcome) -> TrainingRecordState:
        """Write a training's outcome, its files' owner rows and its event; return its state."""

    @activity.defn(name="record_evaluation")
    @abstractmethod
    async def record_evaluation(self, record: EvaluationRecord) -> None:
        """Write the outcome of an evaluation."""
