"""Many tasks in a provider's queue by one worker process: `make bench-providers`.

500 tasks of 20 s each at the sandbox's fal, 200 of them in flight, on the embedded stack. The
sandbox is a process of its own. The time counts from the first submission that the sandbox accepted
to the record of the last end; the ideal is that of 200 that work without a pause.
"""

import argparse
import asyncio
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil
from goals import Goal, conclude
from rich.console import Console
from uploads import MEBIBYTE

from local_stack.settings import LocalSettings
from local_stack.stack import LocalStack
from provider_worker.sandbox.settings import KEY

IN_FLIGHT = 200
"""The slots of the worker's queue: all of its activities wait for the provider."""
CREATED_AT_ONCE = 16
SAMPLED_EVERY_S = 0.25
SHARE = (0.1, 0.9)
"""The part of the run, by ended tasks, in which the memory must be flat."""
LIMIT_S = 600.0

BODY = {
    "task_type": "GENERATION",
    "prompt": "a red dress",
    "width": 512,
    "height": 512,
    "seed": 7,
    "origin_instance": "bench",
    "provider_config": {"provider_type": "fal_standard", "fal_app_id": "fal-ai/flux/dev"},
    "max_retries": 0,
}
_ENDED = """SELECT count(*) FILTER (WHERE status = 'COMPLETED') AS completed,
  count(*) FILTER (WHERE status IN ('FAILED', 'CANCELLED')) AS failed,
  extract(epoch FROM max(completed_at))::float8 AS last_s FROM tasks"""
_LATENESS = """SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY took) AS p50,
  percentile_cont(0.95) WITHIN GROUP (ORDER BY took) AS p95
FROM (SELECT extract(epoch FROM completed_at - started_at)::float8 AS took FROM tasks) AS ended"""

console = Console(width=120)


@dataclass(frozen=True)
class Sample:
    """The state at one moment of the run."""

    ended: int
    rss_mib: float


@dataclass
class Bench:
    """A running stack beside a sandbox."""

    stack: LocalStack
    sandbox: str
    http: httpx.AsyncClient
    database: "asyncpg.Connection[Any]"

    async def run(self, number: int) -> tuple[list[Sample], float]:
        """Run tasks to their ends, and return samples and the epoch of the last end."""
        worker = psutil.Process(self.stack.pids["provider-worker"])
        creating = asyncio.create_task(self._create(number))
        samples: list[Sample] = []
        until = time.monotonic() + LIMIT_S
        while True:
            row = await self.database.fetchrow(_ENDED)
            assert row is not None
            assert not row["failed"], f"{row['failed']} tasks have failed"
            samples.append(Sample(row["completed"], worker.memory_info().rss / MEBIBYTE))
            if row["completed"] == number:
                await creating
                return samples, row["last_s"]
            assert time.monotonic() < until, f"{row['completed']} of {number} after {LIMIT_S} s"
            await asyncio.sleep(SAMPLED_EVERY_S)

    async def _create(self, number: int) -> None:
        gate, begun = asyncio.Semaphore(CREATED_AT_ONCE), time.monotonic()

        async def create() -> None:
            async with gate:
                (await self.http.post("/api/v1/tasks/", json=BODY)).raise_for_status()

        await asyncio.gather(*(create() for _ in range(number)))
        console.print(f"{number} tasks created in {time.monotonic() - begun:.1f} s")

    async def ledger(self) -> dict[str, Any]:
        """Return the sandbox's ledger."""
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(f"{self.sandbox}/_ledger", timeout=60)).json()


