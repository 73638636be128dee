"""Training rows in their public schema."""

from typing import Any

from api_gateway.recorded import from_record
from api_gateway.training.schemas import TrainingTask
from shared.db.models.trainings import Training

_TEMPORAL_IDS = (
    "celery_training_task_id",
    "celery_preprocessing_task_id",
    "celery_chain_task_id",
)
"""Task IDs of the reference; here one workflow runs all stages."""

_COLUMNS = frozenset(TrainingTask.model_fields) - {
    *_TEMPORAL_IDS,
    "total_steps",
    "webhook_url",
    "waiting_for",
}


def present_training(training: Training) -> TrainingTask:
    """Return a training in its public schema."""
    fields: dict[str, Any] = {name: getattr(training, name) for name in _COLUMNS}
    fields |= dict.fromkeys(_TEMPORAL_IDS, training.temporal_id)
    fields |= {"total_steps": training.steps, "webhook_url": training.webhook_url or ""}
    return from_record(TrainingTask, fields)
