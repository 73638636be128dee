"""Creating and reading trainings."""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from api_gateway.auth.principal import Principal
from api_gateway.creation.create import Creation, create
from api_gateway.creation.run_size import check_run_size
from api_gateway.errors import InvalidRequestError, not_found
from api_gateway.resources import Resources
from api_gateway.training.checks import base_model_warnings, find_faults
from api_gateway.training.drafting import (
    add_training,
    draft_training,
    take_sources,
    training_origin,
)
from api_gateway.training.presentation import present_training
from api_gateway.training.schemas import TrainingTask, TrainingTaskCreate
from api_gateway.training.waiting import fill_waiting
from api_gateway.uploads import Upload
from api_gateway.webhooks.checks import check_webhook
from shared.db.models.trainings import Training
from shared.db.repositories.events import add_training_event
from shared.db.repositories.idempotency import CreateRequest
from shared.db.repositories.trainings import find_training, list_trainings
from workflows.starts import start_training, training_run


async def create_training(
    res: Resources,
    caller: Principal,
    body: TrainingTaskCreate,
    request: CreateRequest | None,
    warnings: Sequence[str] = (),
) -> TrainingTask:
    """Write a training and start its run.

    Args:
        res: the gateway's connections.
        caller: the owner of the training.
        body: the validated request.
        request: the idempotency key of the request, if it has one.
        warnings: ignored fields of the request, for the record.

    Raises:
        InvalidRequestError: names every source that is not an image, and each field that is not
            served.
        Problem: 403, 413; 503, Temporal does not accept the run.
        RepeatedRequest: the request was completed before.
    """
    check_webhook(res, body.webhook_url)
    origin = training_origin(caller, body)
    training = draft_training(body, origin, res)
    uploads, faults = await take_sources(training, body, origin, res, caller)
    if faults := [*find_faults(res, body), *faults]:
        raise InvalidRequestError(faults)
    training.warnings = [*warnings, *base_model_warnings(res, body)] or None
    check_run_size(training_run(training))
    write = partial(_write, caller=caller, training=training, uploads=uploads)
    creation = Creation(training, uploads, write, partial(start_training, training=training))
    return await create(res, request, creation)


async def _write(
    session: AsyncSession, *, caller: Principal, training: Training, uploads: list[Upload]
) -> TrainingTask:
    await add_training(session, caller, training, uploads)
    add_training_event(session, training)
    await session.flush()
    return present_training(training)


async def get_training(res: Resources, caller: Principal, training_id: UUID) -> Training:
    """Return a training that the caller may see.

    Raises:
        Problem: 404.
    """
    async with res.sessions() as session:
        training = await find_training(session, caller.scope, training_id)
    if training is None:
        raise not_found(f"training {training_id}")
    return training


async def read_training(res: Resources, caller: Principal, training_id: UUID) -> TrainingTask:
    """Return a training in its public schema, with what it waits for.

    Raises:
        Problem: 404.
    """
    shown = present_training(await get_training(res, caller, training_id))
    await fill_waiting(res, [shown])
    return shown


async def page_of_trainings(
    res: Resources, caller: Principal, *, skip: int, limit: int
) -> tuple[list[TrainingTask], int]:
    """Return one page of the caller's trainings, newest first, and their total number."""
    async with res.sessions() as session:
        page, total = await list_trainings(session, caller.scope, skip=skip, limit=limit)
    shown = [present_training(training) for training in page]
    await fill_waiting(res, shown)
    return shown, total
