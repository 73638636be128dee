"""Telling a run that is under way to stop, to pause, or to drop one step."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta

from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError, RPCStatusCode

from workflows.definitions.run_pipeline import RunPipeline

_RPC_TIMEOUT = timedelta(seconds=5)


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
