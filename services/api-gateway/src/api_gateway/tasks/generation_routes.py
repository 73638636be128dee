"""The generation-specific routes: the routes of tasks, limited to one type."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from api_gateway.auth.dependencies import Caller
from api_gateway.auth.principal import Principal
from api_gateway.errors import not_found
from api_gateway.ignored.dependency import with_warnings
from api_gateway.paging import Pages
from api_gateway.request_fields import OriginInstance, OriginTenant, OriginZone
from api_gateway.resources import Res, Resources
from api_gateway.tasks import cancellation, changes, service
from api_gateway.tasks.ignored_fields import FIELD_CHECK, Ignored
from api_gateway.tasks.presentation import present_task
from api_gateway.tasks.schemas.generation import GenerationTaskPublic, GenerationTaskUpdate
from api_gateway.tasks.schemas.public import TaskPublicBase
from shared.contracts.enums import TaskStatus, TaskType
from shared.db.repositories.tasks import TaskFilters, TaskRow

router = APIRouter(prefix="/api/v1/tasks/generation", tags=["Tasks"], dependencies=[FIELD_CHECK])


@router.get(
    "",
    response_model=list[GenerationTaskPublic],
    summary="List Generation Tasks",
    operation_id="list_generation_tasks",
)
async def list_generation_tasks(  # noqa: PLR0913 — query parameters
    res: Res,
    caller: Caller,
    paging: Pages,
    *,
    status: TaskStatus | None = None,
    workflow_id: UUID | None = None,
    origin_instance: OriginInstance | None = None,
    origin_zone: OriginZone | None = None,
    origin_tenant_id: OriginTenant | None = None,
    skip: Annotated[int, Query(ge=0, le=2**31)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[TaskPublicBase]:
    """List generation tasks with optional filtering and pagination, newest first."""
    filters = TaskFilters(
        status=status,
        task_type=TaskType.GENERATION,
        origin_instance=origin_instance,
        origin_tenant_id=origin_tenant_id,
        origin_zone=origin_zone,
        workflow_id=workflow_id,
    )
    page, total = await service.page_of_tasks(res, caller, filters, skip=skip, limit=limit)
    paging.set_by_total(skip, limit, total)
    return page


@router.get(
    "/{task_id}",
    response_model=GenerationTaskPublic,
    summary="Get Generation Task",
    operation_id="get_generation_task",
)
async def get_generation_task(task_id: UUID, res: Res, caller: Caller) -> TaskPublicBase:
    """Get a specific generation task by ID."""
    return await service.present_with_waiting(res, await _generation(res, caller, task_id))


@router.put(
    "/{task_id}",
    response_model=GenerationTaskPublic,
    summary="Update Generation Task",
    operation_id="update_generation_task",
)
async def update_generation_task(
    task_id: UUID, task_data: GenerationTaskUpdate, res: Res, caller: Caller, ignored: Ignored
) -> TaskPublicBase:
    """Update a generation task with generation-specific fields."""
    await _generation(res, caller, task_id)
    task = await changes.update_task(res, caller, task_id, lambda _: task_data)
    return with_warnings(present_task(task), ignored)


@router.post(
    "/{task_id}/cancel",
    response_model=GenerationTaskPublic,
    summary="Cancel Generation Task",
    operation_id="cancel_generation_task",
)
async def cancel_generation_task(task_id: UUID, res: Res, caller: Caller) -> TaskPublicBase:
    """Cancel a specific generation task. Cancelling again changes nothing."""
    await _generation(res, caller, task_id)
    return present_task(await cancellation.cancel_task(res, caller, task_id))


async def _generation(res: Resources, caller: Principal, task_id: UUID) -> TaskRow:
    task = await service.get_task(res, caller, task_id)
    if task.task_type != TaskType.GENERATION:
        raise not_found(f"generation task {task_id}")
    return task
