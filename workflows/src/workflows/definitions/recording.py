"""Writing outcomes into the records from a workflow: never lost, not even to a cancellation."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from temporalio import workflow

from shared.contracts.enums import ProviderType
from shared.contracts.records import Recordable, RecordActivities
from shared.contracts.runs import (
    Admission,
    AdmissionRequest,
    Owner,
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
    """Write how a task ended.

    Args:
        outcome: how.
        label: what the Web UI shows of the task, such as its step's id.

    Returns:
        How it stands in the records, where an end that was written before outlives this one: a
        cancellation by the gateway, or a result whose workflow task was lost. Without provenance:
        a run's result is part of its history, which has all that already.
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
    """Write how a pipeline ended.

    Returns:
        How it stands in the records.
    """
    outcome, standing = await _end(RecordActivities.finish_pipeline, outcome, outcome.status)
    return outcome.model_copy(update={"status": standing.status})


async def record_dataset(record: DatasetRecord) -> TrainingRecordState:
    """Write that a training's dataset is prepared; answers how the training stands."""
    return await _record(RecordActivities.record_dataset, record, "dataset")


async def record_training(outcome: TrainingOutcome) -> TrainingOutcome:
    """Write how a training ended.

    Returns:
        How it stands in the records.
    """
    outcome, standing = await _end(RecordActivities.finish_training, outcome, outcome.status)
    if standing.status == outcome.status:
        return outcome
    return outcome.model_copy(update=dict(standing))


async def record_account(account: TaskHistory, label: str = "") -> None:
    """Write what a task that goes on has been through, so that its record is true meanwhile."""
    nth = f"attempt {account.attempt}"
    summary = f"{label}: {nth}" if label else nth
    await _end(RecordActivities.record_account, account, summary)


async def foreign_objects(owner: Owner, keys: Sequence[str]) -> list[str]:
    """Those of the keys that name no object of the owner's."""
    if not keys:
        return []
    question = OwnershipCheck(owner=owner, keys=list(keys))
    return await _record(RecordActivities.foreign_objects, question, f"{len(keys)} keys")


async def pin_pictures(run: TaskRun, paths: Sequence[str]) -> dict[str, str]:
    """The object keys of those paths that name pictures of the owner's; they stay until it ends."""
    request = PinPictures(task_id=run.task_id, owner=run.owner, paths=list(paths))
    return await _record(RecordActivities.pin_pictures, request, f"{len(paths)} paths")


async def admit_attempt(provider: ProviderType) -> Admission:
    """Whether a provider is given work now."""
    return await _record(
        RecordActivities.admit_attempt, AdmissionRequest(provider_type=provider), provider
    )


async def _end(method: Callable[..., Any], outcome: _R, summary: str) -> tuple[_R, Any]:
    """Write an outcome; one that cannot be written is written without what came from elsewhere.

    Returns:
        What was written, and how it stands.
    """
    try:
        return outcome, await _record(method, outcome, summary)
    except workflow.NondeterminismError:
        raise
    except Exception as error:  # noqa: BLE001 — whatever it is, the record must be written
        bare = outcome.without_untrusted(
            f"its outcome could not be recorded whole: {read_error(error).message}"
        )
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
