"""Events carry their type and survive serialization."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

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

CASES: list[tuple[type[BaseEvent], EventType, dict[str, Any]]] = [
    (
        TaskCreatedEvent,
        EventType.TASK_CREATED,
        {"task_type": "REFINE", "created_at": datetime.now(UTC)},
    ),
    (
        TaskStatusEvent,
        EventType.TASK_STATUS_UPDATE,
        {"task_type": "REFINE", "status": "EXECUTING"},
    ),
    (
        InferenceStatusEvent,
        EventType.INFERENCE_STATUS_UPDATE,
        {"backend_generation_id": uuid4(), "backend_prediction_id": uuid4()},
    ),
    (PreprocessingStatusEvent, EventType.PREPROCESSING_STATUS_UPDATE, {}),
    (TrainingStatusEvent, EventType.TRAINING_STATUS_UPDATE, {}),
    (
        WorkflowStatusEvent,
        EventType.WORKFLOW_STATUS_UPDATE,
        {"workflow_id": uuid4(), "status": "RUNNING"},
    ),
]


@pytest.mark.parametrize(("schema", "event_type", "fields"), CASES)
def test_events_name_themselves_and_survive_the_wire(
    schema: type[BaseEvent], event_type: EventType, fields: dict[str, Any]
) -> None:
    event = schema.model_validate({"task_id": uuid4(), "status": "PENDING", **fields})

    assert event.event_type is event_type
    assert schema.model_validate_json(event.model_dump_json()) == event
