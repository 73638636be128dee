"""Telling a run under way to stop, to pause, or to drop one step, and ending one that is deaf."""

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
_HEARD_WITHIN_S = 2.5
"""How long a run that is well may take to act upon what it is told."""
_FAILED_TWICE = 3
"""The attempt of a workflow task that has failed twice in a row: it fails for what the run is."""
_NEWEST_EVENTS = 20
_FAILED = {
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
}
RUN_TERMINATED = "its run kept failing, heard nothing, and was ended by force"


class RunUnreachableError(Exception):
    """Temporal did not answer; whether the run has heard is unknown."""


async def cancel_run(client: Client, temporal_id: str, run_id: str | None = None) -> bool:
    """Ask a run to cancel what it does.

    Args:
        client: Temporal.
        temporal_id: its workflow id.
        run_id: this run of it alone; none: the newest.

    Returns:
        Whether there is such a run: Temporal takes this of one that has closed as well.

    Raises:
        RunUnreachableError: Temporal did not answer.
    """
    with _reaching() as reached:
        handle = client.get_workflow_handle(temporal_id, run_id=run_id)
        await handle.cancel(rpc_timeout=_RPC_TIMEOUT)
    return reached.is_open


async def cancel_step(client: Client, temporal_id: str, step_id: str) -> bool:
    """Ask a pipeline to cancel one step, whether it runs or waits.

    Returns:
        Whether there was an open run to ask.

    Raises:
        RunUnreachableError: Temporal did not answer.
    """
    with _reaching() as reached:
        handle = client.get_workflow_handle(temporal_id)
        await handle.signal(RunPipeline.cancel_step, step_id, rpc_timeout=_RPC_TIMEOUT)
    return reached.is_open


async def pause_run(client: Client, temporal_id: str, run_id: str | None = None) -> bool:
    """Ask a pipeline to start no more steps, and to end once the running ones have.

    Args:
        client: Temporal.
        temporal_id: its workflow id.
        run_id: this run of it alone; none: the newest.

    Returns:
        Whether there was an open run to ask.

    Raises:
        RunUnreachableError: Temporal did not answer.
    """
    with _reaching() as reached:
        handle = client.get_workflow_handle(temporal_id, run_id=run_id)
        await handle.signal(RunPipeline.pause, rpc_timeout=_RPC_TIMEOUT)
    return reached.is_open


async def wait_until_closed(client: Client, temporal_id: str, *, timeout_s: float) -> bool:
    """Wait for a run to close, however it does.

    Returns:
        Whether it has, or never was; not where Temporal does not answer.
    """
    try:
        return await has_closed(client, temporal_id, within_s=timeout_s)
    except RunUnreachableError:
        return False


async def has_closed(client: Client, temporal_id: str, *, within_s: float) -> bool:
    """Whether a run closes soon, has closed, or never was.

    Raises:
        RunUnreachableError: Temporal did not answer.
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
    """What came of asking a run to stop."""

    GONE = auto()
    """There was no open run to ask."""
    CLOSED = auto()
    STOPPING = auto()
    """It may take longer: a worker ends what it does first."""
    UNRESPONSIVE = auto()
    """Its workflow task keeps failing: it will not hear of it. `terminate_run` ends it."""


async def stop_run(client: Client, temporal_id: str, *, within_s: float) -> Stop:
    """Ask a run to cancel what it does, and wait for its end.

    Raises:
        RunUnreachableError: Temporal did not answer when it was asked.
    """
    if not await cancel_run(client, temporal_id):
        return Stop.GONE
    if await wait_until_closed(client, temporal_id, timeout_s=within_s):
        return Stop.CLOSED
    return Stop.UNRESPONSIVE if await keeps_failing(client, temporal_id) else Stop.STOPPING


async def wait_or_terminate(client: Client, temporal_id: str, *, timeout_s: float) -> bool:
    """Wait for a run to close whose record has ended; one that is deaf to that is terminated.

    Returns:
        Whether it has closed.
    """
    first_s = min(timeout_s, _HEARD_WITHIN_S)
    if await wait_until_closed(client, temporal_id, timeout_s=first_s):
        return True
    if await keeps_failing(client, temporal_id):
        await terminate_run(client, temporal_id)
        return True
    return await wait_until_closed(client, temporal_id, timeout_s=timeout_s - first_s)


async def keeps_failing(client: Client, temporal_id: str, run_id: str | None = None) -> bool:
    """Whether a run is known to stand still, since its workflow task fails again and again."""
    with suppress(RunUnreachableError), _reaching():
        handle = client.get_workflow_handle(temporal_id, run_id=run_id)
        found = (await handle.describe(rpc_timeout=_RPC_TIMEOUT)).raw_description
        attempt = found.pending_workflow_task.attempt
        if attempt < _FAILED_TWICE - 1:
            return False
        if attempt >= _FAILED_TWICE:
            return True
        # What comes in meanwhile, the cancellation for one, makes a new task, counted from one.
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
    """End a run by force. What a worker does for it, it does to its end, for nobody.

    Raises:
        RunUnreachableError: Temporal did not answer.
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
        # To a signal, a run that has closed and one that never was are the same.
        if error.status != RPCStatusCode.NOT_FOUND:
            raise RunUnreachableError(str(error)) from error
        reached.is_open = False
    except RuntimeError as error:  # a lazy client's first connection
        raise RunUnreachableError(str(error)) from error
