"""All tables, for code that needs the whole schema."""

from typing import TypeAlias

from shared.contracts.deliveries import SubjectKind
from shared.db.models import (
    breakers,
    counts,
    evaluations,
    idempotency,
    loose_objects,
    loras,
    tables,
    trainings,
    webhooks,
    workers,
)
from shared.db.models.base import Base
from shared.db.models.tables import Task, Workflow
from shared.db.models.trainings import Training

MODULES = (
    breakers,
    counts,
    evaluations,
    idempotency,
    loose_objects,
    loras,
    tables,
    trainings,
    webhooks,
    workers,
)
METADATA = Base.metadata

Subject: TypeAlias = Task | Workflow | Training
"""Records that have a run in Temporal and events."""
SUBJECT_TABLES: dict[str, type[Subject]] = {
    SubjectKind.TASK: Task,
    SubjectKind.WORKFLOW: Workflow,
    SubjectKind.TRAINING: Training,
}
