"""Event rows in their public schemas."""

from api_gateway.events.schemas import (
    BaseEvent,
    InferenceStatusEvent,
    PreprocessingStatusEvent,
    TaskCreatedEvent,
    TaskStatusEvent,
    TrainingStatusEvent,
    WorkflowStatusEvent,
)
from api_gateway.recorded import from_record
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
    """Return an event in the schema of its type."""
    return from_record(SCHEMAS[EventType(event.event_type)], event.payload)
