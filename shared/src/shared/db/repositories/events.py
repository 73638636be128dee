"""Events: written in the transaction of the change, numbered per subject.

Payloads have the fields of the API's event schemas. The delivery to the subject's webhook is queued
with the event.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.deliveries import SubjectKind
from shared.contracts.enums import (
    TASK_ENDED,
    EventType,
    TaskStatus,
    TaskType,
    TrainingStatus,
    WorkflowStatus,
)
from shared.contracts.training import ENDED
from shared.db.models.tables import Event, Task, Workflow
from shared.db.models.trainings import Training
from shared.db.repositories.deliveries import queue_delivery

_BACKEND_IDS = ("backend_generation_id", "backend_prediction_id")
IDS_IN_CONFIG = frozenset({*_BACKEND_IDS, "prompt_id"})
"""Keys of a generation's `config` with the ids that a backend gave it."""
_MAX_ID_CHARS = 255
_MAX_ERROR_CHARS = 2000
"""Keeps an event below 20 kB."""


def add_task_event(
    session: AsyncSession, task: Task, event_type: EventType, *, is_change: bool = False
) -> None:
    """Add an event with a task's state. The caller holds the row lock, or created the row.

    Args:
        session: transaction of the change.
        task: the subject.
        event_type: type of the event. The status of a generation with a backend's ids has a type of
            its own.
        is_change: other fields changed and the status did not; the event of an ended task is then
            not marked as terminal again.
    """
    if event_type == EventType.TASK_CREATED:
        own = _created(task)
    elif backend_ids := _backend_ids(task):
        event_type, own = EventType.INFERENCE_STATUS_UPDATE, _inference(task, backend_ids)
    else:
        own = _status(task)
    is_terminal = not is_change and task.status in TASK_ENDED
    _add(session, task, SubjectKind.TASK, event_type, own, is_terminal=is_terminal)


def add_workflow_event(session: AsyncSession, workflow: Workflow) -> None:
    """Add an event with a workflow's state. The caller holds the row lock, or created the row."""
    done, total = workflow.completed_steps, workflow.total_steps
    own = {
        "workflow_id": str(workflow.id),
        "progress": 100 * done / total if total else 0.0,
        "current_step": workflow.current_step,
        "completed_steps": done,
        "total_steps": total,
        "started_at": _iso(workflow.started_at),
        "completed_at": _iso(workflow.completed_at),
        "error_message": _shortened(workflow.error_message),
    }
    is_terminal = workflow.status in {WorkflowStatus.COMPLETED, WorkflowStatus.CANCELLED}
    event_type = EventType.WORKFLOW_STATUS_UPDATE
    _add(session, workflow, SubjectKind.WORKFLOW, event_type, own, is_terminal=is_terminal)


def add_training_event(session: AsyncSession, training: Training) -> None:
    """Add an event with a training's state. The caller holds the row lock, or created the row."""
    if training.status == TrainingStatus.PREPROCESSING:
        event_type, stage = EventType.PREPROCESSING_STATUS_UPDATE, _preprocessing(training)
    else:
        event_type, stage = EventType.TRAINING_STATUS_UPDATE, _training(training)
    own = stage | {
        "entity_id": str(training.entity_id) if training.entity_id else None,
        "origin_version": training.origin_version,
        "error_message": _shortened(training.error_message),
    }
    is_terminal = training.status in ENDED
    _add(session, training, SubjectKind.TRAINING, event_type, own, is_terminal=is_terminal)


def _add(
    session: AsyncSession,
    subject: Task | Workflow | Training,
    kind: SubjectKind,
    event_type: EventType,
    own: dict[str, Any],
    *,
    is_terminal: bool,
) -> None:
    subject.last_seq += 1
    event = Event(
        subject_id=subject.id,
        subject_kind=kind,
        seq=subject.last_seq,
        event_type=event_type,
        is_terminal=is_terminal,
        payload=_common(subject, event_type) | _step(subject) | own,
    )
    session.add(event)
    queue_delivery(session, subject, event)


