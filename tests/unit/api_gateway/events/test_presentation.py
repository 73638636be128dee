"""Public schemas of events; the payloads are tested where they are written."""

import uuid

from api_gateway.events.presentation import SCHEMAS, present_event
from api_gateway.events.schemas import TaskStatusEvent
from shared.contracts.enums import EventType
from shared.db.repositories.event_streams import RecordedEvent


def test_every_type_has_a_schema() -> None:
    assert set(SCHEMAS) == set(EventType)


def test_an_event_is_shown_in_the_schema_of_its_type() -> None:
    payload = {
        "event_type": EventType.TASK_STATUS_UPDATE,
        "task_id": str(uuid.uuid4()),
        "task_type": "GENERATION",
        "status": "EXECUTING",
        "progress": 40.0,
    }
    shown = present_event(RecordedEvent(3, EventType.TASK_STATUS_UPDATE, payload))
    assert isinstance(shown, TaskStatusEvent)
    assert (str(shown.task_id), shown.progress) == (payload["task_id"], 40.0)
