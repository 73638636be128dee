"""A gateway whose workflow starts fail, and helpers of its tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from sqlalchemy import func, select
from temporalio.client import WorkflowExecutionStatus

from shared.db.models.registry import SUBJECT_TABLES
from shared.db.models.tables import Task
from tests.fakes.lost_starts import Starts, with_starts
from tests.fixtures.gateway import Gateway
from tests.fixtures.workflow_runs import until
from tests.integration.api_gateway.test_creation import KINDS
from tests.integration.workflows.test_reconcile import status_of
from workflows.activities.run_states import describe

WORKFLOWS = "/api/v1/workflows/"
RUNNING = WorkflowExecutionStatus.RUNNING


@asynccontextmanager
async def gateway_with(gateway: Gateway, starts: Starts) -> AsyncIterator[httpx.AsyncClient]:
    temporal = with_starts(gateway.resources.temporal, starts)
    async with gateway.client(temporal=temporal) as client:
        yield client


async def created(client: httpx.AsyncClient, body: Any, **headers: str) -> dict[str, Any]:
    answer = await client.post(WORKFLOWS, json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def num_rows(gateway: Gateway, kind: str) -> int:
    table = SUBJECT_TABLES[kind]
    async with gateway.resources.sessions() as session:
        rows = select(func.count()).select_from(table)
        if table is Task:
            rows = rows.where(Task.workflow_id.is_(None))
        return await session.scalar(rows) or 0


async def has_run(gateway: Gateway, temporal_id: str) -> bool:
    return await describe(gateway.resources.temporal, temporal_id) is not None


async def listed(api: httpx.AsyncClient, kind: str) -> list[dict[str, Any]]:
    found = (await api.get(KINDS[kind][0])).json()
    return found["workflows"] if kind == "workflow" else found


async def cancel(api: httpx.AsyncClient, kind: str, made: dict[str, Any]) -> httpx.Response:
    item = f"{KINDS[kind][0]}{made['id']}"
    return await api.delete(item) if kind == "workflow" else await api.post(f"{item}/cancel")


async def closes(gateway: Gateway, temporal_id: str, status: WorkflowExecutionStatus) -> None:
    async def has_closed() -> bool:
        return await status_of(gateway, temporal_id) != RUNNING

    await until(has_closed)
    assert await status_of(gateway, temporal_id) == status
