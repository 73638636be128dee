"""The reconciler: starts rows without runs, ends rows whose runs closed, cancels forgotten runs."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload
from temporalio import activity
from temporalio.client import Client

from shared.contracts.enums import (
    TASK_OPEN,
    ErrorCategory,
    StepStatus,
    TaskStatus,
    TrainingStatus,
    WorkflowStatus,
)
from shared.contracts.reconciliation import ReconcileActivities, Reconciled, ReconcileRequest
from shared.contracts.runs import PipelineOutcome, TaskOutcome
from shared.contracts.training import ENDED
from shared.db.models.registry import Subject
from shared.db.models.tables import Task, Workflow
from shared.db.models.trainings import Training
from shared.db.repositories.deliveries import sweep_deliveries
from shared.db.repositories.idempotency import sweep_keys
from shared.db.repositories.outcomes import (
    outcome_of,
    write_pipeline_outcome,
    write_task_outcome,
)
from shared.db.repositories.subject_failures import START_REFUSED, fail_subject
from shared.db.repositories.tasks import is_unbegun, is_untried, tasks_of_steps
from shared.db.repositories.trainings import write_training_outcome
from shared.db.repositories.webhook_secrets import sweep_secrets
from shared.db.session import Sessions
from shared.storage.object_store import ObjectStore
from shared.temporal.heartbeat import Heartbeat
from workflows.acknowledgement import RunRefusedError
from workflows.activities.forgotten_runs import stop_forgotten_runs
from workflows.activities.overdue_deliveries import start_overdue
from workflows.activities.run_states import (
    RUN_IS_GONE,
    RunState,
    describe,
    pipeline_outcome,
    task_outcome,
    training_outcome,
)
from workflows.activities.sweeps import Sweeps
from workflows.control import cancel_step
from workflows.starts import START_TIMEOUT, start_pipeline, start_task, start_training

_log = structlog.stdlib.get_logger(__name__)

_PAGE = 500
_SIDE_BY_SIDE = 10
RESUMES_WITHIN = 2 * START_TIMEOUT
"""How long the start of a resumed workflow's run may be under way."""
_OPEN_TRAINING = frozenset(TrainingStatus) - ENDED

_SubjectT = TypeVar("_SubjectT", Task, Workflow, Training)


class Reconciler(ReconcileActivities):
    """Compares records with Temporal.

    Args:
        client: Temporal.
        sessions: the records.
        objects: where there are objects that no record names.
    """

    def __init__(self, client: Client, sessions: Sessions, objects: ObjectStore) -> None:
        self._client = client
        self._sessions = sessions
        self._sweeps = Sweeps(sessions, objects)

    @activity.defn(name="reconcile_records")
    async def reconcile_records(self, request: ReconcileRequest) -> Reconciled:
        """Compare rows with runs, in both directions, and mend what has parted."""
        async with Heartbeat():
            before = datetime.now(UTC) - timedelta(seconds=request.grace_s)
            counts: Counter[str] = Counter()
            async for page in self._stale(Task, before, TASK_OPEN):
                await _side_by_side(page, self._mend_task, counts)
            async for page in self._stale(Workflow, before, (WorkflowStatus.RUNNING,)):
                await _side_by_side(page, self._mend_workflow, counts)
            async for page in self._stale(Training, before, _OPEN_TRAINING):
                await _side_by_side(page, self._mend_training, counts)
            counts["cancelled"] = await stop_forgotten_runs(self._client, self._sessions, before)
            counts["overdue"] = await start_overdue(self._client, self._sessions, before)
            async with self._sessions.begin() as session:
                counts["keys_swept"] = await sweep_keys(session)
                counts["deliveries_swept"] = await sweep_deliveries(session)
                await sweep_secrets(session, datetime.now(UTC))
            # The last: it is in no hurry, and nothing waits for a store that is slow.
            age = timedelta(seconds=request.abandoned_after_s)
            await self._sweeps.sweep(age, counts)
        return Reconciled.model_validate(dict(counts))

    async def _stale(
        self, table: type[_SubjectT], before: datetime, states: Collection[str]
    ) -> AsyncIterator[Sequence[UUID]]:
        """Ids of rows that have not ended and that nobody has touched for a while, in pages."""
        last: UUID | None = None
        while True:
            rows = select(table.id).where(table.status.in_(states), table.updated_at < before)
            if table is Task:
                rows = rows.where(Task.workflow_id.is_(None))
            if last is not None:
                rows = rows.where(table.id > last)
            async with self._sessions() as session:
                page = list(await session.scalars(rows.order_by(table.id).limit(_PAGE)))
            if not page:
                return
            yield page
            last = page[-1]

    async def _mend_task(self, task_id: UUID) -> str | None:
        async with self._sessions.begin() as session:
            task = await session.get(Task, task_id, with_for_update={"skip_locked": True})
            if task is None or task.status not in TASK_OPEN:
                return None
            state = await describe(self._client, task.temporal_id)
            if state is not None and state.is_open:
                return None
            if state is None and is_untried(task):
                return await _started(session, task, start_task(self._client, task))
            outcome = (
                _gone(task) if state is None else await task_outcome(self._client, task, state)
            )
            await write_task_outcome(session, outcome)
            return "closed"

    async def _mend_workflow(self, workflow_id: UUID) -> str | None:
        async with self._sessions.begin() as session:
            workflow = await session.get(
                Workflow,
                workflow_id,
                with_for_update={"skip_locked": True},
                options=[selectinload(Workflow.steps)],
            )
            if workflow is None or workflow.status != WorkflowStatus.RUNNING:
                return None
            state = await describe(self._client, workflow.temporal_id)
            tasks = await tasks_of_steps(session, workflow)
            if state is not None and state.is_open:
                await self._tell_of_cancelled_steps(workflow, tasks)
                return None
            is_unstarted = _is_unstarted(workflow, state)
            if is_unstarted and is_unbegun(workflow, tasks):
                if state is not None and _may_be_under_way(workflow):
                    return None
                start = start_pipeline(self._client, workflow, tasks, is_resumed=state is not None)
                return await _started(session, workflow, start)
        # Its lock is let go: tasks are locked before their workflow, as everywhere.
        if is_unstarted and _has_cancelled_step(workflow, tasks):
            outcome = PipelineOutcome(workflow_id=workflow_id, status=WorkflowStatus.CANCELLED)
        else:
            outcome = await pipeline_outcome(self._client, workflow_id, workflow.temporal_id, state)
        async with self._sessions.begin() as session:
            # A cancelled one takes its open tasks along itself.
            if outcome.status != WorkflowStatus.CANCELLED:
                await _fail_tried_tasks(session, outcome, state)
            await write_pipeline_outcome(session, outcome)
        return "closed"

    async def _tell_of_cancelled_steps(self, workflow: Workflow, tasks: Mapping[str, Task]) -> None:
        """Tell a run again what the gateway may have told it in vain; it does no harm twice."""
        for step_id, task in tasks.items():
            if task.status == TaskStatus.CANCELLED:
                await cancel_step(self._client, workflow.temporal_id, step_id)

    async def _mend_training(self, training_id: UUID) -> str | None:
        async with self._sessions.begin() as session:
            training = await session.get(
                Training, training_id, with_for_update={"skip_locked": True}
            )
            if training is None or training.status not in _OPEN_TRAINING:
                return None
            state = await describe(self._client, training.temporal_id)
            if state is not None and state.is_open:
                return None
            if state is None and training.status == TrainingStatus.PENDING:
                return await _started(session, training, start_training(self._client, training))
            outcome = await training_outcome(self._client, training, state)
            await write_training_outcome(session, outcome)
            return "closed"


