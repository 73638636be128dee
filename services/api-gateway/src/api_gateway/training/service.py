"""Creating, reading and cancelling trainings."""

from uuid import UUID

from api_gateway.admission_cap import check_cap
from api_gateway.auth.principal import Principal
from api_gateway.errors import InvalidRequestError, not_found, unavailable
from api_gateway.idempotency import claim, keep
from api_gateway.images.sources import note_uploads, stored
from api_gateway.resources import Resources
from api_gateway.run_size import check_run_size
from api_gateway.training.drafting import (
    add_training,
    draft_training,
    take_sources,
    training_origin,
)
from api_gateway.training.presentation import present_training
from api_gateway.training.schemas import TrainingTask, TrainingTaskCreate
from api_gateway.webhooks.checks import check_webhook
from shared.contracts.enums import ErrorCategory, TrainingStatus
from shared.contracts.training import TrainingOutcome
from shared.db.models.trainings import Training
from shared.db.repositories.events import add_training_event
from shared.db.repositories.idempotency import CreateRequest, release_key
from shared.db.repositories.outcomes import owner_of
from shared.db.repositories.trainings import (
    find_training,
    list_trainings,
    write_training_outcome,
)
from workflows.starts import NotStartedError, start_training, training_run


async def create_training(
    res: Resources, caller: Principal, body: TrainingTaskCreate, request: CreateRequest | None
) -> TrainingTask:
    """Write a training and start its run.

    Args:
        res: the gateway's connections.
        caller: whose training it will be.
        body: the validated request.
        request: the request as its repeats will know it.

    Raises:
        InvalidRequestError: names every picture that is none.
        Problem: 403, 413; 503, where Temporal does not take the run.
        Repeated: the request was answered before.
    """
    check_webhook(res, body.webhook_url)
    origin = training_origin(caller, body)
    training = draft_training(body, origin)
    uploads, faults = await take_sources(training, body, origin, res, caller)
    if faults:
        raise InvalidRequestError(faults)
    check_run_size(training_run(training))
    answer = present_training(training)
    await note_uploads(res, uploads)
    async with res.sessions.begin() as session:
        await claim(session, request)
        await check_cap(session, res, training)
        async with stored(res, uploads):
            await add_training(session, caller, training, uploads)
            add_training_event(session, training)
            await keep(session, request, answer)
    try:
        await start_training(res.temporal, training)
    except NotStartedError as error:
        await _give_up(res, training, request)
        raise unavailable("Temporal") from error
    return answer


async def _give_up(res: Resources, training: Training, request: CreateRequest | None) -> None:
    """The client is told that it failed, so the record says so; a run that exists will see it."""
    outcome = TrainingOutcome(
        training_id=training.id,
        status=TrainingStatus.FAILED,
        owner=owner_of(training),
        error="Temporal did not answer when the training was to be started",
        error_category=ErrorCategory.INTERNAL,
    )
    async with res.sessions.begin() as session:
        await write_training_outcome(session, outcome)
        if request is not None:
            await release_key(session, request)


async def get_training(res: Resources, caller: Principal, training_id: UUID) -> Training:
    """A training that the caller may see.

    Raises:
        Problem: 404.
    """
    async with res.sessions() as session:
        training = await find_training(session, caller.scope, training_id)
    if training is None:
        raise not_found(f"training {training_id}")
    return training


async def page_of_trainings(
    res: Resources, caller: Principal, *, skip: int, limit: int
) -> list[Training]:
    """One page of the caller's trainings, newest first."""
    async with res.sessions() as session:
        return await list_trainings(session, caller.scope, skip=skip, limit=limit)
