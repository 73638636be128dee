"""The one way to create work: note, claim, cap, store, write, store the response; then start it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.client import Client

from api_gateway.creation.admission_cap import check_cap
from api_gateway.idempotency import claim, keep_response
from api_gateway.resources import Resources
from api_gateway.uploads import Upload, note_uploads, stored
from shared.contracts.enums import TaskStatus, WorkflowStatus
from shared.db.models.registry import Subject
from shared.db.repositories.idempotency import CreateRequest, release_key
from shared.db.repositories.subject_failures import START_REFUSED, fail_subject
from workflows.control import RunUnreachableError, cancel_run, pause_run
from workflows.start_errors import RunRefusedError, RunUnknownError

_log = structlog.stdlib.get_logger(__name__)

ResponseT = TypeVar("ResponseT", bound=BaseModel)

Start = Callable[[Client], Awaitable[None]]
"""Starts the run of a committed row."""


@dataclass(frozen=True)
class Creation(Generic[ResponseT]):
    """A row to be written, and the start of its run."""

    subject: Subject
    uploads: list[Upload]
    """The images to store; `write` writes their rows."""
    write: Callable[[AsyncSession], Awaitable[ResponseT]]
    """Writes the row with all related rows, and returns the response."""
    start: Start | None
    """Starts the run; none: it is started later."""


async def create(
    res: Resources, request: CreateRequest | None, creation: Creation[ResponseT]
) -> ResponseT:
    """Write a row in one transaction, then start its run.

    Args:
        res: the gateway's connections.
        request: the idempotency key of the request, if it has one.
        creation: the row, already checked.

    Raises:
        Problem: 422, the key was used for another request; 429, the tenant has reached its cap.
        RepeatedRequest: the request was completed before.
        RunRefusedError: Temporal refuses to run it.
    """
    await note_uploads(res, creation.uploads)
    response: ResponseT | None = None
    try:
        async with res.sessions.begin() as session:
            await claim(session, request)
            await check_cap(session, res, creation.subject)
            async with stored(res, session, creation.uploads):
                response = await creation.write(session)
                await keep_response(session, request, response)
    except (DBAPIError, OSError):
        # The commit may have succeeded and its response been lost: an error would make a client
        # without a key send the request again.
        if response is None or not await _is_committed(res, creation.subject):
            raise
    if creation.start is not None:
        await start_run(res, creation.subject, creation.start, request)
    return response


async def _is_committed(res: Resources, subject: Subject) -> bool:
    table = type(subject)
    async with res.reads.connect() as connection:
        found = await connection.scalar(select(table.id).where(table.id == subject.id))
    return found is not None


async def start_run(
    res: Resources, subject: Subject, start: Start, request: CreateRequest | None = None
) -> None:
    """Start the run of a committed row.

    A start that Temporal does not acknowledge is no failure: row and key stay, and the reconciler
    finds the run or starts it.

    Raises:
        RunRefusedError: Temporal refuses the run; the record is FAILED and the key is free again.
    """
    try:
        await start(res.temporal)
    except RunUnknownError as error:
        _log.warning("start_not_acknowledged", subject=subject.temporal_id, reason=str(error))
    except RunRefusedError:
        async with res.sessions.begin() as session:
            await fail_subject(session, subject, START_REFUSED)
            if request is not None:
                await release_key(session, request)
        raise
    await _forward_status(res, subject)


async def _forward_status(res: Resources, subject: Subject) -> None:
    """Send a new run the pause or cancellation that its record received before the run existed."""
    table = type(subject)
    try:
        async with res.reads.connect() as connection:
            status = await connection.scalar(select(table.status).where(table.id == subject.id))
        if status == WorkflowStatus.PAUSED:
            await pause_run(res.temporal, subject.temporal_id)
        elif status in {None, TaskStatus.CANCELLED}:  # the same value for all three kinds
            await cancel_run(res.temporal, subject.temporal_id)
    except (SQLAlchemyError, OSError, RunUnreachableError) as error:
        # The reconciler finds runs whose record has ended.
        _log.warning("run_not_told", subject=subject.temporal_id, exc_info=error)
