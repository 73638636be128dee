"""Control of open runs: cancel, pause, cancel one step, terminate an unresponsive run."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import timedelta
from enum import Enum, auto

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError, RPCStatusCode

from workflows.definitions.run_pipeline import RunPipeline

_RPC_TIMEOUT = timedelta(seconds=5)
_REACTION_S = 2.5
"""Time within which a healthy run reacts to a cancellation."""
_FAILED_TWICE = 3
"""Attempt number of a workflow task that has failed twice in a row: the run itself is faulty."""
_NEWEST_EVENTS = 20
_FAILED = {
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
}
RUN_TERMINATED = (
    "its Temporal run kept failing and did not react to the cancellation; it was terminated"
)
"""Error text in the record of such a run."""


class RunUnreachableError(Exception):
    """Temporal did not respond; the run may or may not have received the request."""


async def cancel_run(client: Client, temporal_id: str, run_id: str | None = None) -> bool:
    """Request the cancellation of a run.

    Args:
        client: Temporal.
        temporal_id: its workflow id.
        run_id: one specific run of it; none: the newest.

    Returns:
        True if there is such a run, open or closed: Temporal accepts the request for both.

    Raises:
        RunUnreachableError: Temporal did not respond.
    """
    with _reaching() as reached:
        handle = client.get_workflow_handle(temporal_id, run_id=run_id)
        await handle.cancel(rpc_timeout=_RPC_TIMEOUT)
    return reached.is_open


async def cancel_step(client: Client, temporal_id: str, step_id: str) -> bool:
    """Ask a pipeline to cancel one step, running or waiting.

    Returns:
        True if there was an open run.

    Raises:
        RunUnreachableError: Temporal did not respond.
    """
    with _reaching() as reached:
        handle = client.get_workflow_handle(temporal_id)
        await handle.signal(RunPipeline.cancel_step, step_id, rpc_timeout=_RPC_TIMEOUT)
    return reached.is_open


async def pause_run(client: Client, temporal_id: str, run_id: str | None = None) -> bool:
    """Ask a pipeline to start no more steps, and to end once the running ones have ended.

    Args:
        client: Temporal.
        temporal_id: its workflow id.
        run_id: one specific run of it; none: the newest.

    Returns:
        True if there was an open run.

    Raises:
        RunUnreachableError: Temporal did not respond.
    """
    with _reaching() as reached:
        handle = client.get_workflow_handle(temporal_id, run_id=run_id)
        await handle.signal(RunPipeline.pause, rpc_timeout=_RPC_TIMEOUT)
    return reached.is_open


async def wait_until_closed(client: Client, temporal_id: str, *, timeout_s: float) -> bool:
    """Wait for a run to close, with whatever result.

    Returns:
        True if it closed or never existed; false after the timeout or if Temporal did not respond.
    """
    try:
        return await has_closed(client, temporal_id, within_s=timeout_s)
    except RunUnreachableError:
        return False


async def has_closed(client: Client, temporal_id: str, *, within_s: float) -> bool:
    """Return true if a run closes within a time, has closed, or never existed.

    Raises:
        RunUnreachableError: Temporal did not respond.
    """
    try:
        async with asyncio.timeout(within_s):
            with _reaching():
                await client.get_workflow_handle(temporal_id).result()
    except WorkflowFailureError:
        return True
    except TimeoutError:
        return False
    return True


class Stop(Enum):
    """Result of a request to stop a run."""

    GONE = auto()
    """There was no open run."""
    CLOSED = auto()
    STOPPING = auto()
    """The run may take longer to close, since a worker finishes its current operation first."""
    UNRESPONSIVE = auto()
    """Its workflow task keeps failing, so that it cannot react. `terminate_run` ends it."""


async def stop_run(client: Client, temporal_id: str, *, within_s: float) -> Stop:
    """Request the cancellation of a run, and wait for it to close.

    Raises:
        RunUnreachableError: Temporal did not respond to the request.
    """
    if not await cancel_run(client, temporal_id):
        return Stop.GONE
    if await wait_until_closed(client, temporal_id, timeout_s=within_s):
        return Stop.CLOSED
    return Stop.UNRESPONSIVE if await keeps_failing(client, temporal_id) else Stop.STOPPING


async def wait_or_terminate(client: Client, temporal_id: str, *, timeout_s: float) -> bool:
    """Wait for a run to close whose record has ended; terminate it if it is unresponsive.

    Returns:
        True if it has closed.
    """
    first_s = min(timeout_s, _REACTION_S)
    if await wait_until_closed(client, temporal_id, timeout_s=first_s):
        return True
    if await keeps_failing(client, temporal_id):
        await terminate_run(client, temporal_id)
        return True
    return await wait_until_closed(client, temporal_id, timeout_s=timeout_s - first_s)


async def keeps_failing(client: Client, temporal_id: str, run_id: str | None = None) -> bool:
    """Return true if a run makes no progress because its workflow task fails repeatedly."""
    with suppress(RunUnreachableError), _reaching():
        handle = client.get_workflow_handle(temporal_id, run_id=run_id)
        found = (await handle.describe(rpc_timeout=_RPC_TIMEOUT)).raw_description
        attempt = found.pending_workflow_task.attempt
        if attempt < _FAILED_TWICE - 1:
            return False
        if attempt >= _FAILED_TWICE:
            return True
        # An event that arrives meanwhile, such as the cancellation, resets the attempt count.
        return await _num_failed_lately(client, found.workflow_execution_info.execution) > 1
    return False


async def _num_failed_lately(client: Client, run: WorkflowExecution) -> int:
    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace=client.namespace, execution=run, maximum_page_size=_NEWEST_EVENTS
    )
    newest = await client.workflow_service.get_workflow_execution_history_reverse(
        request, timeout=_RPC_TIMEOUT
    )
    count = 0
    for event in newest.history.events:
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            break
        count += event.event_type in _FAILED
    return count


async def terminate_run(client: Client, temporal_id: str, run_id: str | None = None) -> None:
    """Terminate a run. A worker finishes the activity that it runs; the result is dropped.

    Raises:
        RunUnreachableError: Temporal did not respond.
    """
    with _reaching():
        handle = client.get_workflow_handle(temporal_id, run_id=run_id)
        await handle.terminate(reason="its workflow task kept failing", rpc_timeout=_RPC_TIMEOUT)


class _Reached:
    is_open = True


@contextmanager
def _reaching() -> Generator[_Reached]:
    reached = _Reached()
    try:
        yield reached
    except RPCError as error:
        # A signal fails alike for a run that has closed and one that never existed.
        if error.status != RPCStatusCode.NOT_FOUND:
            raise RunUnreachableError(str(error)) from error
        reached.is_open = False
    except RuntimeError as error:  # a lazy client's first connection
        raise RunUnreachableError(str(error)) from error
