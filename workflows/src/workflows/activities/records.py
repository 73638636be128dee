"""The bookkeeping of runs: one transaction each, repeated until the database takes it.

What it will never take is written once more without what came from elsewhere, and a note.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity
from temporalio.exceptions import ApplicationError

from shared.contracts.enums import ErrorCategory
from shared.contracts.evaluation import EvaluationRecord
from shared.contracts.records import Recordable, RecordActivities
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
from shared.db.refusals import refusal
from shared.db.repositories.breakers import admit
from shared.db.repositories.evaluations import write_evaluation
from shared.db.repositories.object_use import pin_mapped
from shared.db.repositories.outcomes import (
    write_pipeline_outcome,
    write_task_history,
    write_task_outcome,
)
from shared.db.repositories.scope import Scope
from shared.db.repositories.subjects import find_objects
from shared.db.repositories.trainings import write_dataset, write_training_outcome
from shared.db.session import Sessions

_log = structlog.stdlib.get_logger(__name__)


_R = TypeVar("_R", bound=Recordable)
_T = TypeVar("_T")


class Records(RecordActivities):
    """Writes outcomes through the connection pool of this worker."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    @activity.defn(name="admit_attempt")
    async def admit_attempt(self, request: AdmissionRequest) -> Admission:
        """Ask a provider's breaker whether it is given work now."""
        return await self._write(admit, request.provider_type)

    @activity.defn(name="foreign_objects")
    async def foreign_objects(self, question: OwnershipCheck) -> list[str]:
        """Which of the keys name no object of the owner's."""
        return await self._write(_foreign, question)

    @activity.defn(name="pin_pictures")
    async def pin_pictures(self, request: PinPictures) -> dict[str, str]:
        """Keep the owner's pictures as they are until the task ends; object key by path."""
        async with self._sessions.begin() as session:
            return await pin_mapped(session, request)

    @activity.defn(name="record_account")
    async def record_account(self, account: TaskHistory) -> None:
        """Write what a task that goes on has been through; nothing where it has ended."""
        await self._write_or_bare(write_task_history, account)

    @activity.defn(name="finish_task")
    async def finish_task(self, outcome: TaskOutcome) -> TaskRecordState:
        """Write a task's outcome, its files' owner rows and its event; answers what stands."""
        standing, note = await self._write_or_bare(write_task_outcome, outcome)
        return standing.model_copy(update={"note": note}) if note else standing

    @activity.defn(name="finish_pipeline")
    async def finish_pipeline(self, outcome: PipelineOutcome) -> PipelineRecordState:
        """Write a workflow's outcome and its event; answers what stands."""
        standing, _ = await self._write_or_bare(write_pipeline_outcome, outcome)
        return standing

    @activity.defn(name="record_dataset")
    async def record_dataset(self, record: DatasetRecord) -> TrainingRecordState:
        """Write a training's prepared dataset and its event; answers whether it goes on."""
        return await self._write(write_dataset, record)

    @activity.defn(name="finish_training")
    async def finish_training(self, outcome: TrainingOutcome) -> TrainingRecordState:
        """Write a training's outcome, its files' owner rows and its event; answers what stands."""
        standing, _ = await self._write_or_bare(write_training_outcome, outcome)
        return standing

    @activity.defn(name="record_evaluation")
    async def record_evaluation(self, record: EvaluationRecord) -> None:
        """Write how an evaluation went."""
        await self._write_or_bare(write_evaluation, record)

    async def _write_or_bare(
        self, write: Callable[[AsyncSession, _R], Awaitable[_T]], message: _R
    ) -> tuple[_T, str | None]:
        """Write a message; where that can never succeed, without what came from elsewhere.

        Returns:
            How it stands, and what the record says of what it lacks.
        """
        try:
            return await self._transact(write, message), None
        except Exception as error:
            refused = refusal(error)
            if refused is None:
                raise
            _log.warning("not_recorded_whole", kind=type(message).__name__, refused=refused)
            note = f"the records cannot hold what it ended with ({refused}), and leave it out"
        return await self._write(write, message.without_untrusted(note)), note

    async def _write(self, write: Callable[[AsyncSession, Any], Awaitable[_T]], message: Any) -> _T:
        """Write, or ask.

        Raises:
            ApplicationError: INTERNAL, final: no repetition helps.
        """
        try:
            return await self._transact(write, message)
        except Exception as error:
            refused = refusal(error)
            if refused is None:
                raise
            text = f"the records refuse what came with the run ({refused})"
            raise ApplicationError(text, type=ErrorCategory.INTERNAL, non_retryable=True) from None

    async def _transact(
        self, write: Callable[[AsyncSession, Any], Awaitable[_T]], message: Any
    ) -> _T:
        async with self._sessions.begin() as session:
            return await write(session, message)


async def _foreign(session: AsyncSession, question: OwnershipCheck) -> list[str]:
    scope = Scope(question.owner.origin_instance, question.owner.origin_tenant_id)
    owned = await find_objects(session, scope, question.keys)
    return [key for key in question.keys if key not in owned]
