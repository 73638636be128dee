"""Monitoring routes for the dashboard: tasks, workflows, queues and workers."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from api_gateway.auth.dependencies import Caller
from api_gateway.ignored.dependency import FIELD_CHECK
from api_gateway.monitoring import infrastructure, records
from api_gateway.monitoring.media import media_of_task
from api_gateway.monitoring.presentation import present_task_detail, present_workflow_detail
from api_gateway.monitoring.queries import StatsQuery, TaskQuery, WorkflowQuery, set_headers
from api_gateway.monitoring.schemas.providers import ProviderStandingsResponse
from api_gateway.monitoring.schemas.tasks import (
    AggregateStats,
    TaskDetailResponse,
    TaskListResponse,
    TaskMediaResponse,
)
from api_gateway.monitoring.schemas.workers import (
    QueueStatsResponse,
    WorkerHealthResponse,
    WorkerStatsResponse,
)
from api_gateway.monitoring.schemas.workflows import (
    MonitoringWorkflowListResponse,
    WorkflowAggregateStats,
    WorkflowDetailResponse,
)
from api_gateway.paging import Pages
from api_gateway.resources import Res
from api_gateway.tasks.service import get_task
from api_gateway.workflows.service import get_workflow

router = APIRouter(prefix="/api/v1/monitoring", tags=["Monitoring"], dependencies=[FIELD_CHECK])


@router.get("/tasks", summary="List Monitored Tasks", operation_id="list_monitored_tasks")
async def list_monitored_tasks(
    query: Annotated[TaskQuery, Query()], res: Res, caller: Caller, paging: Pages
) -> TaskListResponse:
    """List tasks with filtering, pagination, and sorting.

    All filters are optional and can be combined. Tasks that were cleaned up are not shown.
    `total` is exact; of what a search finds, at most 1,000 are counted.
    """
    page = await records.list_tasks(res, caller, query)
    set_headers(paging, query, page.total)
    return page


@router.get("/tasks/{task_id}", summary="Get Monitored Task", operation_id="get_monitored_task")
async def get_monitored_task(task_id: UUID, res: Res, caller: Caller) -> TaskDetailResponse:
    """Get detailed task information, including configuration and task-type specific fields."""
    return present_task_detail(await get_task(res, caller, task_id))


@router.get("/tasks/{task_id}/media", summary="Get Task Media", operation_id="get_task_media")
async def get_task_media(task_id: UUID, res: Res, caller: Caller) -> TaskMediaResponse:
    """Get input and output media of a task, with URLs that open in a browser for an hour."""
    return await media_of_task(res, caller, await get_task(res, caller, task_id))


@router.get("/stats", summary="Get Monitoring Stats", operation_id="get_monitoring_stats")
async def get_monitoring_stats(
    query: Annotated[StatsQuery, Query()], res: Res, caller: Caller
) -> AggregateStats:
    """Get counts by status, provider and task type, and of the last hour and day.

    Tasks that were cleaned up count as well.
    """
    return await records.task_stats(res, caller, query)


@router.get(
    "/workflows", summary="List Monitored Workflows", operation_id="list_monitored_workflows"
)
async def list_monitored_workflows(
    query: Annotated[WorkflowQuery, Query()], res: Res, caller: Caller, paging: Pages
) -> MonitoringWorkflowListResponse:
    """List workflows with filtering, pagination, and sorting.

    All filters are optional and can be combined. Workflows that were cleaned up are not shown.
    `total` is exact; of what a search finds, at most 1,000 are counted.
    """
    page = await records.list_workflows(res, caller, query)
    set_headers(paging, query, page.total)
    return page


@router.get(
    "/workflows/stats",
    summary="Get Workflow Monitoring Stats",
    operation_id="get_workflow_monitoring_stats",
)
async def get_workflow_monitoring_stats(
    query: Annotated[StatsQuery, Query()], res: Res, caller: Caller
) -> WorkflowAggregateStats:
    """Get counts by status, and of the last hour and day.

    Workflows that were cleaned up count as well.
    """
    return await records.workflow_stats(res, caller, query)


@router.get(
    "/workflows/{workflow_id}",
    summary="Get Monitored Workflow",
    operation_id="get_monitored_workflow",
)
async def get_monitored_workflow(
    workflow_id: UUID, res: Res, caller: Caller
) -> WorkflowDetailResponse:
    """Get detailed workflow information with all steps in topological order."""
    return present_workflow_detail(await get_workflow(res, caller, workflow_id))


@router.get("/queues", summary="Get Queue Stats", operation_id="get_queue_stats")
async def get_queue_stats(res: Res, _caller: Caller) -> QueueStatsResponse:
    """Get queue depths, active task counts, wait times, and throughput.

    All tenants share the queues: every caller gets platform-wide figures. Workers reserve no tasks:
    `reserved_tasks` is 0.
    """
    return await infrastructure.queue_stats(res)


@router.get("/workers", summary="Get Worker Stats", operation_id="get_worker_stats")
async def get_worker_stats(res: Res, _caller: Caller) -> WorkerStatsResponse:
    """Get worker utilization, capacity, and throughput, as of each worker's last heartbeat.

    Workers serve all tenants: every caller gets platform-wide figures.
    """
    return await infrastructure.worker_stats(res)


@router.get("/providers", summary="Get Provider Standings", operation_id="get_provider_standings")
async def get_provider_standings(res: Res, _caller: Caller) -> ProviderStandingsResponse:
    """Get the state of each provider's circuit breaker.

    Providers serve all tenants: every caller gets the platform-wide state.
    """
    return await infrastructure.provider_standings(res)


@router.get("/workers/health", summary="Get Workers Health", operation_id="get_workers_health")
async def get_workers_health(res: Res, _caller: Caller) -> WorkerHealthResponse:
    """Get whether tasks are processed; for alerting.

    Healthy: at least one worker has capacity, and no queue with waiting tasks is without a worker.
    """
    return await infrastructure.worker_health(res)
