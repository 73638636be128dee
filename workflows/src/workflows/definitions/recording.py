"""Writing outcomes into the records from a workflow: never lost, not even to a cancellation."""

import asyncio
from collections.abc import Callable
from typing import Any

from temporalio import workflow

from shared.contracts.records import RecordActivities
from shared.contracts.runs import PipelineOutcome, TaskOutcome
from workflows.policies import RECORD_LOCAL_RETRY_THRESHOLD, RECORD_RETRY, RECORD_TIMEOUT


async def record_task(outcome: TaskOutcome) -> None:
    """Write how a task ended."""
    await _record(RecordActivities.finish_task, outcome)


async def record_pipeline(outcome: PipelineOutcome) -> None:
    """Write how a pipeline ended."""
    await _record(RecordActivities.finish_pipeline, outcome)


async def _record(method: Callable[..., Any], outcome: TaskOutcome | PipelineOutcome) -> None:
    write = asyncio.ensure_future(
        workflow.execute_local_activity_method(
            method,
            outcome,
            start_to_close_timeout=RECORD_TIMEOUT,
            retry_policy=RECORD_RETRY,
            local_retry_threshold=RECORD_LOCAL_RETRY_THRESHOLD,
            summary=outcome.status,
        )
    )
    was_cancelled = False
    while not write.done():
        try:
            await asyncio.shield(write)
        except asyncio.CancelledError:
            was_cancelled = True
    await write
    if was_cancelled:
        raise asyncio.CancelledError
