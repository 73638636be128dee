"""One task from its first attempt to its record: a single task's whole run, a pipeline's step."""

import asyncio
from typing import Any

from pydantic import ValidationError
from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from shared.contracts.attempts import AttemptResult, StoredFile
from shared.contracts.enums import ErrorCategory, TaskStatus
from shared.contracts.failures import CONSEQUENCES
from shared.contracts.pictures import replace_pictures
from shared.contracts.runs import TaskOutcome, TaskRun
from workflows.definitions.attempt import run_attempt
from workflows.definitions.failure import Failure, read_failure
from workflows.definitions.fetching import fetch_remote_pictures
from workflows.definitions.recording import record_task
from workflows.policies import MAX_LOST_WORKERS, backoff_s, unserved_wait_s


async def run_step(
    run: TaskRun, *, label: str = "", mapped_inputs: dict[str, Any] | None = None
) -> TaskOutcome:
    """Attempt a task until it ends, and write how it ended into the records.

    Args:
        run: the task.
        label: what the Web UI shows beside each attempt, such as the step's id.
        mapped_inputs: what a pipeline maps into the task's inputs.

    Returns:
        The outcome as it stands in the records: a failure or a cancellation is no exception here.
    """
    step = _Step(run, label or run.task_type, mapped_inputs or {})
    return await record_task(await step.run_until_done())


class _Step:
    # No dataclass: the sandbox defines this class anew for each run, and making one takes 1 ms.
    def __init__(self, run: TaskRun, label: str, resolved: dict[str, Any]) -> None:
        self.run = (
            run.model_copy(update={"inputs": {**run.inputs, **resolved}}) if resolved else run
        )
        self.label = label
        self.resolved = resolved
        """Inputs that the request did not have as they are now: mapped, or fetched."""
        self.fetched: list[StoredFile] = []
        self.attempt = 0
        self.retries = 0
        self.lost_workers = 0
        self.unserved = 0
        self.errors: list[str] = []

    async def run_until_done(self) -> TaskOutcome:
        """Attempt, decide, wait, attempt again."""
        try:
            return await self._fetch() or await self._attempt_until_done()
        except asyncio.CancelledError:
            return self._ended(TaskStatus.CANCELLED, ErrorCategory.CANCELLED)
        except ValidationError as error:
            self.errors.append(f"the inputs are not complete: {error}")
            return self._ended(TaskStatus.FAILED, ErrorCategory.VALIDATION)

    async def _fetch(self) -> TaskOutcome | None:
        """Bring remote pictures into storage; an outcome where that fails."""
        try:
            fetched = await fetch_remote_pictures(self.run)
        except ActivityError as error:
            if is_cancelled_exception(error):
                return self._ended(TaskStatus.CANCELLED, ErrorCategory.CANCELLED)
            failure = read_failure(error)
            self.errors.append(failure.message)
            return self._ended(TaskStatus.FAILED, failure.category)
        if fetched is not None:
            self.fetched = fetched.files
            replaced = replace_pictures(self.run.task_type, self.run.inputs, fetched.keys)
            self.resolved = {**self.resolved, **replaced}
            self.run = self.run.with_inputs(replaced)
        return None

    async def _attempt_until_done(self) -> TaskOutcome:
        while True:
            self.attempt += 1
            try:
                return self._completed(await self._attempt())
            except ActivityError as error:
                if is_cancelled_exception(error):
                    return self._ended(TaskStatus.CANCELLED, ErrorCategory.CANCELLED)
                failure = read_failure(error)
            if failure.is_unserved and not _is_cancelling():
                await self._wait_for_a_worker_that_knows_it()
                continue
            self.errors.append(f"attempt {self.attempt}: {failure.message}")
            if _is_cancelling():
                return self._ended(TaskStatus.CANCELLED, ErrorCategory.CANCELLED)
            if not self._is_worth_another(failure):
                return self._ended(TaskStatus.FAILED, failure.category)
            await self._wait(failure)

    async def _attempt(self) -> AttemptResult:
        summary = self.label if self.attempt == 1 else f"{self.label}, attempt {self.attempt}"
        return await run_attempt(self.run, self.attempt, summary)

    def _is_worth_another(self, failure: Failure) -> bool:
        if failure.is_worker_lost:
            self.lost_workers += 1
            return self.lost_workers <= MAX_LOST_WORKERS
        self.retries += 1
        return CONSEQUENCES[failure.category].is_retried and self.retries <= self.run.max_retries

    async def _wait_for_a_worker_that_knows_it(self) -> None:
        """The task stays PENDING: nobody has tried it, so this is no attempt and no retry."""
        self.attempt -= 1
        self.unserved += 1
        await workflow.sleep(
            unserved_wait_s(self.unserved), summary=f"no worker knows {self.run.task_type} yet"
        )

    async def _wait(self, failure: Failure) -> None:
        if not failure.is_worker_lost:
            jitter = workflow.random().random()
            await asyncio.sleep(backoff_s(self.retries, jitter, failure.retry_after_s))

    def _completed(self, result: AttemptResult) -> TaskOutcome:
        results = result.model_dump(mode="json", exclude=set(AttemptResult.model_fields))
        return TaskOutcome(
            task_id=self.run.task_id,
            status=TaskStatus.COMPLETED,
            owner=self.run.owner,
            attempt=self.attempt,
            retry_count=self.attempt - 1,
            mapped_inputs=self.resolved,
            results=results,
            files=[*self.fetched, *result.files],
            errors=self.errors,
            executor_type=result.executor_type,
            executor_instance=result.executor_instance,
            started_at=result.started_at,
        )

    def _ended(self, status: TaskStatus, category: ErrorCategory) -> TaskOutcome:
        return TaskOutcome(
            task_id=self.run.task_id,
            status=status,
            owner=self.run.owner,
            attempt=self.attempt,
            retry_count=max(self.attempt - 1, 0),
            mapped_inputs=self.resolved,
            files=self.fetched,
            errors=self.errors,
            error_category=category,
        )


def _is_cancelling() -> bool:
    """Whether a cancellation was asked for, though the attempt ended in another way than by it."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
