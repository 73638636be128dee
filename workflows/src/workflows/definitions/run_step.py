"""One task from its first attempt to its record: a single task's whole run, a pipeline's step."""

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
from workflows.definitions.account import Account
from workflows.definitions.attempt import run_attempt
from workflows.definitions.failure import Failure, read_error, read_failure
from workflows.definitions.fetching import fetch_remote_pictures
from workflows.definitions.following import Next, following, is_retried
from workflows.definitions.patience import Patience
from workflows.definitions.recording import admit_attempt, record_account, record_task
from workflows.definitions.remote import RemoteFailureError
from workflows.definitions.unforeseen import ORDERLY
from workflows.policies import (
    backoff_s,
    crowded_wait_s,
    unserved_wait_s,
)

_COUNTED_FETCHES = "fetches-count-as-attempts"
_SAID_WAITS = "waits-are-recorded"


async def run_step(
    run: TaskRun,
    *,
    label: str = "",
    mapped_inputs: dict[str, Any] | None = None,
    show: Callable[[str], None] = lambda _state: None,
    patience: Patience,
) -> TaskOutcome:
    """Attempt a task until it ends, and write how it ended into the records.

    Args:
        run: the task.
        label: what the Web UI shows beside each attempt, such as the step's id.
        mapped_inputs: what a pipeline maps into the task's inputs.
        show: hears in words what the task is at, for the Web UI.
        patience: how its run waits for workers that can do it.

    Returns:
        The outcome as it stands in the records: a failure or a cancellation is no exception here.

    Raises:
        StartAnewError: nobody has tried the task, and its run is to be continued as new.
        PutOffError: nobody has tried it, and its run starts no more.
    """
    step = _Step(run, label or run.task_type, mapped_inputs or {}, show, patience)
    outcome = await record_task(await step.run_until_done(), step.label)
    show(step.in_words(outcome.status))
    return outcome


