"""Reading events as streams do: on from a place, of many subjects in one statement."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    Uuid,
    bindparam,
    column,
    exists,
    false,
    func,
    select,
    true,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.deliveries import SubjectKind
from shared.contracts.enums import TASK_ENDED, WORKFLOW_ENDED
from shared.contracts.training import ENDED
from shared.db.models.registry import SUBJECT_TABLES
from shared.db.models.tables import Event, Task, Workflow
from shared.db.repositories.scope import Scope

ENDED_STATES: dict[SubjectKind, frozenset[str]] = {
    SubjectKind.TASK: TASK_ENDED,
    SubjectKind.WORKFLOW: WORKFLOW_ENDED,
    SubjectKind.TRAINING: ENDED,
}
"""In which a subject has no more events for now."""
_IS_DELETED: dict[SubjectKind, ColumnElement[bool]] = {
    SubjectKind.TASK: Task.is_deleted.expression,
    SubjectKind.WORKFLOW: Workflow.is_deleted.expression,
    SubjectKind.TRAINING: false(),
}


@dataclass(frozen=True)
class SubjectState:
    """How far a subject's events go."""

    last_seq: int
    is_over: bool
    """None comes after that, unless a client resumes it."""


@dataclass(frozen=True)
class EventPosition:
    """In a subject's events, after this one."""

    subject_id: UUID
    seq: int


@dataclass(frozen=True)
class RecordedEvent:
    """An event as it was written."""

    seq: int
    event_type: str
    payload: dict[str, Any]


_ids = bindparam("ids", type_=ARRAY(Uuid))
_places = (
    func.unnest(_ids, bindparam("seqs", type_=ARRAY(Integer)))
    .table_valued(column("subject_id", Uuid), column("seq", Integer), name="place")
    .render_derived()
)
_newer = (
    select(Event.seq, Event.event_type, Event.payload)
    .where(Event.subject_id == _places.c.subject_id, Event.seq > _places.c.seq)
    .order_by(Event.seq)
    .limit(bindparam("most", type_=Integer))
    .lateral("newer")
)
_EVENTS_AFTER = (
    select(_places.c.subject_id, _places.c.seq.label("after"), _newer)
    .select_from(_places.join(_newer, true()))
    .order_by(_newer.c.seq)
)
_subjects = func.unnest(_ids).table_valued(column("id", Uuid), name="subject").render_derived()
_WITHOUT_EVENTS = select(_subjects.c.id).where(
    ~exists().where(Event.subject_id == _subjects.c.id).correlate(_subjects)
)


async def find_subject(
    connection: AsyncConnection, scope: Scope, kind: SubjectKind, subject_id: UUID
) -> SubjectState | None:
    """How far the events of a subject go, if the caller may see it."""
    table = SUBJECT_TABLES[kind]
    # To the type checker, a statement of several types at once.
    rows: Any = select(table.last_seq, table.status, _IS_DELETED[kind].label("is_deleted"))
    rows = rows.where(table.id == subject_id)
    row = (await connection.execute(scope.limit(rows, table))).one_or_none()
    if row is None:
        return None
    is_over: bool = row.is_deleted or row.status in ENDED_STATES[kind]
    return SubjectState(row.last_seq, is_over)


async def read_events(
    connection: AsyncConnection, places: Collection[EventPosition], *, most: int
) -> dict[EventPosition, list[RecordedEvent]]:
    """What comes after each place, oldest first; nothing where nothing does.

    Args:
        connection: for one statement.
        places: where to go on.
        most: so many for each at most.
    """
    ordered = list(places)
    given = {
        "ids": [place.subject_id for place in ordered],
        "seqs": [place.seq for place in ordered],
        "most": most,
    }
    events: dict[EventPosition, list[RecordedEvent]] = {}
    for row in await connection.execute(_EVENTS_AFTER, given):
        place = EventPosition(row.subject_id, row.after)
        event = RecordedEvent(row.seq, row.event_type, row.payload)
        events.setdefault(place, []).append(event)
    return events


async def without_events(connection: AsyncConnection, subject_ids: Collection[UUID]) -> set[UUID]:
    """Which of these have no events: each has one from its creation on until it is removed."""
    rows = await connection.execute(_WITHOUT_EVENTS, {"ids": list(subject_ids)})
    return set(rows.scalars())
