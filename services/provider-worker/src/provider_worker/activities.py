"""The activities: dispatch to adapters, heartbeats, and no interruption of paid requests."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from functools import partial

from temporalio import activity

from provider_worker.adapters import Adapter, Send
from provider_worker.calls import CallLog
from provider_worker.errors import WorkCancelled
from provider_worker.submission import Marks
from shared.contracts.submissions import (
    ProviderActivities,
    RemoteResult,
    RemoteWork,
    Submission,
    SubmittedWork,
    Withdrawal,
)
from shared.errors import PlatformError, UnservedError
from shared.progress import ExecutorIdentity, ProgressSink
from shared.temporal.heartbeat import Heartbeat
from shared.uninterrupted import uninterrupted

_LONGEST_TURN_S = 60.0
"""Longest wait for the provider's rate limit within one activity; then the work waits for its turn
in its workflow."""


class RemoteProviders(ProviderActivities):
    """The provider activities, for all providers that this worker has credentials for.

    Args:
        adapters: one for each provider.
        marks: of paid submissions.
        progress: receives the start and the progress of attempts.
        executant: identity of this worker.
    """

    def __init__(
        self,
        adapters: Sequence[Adapter],
        *,
        marks: Marks,
        progress: ProgressSink,
        executant: ExecutorIdentity,
    ) -> None:
        self._adapters = {served: adapter for adapter in adapters for served in adapter.serves}
        self._marks = marks
        self._progress = progress
        self._executant = executant

    @activity.defn(name="submit_work")
    async def submit_work(self, work: RemoteWork) -> Submission:
        """Submit the work at most once in each attempt, however often this activity runs.

        A cancellation stops it only before the request is sent. After that it waits for the
        response, because work whose response is lost is paid for and lost.
        """
        adapter = self._adapter(work)
        async with self._calls(work) as log, Heartbeat(), self._attempt(work):
            if (submission := await self._marks.parked(work)) is not None:
                return submission
            send = await adapter.prepare(work, log)
            await adapter.submits.turn(max_wait_s=_LONGEST_TURN_S)
            if activity.is_cancelled() or activity.is_worker_shutdown():
                raise asyncio.CancelledError
            return await uninterrupted(
                self._marks.submit(work, partial(self._submitted, send, log))
            )

    async def _submitted(self, send: Send, log: CallLog) -> Submission:
        submitted_at = datetime.now(UTC)
        accepted = await send()
        return Submission(
            request_id=accepted.request_id,
            handle=accepted.handle,
            submitted_at=submitted_at,
            executor_instance=self._executant.executor_instance,
            executor_type=self._executant.executor_type,
            service_requests=log.requests,
        )

    @activity.defn(name="await_work")
    async def await_work(self, work: SubmittedWork) -> RemoteResult:
        """Wait for the work and store its result. Idempotent and free of charge.

        A cancellation withdraws the work at the provider; the message of the failure has the
        outcome. A worker that shuts down withdraws nothing, and the next one resumes the wait. The
        requests of a wait that ended with its worker are not in any result.
        """
        adapter = self._adapter(work)
        resumed_at = datetime.now(UTC)
        resumes = activity.info().attempt - 1
        async with self._calls(work) as log, Heartbeat(), self._attempt(work) as report:
            try:
                result = await adapter.wait(work, log, report)
            except asyncio.CancelledError:
                if not _is_cancel_requested():
                    raise
                raise await uninterrupted(_withdrawn(adapter, work, log)) from None
        return RemoteResult(
            started_at=work.submission.submitted_at,
            executor_instance=self._executant.executor_instance,
            executor_type=self._executant.executor_type,
            files=result.files,
            results=result.results,
            service_requests=log.requests,
            billed=result.billed,
            provenance=result.provenance,
            resumes=resumes,
            resumed_at=resumed_at if resumes else None,
        )

    @activity.defn(name="withdraw_work")
    async def withdraw_work(self, work: SubmittedWork) -> Withdrawal:
        """Cancel the work at its provider, after the waiting activity has ended."""
        adapter = self._adapter(work)
        async with self._calls(work) as log, Heartbeat():
            result = await uninterrupted(adapter.withdraw(work, log))
        return Withdrawal(
            is_withdrawn=result.is_withdrawn,
            message=result.message,
            service_requests=log.requests,
        )

    def _adapter(self, work: RemoteWork) -> Adapter:
        adapter = self._adapters.get((work.provider_type, work.task_type))
        if adapter is None:
            raise UnservedError(f"no adapter supports {work.task_type} at {work.provider_type} yet")
        return adapter

    def _attempt(self, work: RemoteWork) -> AbstractAsyncContextManager[Callable[[float], None]]:
        return self._progress.attempt(work.task_id, work.attempt)

    @asynccontextmanager
    async def _calls(self, work: RemoteWork) -> AsyncGenerator[CallLog]:
        """Collect the requests of one activity; if it fails, add them to its error."""
        log = CallLog(work.provider_type, work.attempt)
        try:
            yield log
        except PlatformError as error:
            error.service_requests = tuple(log.requests)
            raise


async def _withdrawn(adapter: Adapter, work: SubmittedWork, log: CallLog) -> WorkCancelled:
    try:
        return WorkCancelled((await adapter.withdraw(work, log)).message)
    except PlatformError as error:
        return WorkCancelled(f"cancelled here, but not at the provider: {error}")


def _is_cancel_requested() -> bool:
    """Return true if the task was cancelled; false after a timeout, when a retry resumes."""
    details = activity.cancellation_details()
    return details is not None and details.cancel_requested
