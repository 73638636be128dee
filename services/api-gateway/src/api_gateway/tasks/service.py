"""Creating and reading tasks: the row is committed, then the run is started, then answered."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

from api_gateway.admission_cap import check_cap
from api_gateway.auth.ownership import claim_origin
from api_gateway.auth.principal import Principal
from api_gateway.errors import (
    Fault,
    InvalidRequestError,
    Problem,
    Repeated,
    not_found,
    unavailable,
)
from api_gateway.resources import Resources
from api_gateway.run_size import check_run_size
from api_gateway.tasks.drafting import SERVED_TYPES, draft_task
from api_gateway.tasks.image_inputs import Upload, resolve_images
from api_gateway.tasks.schemas.create import CreateTaskBase
from shared.contracts.enums import ErrorCategory, EventType, TaskStatus, TaskType
from shared.contracts.runs import Owner, TaskOutcome
from shared.db.models.tables import Task
from shared.db.repositories.events import add_task_event
from shared.db.repositories.outcomes import write_task_outcome
from shared.db.repositories.subjects import find_task
from workflows.starts import NotStartedError, start_task, task_run


async def create_task(res: Resources, caller: Principal, body: CreateTaskBase) -> Task:
    """Write a task and start its run.

    Raises:
        InvalidRequestError: names every field that is wrong.
    """
    task_type = TaskType(body.task_type)  # pyright: ignore[reportAttributeAccessIssue,reportUnknownArgumentType,reportUnknownMemberType] -- every subclass has it
    if task_type not in SERVED_TYPES:
        served = ", ".join(sorted(SERVED_TYPES))
        message = f"{task_type} is not served yet; these are: {served}"
        raise InvalidRequestError([Fault(("body", "task_type"), message)])
    task, faults = draft_task(body, claim_origin(caller, body), res.model)
    uploads, image_faults = await resolve_images(task, res, caller)
    if faults or image_faults:
        raise InvalidRequestError(
            [Fault(("body", *fault.loc), fault.message) for fault in faults + image_faults]
        )
    check_run_size(task_run(task))
    async with stored(res, uploads), res.sessions.begin() as session:
        await check_cap(session, res, task)
        session.add_all([task, *(upload.row for upload in uploads)])
        add_task_event(session, task, EventType.TASK_CREATED)
    try:
        await start_task(res.temporal, task)
    except NotStartedError as error:
        await _give_up(res, task)
        raise unavailable("Temporal") from error
    return task


async def _give_up(res: Resources, task: Task) -> None:
    """The client is told that it failed, so the record says so; a run that exists will see it."""
    outcome = TaskOutcome(
        task_id=task.id,
        status=TaskStatus.FAILED,
        owner=Owner(origin_instance=task.origin_instance, origin_tenant_id=task.origin_tenant_id),
        errors=["Temporal did not answer when the task was to be started"],
        error_category=ErrorCategory.INTERNAL,
    )
    async with res.sessions.begin() as session:
        await write_task_outcome(session, outcome)


async def store_uploads(res: Resources, uploads: list[Upload]) -> None:
    """Write a request's pictures; their rows follow in the transaction of the task."""
    for upload in uploads:
        await res.objects.put(upload.row.key, upload.content, upload.row.content_type)


@asynccontextmanager
async def stored(res: Resources, uploads: list[Upload]) -> AsyncGenerator[None]:
    """A request's pictures, written before its transaction; gone again where that is refused."""
    await store_uploads(res, uploads)
    try:
        yield
    except (Problem, Repeated):
        for upload in uploads:
            await res.objects.delete(upload.row.key)
        raise


async def get_task(res: Resources, caller: Principal, task_id: UUID) -> Task:
    """A task that the caller may see.

    Raises:
        Problem: 404.
    """
    async with res.sessions() as session:
        task = await find_task(session, caller.scope, task_id)
    if task is None:
        raise not_found(f"task {task_id}")
    return task
