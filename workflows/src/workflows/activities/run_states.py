"""States of runs in Temporal, and the outcomes of runs that closed without writing one."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.service import RPCError, RPCStatusCode

from shared.contracts.enums import ErrorCategory, TaskStatus, TrainingStatus, WorkflowStatus
from shared.contracts.runs import PipelineOutcome, TaskOutcome
from shared.contracts.training import TrainingOutcome
from shared.db.models.tables import Task
from shared.db.models.trainings import Training
from shared.db.repositories.outcomes import outcome_of, owner_of
from workflows.definitions.run_pipeline import RunPipeline
from workflows.definitions.run_task import RunTask
from workflows.definitions.run_training import RunTraining

RUN_IS_GONE = "its Temporal run no longer exists"
_MESSAGES = {
    WorkflowExecutionStatus.TERMINATED: "its Temporal run was terminated",
    WorkflowExecutionStatus.TIMED_OUT: "its Temporal run exceeded its time limit",
}


@dataclass(frozen=True)
class RunState:
    """A run as Temporal describes it."""

    status: WorkflowExecutionStatus
    closed_at: datetime | None

    @property
    def is_open(self) -> bool:
        """True while it runs."""
        return self.status == WorkflowExecutionStatus.RUNNING

    @property
    def failure_category(self) -> ErrorCategory:
        """Error category of a run that closed without an outcome."""
        timed_out = self.status == WorkflowExecutionStatus.TIMED_OUT
        return ErrorCategory.TIMEOUT if timed_out else ErrorCategory.INTERNAL


async def describe(client: Client, temporal_id: str) -> RunState | None:
    """Return the state of the newest run with this id; none if Temporal knows no such run."""
    try:
        found = await client.get_workflow_handle(temporal_id).describe()
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return None
        raise
    assert found.status is not None
    return RunState(found.status, found.close_time)


async def task_outcome(client: Client, task: Task, state: RunState) -> TaskOutcome:
    """Return the outcome of a task whose run closed without recording one."""
    if state.status == WorkflowExecutionStatus.COMPLETED:
        return await client.get_workflow_handle_for(RunTask.run, task.temporal_id).result()
    is_cancelled = state.status == WorkflowExecutionStatus.CANCELED
    reason = await _reason(client, task.temporal_id, state)
    if is_cancelled:
        return outcome_of(task, TaskStatus.CANCELLED)
    return outcome_of(task, TaskStatus.FAILED, error=reason, category=state.failure_category)


async def pipeline_outcome(
    client: Client, workflow_id: UUID, temporal_id: str, state: RunState | None
) -> PipelineOutcome:
    """Return the outcome of a workflow whose run closed without recording one, or is missing."""
    if state is None:
        failed = WorkflowStatus.FAILED
        return PipelineOutcome(workflow_id=workflow_id, status=failed, errors=[RUN_IS_GONE])
    if state.status == WorkflowExecutionStatus.COMPLETED:
        return await client.get_workflow_handle_for(RunPipeline.run, temporal_id).result()
    if state.status == WorkflowExecutionStatus.CANCELED:
        return PipelineOutcome(workflow_id=workflow_id, status=WorkflowStatus.CANCELLED)
    reason = await _reason(client, temporal_id, state)
    return PipelineOutcome(workflow_id=workflow_id, status=WorkflowStatus.FAILED, errors=[reason])


async def training_outcome(
    client: Client, training: Training, state: RunState | None
) -> TrainingOutcome:
    """Return the outcome of a training whose run closed without recording one, or is missing."""
    status = state.status if state else None
    if status == WorkflowExecutionStatus.COMPLETED:
        return await client.get_workflow_handle_for(RunTraining.run, training.temporal_id).result()
    is_cancelled = status == WorkflowExecutionStatus.CANCELED
    reason = await _reason(client, training.temporal_id, state) if state else RUN_IS_GONE
    return TrainingOutcome(
        training_id=training.id,
        status=TrainingStatus.CANCELLED if is_cancelled else TrainingStatus.FAILED,
        owner=owner_of(training),
        error=None if is_cancelled else reason,
    )


async def _reason(client: Client, temporal_id: str, state: RunState) -> str:
    if message := _MESSAGES.get(state.status):
        return message
    try:
        async with asyncio.timeout(10):
            await client.get_workflow_handle(temporal_id).result()
    except WorkflowFailureError as failure:
        return str(failure.cause)
    return "its Temporal run closed"
