"""Changes of a task's record, within its type's update schema and the task lifecycle.

A change affects the record only: a run continues with the inputs that it was started with. A
status that ends the task ends its run.
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy import inspect
from sqlalchemy.ext.asyncio import AsyncSession

from api_gateway.auth.principal import Principal
from api_gateway.errors import Fault, InvalidRequestError, Problem
from api_gateway.recorded import members
from api_gateway.resources import Resources
from api_gateway.tasks.cancellation import cancel_task, lock_task, release_run
from api_gateway.tasks.schemas.update import TaskPublicUpdateBase
from shared.contracts.enums import EventType, TaskStatus, TaskType
from shared.contracts.json_texts import texts_in
from shared.contracts.picture_objects import FAL_PARAMETERS
from shared.contracts.providers import PROVIDERS
from shared.contracts.task_types.table import TASK_TYPES
from shared.db.models.tables import Task
from shared.db.repositories.events import add_task_event
from shared.db.repositories.object_use import pin_pictures
from shared.db.repositories.outcomes import outcome_of, write_task_outcome
from shared.db.repositories.subjects import find_object
from shared.images.inline import is_base64_url

_NEXT: dict[str, frozenset[TaskStatus]] = {
    TaskStatus.PENDING: frozenset({TaskStatus.EXECUTING, TaskStatus.CANCELLED}),
    TaskStatus.EXECUTING: frozenset(
        {TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED}
    ),
}
_ADMIN_FIELDS = frozenset(
    {
        "created_at",
        "updated_at",
        "started_at",
        "completed_at",
        "origin_instance",
        "origin_zone",
        "origin_tenant_id",
        "origin_reference",
        "service_task_id",
        "billed",
        "fal_request_id",
        "result_image_path",
    }
)
_COLUMNS = {column.key: column for column in inspect(Task).columns}

ReadChange = Callable[[TaskType], TaskPublicUpdateBase]
"""Reader of the change by the update schema of a task type."""


async def update_task(res: Resources, caller: Principal, task_id: UUID, read: ReadChange) -> Task:
    """Change a task.

    Raises:
        Problem: 404; 403, a field needs the admin scope; 409, the lifecycle does not allow it.
        InvalidRequestError: names the field that is wrong.
    """
    async with res.sessions.begin() as session:
        task = await lock_task(session, caller, task_id)
        values = read(TaskType(task.task_type)).model_dump(exclude_unset=True)
        wanted = values.pop("status", None) or task.status
        _check_rights(caller, values)
        _check_fit(task, values)
        _check_next(task, wanted)
        await _check_pictures(session, caller, task, values)
        _apply(task, values)
        if values.keys() & _picture_inputs(task).keys():
            await pin_pictures(session, caller.scope, [task])
        is_cancelling = wanted == TaskStatus.CANCELLED and task.status != wanted
        if wanted != task.status and not is_cancelling:
            await _advance(session, task, TaskStatus(wanted))
        elif values:
            add_task_event(session, task, EventType.TASK_STATUS_UPDATE, is_change=True)
        await session.flush()
    if is_cancelling:
        return await cancel_task(res, caller, task_id)
    if wanted in {TaskStatus.COMPLETED, TaskStatus.FAILED}:
        await release_run(res, task)
    return task


def _check_rights(caller: Principal, values: dict[str, Any]) -> None:
    names = sorted(values.keys() & _ADMIN_FIELDS)
    if names and not caller.is_admin:
        raise Problem(403, "forbidden", f"changing {', '.join(names)} needs the scope `admin`")


def _check_fit(task: Task, values: dict[str, Any]) -> None:
    """Refuse a change of the type or run, and a provider or queue that does not serve the type."""
    task_type = TaskType(task.task_type)
    fixed = {"task_type": task.task_type, "celery_task_id": task.temporal_id}
    for name, value in fixed.items():
        if values.pop(name, None) not in {None, value}:
            raise Problem(409, "conflict", f"{name} is {value!r} and cannot be changed")
    faults: list[Fault] = []
    for name in ("provider_type", "fallback_provider_type"):
        provider = values.get(name)
        if provider is not None and task_type not in PROVIDERS[provider].queues:
            faults.append(Fault(("body", name), f"{provider} does not serve {task_type}"))
    queue = values.get("queue_name")
    able = {row.queues[task_type] for row in PROVIDERS.values() if task_type in row.queues}
    if queue is not None and queue not in able:
        message = f"queue {queue!r} does not serve {task_type}; these do: {', '.join(sorted(able))}"
        faults.append(Fault(("body", "queue_name"), message))
    if faults:
        raise InvalidRequestError(faults)


def _check_next(task: Task, wanted: str) -> None:
    allowed = _NEXT.get(task.status, frozenset[TaskStatus]())
    if wanted == task.status or wanted in allowed:
        return
    names = ", ".join(sorted(allowed)) or "nothing"
    raise Problem(
        409,
        "conflict",
        f"task {task.id} is {task.status}; the next status can be {names}, not {wanted}",
    )


async def _check_pictures(
    session: AsyncSession, caller: Principal, task: Task, values: dict[str, Any]
) -> None:
    """Refuse a path of a file that the caller may not see, and data URLs, which are not stored."""
    for place, text in texts_in(values.get(FAL_PARAMETERS)):
        if is_base64_url(text):
            fault = Fault(("body", FAL_PARAMETERS, *place), "is a data URL; save the file first")
            raise InvalidRequestError([fault])
    names = _picture_inputs(task).keys() | {"result_image_path"}
    for name in names & values.keys():
        path = values[name]
        if isinstance(path, str) and await find_object(session, caller.scope, path) is None:
            raise InvalidRequestError([Fault(("body", name), f"there is no image {path!r}")])


def _picture_inputs(task: Task) -> dict[str, str]:
    """Return the input fields that hold images, by their names in responses."""
    fields = TASK_TYPES[TaskType(task.task_type)].pictures
    return {field.record_field: field.name for field in fields}


def _apply(task: Task, values: dict[str, Any]) -> None:
    inputs, results = dict(members(task.inputs)), dict(members(task.results))
    picture_inputs = _picture_inputs(task)
    for name, value in values.items():
        if name in _COLUMNS:
            if value is not None or _COLUMNS[name].nullable:
                setattr(task, name, value)
        elif name == "fal_request_id":
            task.provider_config = {**members(task.provider_config), name: value}
        elif name == "result_image_path":
            results[name] = value
        else:
            inputs[picture_inputs.get(name, name)] = value
    task.inputs, task.results = inputs, results


async def _advance(session: AsyncSession, task: Task, wanted: TaskStatus) -> None:
    if wanted == TaskStatus.EXECUTING:
        task.status = wanted
        add_task_event(session, task, EventType.TASK_STATUS_UPDATE)
        return
    outcome = outcome_of(task, wanted, results=task.results)
    await write_task_outcome(session, outcome)
