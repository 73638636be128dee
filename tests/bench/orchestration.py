"""Cost of orchestration: tasks, chains, fan-outs, a full database: `make bench-orchestration`.

The ordinary GENERATION path with the engine set to `identity`, against a bare workflow whose one
no-op activity is on another queue. Both use the same server and alternate in one run.
"""

import argparse
import asyncio
import statistics
import sys
import time
from typing import Any

from goals import Goal
from overhead import ORIGIN, TASK, Bench, console, cpu_s, measure, run_bare, run_on_a_stack, timed
from rich.progress import track

CHAIN, FAN_OUT, REPEATS = 10, 50, 15
CANCELLATIONS = 60
CPU_TASKS, IN_FLIGHT = 300, 20
STEP = {key: value for key, value in TASK.items() if key != "task_type"}


def chain() -> list[dict[str, Any]]:
    """Return a workflow of ten steps, one after the other."""
    return [
        {
            "id": f"s{i}",
            "task_type": "GENERATION",
            "config": STEP,
            "depends_on": [f"s{i - 1}"] if i else [],
        }
        for i in range(CHAIN)
    ]


def fan_out() -> list[dict[str, Any]]:
    """Return a workflow of fifty concurrent steps."""
    return [{"id": f"s{i}", "task_type": "GENERATION", "config": STEP} for i in range(FAN_OUT)]


async def shapes(bench: Bench) -> list[Goal]:
    """Time one task, a chain and a fan-out, alternating, unloaded."""
    samples: dict[str, list[float]] = {"task": [], "chain": [], "fan-out": [], "bare": []}
    ids: dict[str, str] = {}

    async def workflow(name: str, steps: list[dict[str, Any]]) -> None:
        ids[name] = await bench.ours.run_workflow(steps)

    for _ in range(REPEATS):
        samples["task"].append(await timed(bench.ours.run))
        await asyncio.sleep(0.3)
        samples["chain"].append(await timed(lambda: workflow("chain", chain())))
        await asyncio.sleep(0.3)
        samples["fan-out"].append(await timed(lambda: workflow("fan-out", fan_out())))
        await asyncio.sleep(0.3)
        samples["bare"].append(await timed(lambda: run_bare(bench.client, FAN_OUT)))
        await asyncio.sleep(0.3)
    medians = {name: statistics.median(values) for name, values in samples.items()}
    for name, value in medians.items():
        console.print(f"{name:<8} p50 {value:7.1f} ms")
    beside_bare = medians["fan-out"] / medians["bare"]
    console.print(
        f"fan-out of {FAN_OUT} / {FAN_OUT} activities of a bare workflow {beside_bare:.2f} x"
    )
    for name, workflow_id in ids.items():
        handle = bench.client.get_workflow_handle(f"workflow-{workflow_id}")
        events = [event async for event in handle.fetch_history_events()]
        console.print(f"history: {len(events)} events a {name}")
    return [
        Goal(f"chain of {CHAIN} / one task", medians["chain"] / medians["task"], 10, True),  # noqa: FBT003
        Goal(f"fan-out of {FAN_OUT} / one task", medians["fan-out"] / medians["task"], 10, True),  # noqa: FBT003
    ]


async def cancellations(bench: Bench) -> Goal:
    """Time the cancellation of queued tasks, from request to response."""
    body = {"task_type": "EXPERIMENTAL_FAL", "fal_app_id": "fal-ai/x"} | ORIGIN
    samples: list[float] = []
    for _ in range(CANCELLATIONS):
        created = (await bench.ours.http.post("/api/v1/tasks/", json=body)).json()
        start = time.perf_counter()
        answer = await bench.ours.http.post(f"/api/v1/tasks/{created['id']}/cancel")
        samples.append(1000 * (time.perf_counter() - start))
        assert answer.json()["status"] == "CANCELLED", answer.text
    p95 = statistics.quantiles(samples, n=20, method="inclusive")[18]
    console.print(f"cancel of a queued task: p50 {statistics.median(samples):.1f} ms")
    return Goal("cancel of a queued task, p95", p95, 100, is_at_most=True, unit="ms")


async def cpu_per_task(bench: Bench) -> float:
    """Return the CPU milliseconds of a task in all processes together."""
    before = sum(cpu_s(bench.pids).values())
    await run_tasks(bench, CPU_TASKS)
    return 1000 * (sum(cpu_s(bench.pids).values()) - before) / CPU_TASKS


async def run_tasks(bench: Bench, number: int) -> None:
    """Run a number of tasks, some of them concurrently."""
    slots = asyncio.Semaphore(IN_FLIGHT)

    async def one() -> None:
        async with slots:
            await bench.ours.run()

    await asyncio.gather(*(one() for _ in range(number)))


async def growth(bench: Bench, total: int) -> Goal:
    """Compare the CPU time of a task with few tasks in the database and with many."""
    few = await cpu_per_task(bench)
    count = await bench.connection.fetchval("SELECT count(*) FROM tasks")
    batches = max(0, total - count) // 100
    for _ in track(range(batches), "filling the database with real tasks", console=console):
        await run_tasks(bench, 100)
    many = await cpu_per_task(bench)
    console.print(f"CPU a task: {few:.0f} ms at first, {many:.0f} ms with {total} tasks")
    return Goal(f"CPU of a task, {total} tasks / few", many / few, 1.5, is_at_most=True)


def measurement(total: int) -> Any:
    """Return the whole measurement."""

    async def run(bench: Bench) -> list[Goal]:
        first = await measure(bench)
        return [
            *first,
            *await shapes(bench),
            await cancellations(bench),
            await growth(bench, total),
        ]

    return run


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=10_000, help="tasks to fill the database with")
    sys.exit(asyncio.run(run_on_a_stack(measurement(parser.parse_args().tasks))))