def _common(subject: Task | Workflow | Training, event_type: EventType) -> dict[str, Any]:
    reference = subject.origin_reference
    metadata: dict[str, Any] = {"seq": subject.last_seq}
    if reference:
        metadata["origin_reference"] = reference
    if event_type == EventType.INFERENCE_STATUS_UPDATE and isinstance(subject, Task):
        metadata["progress"] = subject.progress  # the schema has no field for it
    if isinstance(subject, Training):
        metadata = (subject.metrics or {}) | metadata
    return {
        "event_type": event_type,
        "task_id": str(subject.id),
        "status": subject.status,
        "entity_id": _as_uuid(reference),
        "timestamp": _iso(datetime.now(UTC)),
        "origin_instance": subject.origin_instance,
        "origin_zone": subject.origin_zone,
        "metadata": metadata,
    }


def _step(subject: Task | Workflow | Training) -> dict[str, Any]:
    """Return the workflow and step of a task; empty if it is not a step."""
    if not isinstance(subject, Task) or subject.workflow_id is None:
        return {}
    return {"workflow_id": str(subject.workflow_id), "step_id": subject.step_id}


def _created(task: Task) -> dict[str, Any]:
    return {
        "task_type": task.task_type,
        "created_at": _iso(task.created_at or datetime.now(UTC)),
        "total_steps": 1,
    }


def _provider(task: Task) -> dict[str, Any]:
    return {"provider_type": task.provider_type, "fallback_used": task.fallback_used}


def _status(task: Task) -> dict[str, Any]:
    return _provider(task) | {
        "task_type": task.task_type,
        "progress": task.progress,
        "started_at": _iso(task.started_at),
        "completed_at": _iso(task.completed_at),
        "error_message": _error(task),
        "error_category": task.error_category,
    }


def _inference(task: Task, backend_ids: dict[str, str]) -> dict[str, Any]:
    prompt_id = _member(task.config, "prompt_id")
    ids = backend_ids | _provider(task)
    return ids | {
        "prompt_id": prompt_id[:_MAX_ID_CHARS] if isinstance(prompt_id, str) else None,
        "result_image_path": _member(task.results, "result_image_path"),
        "refined_image_path": _member(task.results, "refined_image_path"),
        "completed_at": _iso(task.completed_at),
        "error_message": _error(task),
    }


def _backend_ids(task: Task) -> dict[str, str] | None:
    """Return the ids that a backend gave a generation; none unless it gave both."""
    if task.task_type != TaskType.GENERATION:
        return None
    ids = {name: _as_uuid(_member(task.config, name)) for name in _BACKEND_IDS}
    return {name: value for name, value in ids.items() if value} if all(ids.values()) else None


def _preprocessing(training: Training) -> dict[str, Any]:
    done, total = training.processed_files_count or 0, training.total_files_count or 0
    return {
        "progress": min(100.0, 100 * done / total) if total else 0.0,
        "current_stage": training.preprocessing_stage,
        "processed_files_count": done,
        "total_files_count": total,
        "processed_dataset_path": training.processed_dataset_path,
        "completed_at": _iso(training.preprocessing_completed_at),
    }


def _training(training: Training) -> dict[str, Any]:
    return {
        "progress": training.progress,
        "current_step": training.current_step,
        "total_steps": training.steps,
        "eta_seconds": training.eta_seconds,
        "local_model_path": training.local_model_path,
        "completed_at": _iso(training.completed_at),
    }


def _error(task: Task) -> str | None:
    """Return the latest error; none if the task completed in the end."""
    has_failed = task.errors and task.status != TaskStatus.COMPLETED
    return _shortened(task.errors[-1]) if has_failed else None


def _shortened(text: str | None) -> str | None:
    return text[:_MAX_ERROR_CHARS] if text else text


def _member(value: Any, name: str) -> Any:
    """Return a member of a recorded value; none if the value is not an object."""
    return value.get(name) if isinstance(value, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] -- JSON


def _as_uuid(value: object) -> str | None:
    try:
        return str(UUID(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
