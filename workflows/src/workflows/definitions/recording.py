"""Writes of outcomes into the records from a workflow; a cancellation does not interrupt them."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from temporalio import workflow

from shared.contracts.owners import Owner
from shared.contracts.records import Recordable, RecordActivities
from shared.contracts.runs import (
    Admission,
    AdmissionRequest,
    BreakerKey,
    OwnershipCheck,
    PinPictures,
    PipelineOutcome,
    TaskHistory,
    TaskOutcome,
    TaskRun,
)
from shared.contracts.training import DatasetRecord, TrainingOutcome, TrainingRecordState
from shared.uninterrupted import uninterrupted
from workflows.definitions.failure import read_error
from workflows.policies import RECORD_LOCAL_RETRY_THRESHOLD, RECORD_RETRY, RECORD_TIMEOUT

_R = TypeVar("_R", bound=Recordable)


async def record_task(outcome: TaskOutcome, label: str = "") -> TaskOutcome:
    """Write the outcome of a task.

    Args:
        outcome: the outcome.
        label: name of the task in the Temporal UI, such as its step id.

    Returns:
        The outcome as it is in the records. An outcome that was written earlier wins: a
        cancellation by the gateway, or a result whose workflow task was lost. Provenance is left
        out, because the history contains it already.
    """
    summary = f"{label}: {outcome.status}" if label else outcome.status
    outcome, standing = await _end(RecordActivities.finish_task, outcome, summary)
    if standing.note:
        outcome = outcome.without_untrusted(standing.note)
    outcome = outcome.model_copy(update={"provenance": None})
    if standing.status == outcome.status:
        return outcome
    return outcome.model_copy(update={"status": standing.status, "results": standing.results})


async def record_pipeline(outcome: PipelineOutcome) -> PipelineOutcome:
    """Write the outcome of a pipeline.

    Returns:
        The outcome as it is in the records.
    """
    outcome, standing = await _end(RecordActivities.finish_pipeline, outcome, outcome.status)
    return outcome.model_copy(update={"status": standing.status})


async def record_dataset(record: DatasetRecord) -> TrainingRecordState:
    """Write the prepared dataset of a training, and return the training's status."""
    return await _record(RecordActivities.record_dataset, record, "dataset")


async def record_training(outcome: TrainingOutcome) -> TrainingOutcome:
    """Write the outcome of a training.

    Returns:
        The outcome as it is in the records, with the path that a trained LoRA got there.
    """
    outcome, standing = await _end(RecordActivities.finish_training, outcome, outcome.status)
    if standing.status == outcome.status:
        return outcome.model_copy(update={"local_model_path": standing.local_model_path})
    return outcome.model_copy(update=dict(standing))


async def record_account(account: TaskHistory, label: str = "") -> None:
    """Write the attempts of an open task so far, so that its record is up to date."""
    nth = f"attempt {account.attempt}"
    summary = f"{label}: {nth}" if label else nth
    await _end(RecordActivities.record_account, account, summary)


async def foreign_objects(owner: Owner, keys: Sequence[str]) -> list[str]:
    """Return those keys that are not objects of the owner."""
    if not keys:
        return []
    question = OwnershipCheck(owner=owner, keys=list(keys))
    return await _record(RecordActivities.foreign_objects, question, f"{len(keys)} keys")


async def pin_pictures(run: TaskRun, paths: Sequence[str]) -> dict[str, str]:
    """Pin the owner's pictures until the task ends, and return their object keys by path."""
    request = PinPictures(task_id=run.task_id, owner=run.owner, paths=list(paths))
    return await _record(RecordActivities.pin_pictures, request, f"{len(paths)} paths")


async def admit_attempt(provider: BreakerKey) -> Admission:
    """Ask the circuit breaker of a provider for admission."""
    return await _record(
        RecordActivities.admit_attempt, AdmissionRequest(provider_type=provider), provider
    )


async def _end(method: Callable[..., Any], outcome: _R, summary: str) -> tuple[_R, Any]:
    """Write an outcome; if the records refuse it, write it without values from outside.

    Returns:
        The outcome that was written, and its state in the records.
    """
    try:
        return outcome, await _record(method, outcome, summary)
    except workflow.NondeterminismError:
        raise
    except Exception as error:  # noqa: BLE001 — whatever it is, the record must be written
        fault = read_error(error).message
        bare = outcome.without_untrusted(f"its outcome could not be recorded completely: {fault}")
    return bare, await _record(method, bare, f"{summary}, bare")


async def _record(method: Callable[..., Any], message: Any, summary: str) -> Any:
    return await uninterrupted(_write(method, message, summary))


async def _write(method: Callable[..., Any], message: Any, summary: str) -> Any:
    return await workflow.execute_local_activity_method(
        method,
        message,
        start_to_close_timeout=RECORD_TIMEOUT,
        retry_policy=RECORD_RETRY,
        local_retry_threshold=RECORD_LOCAL_RETRY_THRESHOLD,
        summary=summary,
    )
