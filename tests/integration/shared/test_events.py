"""Every event's payload is valid by the API's schemas, and small enough for any receiver."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from api_gateway.events.schemas import (
    BaseEvent,
    InferenceStatusEvent,
    PreprocessingStatusEvent,
    TaskCreatedEvent,
    TaskStatusEvent,
    TrainingStatusEvent,
    WorkflowStatusEvent,
)
from shared.contracts.enums import EventType, TaskStatus, TrainingStatus, WorkflowStatus
from shared.db.models.tables import Event, Task, Workflow
from shared.db.models.trainings import Training
from shared.db.repositories.events import add_task_event, add_training_event, add_workflow_event
from shared.db.session import Sessions
from tests.fixtures.rows import task_row, workflow_row

SCHEMAS: dict[str, type[BaseEvent]] = {
    EventType.TASK_CREATED: TaskCreatedEvent,
    EventType.TASK_STATUS_UPDATE: TaskStatusEvent,
    EventType.INFERENCE_STATUS_UPDATE: InferenceStatusEvent,
    EventType.PREPROCESSING_STATUS_UPDATE: PreprocessingStatusEvent,
    EventType.TRAINING_STATUS_UPDATE: TrainingStatusEvent,
    EventType.WORKFLOW_STATUS_UPDATE: WorkflowStatusEvent,
}
NOW = datetime.now(UTC)
BACKEND_IDS = {
    "backend_generation_id": str(uuid.uuid4()),
    "backend_prediction_id": str(uuid.uuid4()),
}


async def announce(sessions: Sessions, row: Any, *types: EventType) -> list[Event]:
    row.last_seq = 0
    async with sessions.begin() as session:
        session.add(row)
        await session.flush()
        if isinstance(row, Task):
            for event_type in types:
                add_task_event(session, row, event_type)
        elif isinstance(row, Workflow):
            add_workflow_event(session, row)
        else:
            add_training_event(session, row)
    async with sessions() as session:
        rows = select(Event).where(Event.subject_id == row.id).order_by(Event.seq)
        events = list(await session.scalars(rows))
    for event in events:
        check(event)
    return events


def check(event: Event) -> None:
    schema = SCHEMAS[event.event_type]
    told = schema.model_validate(event.payload)
    assert event.payload.keys() <= schema.model_fields.keys()
    assert (told.event_type, told.task_id) == (event.event_type, event.subject_id)
    assert told.metadata is not None
    assert told.metadata["seq"] == event.seq


def training_row(**fields: Any) -> Training:
    training_id = uuid.uuid4()
    plain = {
        "id": training_id,
        "training_type": "LORA",
        "entity_type": "PRODUCT",
        "trigger_word": "sh0e",
        "rank": 16,
        "steps": 10,
        "learning_rate": 1e-4,
        "base_model_path": "flux",
        "preprocessing_captioning_strategy": "none",
        "temporal_id": f"training-{training_id}",
        "origin_instance": "shop",
    }
    return Training(**plain | fields)


async def test_task_has_events_of_creation_and_status(sessions: Sessions) -> None:
    reference = str(uuid.uuid4())
    row = task_row(origin_reference=reference, started_at=NOW, progress=40)
    created, changed = await announce(
        sessions, row, EventType.TASK_CREATED, EventType.TASK_STATUS_UPDATE
    )
    assert created.payload["entity_id"] == changed.payload["entity_id"] == reference
    assert changed.payload["progress"] == 40
    assert (changed.payload["provider_type"], changed.payload["fallback_used"]) == ("local", False)


async def test_reference_that_is_not_a_uuid_is_in_the_metadata(sessions: Sessions) -> None:
    [event] = await announce(
        sessions, task_row(origin_reference="prediction 7"), EventType.TASK_STATUS_UPDATE
    )
    assert event.payload["entity_id"] is None
    assert event.payload["metadata"]["origin_reference"] == "prediction 7"


async def test_generation_with_backend_ids_has_inference_events(sessions: Sessions) -> None:
    row = task_row(
        config=BACKEND_IDS | {"prompt_id": "p1"},
        status=TaskStatus.COMPLETED,
        results={"result_image_path": "generations/a.png"},
        progress=100,
        completed_at=NOW,
    )
    [done] = await announce(sessions, row, EventType.TASK_STATUS_UPDATE)
    told = InferenceStatusEvent.model_validate(done.payload)
    assert str(told.backend_generation_id) == BACKEND_IDS["backend_generation_id"]
    assert (told.prompt_id, told.result_image_path) == ("p1", "generations/a.png")
    assert told.metadata == {"seq": 1, "progress": 100}
    assert done.is_terminal


@pytest.mark.parametrize(
    "fields",
    [
        {"config": {"backend_generation_id": BACKEND_IDS["backend_generation_id"]}},
        {"config": BACKEND_IDS | {"backend_prediction_id": "not a uuid"}},
        {"config": BACKEND_IDS | {"backend_prediction_id": 7}},
        {"config": BACKEND_IDS, "task_type": "EDITING"},
    ],
)
async def test_other_tasks_have_task_events(sessions: Sessions, fields: dict[str, Any]) -> None:
    [event] = await announce(sessions, task_row(**fields), EventType.TASK_STATUS_UPDATE)
    assert event.event_type == EventType.TASK_STATUS_UPDATE


async def test_completed_task_has_no_error_in_its_event(
    sessions: Sessions,
) -> None:
    for status, told in ((TaskStatus.FAILED, "no luck"), (TaskStatus.COMPLETED, None)):
        row = task_row(status=status, errors=["no luck"])
        [event] = await announce(sessions, row, EventType.TASK_STATUS_UPDATE)
        assert event.payload["error_message"] == told


async def test_workflow_and_training_have_events(sessions: Sessions) -> None:
    workflow = workflow_row("a", "b", status=WorkflowStatus.RUNNING, completed_steps=1)
    [event] = await announce(sessions, workflow)
    assert (event.payload["workflow_id"], event.payload["progress"]) == (str(workflow.id), 50)
    for status in TrainingStatus:
        await announce(sessions, training_row(status=status, entity_id=uuid.uuid4()))


@pytest.mark.parametrize("letter", ["x", "é", "✂", "\x01"])
async def test_longest_event_is_below_twenty_kilobytes(sessions: Sessions, letter: str) -> None:
    long = {
        "origin_instance": "shop" * 25,
        "origin_zone": letter * 50,
        "origin_reference": letter * 512,
        "errors": [letter * 100_000],
        "status": "FAILED",
    }
    config = BACKEND_IDS | {"prompt_id": letter * 100_000}
    results = {"result_image_path": "x" * 1024}
    rows = [
        task_row(**long),
        task_row(**long, config=config, results=results),
        workflow_row("a", error_message=letter * 100_000, current_step=letter * 100, **long),
        training_row(error_message=letter * 100_000, **long),
    ]
    for row in rows:
        [event] = await announce(sessions, row, EventType.TASK_STATUS_UPDATE)
        sent = json.dumps(event.payload, ensure_ascii=False, separators=(",", ":"))
        assert len(sent.encode()) < 20_000
