"""Lists and statistics of tasks and workflows, within what the caller may see."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from api_gateway.auth.principal import Principal
from api_gateway.monitoring.presentation import duration_ms, percent_done
from api_gateway.monitoring.queries import StatsQuery, TaskQuery, WorkflowQuery
from api_gateway.monitoring.schemas.tasks import AggregateStats, TaskListItem, TaskListResponse
from api_gateway.monitoring.schemas.workflows import (
    MonitoringWorkflowListResponse,
    WorkflowAggregateStats,
    WorkflowListItem,
)
from api_gateway.recorded import shown
from api_gateway.resources import Resources
from shared.contracts.enums import TaskStatus, WorkflowStatus
from shared.db.repositories.monitoring import list_task_lines, list_workflow_lines
from shared.db.repositories.scope import Scope
from shared.db.repositories.totals import (
    TASKS,
    WORKFLOWS,
    CountedTable,
    Filters,
    total,
    total_steps,
    totals_by,
)
from shared.db.session import plan_for_values

_HOUR, _DAY = timedelta(hours=1), timedelta(hours=24)


async def list_tasks(res: Resources, caller: Principal, query: TaskQuery) -> TaskListResponse:
    """One page of tasks."""
    async with res.sessions() as session:
        lines, amount = await list_task_lines(session, caller.scope, query.listing())
    return TaskListResponse(
        items=[shown(TaskListItem, _with_duration(line)) for line in lines],
        total=amount,
        page=query.page,
        page_size=query.page_size,
        pages=_pages(amount, query.page_size),
    )


async def list_workflows(
    res: Resources, caller: Principal, query: WorkflowQuery
) -> MonitoringWorkflowListResponse:
    """One page of workflows."""
    async with res.sessions() as session:
        lines, amount = await list_workflow_lines(session, caller.scope, query.listing())
    items = [
        shown(
            WorkflowListItem,
            _with_duration(line)
            | {"progress": percent_done(line["completed_steps"], line["total_steps"])},
        )
        for line in lines
    ]
    return MonitoringWorkflowListResponse(
        items=items,
        total=amount,
        page=query.page,
        page_size=query.page_size,
        pages=_pages(amount, query.page_size),
    )


async def task_stats(res: Resources, caller: Principal, query: StatsQuery) -> AggregateStats:
    """How many tasks there are, by what they are counted by."""
    names = ("status", "provider_type", "task_type")
    async with res.sessions() as session:
        await plan_for_values(session)
        found = await totals_by(session, TASKS, caller.scope, query.filters(), names)
        last_hour, last_day = await _lately(session, TASKS, caller.scope, query)
    return AggregateStats(
        total_tasks=sum(found["status"].values()),
        by_status=dict.fromkeys(TaskStatus, 0) | found["status"],
        by_provider=found["provider_type"],
        by_task_type=found["task_type"],
        tasks_last_hour=last_hour,
        tasks_last_24h=last_day,
    )


async def workflow_stats(
    res: Resources, caller: Principal, query: StatsQuery
) -> WorkflowAggregateStats:
    """How many workflows there are, by status."""
    async with res.sessions() as session:
        await plan_for_values(session)
        found = await totals_by(session, WORKFLOWS, caller.scope, query.filters(), ("status",))
        steps = await total_steps(session, caller.scope, query.filters())
        last_hour, last_day = await _lately(session, WORKFLOWS, caller.scope, query)
    amount = sum(found["status"].values())
    return WorkflowAggregateStats(
        total_workflows=amount,
        by_status=dict.fromkeys(WorkflowStatus, 0) | found["status"],
        workflows_last_hour=last_hour,
        workflows_last_24h=last_day,
        avg_steps_per_workflow=steps / amount if amount else 0,
    )


async def _lately(
    session: AsyncSession, of: CountedTable, scope: Scope, query: StatsQuery
) -> tuple[int, int]:
    """How many were created in the last hour, and in the last 24."""
    now = datetime.now(UTC)

    def since(span: timedelta) -> Filters:
        return Filters(
            origin_instance=query.origin_instance,
            origin_zone=query.origin_zone,
            created_after=now - span,
        )

    return (
        await total(session, of, scope, since(_HOUR)),
        await total(session, of, scope, since(_DAY)),
    )


def _with_duration(line: RowMapping) -> dict[str, Any]:
    return {**line, "duration_ms": duration_ms(line["started_at"], line["completed_at"])}


def _pages(amount: int, page_size: int) -> int:
    return -(-amount // page_size)
