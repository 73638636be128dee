"""The activities: dispatch to adapters, heartbeats, and no interruption of paid requests."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from functools import partial

from temporalio import activity

from provider_worker.adapters import Adapter, Send
from provider_worker.calls import CallLog
from provider_worker.errors import StillLostError, WorkCancelled
from provider_worker.outcomes import Accepted
from provider_worker.submission import Marks, Sent
from shared.contracts.submissions import (
    ProviderActivities,
    RemoteResult,
    RemoteWork,
    Submission,
    SubmittedWork,
    Withdrawal,
)
from shared.errors import (
    CrowdedError,
    PlatformError,
    StorageError,
    SubmissionUnknownError,
    UnservedError,
)
from shared.progress import ExecutorIdentity, ProgressSink
from shared.temporal.heartbeat import Heartbeat
from shared.uninterrupted import uninterrupted

_LONGEST_TURN_S = 60.0
"""Longest wait for the provider's rate limit within one activity; then the work waits for its turn
in its workflow."""
_WAITS_BEAT_EVERY_S = 2.0
"""Seconds between the heartbeats of a wait, which delay a cancellation. Each is a write by
Temporal's server, and hundreds of waits run at once."""
_SENDS_WITHIN_S = 300.0
"""Longest time from the start of a submission to its request. A process that was suspended for
longer sends nothing: the task may have ended since, and its mark may have been removed."""


class RemoteProviders(ProviderActivities):
    """The provider activities, for all providers that this worker has credentials for.

    Args:
        adapters: one for each provider.
        marks: returns the marks of an adapter's submissions.
        progress: receives the start and the progress of attempts.
        executant: identity of this worker.
    """

    def __init__(
        self,
        adapters: Sequence[Adapter],
        *,
        marks: Callable[[Adapter], Marks],
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
        begun_s = time.time()
        async with (
            self._calls(work) as log,
            Heartbeat(),
            self._attempt(work),
            _conclusive(is_repeated=work.is_repeated),
        ):
            marks = self._marks(adapter)
            if (submission := await marks.parked(work)) is not None:
                return submission
            send = await self._prepared(adapter, work, log)
            if activity.is_cancelled() or activity.is_worker_shutdown():
                raise asyncio.CancelledError
            if time.time() - begun_s > _SENDS_WITHIN_S:
                raise PlatformError("the submission came too late; nothing was sent")
            return await uninterrupted(marks.submit(work, partial(self._submitted, send, log)))

    async def _prepared(self, adapter: Adapter, work: RemoteWork, log: CallLog) -> Send:
        """Return the request once the rate limit permits it.

        If it cannot be built after a lost try, the error becomes the outcome of the attempt: the
        lost worker, should it still be alive, then sends nothing either.
        """
        try:
            send = await adapter.prepare(work, log)
            await adapter.submits.turn(max_wait_s=_LONGEST_TURN_S)
        except (CrowdedError, UnservedError):
            raise  # no attempt: it is tried again
        except PlatformError as error:
            if not work.is_repeated:
                raise
            return partial(_refuse, error)
        return send

    async def _submitted(self, send: Send, log: CallLog) -> Sent:
        submitted_at = datetime.now(UTC)
        accepted = await send()
        submission = Submission(
            request_id=accepted.request_id,
            handle=accepted.handle,
            submitted_at=submitted_at,
            executor_instance=self._executant.executor_instance,
            executor_type=self._executant.executor_type,
            service_requests=log.requests,
        )
        return Sent(submission, accepted.response)

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
        async with (
            self._calls(work) as log,
            Heartbeat(_WAITS_BEAT_EVERY_S),
            self._attempt(work) as report,
        ):
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
            warnings=result.warnings,
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
            billed=result.billed,
        )

    @activity.defn(name="recall_work")
    async def recall_work(self, work: RemoteWork) -> Withdrawal:
        """Cancel an attempt whose submission was lost with its worker.

        It takes the mark, so that nothing is sent any more. If the lost worker had taken it, it
        waits for the response of its request, and cancels the work at the provider.
        """
        adapter = self._adapter(work)
        nothing_sent = WorkCancelled("nothing was sent")
        async with self._calls(work) as log, Heartbeat():
            try:
                marks = self._marks(adapter)
                submission = await marks.submit(work, partial(_never, nothing_sent))
            except StorageError:
                raise
            except SubmissionUnknownError as error:
                return Withdrawal(is_withdrawn=False, message=str(error))
            except PlatformError as error:  # the provider had refused it
                return Withdrawal(is_withdrawn=True, message=str(error))
            found = SubmittedWork(**dict(work), submission=submission)
            result = await uninterrupted(adapter.withdraw(found, log))
        return Withdrawal(
            is_withdrawn=result.is_withdrawn,
            message=result.message,
            service_requests=log.requests,
            billed=result.billed,
            submission=submission,
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


async def _refuse(error: PlatformError) -> Accepted:
    raise error


async def _never(error: PlatformError) -> Sent:
    raise error


@asynccontextmanager
async def _conclusive(*, is_repeated: bool) -> AsyncGenerator[None]:
    """Translate an outage of the object store, during which a lost try's outcome is not known."""
    try:
        yield
    except StorageError as error:
        if not is_repeated:
            raise
        raise StillLostError(str(error)) from error


async def _withdrawn(adapter: Adapter, work: SubmittedWork, log: CallLog) -> WorkCancelled:
    try:
        result = await adapter.withdraw(work, log)
    except PlatformError as error:
        return WorkCancelled(f"cancelled here, but not at the provider: {error}")
    cancelled = WorkCancelled(result.message)
    cancelled.billed = tuple(result.billed)
    return cancelled


def _is_cancel_requested() -> bool:
    """Return true if the task was cancelled; false after a timeout, when a retry resumes."""
    details = activity.cancellation_details()
    return details is not None and details.cancel_requested
