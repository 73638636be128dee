"""Routes of trainings."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from api_gateway.auth.dependencies import Caller
from api_gateway.idempotency import Repeatable
from api_gateway.ignored.dependency import FIELD_CHECK, Ignored
from api_gateway.paging import Pages
from api_gateway.resources import Created, Res
from api_gateway.training import cancellation, service
from api_gateway.training.presentation import present_training
from api_gateway.training.schemas import TrainingTask, TrainingTaskCreate

router = APIRouter(prefix="/api/v1/training", tags=["Training"], dependencies=[FIELD_CHECK])


@router.post(
    "/",
    status_code=201,
    summary="Create Training Task",
    operation_id="create_training_task",
    dependencies=[Created],
)
async def create_training_task(
    body: TrainingTaskCreate, res: Res, caller: Caller, request: Repeatable, ignored: Ignored
) -> TrainingTask:
    """Create and start a new training task."""
    return await service.create_training(res, caller, body, request, ignored.warnings)


@router.get("/", summary="List Training Tasks", operation_id="list_training_tasks")
async def list_training_tasks(
    res: Res,
    caller: Caller,
    paging: Pages,
    limit: Annotated[int, Query(ge=1, le=1000)] = 10,
    skip: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> list[TrainingTask]:
    """List all training tasks with pagination, newest first."""
    page, total = await service.page_of_trainings(res, caller, skip=skip, limit=limit)
    paging.set_by_total(skip, limit, total)
    return page


@router.get("/{task_id}", summary="Get Training Status", operation_id="get_training_status")
async def get_training_status(task_id: UUID, res: Res, caller: Caller) -> TrainingTask:
    """Get status of a training task."""
    return await service.read_training(res, caller, task_id)


@router.post("/{task_id}/cancel", summary="Cancel Training", operation_id="cancel_training")
async def cancel_training(task_id: UUID, res: Res, caller: Caller) -> TrainingTask:
    """Cancel a running training task."""
    return present_training(await cancellation.cancel_training(res, caller, task_id))
