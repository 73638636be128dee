"""Recording the failure of a subject whose run cannot record it itself."""

from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.enums import ErrorCategory, TaskStatus, TrainingStatus, WorkflowStatus
from shared.contracts.runs import PipelineOutcome
from shared.contracts.training import TrainingOutcome
from shared.db.models.registry import Subject
from shared.db.models.tables import Task, Workflow
from shared.db.repositories.outcomes import (
    outcome_of,
    owner_of,
    write_pipeline_outcome,
    write_task_outcome,
)
from shared.db.repositories.trainings import write_training_outcome

START_REFUSED = "Temporal refused to start its run"
"""Error of a subject whose run Temporal refused to start."""


async def fail_subject(session: AsyncSession, subject: Subject, reason: str) -> None:
    """Record that a subject FAILED with an internal error. An earlier terminal state is kept."""
    category = ErrorCategory.INTERNAL
    if isinstance(subject, Task):
        outcome = outcome_of(subject, TaskStatus.FAILED, error=reason, category=category)
        await write_task_outcome(session, outcome)
    elif isinstance(subject, Workflow):
        await write_pipeline_outcome(
            session,
            PipelineOutcome(workflow_id=subject.id, status=WorkflowStatus.FAILED, errors=[reason]),
        )
    else:
        await write_training_outcome(
            session,
            TrainingOutcome(
                training_id=subject.id,
                status=TrainingStatus.FAILED,
                owner=owner_of(subject),
                error=reason,
                error_category=category,
            ),
        )
