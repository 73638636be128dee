"""The run of one task, from its first attempt to its record; for single tasks and for steps."""

import asyncio
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError
from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from shared.contracts.attempts import AttemptResult, StoredFile
from shared.contracts.enums import ErrorCategory, TaskStatus
from shared.contracts.inputs import FetchedInputs
from shared.contracts.pictures import replace_pictures
from shared.contracts.provenance import Provenance, ProvenanceRecord
from shared.contracts.runs import TaskOutcome, TaskRun
from shared.contracts.untrusted import describe_error
from shared.uninterrupted import is_cancelling
from workflows.definitions.attempt import run_attempt
from workflows.definitions.attempt_log import AttemptLog
from workflows.definitions.edit_reports import EditReports
from workflows.definitions.failure import (
    Failure,
    RemoteFailureError,
    read_error,
    read_failure,
)
from workflows.definitions.fetching import fetch_remote_pictures
from workflows.definitions.next_action import NextAction, is_retried, next_action
from workflows.definitions.recording import admit_attempt, record_account, record_task
from workflows.definitions.unexpected_errors import CONTROL_FLOW
from workflows.definitions.worker_wait import WorkerWait
from workflows.policies import (
    backoff_s,
    crowded_wait_s,
    unserved_wait_s,
)

_FETCHES_COUNT = "fetches-count-as-attempts"
_WAITS_ARE_RECORDED = "waits-are-recorded"


async def run_step(
    run: TaskRun,
    *,
    label: str = "",
    mapped_inputs: dict[str, Any] | None = None,
    show: Callable[[str], None] = lambda _state: None,
    worker_wait: WorkerWait,
    edit_reports: EditReports | None = None,
) -> TaskOutcome:
    """Attempt a task until it ends, and write its outcome into the records.

    Args:
        run: the task.
        label: name beside each attempt in the Temporal UI, such as the step id.
        mapped_inputs: values that a pipeline maps into the task's inputs.
        show: receives the state of the task as text, for the Temporal UI.
        worker_wait: waits for workers that support the task.
        edit_reports: receives the reports of edits that are parts of the task.

    Returns:
        The outcome as it is in the records; a failed or cancelled task raises no exception.

    Raises:
        ContinueAsNewError: the task was not tried, and its run must be continued as new.
        StepNotStartedError: the task was not tried, and its run starts no more steps.
    """
    step = _Step(run, label or run.task_type, mapped_inputs or {}, show, worker_wait)
    if edit_reports is not None:
        edit_reports.follow(step.log)
    outcome = await record_task(await step.run_until_done(), step.label)
    show(step.describe_end(outcome.status))
    return outcome


