"""Queues and workers, with a real Temporal and a real polling worker."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from temporalio import activity
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.worker import Worker

from shared.breaker import OPEN_FOR
from shared.contracts.enums import AiProvider, ProviderType, TaskQueue
from shared.contracts.progress import MemoryReport, ProgressBatch
from shared.db.models.breakers import ProviderBreaker
from tests.fixtures.gateway import TENANT_KEY, Gateway
from tests.fixtures.rows import add, task_row
from tests.fixtures.workflow_runs import until

QUEUE = TaskQueue.PROVIDER_FASHN
CLOSED = "127.0.0.1:9"


@pytest.fixture
async def temporal(gateway: Gateway) -> Client:
    """A separate namespace, so that its queues hold only the tasks of one test."""
    service = gateway.resources.temporal.workflow_service
    name = f"monitoring-{uuid.uuid4()}"
    await service.register_namespace(
        RegisterNamespaceRequest(
            namespace=name,
            workflow_execution_retention_period=timedelta(days=1),  # type: ignore[arg-type]
        )
    )
    runtime = Runtime(telemetry=TelemetryConfig(), worker_heartbeat_interval=timedelta(seconds=1))
    return await Client.connect(
        gateway.stack.endpoints.temporal_address,
        namespace=name,
        identity=f"worker-{uuid.uuid4()}",
        runtime=runtime,
    )


@pytest.fixture
async def api(gateway: Gateway, temporal: Client) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway.client(temporal=temporal) as client:

        async def knows_its_namespace() -> bool:
            return (await client.get("/api/v1/monitoring/workers")).is_success

        await until(knows_its_namespace)
        yield client


class Waiting:
    """An activity that ends when the test ends it."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()

    @activity.defn(name="wait")
    async def wait(self) -> None:
        await self.may_end.wait()


