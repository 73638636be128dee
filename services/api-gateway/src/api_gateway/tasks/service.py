"""Creating and reading tasks."""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from api_gateway.auth.ownership import claim_origin
from api_gateway.auth.principal import Principal
from api_gateway.creation.create import Creation, create
from api_gateway.creation.run_size import check_run_size
from api_gateway.errors import Fault, InvalidRequestError, not_found
from api_gateway.image_sources import picture_gone
from api_gateway.resources import Resources
from api_gateway.tasks.drafting import draft_task
from api_gateway.tasks.inputs.resolution import resolve_inputs
from api_gateway.tasks.presentation import present_task
from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.public import TaskPublicBase
from api_gateway.tasks.waiting import fill_waiting
from api_gateway.uploads import Upload
from api_gateway.webhooks.checks import check_webhook
from shared.contracts.enums import EventType
from shared.db.models.tables import Task
from shared.db.repositories.events import add_task_event
from shared.db.repositories.idempotency import CreateRequest
from shared.db.repositories.object_use import pin_pictures
from shared.db.repositories.tasks import TaskFilters, TaskRow, count_tasks, list_tasks
from workflows.starts import start_task, task_run


async def create_task(
    res: Resources,
    caller: Principal,
    body: CreateTaskBase,
    request: CreateRequest | None,
    warnings: Sequence[str] = (),
) -> TaskPublicBase:
    """Write a task and start its run.

    Args:
        res: the gateway's connections.
        caller: the owner of the task.
        body: the validated request.
        request: the idempotency key of the request, if it has one.
        warnings: ignored fields of the request, for the record.

    Raises:
        InvalidRequestError: names every field that is wrong.
    """
    check_webhook(res, body.webhook_url)
    task, faults = draft_task(body, claim_origin(caller, body), res.model)
    uploads, input_faults = await resolve_inputs(task, res, caller)
    faults += input_faults
    if faults:
        raise InvalidRequestError([Fault(("body", *f.loc), f.message, f.kind) for f in faults])
    task.warnings = [*warnings, *(task.warnings or [])] or None
    check_run_size(task_run(task))
    write = partial(_write, caller=caller, task=task, uploads=uploads)
    creation = Creation(task, uploads, write, partial(start_task, task=task))
    return await create(res, request, creation)


async def _write(
    session: AsyncSession, *, caller: Principal, task: Task, uploads: list[Upload]
) -> TaskPublicBase:
    await add_tasks(session, caller, [task], uploads)
    add_task_event(session, task, EventType.TASK_CREATED)
    await session.flush()
    return present_task(task)


async def add_tasks(
    session: AsyncSession, caller: Principal, tasks: list[Task], uploads: list[Upload]
) -> None:
    """Add tasks with the rows of their uploads, and lock their other images until the commit.

    Raises:
        Problem: 409, an image was deleted since the request was checked.
    """
    own = {upload.row.key for upload in uploads}
    if gone := await pin_pictures(session, caller.scope, tasks, excluding=own):
        raise picture_gone(gone[0])
    session.add_all([*tasks, *(upload.row for upload in uploads)])


async def get_task(res: Resources, caller: Principal, task_id: UUID) -> TaskRow:
    """Return a task that the caller may see.

    Raises:
        Problem: 404.
    """
    task = await res.tasks.load(task_id)
    if task is None or not caller.scope.covers(task):
        raise not_found(f"task {task_id}")
    return task


async def read_task(res: Resources, caller: Principal, task_id: UUID) -> TaskPublicBase:
    """Return a task in its public schema, with what it waits for.

    Raises:
        Problem: 404.
    """
    return await present_with_waiting(res, await get_task(res, caller, task_id))


async def present_with_waiting(res: Resources, task: TaskRow) -> TaskPublicBase:
    """Present a task that was read, with what it waits for."""
    shown = present_task(task)
    await fill_waiting(res, [task], [shown])
    return shown


async def page_of_tasks(
    res: Resources, caller: Principal, filters: TaskFilters, *, skip: int, limit: int
) -> tuple[list[TaskPublicBase], int]:
    """Return one page of the caller's tasks, newest first, and their total number."""
    async with res.sessions() as session:
        page = await list_tasks(session, caller.scope, filters, skip=skip, limit=limit)
        total = await count_tasks(session, caller.scope, filters)
    shown = [present_task(task) for task in page]
    await fill_waiting(res, page, shown)
    return shown, total
