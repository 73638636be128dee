"""Overhead of our path over a bare Temporal workflow: `make bench-overhead`.

The ordinary GENERATION path, with the engine set to `identity`, from POST sent to the terminal
row's commit; against a bare workflow whose one no-op activity is on another queue. Both use the
same server and alternate in one run.
"""

import asyncio
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil
from bare import WORKFLOW_QUEUE, Bare
from goals import Goal, conclude
from rich.console import Console
from temporalio.client import Client

from local_stack.settings import LocalSettings
from local_stack.stack import LocalStack

PACED_PAIRS, PACE_S = 45, 0.3
IN_FLIGHT, ROUND_TASKS, ROUNDS = 50, 200, 3
WARM_UP = 20

NOTIFY = """
CREATE OR REPLACE FUNCTION bench_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_notify('bench', NEW.id::text || ' ' || NEW.status); RETURN NEW; END $$;
CREATE OR REPLACE TRIGGER bench_notify AFTER UPDATE ON tasks FOR EACH ROW
WHEN (NEW.completed_at IS NOT NULL AND OLD.completed_at IS NULL) EXECUTE FUNCTION bench_notify();
CREATE OR REPLACE TRIGGER bench_notify AFTER UPDATE ON workflows FOR EACH ROW
WHEN (NEW.completed_at IS NOT NULL AND OLD.completed_at IS NULL) EXECUTE FUNCTION bench_notify();
"""
"""Postgres delivers a notification at commit, which is the moment that is measured."""

ORIGIN = {"origin_instance": "bench"}
TASK = {"task_type": "GENERATION", "prompt": "a red dress", "width": 64, "height": 64, "seed": 7}

console = Console()


@dataclass
class Ours:
    """A client of the gateway that is notified when a terminal row is committed."""

    http: httpx.AsyncClient
    waiting: dict[str, asyncio.Future[str]] = field(default_factory=dict)
    early: dict[str, str] = field(default_factory=dict)
    submitted: list[str] = field(default_factory=list)

    def on_notification(
        self, _connection: object, _pid: object, _channel: object, payload: object
    ) -> None:
        """Record a notification, which may arrive before the response to the POST."""
        task_id, status = str(payload).split()
        future = self.waiting.pop(task_id, None)
        if future:
            future.set_result(status)
        else:
            self.early[task_id] = status

    async def run(self) -> None:
        """Run one task, from POST sent to its terminal row's commit."""
        self.submitted.append(await self.completed("/api/v1/tasks/", TASK | ORIGIN))

    async def run_workflow(self, steps: list[dict[str, Any]]) -> str:
        """Run one workflow likewise and return its id."""
        body = {"name": "bench", "steps": steps} | ORIGIN
        return await self.completed("/api/v1/workflows/", body)

    async def completed(self, path: str, body: dict[str, Any]) -> str:
        """POST a request, and return its id once it is COMPLETED."""
        answer = await self.http.post(path, json=body)
        answer.raise_for_status()
        created = answer.json()["id"]
        status = self.early.pop(created, None)
        if status is None:
            future = asyncio.get_running_loop().create_future()
            self.waiting[created] = future
            status = await asyncio.wait_for(future, 120)
        assert status == "COMPLETED", status
        return created


async def run_bare(client: Client, num_activities: int = 1) -> None:
    """Run one bare workflow, from start to result."""
    await client.execute_workflow(
        Bare.run, num_activities, id=f"bare-{uuid.uuid4()}", task_queue=WORKFLOW_QUEUE
    )


async def timed(work: Callable[[], Awaitable[None]]) -> float:
    """Return the milliseconds that a run took."""
    start = time.perf_counter()
    await work()
    return 1000 * (time.perf_counter() - start)


async def per_second(work: Callable[[], Awaitable[None]]) -> float:
    """Return the runs finished a second with `IN_FLIGHT` at any time."""
    slots = asyncio.Semaphore(IN_FLIGHT)

    async def one() -> None:
        async with slots:
            await work()

    start = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(ROUND_TASKS)))
    return ROUND_TASKS / (time.perf_counter() - start)


def cpu_s(pids: dict[str, int]) -> dict[str, float]:
    """Return the CPU seconds so far, per process with its children."""
    used: dict[str, float] = {}
    for name, pid in pids.items():
        process = psutil.Process(pid)
        # The stack's processes are children of this one and have their own entries.
        is_parent = process.pid == psutil.Process().pid
        tree = [process, *([] if is_parent else process.children(recursive=True))]
        used[name] = sum(sum(p.cpu_times()[:2]) for p in tree)
    return used


def show_latency(name: str, samples: list[float]) -> None:
    """Print median and p99 of one side."""
    p99 = statistics.quantiles(samples, n=100, method="inclusive")[98]
    console.print(f"{name:<6} p50 {statistics.median(samples):6.1f} ms   p99 {p99:6.1f} ms")


async def check_records(connection: asyncpg.Connection, submitted: list[str]) -> None:
    """Assert that every task has a terminal row and gap-free events that end with one."""
    ids = [uuid.UUID(task_id) for task_id in submitted]
    completed = await connection.fetchval(
        "SELECT count(*) FROM tasks WHERE id = ANY($1) AND status = 'COMPLETED'", ids
    )
    assert completed == len(ids), f"{completed} of {len(ids)} rows are COMPLETED"
    wrong = await connection.fetchval(
        """SELECT count(*) FROM (
             SELECT subject_id FROM events WHERE subject_id = ANY($1) GROUP BY subject_id
             HAVING count(*) <> max(seq) OR count(*) FILTER (WHERE is_terminal) <> 1
                 OR count(*) FILTER (WHERE event_type = 'task_created') <> 1) AS bad""",
        ids,
    )
    assert wrong == 0, f"{wrong} tasks have gaps or wrong events"
    subjects = await connection.fetchval(
        "SELECT count(DISTINCT subject_id) FROM events WHERE subject_id = ANY($1)", ids
    )
    assert subjects == len(ids)
    console.print(f"records: {completed} rows COMPLETED, each with a gap-free event sequence")


