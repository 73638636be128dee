"""Events for streaming: those after given positions, of many subjects in one statement."""

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
"""Terminal states, after which a subject has no more events unless it is resumed."""
_IS_DELETED: dict[SubjectKind, ColumnElement[bool]] = {
    SubjectKind.TASK: Task.is_deleted.expression,
    SubjectKind.WORKFLOW: Workflow.is_deleted.expression,
    SubjectKind.TRAINING: false(),
}


@dataclass(frozen=True)
class SubjectState:
    """The end of a subject's events."""

    last_seq: int
    is_over: bool
    """True if no events follow, unless a client resumes the subject."""


@dataclass(frozen=True)
class EventPosition:
    """A position in a subject's events: after the event with this sequence number."""

    subject_id: UUID
    seq: int


@dataclass(frozen=True)
class RecordedEvent:
    """An event as recorded."""

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
    """Return the end of a subject's events; none if the client may not see the subject."""
    table = SUBJECT_TABLES[kind]
    # Untyped: the statement is for one of several tables.
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
    """Return the events after each position, oldest first; positions without events are omitted.

    Args:
        connection: for one statement.
        places: the positions.
        most: maximal number of events for each position.
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
    """Return the subjects without events: these were removed, as creation writes an event."""
    rows = await connection.execute(_WITHOUT_EVENTS, {"ids": list(subject_ids)})
    return set(rows.scalars())
