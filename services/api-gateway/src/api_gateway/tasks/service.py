"""Creating and reading tasks."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from api_gateway.auth.ownership import claim_origin
from api_gateway.auth.principal import Principal
from api_gateway.creation import Creation, create
from api_gateway.errors import Fault, InvalidRequestError, not_found
from api_gateway.images.sources import Upload, add_tasks
from api_gateway.resources import Resources
from api_gateway.run_size import check_run_size
from api_gateway.tasks.drafting import draft_task
from api_gateway.tasks.image_inputs import resolve_images
from api_gateway.tasks.lora_inputs import check_loras
from api_gateway.tasks.presentation import present_task
from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.public import TaskPublicBase
from api_gateway.waiting.records import tell_tasks
from api_gateway.webhooks.checks import check_webhook
from shared.contracts.enums import EventType
from shared.db.models.tables import Task
from shared.db.repositories.events import add_task_event
from shared.db.repositories.idempotency import CreateRequest
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
        caller: whose task it will be.
        body: the validated request.
        request: the request as its repeats will know it.
        warnings: what of the request is ignored, for the record.

    Raises:
        InvalidRequestError: names every field that is wrong.
    """
    check_webhook(res, body.webhook_url)
    task, faults = draft_task(body, claim_origin(caller, body), res.model)
    uploads, image_faults = await resolve_images(task, res, caller)
    faults += image_faults + await check_loras(task, res, caller)
    if faults:
        raise InvalidRequestError([Fault(("body", *f.loc), f.message, f.kind) for f in faults])
    task.warnings = [*warnings, *(task.warnings or [])] or None
    check_run_size(task_run(task))
    creation = Creation(
        task,
        uploads,
        lambda session: _write(session, caller, task, uploads),
        lambda client: start_task(client, task),
    )
    return await create(res, request, creation)


async def _write(
    session: AsyncSession, caller: Principal, task: Task, uploads: list[Upload]
) -> TaskPublicBase:
    await add_tasks(session, caller, [task], uploads)
    add_task_event(session, task, EventType.TASK_CREATED)
    await session.flush()
    return present_task(task)


async def get_task(res: Resources, caller: Principal, task_id: UUID) -> TaskRow:
    """A task that the caller may see; this is what clients poll with.

    Raises:
        Problem: 404.
    """
    task = await res.tasks.load(task_id)
    if task is None or not caller.scope.covers(task):
        raise not_found(f"task {task_id}")
    return task


async def read_task(res: Resources, caller: Principal, task_id: UUID) -> TaskPublicBase:
    """A task as it is answered, with what it waits for.

    Raises:
        Problem: 404.
    """
    return await shown_task(res, await get_task(res, caller, task_id))


async def shown_task(res: Resources, task: TaskRow) -> TaskPublicBase:
    """A task that was read, as it is answered, with what it waits for."""
    answer = present_task(task)
    await tell_tasks(res, [task], [answer])
    return answer


async def page_of_tasks(
    res: Resources, caller: Principal, filters: TaskFilters, *, skip: int, limit: int
) -> tuple[list[TaskPublicBase], int]:
    """One page of the caller's tasks, newest first, and how many there are in all."""
    async with res.sessions() as session:
        page = await list_tasks(session, caller.scope, filters, skip=skip, limit=limit)
        total = await count_tasks(session, caller.scope, filters)
    answers = [present_task(task) for task in page]
    await tell_tasks(res, page, answers)
    return answers, total
