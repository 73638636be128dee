"""Effect of one tenant's hostile load on another tenant: `make bench-hostile`.

In three scenarios, the same work of one tenant runs beside 200 hostile and beside 200 harmless
requests of another, in one run on one stack: URLs that hang, provider responses that no record can
store, clients that never complete their request. Everything is on loopback and bounded.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import psutil
from goals import Goal, conclude
from hostile_fal import HOSTILE
from hostile_stage import PROBE_CAP_S, TASK, Body, Stage, open_stage, probe_provider, probe_urls
from overhead import cpu_s
from rich.console import Console
from uploads import MEBIBYTE

LOAD = 200
PROBES, PROBE_EVERY_S, FIRST_PROBE_S = 16, 2.0, 6.0
ASKING_S, WARM_UP_S, ASKING_SIDE_BY_SIDE = 12.0, 3.0, 4
WARM_UP = 8

_APP = {"task_type": "EXPERIMENTAL_FAL", "fal_app_id": "acme/app", "origin_instance": "bench"}

console = Console(width=120)
Samples = dict[str, list[float]]
Probe = Callable[[Stage], Awaitable[dict[str, float]]]


async def beside(stage: Stage, probe: Probe, bodies: Sequence[Body]) -> Samples:
    """Measure the other tenant's work while these requests arrive and run."""
    before = cpu_s(stage.stack.pids)
    loading = asyncio.create_task(stage.load(bodies))
    await asyncio.sleep(FIRST_PROBE_S)
    probes: list[asyncio.Future[dict[str, float]]] = []
    for _ in range(PROBES):
        probes.append(asyncio.ensure_future(probe(stage)))
        await asyncio.sleep(PROBE_EVERY_S)
    found = await asyncio.gather(*probes)
    used = {name: s - before[name] for name, s in cpu_s(stage.stack.pids).items()}
    shown = ", ".join(f"{name} {s:.0f}" for name, s in used.items() if s >= 1)
    console.print(f"CPU seconds: {shown}")
    stage.hosts.released.set()
    await stage.until_settled(await loading)
    return {name: [each[name] for each in found] for name in found[0]}


def compare(harmless: Samples, hostile: Samples, beside_what: str) -> list[Goal]:
    """Compare the medians of each figure, hostile against harmless."""
    goals: list[Goal] = []
    for name in harmless:
        for kind, samples in (("harmless", harmless[name]), ("hostile", hostile[name])):
            late = sum(sample >= PROBE_CAP_S for sample in samples)
            console.print(
                f"{name:<15} beside {LOAD} {kind:<8} p50 {statistics.median(samples):5.2f} s"
                f"  worst {max(samples):5.2f} s  timed out {late}/{len(samples)}"
            )
        ratio = statistics.median(hostile[name]) / statistics.median(harmless[name])
        goals.append(Goal(f"{name} beside {beside_what}", ratio, 2, is_at_most=True))
    return goals


async def urls(stage: Stage) -> list[Goal]:
    """Load with names that never resolve, pictures that trickle and receivers that hang."""
    hosts = stage.hosts

    def bodies(tenant: str, url: Callable[[int], str], hook: str) -> list[Body]:
        return [
            TASK
            | {
                "origin_tenant_id": tenant,
                "reference_image_url": url(number),
                "webhook_url": f"{hosts.url}/{hook}/{tenant}-{number}",
            }
            for number in range(LOAD)
        ]

    def served(number: int) -> str:
        return hosts.named(f"n{number}", f"/picture/{number}")

    def hanging(number: int) -> str:
        return hosts.silent(f"n{number}") if number % 2 else f"{hosts.url}/drip/{number}"

    harmless = await beside(stage, probe_urls, bodies("neighbour", served, "hook"))
    hosts.released.clear()
    hostile = await beside(stage, probe_urls, bodies("greedy", hanging, "hang"))
    return compare(harmless, hostile, "URLs that hang")


async def responses(stage: Stage) -> list[Goal]:
    """Load with an app at the provider whose responses no record can store."""

    def bodies(marker: str) -> list[Body]:
        return [
            _APP | {"origin_tenant_id": marker, "fal_parameters": {"marker": f"{marker}-{number}"}}
            for number in range(LOAD)
        ]

    harmless = await beside(stage, probe_provider, bodies("neighbour"))
    hostile = await beside(stage, probe_provider, bodies(HOSTILE))
    return compare(harmless, hostile, "invalid responses")


async def clients(stage: Stage) -> list[Goal]:
    """Load with requests that never end; measure the gateway's memory and another's GETs."""
    task_id = await stage.create(TASK)
    process = psutil.Process(stage.stack.pids["gateway"])
    p99: dict[str, float] = {}
    growth = 0.0
    for kind in ("harmless", "slow"):
        await _ask(stage, task_id, WARM_UP_S)
        before = process.memory_info().rss
        async with _clients(stage, is_harmless=kind == "harmless"):
            samples = await _ask(stage, task_id, ASKING_S)
            growth = (process.memory_info().rss - before) / MEBIBYTE
        p99[kind] = statistics.quantiles(samples, n=100, method="inclusive")[98]
        p50 = statistics.median(samples)
        console.print(
            f"GET by id beside {LOAD} {kind:<8} clients: p50 {1000 * p50:.1f} ms, p99"
            f" {1000 * p99[kind]:.1f} ms, {len(samples)} of them; gateway {growth:+.0f} MiB"
        )
    return [
        Goal("gateway's memory beside slow clients", growth, 64, is_at_most=True, unit="MiB"),
        Goal("p99 beside slow clients", p99["slow"] / p99["harmless"], 2, is_at_most=True),
    ]


async def _ask(stage: Stage, task_id: str | None, for_s: float) -> list[float]:
    until, samples = time.perf_counter() + for_s, list[float]()

    async def ask() -> None:
        while (begun := time.perf_counter()) < until:
            with suppress(httpx.TransportError):
                await stage.http.get(f"/api/v1/tasks/{task_id}", timeout=PROBE_CAP_S)
            samples.append(time.perf_counter() - begun)
            await asyncio.sleep(0.02)

    await asyncio.gather(*(ask() for _ in range(ASKING_SIDE_BY_SIDE)))
    return samples


@asynccontextmanager
async def _clients(stage: Stage, *, is_harmless: bool) -> AsyncGenerator[None]:
    port = str(httpx.URL(stage.stack.endpoints.gateway_url).port)
    script = str(Path(__file__).with_name("slow_clients.py"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, script, port, *(["--harmless"] if is_harmless else [])),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        await process.stdout.readline()
        yield
    finally:
        process.kill()
        await process.wait()


SCENARIOS = {"urls": urls, "responses": responses, "clients": clients}


async def main() -> int:
    """Start a stack, run the scenarios, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=SCENARIOS, help="run one scenario alone")
    only = parser.parse_args().only
    goals: list[Goal] = []

    async def measure() -> None:
        for _ in range(WARM_UP):
            await probe_urls(stage)
        for name, scenario in SCENARIOS.items():
            if only in {None, name}:
                begun = time.monotonic()
                goals.extend(await scenario(stage))
                console.print(f"{name}: {time.monotonic() - begun:.0f} s\n")

    async with open_stage() as stage:
        await stage.stack.guard(measure())
    return conclude(console, goals)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