@dataclass(frozen=True)
class Bench:
    """A running stack with both sides on it."""

    client: Client
    connection: asyncpg.Connection
    ours: Ours
    pids: dict[str, int]

    async def bare(self) -> None:
        """Run one bare workflow, from start to result."""
        await run_bare(self.client)


@asynccontextmanager
async def connected(stack: LocalStack) -> AsyncGenerator[tuple[asyncpg.Connection, Ours]]:
    """Open a client of the gateway, and the database connection that notifies it."""
    database = stack.environment["SARTIQ_DB_URL"].replace("+asyncpg", "")
    connection = await asyncpg.connect(database)
    headers = {"Authorization": f"Bearer {stack.api_key}"}
    async with httpx.AsyncClient(
        base_url=stack.endpoints.gateway_url, headers=headers, timeout=120, trust_env=False
    ) as http:
        ours = Ours(http)
        await connection.execute(NOTIFY)
        await connection.add_listener("bench", ours.on_notification)
        yield connection, ours
        await connection.remove_listener("bench", ours.on_notification)
    await connection.close()


@asynccontextmanager
async def open_bench(stack: LocalStack, bare_pid: int) -> AsyncGenerator[Bench]:
    """Open the connections to both sides."""
    client = await Client.connect(stack.endpoints.temporal_address)
    async with connected(stack) as (connection, ours):
        pids = {**stack.pids, "bare-worker": bare_pid, "this-client": psutil.Process().pid}
        yield Bench(client, connection, ours, pids)


async def measure(bench: Bench) -> list[Goal]:
    """Measure both sides, alternating, unloaded and then with many in flight."""
    for _ in range(WARM_UP):
        await asyncio.gather(bench.bare(), bench.ours.run())
    goals = [await _latency(bench.bare, bench.ours.run)]
    goals.append(await _throughput(bench.bare, bench.ours.run, bench.pids))
    await check_records(bench.connection, bench.ours.submitted)
    await _show_histories(bench.client, bench.ours.submitted[-1])
    return goals


async def _latency(
    bare: Callable[[], Awaitable[None]], ours: Callable[[], Awaitable[None]]
) -> Goal:
    samples: dict[str, list[float]] = {"bare": [], "ours": []}
    for _ in range(PACED_PAIRS):
        for name, work in (("bare", bare), ("ours", ours)):
            samples[name].append(await timed(work))
            await asyncio.sleep(PACE_S)
    for name, values in samples.items():
        show_latency(name, values)
    ratio = statistics.median(samples["ours"]) / statistics.median(samples["bare"])
    return Goal("unloaded latency, ours / bare", ratio, 1.25, is_at_most=True)


async def _throughput(
    bare: Callable[[], Awaitable[None]], ours: Callable[[], Awaitable[None]], pids: dict[str, int]
) -> Goal:
    rates: dict[str, list[float]] = {"bare": [], "ours": []}
    for _ in range(ROUNDS):
        for name, work in (("bare", bare), ("ours", ours)):
            before = cpu_s(pids)
            rates[name].append(await per_second(work))
            used = {process: s - before[process] for process, s in cpu_s(pids).items()}
            shown = ", ".join(
                f"{process} {1000 * s / ROUND_TASKS:.1f}"
                for process, s in used.items()
                if s > 0.002 * ROUND_TASKS
            )
            total = 1000 * sum(used.values()) / ROUND_TASKS
            console.print(
                f"{name:<6} {rates[name][-1]:5.1f}/s   CPU ms a task {total:.0f}: {shown}"
            )
    ratio = statistics.median(rates["ours"]) / statistics.median(rates["bare"])
    return Goal(f"tasks/s at {IN_FLIGHT} in flight, ours / bare", ratio, 0.75, is_at_most=False)


async def _show_histories(client: Client, task_id: str) -> None:
    handle = client.get_workflow_handle(f"task-{task_id}")
    events = [event async for event in handle.fetch_history_events()]
    console.print(f"history: {len(events)} events a task")


async def run_on_a_stack(measurement: Callable[[Bench], Awaitable[list[Goal]]]) -> int:
    """Start a stack with the identity engine, measure, and return the exit status."""
    with tempfile.TemporaryDirectory(prefix="sartiq-bench-") as folder:
        settings = LocalSettings(state_dir=Path(folder))
        overrides = {"SARTIQ_INFERENCE_ENGINE": "identity"}
        async with LocalStack(settings, overrides=overrides) as stack:
            bare = await asyncio.create_subprocess_exec(
                sys.executable,
                str(Path(__file__).with_name("bare.py")),
                stack.endpoints.temporal_address,
                stdout=asyncio.subprocess.PIPE,
            )

            async def work() -> list[Goal]:
                async with open_bench(stack, bare.pid) as bench:
                    return await measurement(bench)

            try:
                assert bare.stdout is not None
                await bare.stdout.readline()
                goals = await stack.guard(work())
            finally:
                bare.kill()
                await bare.wait()
    return conclude(console, goals)


if __name__ == "__main__":
    sys.exit(asyncio.run(run_on_a_stack(measure)))
