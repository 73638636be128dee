"""Routes of tasks."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Query

from api_gateway.auth.dependencies import Caller
from api_gateway.idempotency import Repeatable
from api_gateway.ignored.dependency import with_warnings
from api_gateway.ignored.report import FIXED, IgnoredField
from api_gateway.paging import Pages
from api_gateway.request_fields import (
    AcceptedTaskType,
    OriginInstance,
    OriginTenant,
    OriginZone,
)
from api_gateway.resources import Created, Res
from api_gateway.tasks import cancellation, changes, removal, service
from api_gateway.tasks.ignored_fields import FIELD_CHECK, Ignored
from api_gateway.tasks.presentation import present_task
from api_gateway.tasks.provenance import TaskProvenance, get_provenance
from api_gateway.tasks.removal import TaskCleanup
from api_gateway.tasks.schemas.public import TaskPublicBase
from api_gateway.tasks.schemas.unions import (
    SCHEMAS,
    TaskCreate,
    TaskPublic,
    TaskPublicUpdate,
)
from api_gateway.tasks.schemas.update import TaskPublicUpdateBase
from shared.contracts.enums import TaskStatus, TaskType
from shared.db.repositories.tasks import TaskFilters

router = APIRouter(prefix="/api/v1/tasks", tags=["Tasks"], dependencies=[FIELD_CHECK])

_EXAMPLES: dict[str, Any] = {
    task_type: {"value": schemas.create.model_json_schema()["example"]}
    for task_type, schemas in SCHEMAS.items()
}


@router.post(
    "/",
    status_code=201,
    response_model=TaskPublic,
    summary="Create Task",
    operation_id="create_task",
    dependencies=[Created],
)
async def create_task(
    task_data: Annotated[TaskCreate, Body(openapi_examples=_EXAMPLES)],
    res: Res,
    caller: Caller,
    request: Repeatable,
    ignored: Ignored,
) -> TaskPublicBase:
    """Create and start a new task."""
    return await service.create_task(res, caller, task_data, request, ignored.warnings)


@router.get("/", response_model=list[TaskPublic], summary="List Tasks", operation_id="list_tasks")
async def list_tasks(  # noqa: PLR0913 — query parameters
    res: Res,
    caller: Caller,
    paging: Pages,
    *,
    task_type: AcceptedTaskType | None = None,
    status: TaskStatus | None = None,
    origin_instance: OriginInstance | None = None,
    origin_zone: OriginZone | None = None,
    origin_tenant_id: OriginTenant | None = None,
    include_deleted: Annotated[
        bool, Query(description="Include tasks that were cleaned up")
    ] = False,
    skip: Annotated[int, Query(ge=0, le=2**31)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[TaskPublicBase]:
    """List tasks with optional filtering and pagination, newest first."""
    filters = TaskFilters(
        status=status,
        task_type=task_type,
        origin_instance=origin_instance,
        origin_tenant_id=origin_tenant_id,
        origin_zone=origin_zone,
        include_deleted=include_deleted,
    )
    page, total = await service.page_of_tasks(res, caller, filters, skip=skip, limit=limit)
    paging.set_by_total(skip, limit, total)
    return page


@router.get("/{task_id}", response_model=TaskPublic, summary="Get Task", operation_id="get_task")
async def get_task(task_id: UUID, res: Res, caller: Caller) -> TaskPublicBase:
    """Get a specific task by ID."""
    return await service.read_task(res, caller, task_id)


@router.get(
    "/{task_id}/provenance", summary="Get Task Provenance", operation_id="get_task_provenance"
)
async def get_task_provenance(task_id: UUID, res: Res, caller: Caller) -> TaskProvenance:
    """Get how a completed task's files were made, and the request that makes them again."""
    return await get_provenance(res, caller, task_id)


@router.put(
    "/{task_id}", response_model=TaskPublic, summary="Update Task", operation_id="update_task"
)
async def update_task(
    task_id: UUID, task_data: TaskPublicUpdate, res: Res, caller: Caller, ignored: Ignored
) -> TaskPublicBase:
    """Update a specific task: fields that its type's update does not have are ignored."""

    def read(task_type: TaskType) -> TaskPublicUpdateBase:
        change = task_data.as_type(task_type)
        dropped = task_data.model_fields_set - type(change).model_fields.keys()
        ignored.note(IgnoredField(("body", name), why=FIXED) for name in sorted(dropped))
        return change

    task = await changes.update_task(res, caller, task_id, read)
    return with_warnings(present_task(task), ignored)


@router.delete(
    "/{task_id}", response_model=TaskPublic, summary="Delete Task", operation_id="delete_task"
)
async def delete_task(task_id: UUID, res: Res, caller: Caller) -> TaskPublicBase:
    """Delete a task and permanently remove its files; a running one is cancelled first.

    409 while other work that has not ended reads its files.
    """
    return await removal.delete_task(res, caller, task_id)


@router.post("/{task_id}/cleanup", summary="Cleanup Task", operation_id="cleanup_task")
async def cleanup_task(task_id: UUID, res: Res, caller: Caller) -> TaskCleanup:
    """Permanently remove a task's files and mark it as deleted; its record stays.

    409 while other work that has not ended reads its files.
    """
    return await removal.clean_up_task(res, caller, task_id)


@router.post(
    "/{task_id}/cancel",
    response_model=TaskPublic,
    summary="Cancel Task",
    operation_id="cancel_task",
)
async def cancel_task(task_id: UUID, res: Res, caller: Caller) -> TaskPublicBase:
    """Cancel a specific task. Cancelling again changes nothing."""
    return present_task(await cancellation.cancel_task(res, caller, task_id))
