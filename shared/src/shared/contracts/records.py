"""What the workflow worker can be asked to write into the records."""

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
    """What can be written without what came from elsewhere, where the records refuse that."""

    def without_untrusted(self, note: str) -> Self:
        """The same without it, and a note instead."""
        ...


class RecordActivities(ABC):
    """Local activities of the workflow worker. Idempotent: a terminal record never changes."""

    @activity.defn(name="admit_attempt")
    @abstractmethod
    async def admit_attempt(self, request: AdmissionRequest) -> Admission:
        """Ask a provider's breaker whether it is given work now."""

    @activity.defn(name="foreign_objects")
    @abstractmethod
    async def foreign_objects(self, question: OwnershipCheck) -> list[str]:
        """Which of the keys name no object of the owner's."""

    @activity.defn(name="pin_pictures")
    @abstractmethod
    async def pin_pictures(self, request: PinPictures) -> dict[str, str]:
        """Keep the owner's pictures as they are until the task ends; object key by path."""

    @activity.defn(name="record_account")
    @abstractmethod
    async def record_account(self, account: TaskHistory) -> None:
        """Write what a task that goes on has been through; nothing where it has ended."""

    @activity.defn(name="finish_task")
    @abstractmethod
    async def finish_task(self, outcome: TaskOutcome) -> TaskRecordState:
        """Write a task's outcome, its files' owner rows and its event; answers what stands."""

    @activity.defn(name="finish_pipeline")
    @abstractmethod
    async def finish_pipeline(self, outcome: PipelineOutcome) -> PipelineRecordState:
        """Write a workflow's outcome and its event; answers what stands."""

    @activity.defn(name="record_dataset")
    @abstractmethod
    async def record_dataset(self, record: DatasetRecord) -> TrainingRecordState:
        """Write a training's prepared dataset and its event; answers whether it goes on."""

    @activity.defn(name="finish_training")
    @abstractmethod
    async def finish_training(self, outcome: TrainingOutcome) -> TrainingRecordState:
        """Write a training's outcome, its files' owner rows and its event; answers what stands."""

    @activity.defn(name="record_evaluation")
    @abstractmethod
    async def record_evaluation(self, record: EvaluationRecord) -> None:
        """Write how an evaluation went."""
