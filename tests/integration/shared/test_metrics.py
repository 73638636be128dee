"""A worker's Prometheus metrics, and that every alert uses an existing metric."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import yaml
from temporalio import workflow
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from local_stack.ports import is_free
from shared.settings import MetricsSettings, TemporalSettings
from shared.temporal.client import connect
from shared.temporal.stuck_runs import publish_stuck_runs
from tests.fixtures.namespaces import open_namespace
from tests.fixtures.servers import Servers
from tests.fixtures.workflow_runs import Runs, generation, until

RULES = Path(__file__).parents[3] / "infra" / "k8s" / "alerts" / "temporal.yaml"
QUEUE = "broken"
TIMEOUT = timedelta(seconds=60)


@workflow.defn(name="Changed")
class Before:
    """A workflow that waits for a timer."""

    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(3600)

    @workflow.signal
    def poke(self) -> None:
        pass


@workflow.defn(name="Changed")
class After:
    """The same workflow type without the timer, which does not match the history."""

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.signal
    def poke(self) -> None:
        pass


@workflow.defn
class Broken:
    """A workflow with a bug: its workflow task fails and is retried forever."""

    @workflow.run
    async def run(self) -> None:
        raise KeyError("a bug")


class Scraped:
    """Return a process's metrics, as Prometheus reads them."""

    def __init__(self, address: str) -> None:
        self._url = f"http://{address}/metrics"

    async def lines(self) -> list[str]:
        async with httpx.AsyncClient(trust_env=False) as http:
            return (await http.get(self._url)).text.splitlines()

    async def until_there(self, pattern: str) -> None:
        async def is_there() -> bool:
            return any(re.match(pattern, line) for line in await self.lines())

        await until(is_there)


@pytest.fixture(scope="module")
def address() -> str:
    # Below the kernel's range of ephemeral ports, which could otherwise take this port.
    port = next(port for port in range(22_000, 25_000) if is_free("127.0.0.1", port))
    return f"127.0.0.1:{port}"


@pytest.fixture(scope="module")
async def client(servers: Servers, address: str) -> Client:
    """A client in a namespace of its own, whose process serves metrics."""
    name = f"metrics-{uuid4().hex[:8]}"
    namespace = (await open_namespace(servers, name)).namespace
    return await connect(
        TemporalSettings(address=servers.endpoints.temporal_address, namespace=namespace),
        identity="metrics-tests",
        metrics=MetricsSettings(address=address),
    )


@pytest.fixture(scope="module")
async def scraped(client: Client, address: str) -> AsyncIterator[Scraped]:
    """The metrics after a completed task, a run with a bug, and a run that fails to replay."""
    found, runs = Scraped(address), Runs(client)
    changed, broken = f"changed-{uuid4()}", f"broken-{uuid4()}"
    options: dict[str, Any] = {"task_queue": QUEUE, "execution_timeout": TIMEOUT}
    async with runs.working():
        await (await runs.start_task(generation())).result()
    async with _worker(client, Before):
        handle = await client.start_workflow(Before.run, id=changed, **options)
        await found.until_there(r"temporal_workflow_task_execution_latency_seconds_count.*Changed")
    watching = asyncio.create_task(publish_stuck_runs(client))
    async with _worker(client, After, Broken):
        await client.start_workflow(Broken.run, id=broken, **options)
        await handle.signal(After.poke)
        with pytest.raises(RPCError):
            await client.get_workflow_handle("nobody").describe()
        for reason in ("WorkflowError", "NonDeterminismError"):
            await found.until_there(
                f'temporal_workflow_task_execution_failed_total{{failure_reason="{reason}"'
            )
        await found.until_there(r"sartiq_runs_standing_still\{.*\} 0")
        yield found
    watching.cancel()
    for temporal_id in (changed, broken):
        await client.get_workflow_handle(temporal_id).terminate()


def _worker(client: Client, *definitions: type) -> Worker:
    return Worker(
        client,
        task_queue=QUEUE,
        workflows=definitions,
        workflow_runner=UnsandboxedWorkflowRunner(),
        # A cached run would not be replayed.
        max_cached_workflows=0,
    )


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load(RULES.read_text())
    return [rule for group in document["spec"]["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
async def test_alerts_use_existing_metrics(scraped: Scraped, rule: dict[str, Any]) -> None:
    lines = await scraped.lines()
    shown = {line.partition("{")[0] for line in lines}
    asked = set(re.findall(r"(?:temporal|sartiq)_\w+", rule["expr"]))
    assert asked
    assert asked <= shown
    for name in asked:
        labels = {
            label
            for line in lines
            if line.startswith(f"{name}{{")
            for label in re.findall(r"(\w+)=\"", line)
        }
        assert _labels(rule["expr"]) <= labels


def _labels(expression: str) -> set[str]:
    grouped = re.findall(r"(?:by|on) \(([^)]*)\)", expression)
    matched = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", expression)
    return {label.strip() for group in grouped for label in group.split(",")} | set(matched)


async def test_replay_failure_differs_from_a_bug_in_the_metrics(
    scraped: Scraped,
) -> None:
    failed = [
        re.findall(r"(?:failure_reason|workflow_type)=\"(\w+)\"", line)
        for line in await scraped.lines()
        if line.startswith("temporal_workflow_task_execution_failed_total")
    ]
    assert sorted(failed) == [["NonDeterminismError", "Changed"], ["WorkflowError", "Broken"]]


async def test_latency_buckets_match_the_alerts(scraped: Scraped) -> None:
    for name in ("workflow_task", "activity"):
        series = f"temporal_{name}_schedule_to_start_latency_seconds_bucket"
        lines = [line for line in await scraped.lines() if line.startswith(series)]
        assert {"1", "300"} <= {re.findall(r'le="([^"]+)"', line)[0] for line in lines}


async def test_address_in_use_is_named(servers: Servers, address: str) -> None:
    taken = servers.endpoints.temporal_address
    with pytest.raises(ValueError, match=f"SARTIQ_METRICS_ADDRESS {taken}: .*in use"):
        await connect(
            TemporalSettings(address=taken), identity="x", metrics=MetricsSettings(address=taken)
        )