class _Step:
    def __init__(
        self,
        run: TaskRun,
        label: str,
        resolved: dict[str, Any],
        show: Callable[[str], None],
        patience: Patience,
    ) -> None:
        self.run = run.with_inputs(resolved)
        self.first_provider = run.provider_type
        self.label = label
        self.show = show
        self.patience = patience
        self.resolved = resolved
        """Inputs that the request did not have as they are now: mapped, or fetched."""
        self.fetched: list[StoredFile] = []
        self.account = Account(run.task_id)
        self.said_waiting_for: str | None = None

    async def run_until_done(self) -> TaskOutcome:
        """Attempt, decide, wait, attempt again."""
        try:
            return await self._fetch() or await self._attempt_until_done()
        except asyncio.CancelledError:
            return self._ended(TaskStatus.CANCELLED, ErrorCategory.CANCELLED)
        except ValidationError as error:
            self.account.errors.append(f"the inputs are not complete: {describe_error(error)}")
            return self._ended(TaskStatus.FAILED, ErrorCategory.VALIDATION)
        except ORDERLY:
            raise
        except Exception as error:  # noqa: BLE001 — unforeseen: it must not leave the run standing
            return self._ended_by(error)

    def in_words(self, status: TaskStatus) -> str:
        """How it ended, for the Web UI."""
        account = self.account
        nth = f", attempt {account.attempt}" if account.attempt > 1 else ""
        switch = f" by {self.run.provider_type}{nth}, after {self.first_provider} failed"
        return status.lower() + (switch if account.fallback_used else nth)

    async def _fetch(self) -> TaskOutcome | None:
        """Bring remote pictures into storage; an outcome where that fails.

        A failure counts against `max_retries`, as one of an attempt does.
        """
        while True:
            try:
                fetched = await self._fetch_in_turn()
                break
            except ActivityError as error:
                if is_cancelled_exception(error) or not workflow.patched(_COUNTED_FETCHES):
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
        """Wait until the pictures are fetched again; an outcome where they are not."""
        self.account.note_failed_fetch(failure)
        if is_cancelling():
            return self._ended(TaskStatus.CANCELLED, ErrorCategory.CANCELLED)
        if not is_retried(failure, self.account, self.run):
            return self._ended(TaskStatus.FAILED, failure.category)
        self.account.fetch_retries += 1
        await record_account(self.account.written(failure.category), self.label)
        if not is_cancelling():
            await self._wait(failure)
        if is_cancelling():  # heard while the records were written
            return self._ended(TaskStatus.CANCELLED, ErrorCategory.CANCELLED)
        return None

    async def _fetch_in_turn(self) -> FetchedInputs | None:
        """While the tenant has its share under way, wait and offer it again."""
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
            await self.patience.wait(
                crowded_wait_s(tries, workflow.random().random()),
                "the tenant's other pictures are fetched first",
                is_untried=not self.account.fetch_retries,
            )

    async def _attempt_until_done(self) -> TaskOutcome:
        await self._fall_back_if_provider_is_down()
        while True:
            if is_cancelling():  # heard while the records were written
                return self._ended(TaskStatus.CANCELLED, ErrorCategory.CANCELLED)
            failure = await self._attempt()
            if isinstance(failure, TaskOutcome):
                return failure
            if failure.is_unserved and not is_cancelling():
                await self._wait_for_a_worker_that_can_do_it()
                continue
            self.account.note_failure(failure, self.run.provider_type)
            if is_cancelling():
                return self._ended(TaskStatus.CANCELLED, ErrorCategory.CANCELLED)
            then = following(failure, self.account, self.run)
            if then is Next.END:
                return self._ended(TaskStatus.FAILED, failure.category)
            if then is Next.FALL_BACK:
                self._fall_back()
            await record_account(self.account.written(failure.category), self.label)
            if then is Next.RETRY:
                await self._wait(failure)
                await self._fall_back_if_provider_is_down()

    async def _attempt(self) -> TaskOutcome | Failure:
        """One more attempt: how the task ended with it, or why it failed."""
        self.account.attempt += 1
        nth = "" if self.account.attempt == 1 else f", attempt {self.account.attempt}"
        self.show(
            f"{self.run.provider_type}{nth}: waits for a worker of the queue "
            f"`{self.run.task_queue}`, or runs there"
        )
        try:
            result = await run_attempt(self.run, self.account, f"{self.label}{nth}")
        except RemoteFailureError as error:
            return error.failure
        except ActivityError as error:
            if is_cancelled_exception(error):
                return self._ended(TaskStatus.CANCELLED, ErrorCategory.CANCELLED)
            return read_failure(error)
        return self._completed(result)

    def _fall_back(self) -> None:
        self.run = self.run.on_fallback()
        self.account.start_over()

    async def _fall_back_if_provider_is_down(self) -> None:
        """Ask the provider's breaker, where there is somebody else to turn to."""
        if self.run.fallback is None:
            return
        provider = self.run.provider_type
        admission = await admit_attempt(provider)
        if admission.is_admitted:
            return
        self.account.errors.append(f"{provider} is left out: its breaker is {admission.state}")
        self._fall_back()
        await record_account(self.account.written(), self.label)

    async def _wait_for_a_worker_that_can_do_it(self) -> None:
        """The task stays PENDING: nobody has tried it, so this is no attempt and no retry."""
        self.account.attempt -= 1
        self.account.unserved += 1
        waiting_for = (
            f"a worker that can do it: those of the task queue `{self.run.task_queue}` cannot do "
            f"{self.run.task_type} by {self.run.provider_type} yet"
        )
        self.show(f"waits for {waiting_for}")
        if self.said_waiting_for != waiting_for and workflow.patched(_SAID_WAITS):
            self.said_waiting_for = waiting_for
            await record_account(self.account.written(waiting_for=waiting_for), self.label)
            if is_cancelling():  # heard while the records were written
                raise asyncio.CancelledError
        await self.patience.wait(
            unserved_wait_s(self.account.unserved),
            f"no worker can do {self.run.task_type} yet",
            is_untried=not (
                self.account.attempt or self.account.fallback_used or self.account.fetch_retries
            ),
        )

    async def _wait(self, failure: Failure) -> None:
        if failure.is_worker_lost:
            return
        seconds = backoff_s(self.account.retries, workflow.random().random(), failure.retry_after_s)
        self.show(f"{failure.category}, tried again in {seconds:.0f} s")
        await workflow.sleep(seconds, summary=f"after {failure.category}")

    def _completed(self, result: AttemptResult) -> TaskOutcome:
        category = ErrorCategory.VALIDATION if result.faults else None
        if result.faults:
            self.account.note_faults(result.faults, self.run.provider_type)
        else:
            self.account.note_success(self.run.provider_type)
        return TaskOutcome(
            **dict(self.account.written(category)),
            status=TaskStatus.FAILED if category else TaskStatus.COMPLETED,
            owner=self.run.owner,
            mapped_inputs=self.resolved,
            results=result.fields(),
            files=[*self.fetched, *result.files],
            warnings=result.warnings,
            provenance=self._record(result.provenance),
            executor_type=result.executor_type,
            executor_instance=result.executor_instance,
            started_at=result.started_at,
        )

    def _record(self, made: Provenance | None) -> ProvenanceRecord | None:
        """What was made, beside what this run asked for: the row may say something else by now."""
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
        self.account.errors.append(failure.message)
        return self._ended(TaskStatus.FAILED, failure.category)

    def _ended(self, status: TaskStatus, category: ErrorCategory) -> TaskOutcome:
        if status == TaskStatus.CANCELLED:
            self.account.note_cancellation(self.run.provider_type)
        return TaskOutcome(
            **dict(self.account.written(category)),
            status=status,
            owner=self.run.owner,
            mapped_inputs=self.resolved,
            files=self.fetched,
        )
