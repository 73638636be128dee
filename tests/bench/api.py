"""Latency of the API and memory of uploads: `make bench-api`.

One gateway process on its own stack; the baseline, a bare route, runs in a process beside it.
"""

import asyncio
import contextlib
import random
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
import list_requests
from goals import Goal, conclude
from list_requests import ListRequest
from load import requests_per_s
from plans import log_plans, logged_plans, sequential_scans
from rich.console import Console
from seeding import seed
from uploads import MEBIBYTE, growth_mib, lora, picture

from local_stack.ports import choose_ports
from local_stack.services import SERVICES
from local_stack.settings import LocalSettings
from local_stack.stack import LocalStack
from shared.db.repositories.keys import hash_key

CONNECTIONS, ROUND_REQUESTS, ROUNDS = 16, 3000, 5
REPEATS = 20
PLANNED = 7
"""Postgres may switch to a generic plan at the sixth execution: that one is seen as well."""

_GATEWAY = SERVICES[0]
_TENANT_KEY = "sk_bench_tenant_" + uuid.uuid4().hex

console = Console(width=160)


@dataclass
class Bench:
    """A seeded stack, and clients of its gateway."""

    stack: LocalStack
    database: asyncpg.Connection
    api: httpx.AsyncClient
    tenant: httpx.AsyncClient

    def client_of(self, request: ListRequest) -> httpx.AsyncClient:
        """Return the client whose key the request needs."""
        return self.tenant if request.is_of_tenant else self.api


async def compare_reads(bench: Bench, bare_port: int) -> Goal:
    """Compare GET of a task by its id with the bare route, alternating."""
    rows = await bench.database.fetch("SELECT id FROM tasks TABLESAMPLE SYSTEM (1)")
    ids = [str(row["id"]) for row in rows]
    key = {"Authorization": f"Bearer {bench.stack.api_key}"}
    gateway_port = httpx.URL(bench.stack.endpoints.gateway_url).port or 0
    sides = {
        "bare": (bare_port, "/tasks/", {}),
        "ours": (gateway_port, "/api/v1/tasks/", key),
    }
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for round_number in range(ROUNDS + 1):
        chosen = random.choices(ids, k=ROUND_REQUESTS)
        for name, (port, prefix, headers) in sides.items():
            paths = [prefix + task_id for task_id in chosen]
            rate = await requests_per_s(port, paths, headers=headers, connections=CONNECTIONS)
            if round_number:  # the first round warms up
                rates[name].append(rate)
    for name, values in rates.items():
        console.print(f"GET by id, {name}: {statistics.median(values):6.0f}/s")
    ratio = statistics.median(
        ours / bare for ours, bare in zip(rates["ours"], rates["bare"], strict=True)
    )
    return Goal("GET task by id, requests/s, ours / bare", ratio, 0.5, is_at_most=False)


async def time_answers(
    bench: Bench, asked: Iterable[ListRequest], name: str, bound_ms: float
) -> Goal:
    """Return the p95 of the slowest request."""
    slowest: list[tuple[float, float, str]] = []
    absent: set[str] = set()
    for request in asked:
        client = bench.client_of(request)
        if request.path in absent or not await _is_there(client, request):
            absent.add(request.path)
            continue
        samples: list[float] = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            (await client.get(request.url)).raise_for_status()
            samples.append(1000 * (time.perf_counter() - start))
        p95 = statistics.quantiles(samples, n=20, method="inclusive")[18]
        slowest.append((p95, statistics.median(samples), str(request)))
    slowest.sort(reverse=True)
    for path in sorted(absent):
        console.print(f"skipped, no such route: {path}")
    console.print(f"{name}: {len(slowest)} requests, the slowest:")
    for p95, median, request in slowest[:5]:
        console.print(f"  p95 {p95:5.1f} ms, p50 {median:5.1f} ms  {request}", soft_wrap=True)
    medians = statistics.median(median for _, median, _ in slowest)
    console.print(f"  p50 over all {medians:.1f} ms")
    return Goal(f"{name}, p95 of the slowest", slowest[0][0], bound_ms, is_at_most=True, unit="ms")


async def _is_there(client: httpx.AsyncClient, request: ListRequest) -> bool:
    answer = await client.get(request.url)
    # A route that takes an id returns 422 where the list route is missing.
    return answer.status_code not in {404, 405, 422}