async def measure(bench: Bench, number: int, work_s: float) -> list[Goal]:
    """Run the tasks and judge time and memory."""
    before = _cpu_s(bench.stack.pids)
    samples, last_s = await bench.run(number)
    used = {name: s - before[name] for name, s in _cpu_s(bench.stack.pids).items()}
    ledger = await bench.ledger()
    taken = sorted(entry["taken_at"] for entry in ledger["entries"])
    assert len(taken) == number, f"{len(taken)} charges for {number} tasks"
    seconds = last_s - taken[0]
    ideal_s = number / IN_FLIGHT * work_s
    peak = max(sum(at - work_s < other <= at for other in taken) for at in taken)
    polls = statistics.median(ledger["polls"].values())
    console.print(
        f"{seconds:.1f} s for an ideal of {ideal_s:g} s; all submitted after"
        f" {taken[-1] - taken[0]:.1f} s; at most {peak} in flight; {polls:g} polls a task (median)"
    )
    late = await bench.database.fetchrow(_LATENESS)
    assert late is not None
    console.print(
        f"from the end of the work to the record: p50 {late['p50'] - work_s:.1f} s, p95"
        f" {late['p95'] - work_s:.1f} s"
    )
    quarters = [f"{taken[number * share // 4 - 1] - taken[0]:.0f}" for share in (1, 2, 3, 4)]
    console.print(f"quarters of the submissions after {', '.join(quarters)} s")
    shown = ", ".join(f"{name} {s:.0f}" for name, s in used.items() if s >= 1)
    console.print(f"CPU seconds: {shown}")
    lowest, highest = (share * number for share in SHARE)
    steady = [each.rss_mib for each in samples if lowest <= each.ended <= highest]
    console.print(f"worker: {samples[0].rss_mib:.0f} MiB before, {samples[-1].rss_mib:.0f} after")
    return [
        Goal("time / ideal", seconds / ideal_s, 1.5, is_at_most=True),
        Goal("worker's memory, range", max(steady) - min(steady), 64, is_at_most=True, unit="MiB"),
        Goal("charges of a task", len(taken) / number, 1, is_at_most=True),
    ]


def _cpu_s(pids: dict[str, int]) -> dict[str, float]:
    """Return the CPU seconds of each process with its children."""
    used: dict[str, float] = {}
    for name, pid in pids.items():
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        used[name] = 0.0
        for process in family:
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                used[name] += times.user + times.system
    return used


@asynccontextmanager
async def open_sandbox(work_s: float) -> AsyncIterator[str]:
    """Run the sandbox in a process of its own, and yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    variables = {"SARTIQ_SANDBOX_PORT": str(port), "SARTIQ_SANDBOX_WORK_S": str(work_s)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "provider_worker.sandbox"), env={**os.environ, **variables}
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(30):
            while True:
                with suppress(httpx.TransportError):
                    await client.get(f"{url}/_strays")
                    break
                await asyncio.sleep(0.1)
        yield url
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def open_bench(work_s: float) -> AsyncIterator[Bench]:
    """Start the sandbox and a stack that uses it."""
    async with AsyncExitStack() as exits:
        sandbox = await exits.enter_async_context(open_sandbox(work_s))
        folder = exits.enter_context(tempfile.TemporaryDirectory(prefix="sartiq-bench-"))
        overrides = {
            "SARTIQ_INFERENCE_ENGINE": "identity",
            "SARTIQ_EGRESS_ALLOWED_HOSTS": '["127.0.0.1"]',
            "SARTIQ_FAL_KEY": KEY,
            "SARTIQ_FAL_BASE_URL": sandbox,
            # The default of 20 a second would be the limit at the start.
            "SARTIQ_FAL_SUBMITS_PER_S": "0",
        }
        stack = await exits.enter_async_context(
            LocalStack(LocalSettings(state_dir=Path(folder)), overrides=overrides)
        )
        http = await exits.enter_async_context(
            httpx.AsyncClient(
                base_url=stack.endpoints.gateway_url,
                headers={"Authorization": f"Bearer {stack.api_key}"},
                timeout=60,
                trust_env=False,
            )
        )
        url = stack.environment["SARTIQ_DB_URL"].replace("+asyncpg", "")
        database = await asyncpg.connect(url)
        exits.push_async_callback(database.close)
        yield Bench(stack, sandbox, http, database)


async def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=20, help="duration of a task's work")
    given = parser.parse_args(arguments)
    async with open_bench(given.seconds) as bench:
        goals = await bench.stack.guard(measure(bench, given.tasks, given.seconds))
    return conclude(console, goals)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
