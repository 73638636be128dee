"""Records in memory, with database outages on demand."""

import asyncio
from uuid import UUID

from temporalio import activity

from shared.contracts.enums import BreakerState, ProviderType, TrainingStatus
from shared.contracts.evaluation import EvaluationRecord
from shared.contracts.records import RecordActivities
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


class FakeRecords(RecordActivities):
    """Records in memory; the first outcome of a run wins, as in the real records.

    Args:
        failures: number of calls that fail before the first successful one.
    """

    def __init__(self, failures: int = 0) -> None:
        self.failures_left = failures
        self.calls = 0
        self.is_called = asyncio.Event()
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.breakers: dict[ProviderType, BreakerState] = {}
        self.accounts: list[TaskHistory] = []
        self.tasks: dict[UUID, TaskOutcome] = {}
        self.pipelines: dict[UUID, PipelineOutcome] = {}
        self.datasets: dict[UUID, DatasetRecord] = {}
        self.trainings: dict[UUID, TrainingOutcome] = {}
        self.evaluations: dict[UUID, EvaluationRecord] = {}

    @activity.defn(name="admit_attempt")
    async def admit_attempt(self, request: AdmissionRequest) -> Admission:
        await self._answer()
        breaker = self.breakers.get(request.provider_type, BreakerState.CLOSED)
        return Admission(state=breaker, is_admitted=breaker is not BreakerState.OPEN)

    @activity.defn(name="foreign_objects")
    async def foreign_objects(self, question: OwnershipCheck) -> list[str]:
        await self._answer()
        return [key for key in question.keys if not key.startswith("mine/")]

    @activity.defn(name="pin_pictures")
    async def pin_pictures(self, request: PinPictures) -> dict[str, str]:
        await self._answer()
        mine = [path for path in request.paths if path.startswith("mine/")]
        return {path: path.replace("mine/", "saved/") for path in mine}

    @activity.defn(name="record_account")
    async def record_account(self, account: TaskHistory) -> None:
        await self._answer()
        self.accounts.append(account)

    @activity.defn(name="finish_task")
    async def finish_task(self, outcome: TaskOutcome) -> TaskRecordState:
        await self._answer()
        stands = self.tasks.setdefault(outcome.task_id, outcome)
        return TaskRecordState(status=stands.status, results=stands.results)

    @activity.defn(name="finish_pipeline")
    async def finish_pipeline(self, outcome: PipelineOutcome) -> PipelineRecordState:
        await self._answer()
        stands = self.pipelines.setdefault(outcome.workflow_id, outcome)
        return PipelineRecordState(status=stands.status)

    @activity.defn(name="record_dataset")
    async def record_dataset(self, record: DatasetRecord) -> TrainingRecordState:
        await self._answer()
        if ended := self.trainings.get(record.training_id):
            return _standing(ended)
        self.datasets[record.training_id] = record
        return TrainingRecordState(status=TrainingStatus.PREPROCESSING)

    @activity.defn(name="finish_training")
    async def finish_training(self, outcome: TrainingOutcome) -> TrainingRecordState:
        await self._answer()
        if outcome.lora is not None:
            path = f"{outcome.folder}/{outcome.lora.stem}.safetensors"
            outcome = outcome.model_copy(update={"local_model_path": path})
        return _standing(self.trainings.setdefault(outcome.training_id, outcome))

    @activity.defn(name="record_evaluation")
    async def record_evaluation(self, record: EvaluationRecord) -> None:
        await self._answer()
        self.evaluations[record.evaluation_id] = record

    async def _answer(self) -> None:
        self.calls += 1
        self.is_called.set()
        await self.is_open.wait()
        if self.failures_left:
            self.failures_left -= 1
            raise ConnectionRefusedError("the database is away")


def _standing(outcome: TrainingOutcome) -> TrainingRecordState:
    return TrainingRecordState(
        status=outcome.status,
        local_model_path=outcome.local_model_path,
        error=outcome.error,
    )