async def get(api: httpx.AsyncClient, path: str) -> dict[str, Any]:
    answer = await api.get(f"/api/v1/monitoring/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def queue(api: httpx.AsyncClient) -> dict[str, Any]:
    queues = (await get(api, "queues"))["queues"]
    assert [one["name"] for one in queues] == list(TaskQueue)
    return next(one for one in queues if one["name"] == QUEUE)


async def put_to_wait(temporal: Client, count: int) -> None:
    async def start() -> None:
        await temporal.start_activity(
            "wait",
            id=f"wait-{uuid.uuid4()}",
            task_queue=QUEUE,
            start_to_close_timeout=timedelta(seconds=60),
        )

    for _ in range(count):
        await start()


async def test_queue_without_a_worker_is_told_by_its_depth_and_is_not_healthy(
    api: httpx.AsyncClient, temporal: Client
) -> None:
    assert (await queue(api))["depth"] == 0
    await put_to_wait(temporal, 3)

    async def is_seen() -> bool:
        return (await queue(api))["depth"] == 3

    await until(is_seen)
    waiting = await queue(api)
    assert (waiting["active_workers"], waiting["reserved_tasks"]) == (0, 0)
    assert (await get(api, "queues"))["total_pending"] == 3
    health = await get(api, "workers/health")
    assert (health["healthy"], health["total_workers"]) == (False, 0)
    assert health["queues_without_workers"] == list(TaskQueue)


async def test_worker_is_told_by_its_heartbeats_until_it_stops(
    gateway: Gateway, api: httpx.AsyncClient, temporal: Client
) -> None:
    waiting = Waiting()
    await put_to_wait(temporal, 3)
    async with Worker(
        temporal, task_queue=QUEUE, activities=[waiting.wait], max_concurrent_activities=2
    ):

        async def is_full() -> bool:
            return (await get(api, "workers"))["workers_at_capacity"] == 1

        await until(is_full)
        shown = await get(api, "workers")
        (worker,) = shown["workers"]
        assert worker["name"] == temporal.service_client.config.identity
        assert (worker["queues"], worker["concurrency"]) == ([QUEUE], 2)
        assert (worker["active_tasks"], worker["utilization_pct"]) == (2, 100)
        assert (worker["has_capacity"], worker["memory_mb"]) == (False, None)
        assert (shown["total_capacity"], shown["total_active"]) == (2, 2)
        assert (await queue(api))["active_workers"] == 1
        # One task waits for an existing worker: only capacity is missing.
        health = await get(api, "workers/health")
        assert (health["healthy"], health["workers_with_capacity"]) == (False, 0)
        assert health["queues_with_workers"] == [QUEUE]

        waiting.may_end.set()

        async def is_done() -> bool:
            (worker,) = (await get(api, "workers"))["workers"]
            return worker["tasks_completed_total"] == 3 and worker["active_tasks"] == 0

        await until(is_done)
        (worker,) = (await get(api, "workers"))["workers"]
        assert worker["has_capacity"]
        assert worker["tasks_per_minute"] > 0

        async def is_healthy() -> bool:
            return (await get(api, "workers/health"))["healthy"]

        await until(is_healthy)
    assert (await get(api, "workers"))["workers"] == []
    assert (await queue(api))["active_workers"] == 0
    assert (await get(api, "workers/health"))["healthy"] is False


async def test_work_that_waits_where_nobody_works_is_not_healthy(
    api: httpx.AsyncClient, temporal: Client
) -> None:
    async with Worker(temporal, task_queue=TaskQueue.PROVIDER_LLM, activities=[Waiting().wait]):

        async def is_healthy() -> bool:
            return (await get(api, "workers/health"))["healthy"]

        async def is_unhealthy() -> bool:
            return not await is_healthy()

        await until(is_healthy)
        await put_to_wait(temporal, 1)
        await until(is_unhealthy)
        health = await get(api, "workers/health")
    assert health["workers_with_capacity"] == 1
    assert QUEUE in health["queues_without_workers"]


async def test_pollers_of_one_process_are_one_worker_with_its_memory(
    gateway: Gateway, api: httpx.AsyncClient, temporal: Client
) -> None:
    activities = [Waiting().wait]
    identity = temporal.service_client.config.identity
    memory = MemoryReport(identity=identity, rss_bytes=64 * 1024 * 1024, at=datetime.now(UTC))
    async with gateway.internal_client() as internal:
        answer = await internal.post(
            "/internal/progress",
            content=ProgressBatch(reports=[], memory=memory).model_dump_json(),
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code == 204
    async with (
        Worker(temporal, task_queue=QUEUE, activities=activities, max_concurrent_activities=2),
        Worker(
            temporal,
            task_queue=TaskQueue.PROVIDER_LLM,
            activities=activities,
            max_concurrent_activities=3,
        ),
    ):

        async def are_both_there() -> bool:
            return (await get(api, "workers"))["total_capacity"] == 5

        await until(are_both_there)
        (worker,) = (await get(api, "workers"))["workers"]
    assert worker["queues"] == sorted([QUEUE, TaskQueue.PROVIDER_LLM])
    assert (worker["name"], worker["memory_mb"]) == (identity, 64)


async def test_queue_has_what_the_records_say(gateway: Gateway, api: httpx.AsyncClient) -> None:
    before, now = await queue(api), datetime.now(UTC)
    moment = now - timedelta(minutes=1)
    await add(
        gateway.resources.sessions,
        task_row(queue_name=QUEUE, status="EXECUTING", created_at=moment, started_at=now),
        task_row(queue_name=QUEUE, status="COMPLETED", completed_at=now),
    )
    after = await queue(api)
    assert after["active_tasks"] == before["active_tasks"] + 1
    assert after["tasks_completed_last_hour"] == before["tasks_completed_last_hour"] + 1
    assert after["avg_wait_time_ms"] > 0


async def test_every_key_with_compute_sees_the_platform(gateway: Gateway) -> None:
    async with gateway.client(TENANT_KEY) as tenant:
        for path in ("queues", "workers", "workers/health"):
            assert (await tenant.get(f"/api/v1/monitoring/{path}")).status_code == 200


async def test_temporal_that_does_not_answer_is_503(gateway: Gateway) -> None:
    away = await Client.connect(CLOSED, lazy=True)
    async with gateway.client(temporal=away) as client:
        for path in ("queues", "workers", "workers/health"):
            answer = await client.get(f"/api/v1/monitoring/{path}")
            assert (answer.status_code, answer.json()["code"]) == (503, "dependency_down")
            assert "Temporal" in answer.json()["detail"]
            assert int(answer.headers["retry-after"]) > 0


async def test_an_open_breaker_is_shown(gateway: Gateway, api: httpx.AsyncClient) -> None:
    opened_at = datetime.now(UTC) - timedelta(seconds=10)
    breaker = ProviderBreaker(provider_type="freepik_magnific", failures=5, opened_at=opened_at)
    async with gateway.resources.sessions.begin() as session:
        session.add(breaker)
    try:
        answer = (await api.get("/api/v1/monitoring/providers")).json()
    finally:
        async with gateway.resources.sessions.begin() as session:
            await session.delete(breaker)
    shown = {one["provider_type"]: one for one in answer["providers"]}
    assert set(shown) == {*ProviderType, *AiProvider} - {ProviderType.AI_CORE}
    assert shown["local"] | {"opened_at": None} == {
        "provider_type": "local",
        "breaker": "closed",
        "failures": 0,
        "opened_at": None,
        "half_open_at": None,
    }
    assert shown["freepik_magnific"]["breaker"] == "open"
    half_open_at = datetime.fromisoformat(shown["freepik_magnific"]["half_open_at"])
    assert half_open_at == opened_at + OPEN_FOR
