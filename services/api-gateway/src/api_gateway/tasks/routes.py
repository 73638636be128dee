"""Tasks: one unit of work each."""

from uuid import UUID

from fastapi import APIRouter

from api_gateway.auth.dependencies import Caller
from api_gateway.dependencies import Created, Res
from api_gateway.tasks import service
from api_gateway.tasks.presentation import present_task
from api_gateway.tasks.schemas.public import TaskPublicBase
from api_gateway.tasks.schemas.unions import TaskCreate, TaskPublic

router = APIRouter(prefix="/api/v1/tasks", tags=["Tasks"])


@router.post(
    "/",
    status_code=201,
    response_model=TaskPublic,
    summary="Create Task",
    operation_id="create_task",
    dependencies=[Created],
)
async def create_task(task_data: TaskCreate, res: Res, caller: Caller) -> TaskPublicBase:
    """Create and start a new task."""
    return present_task(await service.create_task(res, caller, task_data))


@router.get("/{task_id}", response_model=TaskPublic, summary="Get Task", operation_id="get_task")
async def get_task(task_id: UUID, res: Res, caller: Caller) -> TaskPublicBase:
    """Get a specific task by ID."""
    return present_task(await service.get_task(res, caller, task_id))
