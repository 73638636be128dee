"""All tables together: who needs the whole schema imports it from here."""

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
"""What has a run in Temporal, and events."""
SUBJECT_TABLES: dict[str, type[Subject]] = {
    SubjectKind.TASK: Task,
    SubjectKind.WORKFLOW: Workflow,
    SubjectKind.TRAINING: Training,
}
