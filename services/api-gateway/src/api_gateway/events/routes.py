"""Routes of event streams: the events of one task, workflow or training as Server-Sent Events."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends

from api_gateway.events.presentation import SCHEMAS
from api_gateway.events.streams import EventStream, EventStreamResponse, Opening
from api_gateway.ignored.dependency import FIELD_CHECK
from shared.contracts.deliveries import SubjectKind
from shared.contracts.enums import EventType

router = APIRouter(prefix="/api/v1", dependencies=[FIELD_CHECK])


async def task_stream(task_id: UUID, opening: Opening) -> EventStream:
    """Return the stream of a task that the caller may see."""
    return await opening.open(SubjectKind.TASK, task_id)


async def workflow_stream(workflow_id: UUID, opening: Opening) -> EventStream:
    """Return the stream of a workflow that the caller may see."""
    return await opening.open(SubjectKind.WORKFLOW, workflow_id)


async def training_stream(task_id: UUID, opening: Opening) -> EventStream:
    """Return the stream of a training that the caller may see."""
    return await opening.open(SubjectKind.TRAINING, task_id)


def _described(*event_types: EventType) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses of a stream of these events."""
    branches = [
        {"$ref": f"#/components/schemas/{SCHEMAS[event_type].__name__}"}
        for event_type in event_types
    ]
    data = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": {"anyOf": branches},
    }
    event = {
        "type": "object",
        "required": ["id", "event", "data"],
        "properties": {
            "id": {"type": "string", "pattern": "^[0-9]+$"},
            "event": {"type": "string", "enum": list(event_types)},
            "data": data,
        },
    }
    # `itemSchema` is OpenAPI 3.2; a 3.1 reader sees text.
    content = {"itemSchema": event, "schema": {"type": "string"}}
    return {
        200: {"content": {"text/event-stream": content}, "description": "Events, as they happen"},
        204: {"description": "It has ended with the event in `Last-Event-ID`: do not reconnect"},
    }


@router.get(
    "/tasks/{task_id}/events",
    tags=["Tasks"],
    summary="Stream Task Events",
    operation_id="stream_task_events",
    response_class=EventStreamResponse,
    responses=_described(
        EventType.TASK_CREATED, EventType.TASK_STATUS_UPDATE, EventType.INFERENCE_STATUS_UPDATE
    ),
)
async def stream_task_events(
    stream: Annotated[EventStream, Depends(task_stream)],
) -> EventStreamResponse:
    """Follow a task: its events so far, then each as it happens, until it has ended.

    Event IDs count from 1 without gaps. Reconnect with `Last-Event-ID` after a break.
    """
    return stream.response()


@router.get(
    "/workflows/{workflow_id}/events",
    tags=["workflows"],
    summary="Stream Workflow Events",
    operation_id="stream_workflow_events",
    response_class=EventStreamResponse,
    responses=_described(EventType.WORKFLOW_STATUS_UPDATE),
)
async def stream_workflow_events(
    stream: Annotated[EventStream, Depends(workflow_stream)],
) -> EventStreamResponse:
    """Follow a workflow: its own events; those of its steps have streams under their task IDs.

    The stream stays open while the workflow is PAUSED. It ends when it is FAILED: after a resume,
    reconnect with `Last-Event-ID`.
    """
    return stream.response()


@router.get(
    "/training/{task_id}/events",
    tags=["Training"],
    summary="Stream Training Events",
    operation_id="stream_training_events",
    response_class=EventStreamResponse,
    responses=_described(EventType.PREPROCESSING_STATUS_UPDATE, EventType.TRAINING_STATUS_UPDATE),
)
async def stream_training_events(
    stream: Annotated[EventStream, Depends(training_stream)],
) -> EventStreamResponse:
    """Follow a training: its events so far, then each as it happens, until it has ended."""
    return stream.response()