class _Step:
    def __init__(
        self,
        run: TaskRun,
        label: str,
        resolved: dict[str, Any],
        show: Callable[[str], None],
        worker_wait: WorkerWait,
    ) -> None:
        self.run = run.with_inputs(resolved)
        self.first_provider = run.provider_type
        self.label = label
        self.show = show
        self.worker_wait = worker_wait
        self.resolved = resolved
        """Inputs that differ from the request: mapped or fetched ones."""
        self.fetched: list[StoredFile] = []
        self.log = AttemptLog(run.task_id)
        self.recorded_wait: str | None = None
        self.crowded = 0
        """Tries that were not started because the worker had no place for them."""

    async def run_until_done(self) -> TaskOutcome:
        """Attempt, decide, wait, attempt again."""
        try:
            return await self._fetch() or await self._attempt_until_done()
        except asyncio.CancelledError:
            return self._ended(TaskStatus.CANCELLED, ErrorCategory.CANCELLED)
        except ValidationError as error:
            self.log.errors.append(f"the inputs are incomplete: {describe_error(error)}")
            return self._ended(TaskStatus.FAILED, ErrorCategory.VALIDATION)
        except CONTROL_FLOW:
            raise
        except Exception as error:  # noqa: BLE001 — an unexpected error must not block the run
            return self._ended_by(error)

    def describe_end(self, status: TaskStatus) -> str:
        """Describe the outcome for the Temporal UI."""
        log = self.log
        nth = f", attempt {log.attempt}" if log.attempt > 1 else ""
        switch = f" by {self.run.provider_type}{nth}, after {self.first_provider} failed"
        return status.lower() + (switch if log.fallback_used else nth)

    async def _fetch(self) -> TaskOutcome | None:
        """Fetch remote pictures into storage; return an outcome if that fails for good.

        A failed fetch counts against `max_retries`, like a failed attempt.
        """
        while True:
            try:
                fetched = await self._fetch_in_turn()
                break
            except ActivityError as error:
                if is_cancelled_exception(error) or not workflow.patched(_FETCHES_COUNT):
                    return self._ended_by(error)
                failure = read_failure(error)
            if ended := await self._after_failed_fetch(failure):
                return ended
        if fetched is not None:
            self.fetched = fetched.files
            replaced = replace_pictures(self.run.task_type, self.run.inputs, fetched.keys)
            self.resolved = {**self.resolved, **replaced}
            self.run = self.run.with_inputs(replaced)
        return None

    async def _after_failed_fetch(self, failure: Failure) -> TaskOutcome | None:
        """Wait before the next fetch of the pictures; return an outcome if there is none."""
        self.log.note_failed_fetch(failure)
        if is_cancelling():
            return self._ended(TaskStatus.CANCELLED, ErrorCategory.CANCELLED)
        if not is_retried(failure, self.log, self.run):
            return self._ended(TaskStatus.FAILED, failure.category)
        self.log.fetch_retries += 1
        await record_account(self.log.written(failure.category), self.label)
        if not is_cancelling():
            await self._wait(failure)
        if is_cancelling():  # requested while the records were written
            return self._ended(TaskStatus.CANCELLED, ErrorCategory.CANCELLED)
        return None

    async def _fetch_in_turn(self) -> FetchedInputs | None:
        """Fetch the pictures; while the tenant is at its concurrency limit, wait and retry."""
        tries = 0
        while True:
            try:
                return await fetch_remote_pictures(self.run, self.label)
            except ActivityError as error:
                if not read_failure(error).is_crowded:
                    raise
            if is_cancelling():
                raise asyncio.CancelledError
            tries += 1
            await self.worker_wait.wait(
                crowded_wait_s(tries, workflow.random().random()),
                "the tenant's other pictures are fetched first",
                is_untried=not self.log.fetch_retries,
            )

    async def _attempt_until_done(self) -> TaskOutcome:
        await self._fall_back_if_provider_is_down()
        while True:
            if is_cancelling():  # requested while the records were written
                return self._ended(TaskStatus.CANCELLED, ErrorCategory.CANCELLED)
            failure = await self._attempt()
            if isinstance(failure, TaskOutcome):
                return failure
            if failure.is_unserved and not is_cancelling():
                await self._wait_for_a_supporting_worker()
                continue
            if failure.is_crowded and not is_cancelling():
                await self._wait_for_its_turn()
                continue
            self.log.note_failure(failure, self.run.breaker)
            if is_cancelling():
                return self._ended(TaskStatus.CANCELLED, ErrorCategory.CANCELLED)
            then = next_action(failure, self.log, self.run)
            if then is NextAction.END:
                return self._ended(TaskStatus.FAILED, failure.category, is_final=failure.is_final)
            if then is NextAction.FALL_BACK:
                self._fall_back()
            await record_account(self.log.written(failure.category), self.label)
            if then is NextAction.RETRY:
                await self._wait(failure)
                await self._fall_back_if_provider_is_down()

    async def _attempt(self) -> TaskOutcome | Failure:
        """Run the next attempt; return the task's outcome, or the failure of the attempt."""
        self.log.attempt += 1
        nth = "" if self.log.attempt == 1 else f", attempt {self.log.attempt}"
        switch = f" in place of {self.first_provider}" if self.log.fallback_used else ""
        by = f", by {self.run.provider_type}{switch}" if switch else ""
        self.show(
            f"{self.run.provider_type}{switch}{nth}: waits for a worker of the queue "
            f"`{self.run.task_queue}`, or runs there"
        )
        try:
            result = await run_attempt(self.run, self.log, f"{self.label}{nth}{by}")
        except RemoteFailureError as error:
            return error.failure
        except ActivityError as error:
            if is_cancelled_exception(error):
                return self._ended(TaskStatus.CANCELLED, ErrorCategory.CANCELLED)
            return read_failure(error)
        return self._completed(result)

    def _fall_back(self) -> None:
        self.run = self.run.on_fallback()
        self.log.start_over()

    async def _fall_back_if_provider_is_down(self) -> None:
        """Switch to the fallback, if there is one and the provider's circuit breaker is open."""
        if self.run.fallback is None:
            return
        provider = self.run.breaker
        admission = await admit_attempt(provider)
        if admission.is_admitted:
            return
        self.log.errors.append(f"{provider} is skipped: its circuit breaker is {admission.state}")
        self._fall_back()
        await record_account(self.log.written(), self.label)

    async def _wait_for_a_supporting_worker(self) -> None:
        """Wait before the next try. The task stays PENDING; no attempt and no retry is counted."""
        self.log.attempt -= 1
        self.log.unserved += 1
        waiting_for = (
            f"a worker that supports it: those of the task queue `{self.run.task_queue}` do not "
            f"support {self.run.task_type} by {self.run.provider_type} yet"
        )
        self.show(f"waits for {waiting_for}")
        if self.recorded_wait != waiting_for and workflow.patched(_WAITS_ARE_RECORDED):
            self.recorded_wait = waiting_for
            await record_account(self.log.written(waiting_for=waiting_for), self.label)
            if is_cancelling():  # requested while the records were written
                raise asyncio.CancelledError
        await self.worker_wait.wait(
            unserved_wait_s(self.log.unserved),
            f"no worker supports {self.run.task_type} yet",
            is_untried=not (self.log.attempt or self.log.fallback_used or self.log.fetch_retries),
        )

    async def _wait_for_its_turn(self) -> None:
        """Wait before the next try of work that its worker had no place for; it is no attempt."""
        self.log.attempt -= 1
        self.crowded += 1
        await self.worker_wait.wait(
            crowded_wait_s(self.crowded, workflow.random().random()),
            f"{self.run.provider_type} takes no more work at the moment",
            is_untried=not (self.log.attempt or self.log.fallback_used or self.log.fetch_retries),
        )

    async def _wait(self, failure: Failure) -> None:
        if failure.is_worker_lost:
            return
        seconds = backoff_s(self.log.retries, workflow.random().random(), failure.retry_after_s)
        self.show(f"{failure.category}, tried again in {seconds:.0f} s")
        await workflow.sleep(seconds, summary=f"after {failure.category}")

    def _completed(self, result: AttemptResult) -> TaskOutcome:
        self.log.note_result(result)
        category = ErrorCategory.VALIDATION if result.faults else None
        if result.faults:
            self.log.note_faults(result.faults, self.run.breaker)
        else:
            self.log.note_success(self.run.breaker)
        return TaskOutcome(
            **dict(self.log.written(category)),
            status=TaskStatus.FAILED if category else TaskStatus.COMPLETED,
            owner=self.run.owner,
            mapped_inputs=self.resolved,
            results=result.fields(),
            files=[*self.fetched, *result.files],
            warnings=result.warnings,
            provenance=self._provenance(result.provenance),
            executor_type=result.executor_type,
            executor_instance=result.executor_instance,
            started_at=result.started_at,
        )

    def _provenance(self, made: Provenance | None) -> ProvenanceRecord | None:
        """Return the worker's provenance with this run's request; the row may differ by now."""
        if made is None:
            return None
        run = self.run
        return ProvenanceRecord(
            provider_type=run.provider_type,
            provider_config=run.provider_config,
            inputs=run.inputs,
            made=made,
        )

    def _ended_by(self, error: Exception) -> TaskOutcome:
        if is_cancelled_exception(error):
            return self._ended(TaskStatus.CANCELLED, ErrorCategory.CANCELLED)
        failure = read_error(error)
        self.log.errors.append(failure.message)
        return self._ended(TaskStatus.FAILED, failure.category)

    def _ended(
        self, status: TaskStatus, category: ErrorCategory, *, is_final: bool = False
    ) -> TaskOutcome:
        if status == TaskStatus.CANCELLED:
            self.log.note_cancellation(self.run.breaker)
        return TaskOutcome(
            **dict(self.log.written(category)),
            status=status,
            owner=self.run.owner,
            mapped_inputs=self.resolved,
            files=self.fetched,
            is_final=is_final,
        )