async def explain_answers(bench: Bench) -> Goal:
    """Count the sequential scans in the plans of every request.

    Each request is repeated until Postgres has settled on a plan.
    """
    await log_plans(bench.database)
    await bench.stack.kill(_GATEWAY.name)
    await bench.stack.start(_GATEWAY.name)
    log = bench.stack.plan.folder("logs") / "postgres.log"
    offences: dict[str, str] = {}
    num_plans = 0
    place = log.stat().st_size
    for request in (*list_requests.lists(), *list_requests.statistics(), *await _by_id(bench)):
        for _ in range(PLANNED):
            await bench.client_of(request).get(request.url)
        await bench.database.execute("SELECT 1")
        for plan in logged_plans(log, place):
            num_plans += 1
            for table in sequential_scans(plan):
                offences[f"{table}: {plan['Query Text']}"] = str(request)
        place = log.stat().st_size
    console.print(f"plans: {num_plans} read")
    for offence, request in offences.items():
        console.print(f"  sequential scan for {request}\n    {offence}", soft_wrap=True)
    return Goal(
        "plans with a sequential scan of a big table", len(offences), 0, is_at_most=True, unit=""
    )


async def _by_id(bench: Bench) -> list[ListRequest]:
    task = await bench.database.fetchval("SELECT id FROM tasks LIMIT 1")
    workflow = await bench.database.fetchval("SELECT id FROM workflows LIMIT 1")
    return [
        ListRequest(f"/api/v1/tasks/{task}"),
        ListRequest(f"/api/v1/workflows/{workflow}"),
        ListRequest(f"/api/v1/monitoring/tasks/{task}"),
        ListRequest(f"/api/v1/monitoring/tasks/{task}/media"),
        ListRequest(f"/api/v1/monitoring/workflows/{workflow}"),
    ]


async def weigh_uploads(bench: Bench) -> list[Goal]:
    """Measure the resident memory that large uploads take."""
    goals: list[Goal] = []
    for upload in (lora(500 * MEBIBYTE), picture(50 * MEBIBYTE)):
        growth = await growth_mib(bench.api, bench.stack.pids[_GATEWAY.name], upload)
        if growth is None:
            console.print(f"skipped, no such route: {upload.path}")
            continue
        name = f"{upload.name}: growth of the gateway's memory"
        goals.append(Goal(name, growth, 64, is_at_most=True, unit="MiB"))
    return goals


async def measure(stack: LocalStack) -> list[Goal]:
    """Seed the database, then run every measurement."""
    async with _opened(stack) as bench:
        await seed(bench.database, console)
        async with _bare_route(stack) as bare_port:
            goals = [await compare_reads(bench, bare_port)]
        # Before the lists, whose unreleased memory would hide the growth.
        goals += await weigh_uploads(bench)
        goals.append(await time_answers(bench, list_requests.lists(), "first pages", 60))
        goals.append(await time_answers(bench, list_requests.statistics(), "statistics", 150))
        goals.append(await explain_answers(bench))
    return goals


@contextlib.asynccontextmanager
async def _opened(stack: LocalStack) -> AsyncIterator[Bench]:
    database = await asyncpg.connect(_plain_url(stack))
    await database.execute(
        """INSERT INTO api_keys (id, name, prefix, key_hash, scopes, origin_instance,
               origin_tenant_id)
           VALUES ($1, 'bench', 'sk_bench', $2, '["compute"]', 'api-prod', 'tenant-2')""",
        uuid.uuid4(),
        hash_key(_TENANT_KEY),
    )

    def client(key: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=stack.endpoints.gateway_url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=60,
            trust_env=False,
        )

    async with client(stack.api_key) as api, client(_TENANT_KEY) as tenant:
        yield Bench(stack, database, api, tenant)
    await database.close()


@contextlib.asynccontextmanager
async def _bare_route(stack: LocalStack) -> AsyncIterator[int]:
    settings = LocalSettings(state_dir=stack.plan.settings.state_dir / "bare_route")
    port = choose_ports(settings).gateway
    script = str(Path(__file__).with_name("bare_route.py"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, script, _plain_url(stack), str(port)
    )
    try:
        async with asyncio.timeout(30), httpx.AsyncClient(trust_env=False) as probe_client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    await probe_client.get(f"http://127.0.0.1:{port}/")
                    break
                await asyncio.sleep(0.1)
        yield port
    finally:
        process.terminate()
        await process.wait()


def _plain_url(stack: LocalStack) -> str:
    return stack.environment["SARTIQ_DB_URL"].replace("+asyncpg", "")


async def main() -> int:
    """Start a stack, measure, and return the exit status."""
    with tempfile.TemporaryDirectory(prefix="sartiq-bench-") as folder:
        settings = LocalSettings(state_dir=Path(folder))
        async with LocalStack(settings, services=(_GATEWAY,)) as stack:
            goals = await stack.guard(measure(stack))
    return conclude(console, goals)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
