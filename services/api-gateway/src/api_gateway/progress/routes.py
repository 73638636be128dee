"""The internal listener's one route, for workers with their own credential."""

import hmac
from typing import Annotated

from fastapi import APIRouter, Depends, Header

from api_gateway.errors import Problem
from api_gateway.resources import Res
from shared.contracts.progress import ProgressBatch
from shared.db.repositories.progress import write_progress
from shared.db.repositories.training_progress import write_training_progress
from shared.db.repositories.workers import write_memory

router = APIRouter()


async def _worker(res: Res, authorization: Annotated[str, Header()] = "") -> None:
    expected = res.settings.internal_token.get_secret_value()
    given = authorization.removeprefix("Bearer ")
    if not expected or not hmac.compare_digest(given.encode(), expected.encode()):
        raise Problem(401, "unauthorized", "this listener needs a worker's credential")


@router.post("/internal/progress", status_code=204, dependencies=[Depends(_worker)])
async def take_progress(batch: ProgressBatch, res: Res) -> None:
    """Record what workers report; outdated reports are dropped."""
    for report in batch.reports:
        async with res.sessions.begin() as session:
            await write_progress(session, report)
    for report in batch.trainings:
        async with res.sessions.begin() as session:
            await write_training_progress(session, report)
    if batch.memory is not None:
        async with res.sessions.begin() as session:
            await write_memory(session, batch.memory)
