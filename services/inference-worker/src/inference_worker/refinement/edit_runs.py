"""Runs of paid edits, one for each try of each tile: started, joined by id, and ended.

A deterministic id makes the edits of a lost worker those of the next one. What an edit cost is not
returned here: its run reports it to the run of the task.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from temporalio import activity
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import (
    Priority,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.exceptions import CancelledError as RunCancelledError
from temporalio.service import RPCError

from shared.contracts.enums import ErrorCategory, ProviderType, TaskQueue
from shared.contracts.failures import CONSEQUENCES, SUBMISSION_UNKNOWN
from shared.contracts.remote_editing import EDIT_PICTURE, EditedPicture, PictureEdit
from shared.errors import PlatformError, SubmissionUnknownError
from shared.temporal import search
from shared.uninterrupted import is_cancelling, uninterrupted

_EXECUTION_TIMEOUT = timedelta(days=1)
_RPC_TIMEOUT = timedelta(seconds=10)
_OTHERS_END_WITHIN_S = 120.0
"""Longest wait for the other edits of a failed attempt that is retried."""

_Handle = WorkflowHandle[Any, EditedPicture]


class EditRuns(Protocol):
    """The runs of one attempt's edits."""

    async def result(self, edit_id: str, edit: PictureEdit) -> EditedPicture:
        """Return the result of an edit, which is started unless there is a run of it.

        Raises:
            PlatformError: it failed; another attempt may start it anew.
            SubmissionUnknownError: it failed, and may have been paid for.
        """
        ...


@dataclass(frozen=True)
class TemporalEditRuns:
    """`EditRuns` by Temporal.

    Attributes:
        client: of the activity's namespace.
        priority: of the task's run, with its fairness key.
    """

    client: Client
    priority: Priority
    _open: dict[str, _Handle] = field(default_factory=dict[str, _Handle])

    @classmethod
    def of_activity(cls) -> "TemporalEditRuns":
        """Return the runs of the current activity."""
        return cls(activity.client(), activity.info().priority)

    async def result(self, edit_id: str, edit: PictureEdit) -> EditedPicture:
        # Before the start, whose acknowledgement may be lost.
        self._open[edit_id] = self._handle(edit_id)
        try:
            result = await self._result(edit_id, edit)
        except RPCError as error:
            raise PlatformError(f"{edit.name}: Temporal did not respond: {error}") from error
        except PlatformError:
            del self._open[edit_id]
            raise
        del self._open[edit_id]
        return result

    async def _result(self, edit_id: str, edit: PictureEdit) -> EditedPicture:
        try:
            handle = await self._start(edit_id, edit, WorkflowIDReusePolicy.REJECT_DUPLICATE)
        except WorkflowAlreadyStartedError:  # by an earlier attempt, and it has closed
            try:
                return await self._handle(edit_id).result()
            except WorkflowFailureError as failure:
                error = _error_of(edit, failure)
                if isinstance(error, SubmissionUnknownError):
                    raise error from failure
            reuse = WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY
            try:
                handle = await self._start(edit_id, edit, reuse)
            except WorkflowAlreadyStartedError:  # by another worker, and it has completed
                handle = self._handle(edit_id)
        try:
            return await handle.result()
        except WorkflowFailureError as failure:
            raise _error_of(edit, failure) from failure

    async def _start(
        self, edit_id: str, edit: PictureEdit, reuse: WorkflowIDReusePolicy
    ) -> _Handle:
        starting = self.client.start_workflow(
            EDIT_PICTURE,
            edit,
            id=edit_id,
            task_queue=TaskQueue.WORKFLOWS,
            result_type=EditedPicture,
            execution_timeout=_EXECUTION_TIMEOUT,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=reuse,
            rpc_timeout=_RPC_TIMEOUT,
            priority=self.priority,
            search_attributes=_search_attributes(edit),
            static_summary=f"{edit.name} · {edit.task_type}",
            static_details=f"- a part of task `{edit.task_id}`, run `{edit.parent_id}`\n"
            f"- objects below `{edit.folder}`",
        )
        handle = await uninterrupted(starting)
        if is_cancelling():
            raise asyncio.CancelledError
        return handle

    def _handle(self, edit_id: str) -> _Handle:
        return self.client.get_workflow_handle(edit_id, result_type=EditedPicture)

    @asynccontextmanager
    async def ended_with_attempt(self) -> AsyncGenerator[None]:
        """End the open edits if the body fails, so that their costs are in the task's record.

        If the task is cancelled or has failed for good, they are cancelled. If it is tried again,
        they may go on, and the next attempt joins those that take longer. They go on as well if
        this worker shuts down or has lost its attempt.
        """
        try:
            yield
        except asyncio.CancelledError:
            if _is_cancel_requested():
                await uninterrupted(self._end(is_cancelled=True))
            raise
        except Exception as error:
            await self._end_others(error)
            raise

    async def _end_others(self, error: Exception) -> None:
        try:
            if _is_retried(error):
                with suppress(TimeoutError):  # the next attempt joins them
                    async with asyncio.timeout(_OTHERS_END_WITHIN_S):
                        await self._end(is_cancelled=False)
            else:
                await self._end(is_cancelled=True)
        except asyncio.CancelledError:
            if _is_cancel_requested():
                await uninterrupted(self._end(is_cancelled=True))
            raise

    async def _end(self, *, is_cancelled: bool) -> None:
        """Wait until the open edits have ended."""
        handles = list(self._open.values())
        if is_cancelled:
            cancelling = (handle.cancel(rpc_timeout=_RPC_TIMEOUT) for handle in handles)
            await asyncio.gather(*cancelling, return_exceptions=True)
        await asyncio.gather(*(handle.result() for handle in handles), return_exceptions=True)


def _search_attributes(edit: PictureEdit) -> TypedSearchAttributes:
    tenant = edit.owner.origin_tenant_id
    pairs = [
        SearchAttributePair(search.KIND, "edit"),
        SearchAttributePair(search.TASK_TYPE, edit.task_type.value),
        SearchAttributePair(search.PROVIDER, ProviderType.VERTEX.value),
        SearchAttributePair(search.ORIGIN_INSTANCE, edit.owner.origin_instance),
    ]
    if tenant:
        pairs.append(SearchAttributePair(search.TENANT_ID, tenant))
    return TypedSearchAttributes(pairs)


def _error_of(edit: PictureEdit, failure: WorkflowFailureError) -> PlatformError:
    cause = failure.cause
    if isinstance(cause, RunCancelledError):
        return PlatformError(f"{edit.name}: the edit was cancelled")
    if not isinstance(cause, ApplicationError):  # terminated, or out of time
        return SubmissionUnknownError(
            f"{edit.name}: its run was ended ({cause}); the edit may have been paid for, so it is"
            " not submitted again"
        )
    message = f"{edit.name}: {cause.message}"
    if cause.type == SUBMISSION_UNKNOWN:
        return SubmissionUnknownError(message)
    known = cause.type in ErrorCategory.__members__
    category = ErrorCategory[cause.type] if known and cause.type else ErrorCategory.INTERNAL
    return PlatformError(message, category=category)


def _is_retried(error: Exception) -> bool:
    """Return true if the task may be tried again after an error of its attempt."""
    if isinstance(error, SubmissionUnknownError):
        return False
    return not isinstance(error, PlatformError) or CONSEQUENCES[error.category].is_retried


def _is_cancel_requested() -> bool:
    """Return true if the task was cancelled; false after a timeout, when a retry goes on."""
    details = activity.cancellation_details()
    return details is not None and details.cancel_requested
