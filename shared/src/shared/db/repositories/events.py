"""Events: each is written in the transaction that makes its change, numbered per subject."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.enums import EventType, TaskStatus, WorkflowStatus
from shared.db.models.tables import Event, Task, Workflow

_TERMINAL = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED})


def add_task_event(session: AsyncSession, task: Task, event_type: EventType) -> None:
    """Announce a task's state; the caller holds the task's row lock, or has just made the row."""
    task.last_seq += 1
    session.add(
        Event(
            subject_id=task.id,
            subject_kind="task",
            seq=task.last_seq,
            event_type=event_type,
            is_terminal=task.status in _TERMINAL,
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


def _common(subject: Task | Workflow, event_type: EventType) -> dict[str, Any]:
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
