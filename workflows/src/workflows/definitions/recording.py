"""Writing outcomes into the records from a workflow: never lost, not even to a cancellation."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from temporalio import workflow

from shared.contracts.message import Message
from shared.contracts.records import RecordActivities
from shared.contracts.runs import PipelineOutcome, TaskOutcome
from shared.contracts.training import DatasetRecord, TrainingOutcome, TrainingStanding
from workflows.policies import RECORD_LOCAL_RETRY_THRESHOLD, RECORD_RETRY, RECORD_TIMEOUT


async def record_task(outcome: TaskOutcome) -> TaskOutcome:
    """Write how a task ended.

    Returns:
        How it stands in the records, where an end that was written before outlives this one: a
        cancellation by the gateway, or a result whose workflow task was lost.
    """
    standing = await _record(RecordActivities.finish_task, outcome, outcome.status)
    if standing.status == outcome.status:
        return outcome
    return outcome.model_copy(update={"status": standing.status, "results": standing.results})


async def record_pipeline(outcome: PipelineOutcome) -> PipelineOutcome:
    """Write how a pipeline ended.

    Returns:
        How it stands in the records.
    """
    standing = await _record(RecordActivities.finish_pipeline, outcome, outcome.status)
    return outcome.model_copy(update={"status": standing.status})


async def record_dataset(record: DatasetRecord) -> TrainingStanding:
    """Write that a training's dataset is prepared; answers how the training stands."""
    return await _record(RecordActivities.record_dataset, record, "dataset")


async def record_training(outcome: TrainingOutcome) -> TrainingOutcome:
    """Write how a training ended.

    Returns:
        How it stands in the records.
    """
    standing: TrainingStanding = await _record(
        RecordActivities.finish_training, outcome, outcome.status
    )
    if standing.status == outcome.status:
        return outcome
    return outcome.model_copy(update=dict(standing))


async def _record(method: Callable[..., Any], message: Message, summary: str) -> Any:
    write = asyncio.ensure_future(
        workflow.execute_local_activity_method(
            method,
            message,
            start_to_close_timeout=RECORD_TIMEOUT,
            retry_policy=RECORD_RETRY,
            local_retry_threshold=RECORD_LOCAL_RETRY_THRESHOLD,
            summary=summary,
        )
    )
    # What has ended has ended: a cancellation that comes now changes nothing, and is dropped.
    while not write.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(write)
    return await write
