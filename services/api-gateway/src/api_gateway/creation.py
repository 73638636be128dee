"""The one way in which what runs comes to be: claim, cap, store, write, keep; then start."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.client import Client

from api_gateway.admission_cap import check_cap
from api_gateway.errors import unavailable
from api_gateway.idempotency import claim, keep
from api_gateway.images.sources import Upload, stored
from api_gateway.resources import Resources
from shared.db.models.registry import Subject
from shared.db.repositories.endings import fail_subject
from shared.db.repositories.idempotency import CreateRequest, release_key
from workflows.starts import NotStartedError

AnswerT = TypeVar("AnswerT", bound=BaseModel)

Start = Callable[[Client], Awaitable[None]]
"""Starts the run of a row that is committed."""


@dataclass(frozen=True)
class Creation(Generic[AnswerT]):
    """A row on its way into the records, and its run into Temporal."""

    subject: Subject
    uploads: list[Upload]
    """Its pictures; their rows are written with it."""
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
        Problem: 422, the key was used for another request; 429; 503, Temporal does not answer.
        Repeated: the request was answered before.
    """
    async with res.sessions.begin() as session:
        await claim(session, request)
        await check_cap(session, res, creation.subject)
        async with stored(res, creation.uploads):
            session.add_all(upload.row for upload in creation.uploads)
            answer = await creation.write(session)
            await keep(session, request, answer)
    if creation.start is not None:
        await start_run(res, creation.subject, creation.start, request)
    return answer


async def start_run(
    res: Resources, subject: Subject, start: Start, request: CreateRequest | None = None
) -> None:
    """Start the run of a row that is committed.

    Raises:
        Problem: 503, Temporal does not answer; the record then says FAILED, as the client is told.
    """
    try:
        await start(res.temporal)
    except NotStartedError as error:
        kind = type(subject).__name__.lower()
        reason = f"Temporal did not answer when the {kind} was to be started"
        async with res.sessions.begin() as session:
            await fail_subject(session, subject, reason)
            if request is not None:
                await release_key(session, request)
        raise unavailable("Temporal") from error
