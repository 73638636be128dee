"""Events as clients see them."""

import uuid
from datetime import UTC, datetime
from typing import Any

from api_gateway.events.presentation import SCHEMAS, present_event
from api_gateway.events.schemas import TaskCreatedEvent, TaskStatusEvent, WorkflowStatusEvent
from shared.contracts.enums import EventType
from shared.db.repositories.event_streams import RecordedEvent

_ID = str(uuid.uuid4())
_AT = datetime(2026, 1, 1, tzinfo=UTC)


def _event(event_type: EventType, **payload: Any) -> RecordedEvent:
    return RecordedEvent(1, event_type, {"event_type": event_type, **payload}, _AT)


def test_every_type_has_a_schema() -> None:
    assert set(SCHEMAS) == set(EventType)


def test_creation_says_when() -> None:
    fields = {"task_id": _ID, "task_type": "GENERATION", "status": "PENDING", "total_steps": 1}
    shown = present_event(_event(EventType.TASK_CREATED, **fields))
    assert isinstance(shown, TaskCreatedEvent)
    assert (shown.created_at, shown.total_steps) == (_AT, 1)


def test_workflow_is_named_as_every_event_names_its_subject() -> None:
    fields = {"workflow_id": _ID, "status": "FAILED", "error_message": "no", "total_steps": 5}
    shown = present_event(_event(EventType.WORKFLOW_STATUS_UPDATE, **fields))
    assert isinstance(shown, WorkflowStatusEvent)
    assert str(shown.task_id) == str(shown.workflow_id) == _ID
    assert (shown.error_message, shown.total_steps) == ("no", 5)


def test_reference_that_is_no_uuid_is_no_entity() -> None:
    fields = {"task_id": _ID, "task_type": "GENERATION", "status": "EXECUTING"}
    for reference, entity in (("order 7", None), (None, None), (_ID, uuid.UUID(_ID))):
        shown = present_event(_event(EventType.TASK_STATUS_UPDATE, entity_id=reference, **fields))
        assert isinstance(shown, TaskStatusEvent)
        assert shown.entity_id == entity
