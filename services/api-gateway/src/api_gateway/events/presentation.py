"""An event's row as clients see it."""

from uuid import UUID

from api_gateway.events.schemas import (
    BaseEvent,
    InferenceStatusEvent,
    PreprocessingStatusEvent,
    TaskCreatedEvent,
    TaskStatusEvent,
    TrainingStatusEvent,
    WorkflowStatusEvent,
)
from shared.contracts.enums import EventType
from shared.db.repositories.event_streams import RecordedEvent

SCHEMAS: dict[EventType, type[BaseEvent]] = {
    EventType.TASK_CREATED: TaskCreatedEvent,
    EventType.TASK_STATUS_UPDATE: TaskStatusEvent,
    EventType.INFERENCE_STATUS_UPDATE: InferenceStatusEvent,
    EventType.PREPROCESSING_STATUS_UPDATE: PreprocessingStatusEvent,
    EventType.TRAINING_STATUS_UPDATE: TrainingStatusEvent,
    EventType.WORKFLOW_STATUS_UPDATE: WorkflowStatusEvent,
}


def present_event(event: RecordedEvent) -> BaseEvent:
    """What an event says, in the schema of its type."""
    payload = event.payload
    filled = {
        "created_at": event.created_at,
        "task_id": payload.get("workflow_id"),
        **payload,
        # A client's own reference is any text; an event names an entity by its UUID.
        "entity_id": _uuid_or_none(payload.get("entity_id")),
    }
    return SCHEMAS[EventType(event.event_type)].model_validate(filled)


def _uuid_or_none(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
