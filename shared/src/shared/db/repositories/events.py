"""Events: each is written in the transaction that makes its change, numbered per subject."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.enums import EventType, TaskStatus, TrainingStatus, WorkflowStatus
from shared.contracts.training import ENDED
from shared.db.models.tables import Event, Task, Workflow
from shared.db.models.trainings import Training

_TERMINAL = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED})


def add_task_event(
    session: AsyncSession, task: Task, event_type: EventType, *, is_change: bool = False
) -> None:
    """Announce a task's state; the caller holds the task's row lock, or has just made the row.

    Args:
        session: whose transaction it belongs to.
        task: what it is about.
        event_type: which of its events.
        is_change: the status stands, and only what the record says besides has changed: of a task
            that has ended, this is not its end once more.
    """
    task.last_seq += 1
    session.add(
        Event(
            subject_id=task.id,
            subject_kind="task",
            seq=task.last_seq,
            event_type=event_type,
            is_terminal=not is_change and task.status in _TERMINAL,
            payload=_common(task, event_type)
            | {
                "task_id": str(task.id),
                "task_type": task.task_type,
                "progress": task.progress,
                "error_category": task.error_category,
                "error_message": task.errors[-1] if task.errors else None,
                "total_steps": 1,
            },
        )
    )


def add_workflow_event(session: AsyncSession, workflow: Workflow) -> None:
    """Announce a workflow's state; the caller holds its row lock, or has just made the row."""
    workflow.last_seq += 1
    done, total = workflow.completed_steps, workflow.total_steps
    session.add(
        Event(
            subject_id=workflow.id,
            subject_kind="workflow",
            seq=workflow.last_seq,
            event_type=EventType.WORKFLOW_STATUS_UPDATE,
            is_terminal=workflow.status in {WorkflowStatus.COMPLETED, WorkflowStatus.CANCELLED},
            payload=_common(workflow, EventType.WORKFLOW_STATUS_UPDATE)
            | {
                "workflow_id": str(workflow.id),
                "progress": 100 * done / total if total else 0,
                "current_step": workflow.current_step,
                "completed_steps": done,
                "total_steps": total,
                "error_message": workflow.error_message,
            },
        )
    )


def add_training_event(session: AsyncSession, training: Training) -> None:
    """Announce a training's state; the caller holds its row lock, or has just made the row."""
    training.last_seq += 1
    is_preprocessing = training.status == TrainingStatus.PREPROCESSING
    event_type = (
        EventType.PREPROCESSING_STATUS_UPDATE
        if is_preprocessing
        else EventType.TRAINING_STATUS_UPDATE
    )
    own = {
        "task_id": str(training.id),
        "entity_id": str(training.entity_id) if training.entity_id else None,
        "origin_version": training.origin_version,
        "error_message": training.error_message,
    }
    stage = _preprocessing(training) if is_preprocessing else _training(training)
    session.add(
        Event(
            subject_id=training.id,
            subject_kind="training",
            seq=training.last_seq,
            event_type=event_type,
            is_terminal=training.status in ENDED,
            payload=_common(training, event_type) | own | stage,
        )
    )


def _preprocessing(training: Training) -> dict[str, Any]:
    done, total = training.processed_files_count or 0, training.total_files_count or 0
    return {
        "progress": min(100.0, 100 * done / total) if total else 0.0,
        "current_stage": training.preprocessing_stage,
        "processed_files_count": done,
        "total_files_count": total,
        "processed_dataset_path": training.processed_dataset_path,
        "started_at": _iso(training.preprocessing_started_at),
        "completed_at": _iso(training.preprocessing_completed_at),
    }


def _training(training: Training) -> dict[str, Any]:
    return {
        "progress": training.progress,
        "current_step": training.current_step,
        "total_steps": training.steps,
        "eta_seconds": training.eta_seconds,
        "local_model_path": training.local_model_path,
    }


def _common(subject: Task | Workflow | Training, event_type: EventType) -> dict[str, Any]:
    return {
        "event_type": event_type,
        "status": subject.status,
        "origin_instance": subject.origin_instance,
        "origin_zone": subject.origin_zone,
        "entity_id": subject.origin_reference,
        "started_at": _iso(subject.started_at),
        "completed_at": _iso(subject.completed_at),
        "timestamp": _iso(datetime.now(UTC)),
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