async def _side_by_side(
    ids: Sequence[UUID],
    mend: Callable[[UUID], Awaitable[str | None]],
    counts: Counter[str],
) -> None:
    gate = asyncio.Semaphore(_SIDE_BY_SIDE)

    async def mend_one(subject_id: UUID) -> None:
        async with gate:
            try:
                done = await mend(subject_id)
            except Exception:  # noqa: BLE001 — logged, and tried again by the next pass
                # One that cannot be mended must not keep the others from it.
                _log.exception("not_reconciled", subject=str(subject_id))
                done = "failed"
        if done is not None:
            counts[done] += 1

    await asyncio.gather(*(mend_one(subject_id) for subject_id in ids))


async def _started(session: AsyncSession, subject: Subject, start: Awaitable[None]) -> str:
    """Start a run; where Temporal will never take it, its subject ends."""
    try:
        await start
    except RunRefusedError as error:
        _log.error("run_refused", subject=subject.temporal_id, reason=str(error))
        await fail_subject(session, subject, START_REFUSED)
        return "closed"
    return "started"


def _is_unstarted(workflow: Workflow, state: RunState | None) -> bool:
    """Whether a workflow has no run, or none since it was resumed.

    A step of it that was tried all the same may be at a provider that is paid for it. It is ended
    with its workflow; a resume then gives it a new task.
    """
    if state is None:
        return True
    return state.closed_at is not None and workflow.updated_at > state.closed_at


def _may_be_under_way(workflow: Workflow) -> bool:
    """Whether the gateway may still be resuming it: two such starts may be two runs."""
    return datetime.now(UTC) - workflow.updated_at < RESUMES_WITHIN


def _has_cancelled_step(workflow: Workflow, tasks: Mapping[str, Task]) -> bool:
    """Whether a step was cancelled before there was a run, and all others wait for it."""
    rest = [tasks[s.step_id] for s in workflow.steps if s.status != StepStatus.COMPLETED]
    cancelled = [task for task in rest if task.status == TaskStatus.CANCELLED]
    return bool(cancelled) and all(is_untried(task) for task in rest if task not in cancelled)


def _gone(
    task: Task,
    reason: str = RUN_IS_GONE,
    category: ErrorCategory = ErrorCategory.INTERNAL,
) -> TaskOutcome:
    return outcome_of(task, TaskStatus.FAILED, error=reason, category=category)


async def _fail_tried_tasks(
    session: AsyncSession, outcome: PipelineOutcome, state: RunState | None
) -> None:
    """No run will write how these ended; they ended as their pipeline's run did."""
    reason = outcome.errors[-1] if outcome.errors else RUN_IS_GONE
    category = state.failure_category if state else ErrorCategory.INTERNAL
    rows: Any = select(Task).where(
        Task.workflow_id == outcome.workflow_id, Task.status.in_(TASK_OPEN)
    )
    for task in await session.scalars(rows.order_by(Task.id).with_for_update()):
        if not is_untried(task):
            await write_task_outcome(session, _gone(task, reason, category))
