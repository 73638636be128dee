"""The workflow of a single task."""

import asyncio

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from shared.contracts.enums import TaskStatus
from shared.contracts.remote_editing import EDIT_ENDED, EditReport
from shared.contracts.runs import TaskOutcome, TaskRun
from workflows.definitions.edit_reports import EditReports
from workflows.definitions.run_step import run_step
from workflows.definitions.unexpected_errors import failing_as_internal
from workflows.definitions.worker_wait import ContinueAsNewError, WorkerWait


@workflow.defn(name="Task")
class RunTask:
    """Run of one task, id `task-<uuid>`. It fails or is cancelled as the task is."""

    def __init__(self) -> None:
        self._edit_reports = EditReports()

    @workflow.run
    async def run(self, run: TaskRun) -> TaskOutcome:
        """Run the task to its end."""
        with failing_as_internal():
            return await self._run(run)

    @workflow.signal(name=EDIT_ENDED)
    def edit_ended(self, report: EditReport) -> None:
        """Record the calls and billed units of an edit that is a part of the task."""
        self._edit_reports.note(report)

    async def _run(self, run: TaskRun) -> TaskOutcome:
        def show(state: str) -> None:
            workflow.set_current_details(f"**{run.task_type}**: {state}")

        try:
            outcome = await run_step(
                run, show=show, worker_wait=WorkerWait(), edit_reports=self._edit_reports
            )
        except ContinueAsNewError:
            workflow.continue_as_new(run)
        if outcome.status == TaskStatus.CANCELLED:
            raise asyncio.CancelledError
        if outcome.status == TaskStatus.FAILED:
            raise ApplicationError(
                outcome.errors[-1] if outcome.errors else "the task failed",
                type=outcome.error_category,
                non_retryable=True,
            )
        return outcome
