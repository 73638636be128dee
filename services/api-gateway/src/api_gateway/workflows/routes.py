"""Workflows: DAGs of tasks."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from api_gateway.auth.dependencies import Caller
from api_gateway.dependencies import Created, Res
from api_gateway.workflows import service
from api_gateway.workflows.presentation import present_workflow
from api_gateway.workflows.schemas import CreateWorkflow, WorkflowListResponse, WorkflowPublic
from shared.contracts.enums import WorkflowStatus
from shared.db.repositories.subjects import WorkflowFilters

router = APIRouter(prefix="/api/v1/workflows", tags=["workflows"])


@router.post(
    "/",
    status_code=201,
    summary="Create Workflow",
    operation_id="create_workflow",
    dependencies=[Created],
)
async def create_workflow(
    body: CreateWorkflow,
    res: Res,
    caller: Caller,
    start: Annotated[bool, Query(description="Start workflow immediately after creation")] = True,  # noqa: FBT002 — a query parameter
) -> WorkflowPublic:
    """Create a new workflow and, by default, start it."""
    return present_workflow(await service.create_workflow(res, caller, body, start=start))


@router.get("/", summary="List Workflows", operation_id="list_workflows")
async def list_workflows(  # noqa: PLR0913 — query parameters
    res: Res,
    caller: Caller,
    *,
    status: WorkflowStatus | None = None,
    origin_instance: str | None = None,
    origin_tenant_id: str | None = None,
    include_deleted: Annotated[bool, Query(description="Include deleted workflows")] = False,
    skip: Annotated[int, Query(ge=0, le=2**31)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> WorkflowListResponse:
    """List workflows with filtering and pagination, newest first."""
    page, total = await service.page_of_workflows(
        res,
        caller,
        WorkflowFilters(status, origin_instance, origin_tenant_id, include_deleted),
        skip=skip,
        limit=limit,
    )
    return WorkflowListResponse(
        workflows=[present_workflow(workflow) for workflow in page],
        total=total,
        skip=skip,
        limit=limit,
    )


@router.get("/{workflow_id}", summary="Get Workflow", operation_id="get_workflow")
async def get_workflow(workflow_id: UUID, res: Res, caller: Caller) -> WorkflowPublic:
    """Get a workflow with all its steps and their current status."""
    return present_workflow(await service.get_workflow(res, caller, workflow_id))
