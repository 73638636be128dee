"""The reconciler: starts missing runs, ends rows of closed runs, cancels runs of ended rows."""

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
from workflows.activities.orphaned_runs import stop_orphaned_runs
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
from workflows.start_errors import RunRefusedError
from workflows.starts import START_TIMEOUT, start_pipeline, start_task, start_training

_log = structlog.stdlib.get_logger(__name__)

_PAGE = 500
_CONCURRENCY = 10
RESUMES_WITHIN = 2 * START_TIMEOUT
"""Time within which the start of a resumed workflow's run may still be in progress."""
_OPEN_TRAINING = frozenset(TrainingStatus) - ENDED

_SubjectT = TypeVar("_SubjectT", Task, Workflow, Training)


class Reconciler(ReconcileActivities):
    """Reconciliation of records with Temporal.

    Args:
        client: Temporal.
        sessions: the records.
        objects: the object store, which is swept in the same pass.
    """

    def __init__(self, client: Client, sessions: Sessions, objects: ObjectStore) -> None:
        self._client = client
        self._sessions = sessions
        self._sweeps = Sweeps(sessions, objects)

    @activity.defn(name="reconcile_records")
    async def reconcile_records(self, request: ReconcileRequest) -> Reconciled:
        """Compare rows with runs in both directions, and repair differences."""
        async with Heartbeat():
            before = datetime.now(UTC) - timedelta(seconds=request.grace_s)
            counts: Counter[str] = Counter()
            async for page in self._stale(Task, before, TASK_OPEN):
                await _repair_all(page, self._repair_task, counts)
            async for page in self._stale(Workflow, before, (WorkflowStatus.RUNNING,)):
                await _repair_all(page, self._repair_workflow, counts)
            async for page in self._stale(Training, before, _OPEN_TRAINING):
                await _repair_all(page, self._repair_training, counts)
            counts["cancelled"] = await stop_orphaned_runs(self._client, self._sessions, before)
            counts["overdue"] = await start_overdue(self._client, self._sessions, before)
            async with self._sessions.begin() as session:
                counts["keys_swept"] = await sweep_keys(session)
                counts["deliveries_swept"] = await sweep_deliveries(session)
                await sweep_secrets(session, datetime.now(UTC))
            # Last, so that a slow object store delays nothing else.
            age = timedelta(seconds=request.abandoned_after_s)
            await self._sweeps.sweep(age, counts)
        return Reconciled.model_validate(dict(counts))

    async def _stale(
        self, table: type[_SubjectT], before: datetime, states: Collection[str]
    ) -> AsyncIterator[Sequence[UUID]]:
        """Yield pages of ids of open rows that have not changed for a while."""
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

    async def _repair_task(self, task_id: UUID) -> str | None:
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

    async def _repair_workflow(self, workflow_id: UUID) -> str | None:
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
                await self._repeat_step_cancellations(workflow, tasks)
                return None
            is_unstarted = _is_unstarted(workflow, state)
            if is_unstarted and is_unbegun(workflow, tasks):
                if state is not None and _may_be_under_way(workflow):
                    return None
                start = start_pipeline(self._client, workflow, tasks, is_resumed=state is not None)
                return await _started(session, workflow, start)
        # The lock is released here, because tasks are always locked before their workflow.
        if is_unstarted and _has_cancelled_step(workflow, tasks):
            outcome = PipelineOutcome(workflow_id=workflow_id, status=WorkflowStatus.CANCELLED)
        else:
            outcome = await pipeline_outcome(self._client, workflow_id, workflow.temporal_id, state)
        async with self._sessions.begin() as session:
            # The outcome of a cancelled workflow ends its open tasks as well.
            if outcome.status != WorkflowStatus.CANCELLED:
                await _fail_tried_tasks(session, outcome, state)
            await write_pipeline_outcome(session, outcome)
        return "closed"

    async def _repeat_step_cancellations(
        self, workflow: Workflow, tasks: Mapping[str, Task]
    ) -> None:
        """Signal cancelled steps again, in case the gateway's signal was lost; idempotent."""
        for step_id, task in tasks.items():
            if task.status == TaskStatus.CANCELLED:
                await cancel_step(self._client, workflow.temporal_id, step_id)

    async def _repair_training(self, training_id: UUID) -> str | None:
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


async def _repair_all(
    ids: Sequence[UUID],
    repair: Callable[[UUID], Awaitable[str | None]],
    counts: Counter[str],
) -> None:
    semaphore = asyncio.Semaphore(_CONCURRENCY)

    async def repair_one(subject_id: UUID) -> None:
        async with semaphore:
            try:
                done = await repair(subject_id)
            except Exception:  # noqa: BLE001 — logged, and retried by the next pass
                # A failing row must not block the others.
                _log.exception("not_reconciled", subject=str(subject_id))
                done = "failed"
        if done is not None:
            counts[done] += 1

    await asyncio.gather(*(repair_one(subject_id) for subject_id in ids))


async def _started(session: AsyncSession, subject: Subject, start: Awaitable[None]) -> str:
    """Start a run; if Temporal refuses it for good, fail its subject."""
    try:
        await start
    except RunRefusedError as error:
        _log.error("run_refused", subject=subject.temporal_id, reason=str(error))
        await fail_subject(session, subject, START_REFUSED)
        return "closed"
    return "started"


def _is_unstarted(workflow: Workflow, state: RunState | None) -> bool:
    """Return true if a workflow has no run, or none since it was resumed.

    If one of its steps was tried nevertheless, a provider may have charged for it. That step ends
    with the workflow; a resume then creates a new task for it.
    """
    if state is None:
        return True
    return state.closed_at is not None and workflow.updated_at > state.closed_at


def _may_be_under_way(workflow: Workflow) -> bool:
    """Return true if the gateway may still be resuming it: a second start could be a second run."""
    return datetime.now(UTC) - workflow.updated_at < RESUMES_WITHIN


def _has_cancelled_step(workflow: Workflow, tasks: Mapping[str, Task]) -> bool:
    """Return true if a step was cancelled before the first run, and no other step was tried."""
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
    """Fail the tried tasks of a pipeline whose run closed, with the reason of the run."""
    reason = outcome.errors[-1] if outcome.errors else RUN_IS_GONE
    category = state.failure_category if state else ErrorCategory.INTERNAL
    rows: Any = select(Task).where(
        Task.workflow_id == outcome.workflow_id, Task.status.in_(TASK_OPEN)
    )
    for task in await session.scalars(rows.order_by(Task.id).with_for_update()):
        if not is_untried(task):
            await write_task_outcome(session, _gone(task, reason, category))
