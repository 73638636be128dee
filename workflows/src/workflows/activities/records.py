"""The bookkeeping of runs: one transaction each, repeated until the database takes it."""

from temporalio import activity

from shared.contracts.evaluation import EvaluationRecord
from shared.contracts.records import RecordActivities
from shared.contracts.runs import (
    Admission,
    AdmissionRequest,
    OwnershipQuestion,
    PinPictures,
    PipelineOutcome,
    PipelineStanding,
    TaskAccount,
    TaskOutcome,
    TaskStanding,
)
from shared.contracts.training import DatasetRecord, TrainingOutcome, TrainingStanding
from shared.db.repositories.breakers import admit
from shared.db.repositories.evaluations import write_evaluation
from shared.db.repositories.outcomes import (
    write_pipeline_outcome,
    write_task_account,
    write_task_outcome,
)
from shared.db.repositories.scope import Scope
from shared.db.repositories.subjects import find_objects
from shared.db.repositories.trainings import write_dataset, write_training_outcome
from shared.db.repositories.uses import pin_mapped
from shared.db.session import Sessions


class Records(RecordActivities):
    """Writes outcomes through the connection pool of this worker."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    @activity.defn(name="admit_attempt")
    async def admit_attempt(self, request: AdmissionRequest) -> Admission:
        """Ask a provider's breaker whether it is given work now."""
        async with self._sessions.begin() as session:
            return await admit(session, request.provider_type)

    @activity.defn(name="foreign_objects")
    async def foreign_objects(self, question: OwnershipQuestion) -> list[str]:
        """Which of the keys name no object of the owner's."""
        scope = Scope(question.owner.origin_instance, question.owner.origin_tenant_id)
        async with self._sessions() as session:
            owned = await find_objects(session, scope, question.keys)
        return [key for key in question.keys if key not in owned]

    @activity.defn(name="pin_pictures")
    async def pin_pictures(self, request: PinPictures) -> dict[str, str]:
        """Keep the owner's pictures as they are until the task ends; object key by path."""
        async with self._sessions.begin() as session:
            return await pin_mapped(session, request)

    @activity.defn(name="record_account")
    async def record_account(self, account: TaskAccount) -> None:
        """Write what a task that goes on has been through; nothing where it has ended."""
        async with self._sessions.begin() as session:
            await write_task_account(session, account)

    @activity.defn(name="finish_task")
    async def finish_task(self, outcome: TaskOutcome) -> TaskStanding:
        """Write a task's outcome, its files' owner rows and its event; answers what stands."""
        async with self._sessions.begin() as session:
            return await write_task_outcome(session, outcome)

    @activity.defn(name="finish_pipeline")
    async def finish_pipeline(self, outcome: PipelineOutcome) -> PipelineStanding:
        """Write a workflow's outcome and its event; answers what stands."""
        async with self._sessions.begin() as session:
            return await write_pipeline_outcome(session, outcome)

    @activity.defn(name="record_dataset")
    async def record_dataset(self, record: DatasetRecord) -> TrainingStanding:
        """Write a training's prepared dataset and its event; answers whether it goes on."""
        async with self._sessions.begin() as session:
            return await write_dataset(session, record)

    @activity.defn(name="finish_training")
    async def finish_training(self, outcome: TrainingOutcome) -> TrainingStanding:
        """Write a training's outcome, its files' owner rows and its event; answers what stands."""
        async with self._sessions.begin() as session:
            return await write_training_outcome(session, outcome)

    @activity.defn(name="record_evaluation")
    async def record_evaluation(self, record: EvaluationRecord) -> None:
        """Write how an evaluation went."""
        async with self._sessions.begin() as session:
            await write_evaluation(session, record)
