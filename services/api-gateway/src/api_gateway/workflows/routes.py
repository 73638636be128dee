"""Routes of workflows."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from api_gateway.auth.dependencies import Caller
from api_gateway.idempotency import Repeatable
from api_gateway.ignored.dependency import with_warnings
from api_gateway.paging import Pages
from api_gateway.resources import Created, Res
from api_gateway.workflows import lifecycle, removal, service
from api_gateway.workflows.ignored_fields import FIELD_CHECK, Ignored
from api_gateway.workflows.presentation import present_workflow
from api_gateway.workflows.resume_schemas import UNCHANGED, ResumePlan, ResumeWorkflow
from api_gateway.workflows.schemas import (
    CreateWorkflow,
    WorkflowCleanupResponse,
    WorkflowListResponse,
    WorkflowPublic,
    WorkflowUpdate,
)
from shared.contracts.enums import WorkflowStatus
from shared.db.repositories.subjects import WorkflowFilters

router = APIRouter(prefix="/api/v1/workflows", tags=["workflows"], dependencies=[FIELD_CHECK])


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
    request: Repeatable,
    ignored: Ignored,
    start: Annotated[bool, Query(description="Start workflow immediately after creation")] = True,  # noqa: FBT002 — a query parameter
) -> WorkflowPublic:
    """Create a new workflow and, by default, start it."""
    return await service.create_workflow(
        res, caller, body, request, start=start, warnings=ignored.warnings
    )


@router.get("/", summary="List Workflows", operation_id="list_workflows")
async def list_workflows(  # noqa: PLR0913 — query parameters
    res: Res,
    caller: Caller,
    paging: Pages,
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
    paging.set_by_total(skip, limit, total)
    return WorkflowListResponse(
        workflows=page,
        total=total,
        skip=skip,
        limit=limit,
    )


@router.get("/{workflow_id}", summary="Get Workflow", operation_id="get_workflow")
async def get_workflow(workflow_id: UUID, res: Res, caller: Caller) -> WorkflowPublic:
    """Get a workflow with all its steps and their current status."""
    return await service.read_workflow(res, caller, workflow_id)


@router.patch("/{workflow_id}", summary="Update Workflow", operation_id="update_workflow")
async def update_workflow(
    workflow_id: UUID, body: WorkflowUpdate, res: Res, caller: Caller, ignored: Ignored
) -> WorkflowPublic:
    """Update a workflow's name, description or webhook."""
    workflow = await service.rename_workflow(res, caller, workflow_id, body)
    return with_warnings(present_workflow(workflow), ignored)


@router.delete("/{workflow_id}", summary="Cancel Workflow", operation_id="cancel_workflow")
async def cancel_workflow(workflow_id: UUID, res: Res, caller: Caller) -> WorkflowPublic:
    """Cancel a PENDING or RUNNING workflow and all its tasks. Cancelling again changes nothing."""
    return present_workflow(await lifecycle.cancel_workflow(res, caller, workflow_id))


@router.post("/{workflow_id}/start", summary="Start Workflow", operation_id="start_workflow")
async def start_workflow(workflow_id: UUID, res: Res, caller: Caller) -> WorkflowPublic:
    """Start a PENDING workflow."""
    return present_workflow(await lifecycle.start_workflow(res, caller, workflow_id))


@router.post("/{workflow_id}/pause", summary="Pause Workflow", operation_id="pause_workflow")
async def pause_workflow(workflow_id: UUID, res: Res, caller: Caller) -> WorkflowPublic:
    """Let a RUNNING workflow's running steps end and start no more; resume continues from there."""
    return present_workflow(await lifecycle.pause_workflow(res, caller, workflow_id))


@router.post("/{workflow_id}/resume", summary="Resume Workflow", operation_id="resume_workflow")
async def resume_workflow(
    workflow_id: UUID,
    res: Res,
    caller: Caller,
    ignored: Ignored,
    body: ResumeWorkflow = UNCHANGED,
    dry_run: Annotated[  # noqa: FBT002 — a query parameter
        bool, Query(description="Change nothing; return which steps would run, and with what")
    ] = False,
) -> WorkflowPublic | ResumePlan:
    """Resume a FAILED or PAUSED workflow: completed steps are kept, all others run.

    `steps` in the body gives steps that run again a new config, field by field.
    """
    if dry_run:
        return await lifecycle.plan_workflow_resume(res, caller, workflow_id, body, ignored)
    workflow = await lifecycle.resume_workflow(res, caller, workflow_id, body, ignored)
    return with_warnings(present_workflow(workflow), ignored)


@router.post("/{workflow_id}/cleanup", summary="Cleanup Workflow", operation_id="cleanup_workflow")
async def cleanup_workflow(
    workflow_id: UUID,
    res: Res,
    caller: Caller,
    cleanup_tasks: Annotated[  # noqa: FBT002 — a query parameter
        bool, Query(description="Whether to clean up associated task files")
    ] = True,
) -> WorkflowCleanupResponse:
    """Soft-delete a workflow and, by default, its tasks and their files.

    409 while other work that has not ended reads its files.
    """
    return await removal.clean_up_workflow(res, caller, workflow_id, cleans_tasks=cleanup_tasks)
