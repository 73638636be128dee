"""The one way in which what runs comes to be: note, claim, cap, store, write, keep; then start."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.client import Client

from api_gateway.admission_cap import check_cap
from api_gateway.idempotency import claim, keep
from api_gateway.images.sources import Upload, note_uploads, stored
from api_gateway.resources import Resources
from shared.contracts.enums import TaskStatus, WorkflowStatus
from shared.db.models.registry import Subject
from shared.db.repositories.idempotency import CreateRequest, release_key
from shared.db.repositories.subject_failures import START_REFUSED, fail_subject
from workflows.acknowledgement import RunRefusedError, RunUnknownError
from workflows.control import RunUnreachableError, cancel_run, pause_run

_log = structlog.stdlib.get_logger(__name__)

AnswerT = TypeVar("AnswerT", bound=BaseModel)

Start = Callable[[Client], Awaitable[None]]
"""Starts the run of a row that is committed."""


@dataclass(frozen=True)
class Creation(Generic[AnswerT]):
    """A row on its way into the records, and its run into Temporal."""

    subject: Subject
    uploads: list[Upload]
    """Its pictures; `write` owns them."""
    write: Callable[[AsyncSession], Awaitable[AnswerT]]
    """Writes the row with all that belongs to it, and returns the response."""
    start: Start | None
    """None: it is to be started later."""


async def create(
    res: Resources, request: CreateRequest | None, creation: Creation[AnswerT]
) -> AnswerT:
    """Commit what is created, then start its run.

    Args:
        res: the gateway's connections.
        request: the request as its repeats will know it.
        creation: what is wanted; it has been checked.

    Raises:
        Problem: 422, the key was used for another request; 429.
        Repeated: the request was answered before.
        RunRefusedError: Temporal refuses to run it.
    """
    await note_uploads(res, creation.uploads)
    answer: AnswerT | None = None
    try:
        async with res.sessions.begin() as session:
            await claim(session, request)
            await check_cap(session, res, creation.subject)
            async with stored(res, creation.uploads):
                answer = await creation.write(session)
                await keep(session, request, answer)
    except (DBAPIError, OSError):
        # What was lost may be the answer to the commit: a request without a key would be doubled.
        if answer is None or not await _is_committed(res, creation.subject):
            raise
    if creation.start is not None:
        await start_run(res, creation.subject, creation.start, request)
    return answer


async def _is_committed(res: Resources, subject: Subject) -> bool:
    table = type(subject)
    async with res.reads.connect() as connection:
        found = await connection.scalar(select(table.id).where(table.id == subject.id))
    return found is not None


async def start_run(
    res: Resources, subject: Subject, start: Start, request: CreateRequest | None = None
) -> None:
    """Start the run of a row that is committed.

    A start that Temporal does not acknowledge is unknown, and no failure: the row stands, and so
    does the key. The reconciler finds its run, or starts it.

    Raises:
        RunRefusedError: there is no run, and none will be; the record says FAILED, the key is free.
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
    await _pass_on(res, subject)


async def _pass_on(res: Resources, subject: Subject) -> None:
    """Tell a run that has just been started what its subject was told before there was one."""
    table = type(subject)
    try:
        async with res.reads.connect() as connection:
            status = await connection.scalar(select(table.status).where(table.id == subject.id))
        if status == WorkflowStatus.PAUSED:
            await pause_run(res.temporal, subject.temporal_id)
        elif status in {None, TaskStatus.CANCELLED}:  # spelled alike by all three
            await cancel_run(res.temporal, subject.temporal_id)
    except (SQLAlchemyError, OSError, RunUnreachableError) as error:
        # The reconciler looks for runs whose subject has ended.
        _log.warning("run_not_told", subject=subject.temporal_id, exc_info=error)
