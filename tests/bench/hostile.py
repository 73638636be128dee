"""What one tenant's hostility costs another: `make bench-hostile`.

Three times the same work of a tenant who means well, beside 200 hostile and beside 200 harmless
of somebody else's, in one run on one stack: URLs that hang, provider answers that no record can
hold, clients that never end their request. Everything is on loopback and bounded.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil
from goals import Goal, conclude
from hostile_fal import HOSTILE, open_hostile_fal
from overhead import NOTIFY, cpu_s
from rich.console import Console
from strangers import Strangers, open_strangers
from uploads import MEBIBYTE

from local_stack.settings import LocalSettings
from local_stack.stack import LocalStack
from tests.fixtures.pictures import picture

LOAD, LOAD_EVERY_S = 200, 0.2
"""A pace that two cores keep up with: what is compared is not how they are overrun."""
PROBES, PROBE_EVERY_S, FIRST_PROBE_S = 16, 2.0, 6.0
PROBE_CAP_S = 20.0
"""A probe that has not come so far by then counts as having taken so long."""
ASKING_S, WARM_UP_S, ASKING_SIDE_BY_SIDE = 12.0, 3.0, 4
SETTLING_S = 15.0
WARM_UP = 8

_TASK = {
    "task_type": "GENERATION",
    "prompt": "a red dress",
    "width": 64,
    "height": 64,
    "seed": 7,
    "origin_instance": "bench",
    "max_retries": 0,
}
_FAL = {"provider_type": "fal_standard", "fal_app_id": "fal-ai/flux/dev"}
_APP = {"task_type": "EXPERIMENTAL_FAL", "fal_app_id": "acme/app", "origin_instance": "bench"}

console = Console(width=120)
Body = dict[str, Any]
Samples = dict[str, list[float]]


@dataclass
class Stage:
    """A running stack, and how its tenants are seen from outside."""

    stack: LocalStack
    http: httpx.AsyncClient
    strangers: Strangers
    ends: dict[str, asyncio.Future[float]] = field(default_factory=dict)

    def heard(self, _connection: object, _pid: object, _channel: object, payload: object) -> None:
        """Note when a terminal row is committed."""
        end = self.end_of(str(payload).split()[0])
        if not end.done():
            end.set_result(time.perf_counter())

    def end_of(self, task_id: str) -> asyncio.Future[float]:
        """When a task ends, by `time.perf_counter`."""
        return self.ends.setdefault(task_id, asyncio.get_running_loop().create_future())

    async def create(self, body: Body) -> str | None:
        """A task's id; none where the gateway did not take it."""
        with suppress(httpx.TransportError):
            answer = await self.http.post("/api/v1/tasks/", json=body)
            if answer.status_code == 201:
                return answer.json()["id"]
        return None

    async def load(self, bodies: Sequence[Body]) -> list[str]:
        """Create them at an even pace; the ids of those that were taken."""
        creating: list[asyncio.Task[str | None]] = []
        for body in bodies:
            creating.append(asyncio.create_task(self.create(body)))
            await asyncio.sleep(LOAD_EVERY_S)
        return [task_id for task_id in await asyncio.gather(*creating) if task_id]

    async def until_settled(self, task_ids: Sequence[str]) -> None:
        """Let them end, for a while; what has not is cancelled."""
        if task_ids:
            await asyncio.wait([self.end_of(each) for each in task_ids], timeout=SETTLING_S)
        gate = asyncio.Semaphore(8)

        async def cancel(task_id: str) -> None:
            async with gate:
                with suppress(httpx.TransportError):
                    await self.http.post(f"/api/v1/tasks/{task_id}/cancel")

        await asyncio.gather(*(cancel(each) for each in task_ids if not self.end_of(each).done()))


async def probe_task(stage: Stage) -> dict[str, float]:
    """A plain task, from POST to its terminal row's commit."""
    begun = time.perf_counter()
    task_id = await stage.create(_TASK | {"origin_tenant_id": "modest"})
    end = stage.end_of(task_id) if task_id else None
    return {"task": await _seconds(end, begun)}


async def probe_urls(stage: Stage) -> dict[str, float]:
    """A plain task; and one with a picture by URL and a webhook, until each of them is called."""
    mark, begun = uuid.uuid4().hex, time.perf_counter()
    task = asyncio.create_task(probe_task(stage))
    fetch, hook = (stage.strangers.first_call(f"/{kind}/{mark}") for kind in ("picture", "hook"))
    await stage.create(
        _TASK
        | {
            "origin_tenant_id": "modest",
            "reference_image_url": stage.strangers.named(mark, f"/picture/{mark}"),
            "webhook_url": f"{stage.strangers.url}/hook/{mark}",
        }
    )
    taken = await asyncio.gather(_seconds(fetch, begun), _seconds(hook, begun))
    return {"fetch": taken[0], "webhook": taken[1], **await task}


async def probe_provider(stage: Stage) -> dict[str, float]:
    """A plain task, and one at the provider."""
    begun = time.perf_counter()
    task = asyncio.create_task(probe_task(stage))
    body = _TASK | {"origin_tenant_id": "modest", "provider_config": _FAL, "prompt": "modest"}
    task_id = await stage.create(body)
    end = stage.end_of(task_id) if task_id else None
    return {"provider's task": await _seconds(end, begun), **await task}


async def _seconds(moment: asyncio.Future[float] | None, begun: float) -> float:
    if moment is None:
        return PROBE_CAP_S
    left = max(0.0, begun + PROBE_CAP_S - time.perf_counter())
    await asyncio.wait([moment], timeout=left)
    return moment.result() - begun if moment.done() else PROBE_CAP_S


Probe = Callable[[Stage], Awaitable[dict[str, float]]]


async def beside(stage: Stage, probe: Probe, bodies: Sequence[Body]) -> Samples:
    """What the other tenant's work takes while these come in and run."""
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
    stage.strangers.relented.set()
    await stage.until_settled(await loading)
    return {name: [each[name] for each in found] for name in found[0]}


def compare(harmless: Samples, hostile: Samples, beside_what: str) -> list[Goal]:
    """Medians of each figure, hostile against harmless."""
    goals: list[Goal] = []
    for name in harmless:
        for kind, samples in (("harmless", harmless[name]), ("hostile", hostile[name])):
            late = sum(sample >= PROBE_CAP_S for sample in samples)
            console.print(
                f"{name:<15} beside {LOAD} {kind:<8} p50 {statistics.median(samples):5.2f} s"
                f"  worst {max(samples):5.2f} s  given up {late}/{len(samples)}"
            )
        ratio = statistics.median(hostile[name]) / statistics.median(harmless[name])
        goals.append(Goal(f"{name} beside {beside_what}", ratio, 2, is_at_most=True))
    return goals


async def urls(stage: Stage) -> list[Goal]:
    """Names that are never answered, pictures that drip, receivers that hang."""
    strangers = stage.strangers

    def bodies(tenant: str, url: Callable[[int], str], hook: str) -> list[Body]:
        return [
            _TASK
            | {
                "origin_tenant_id": tenant,
                "reference_image_url": url(number),
                "webhook_url": f"{strangers.url}/{hook}/{tenant}-{number}",
            }
            for number in range(LOAD)
        ]

    def served(number: int) -> str:
        return strangers.named(f"n{number}", f"/picture/{number}")

    def hanging(number: int) -> str:
        return strangers.silent(f"n{number}") if number % 2 else f"{strangers.url}/drip/{number}"

    harmless = await beside(stage, probe_urls, bodies("neighbour", served, "hook"))
    strangers.relented.clear()
    hostile = await beside(stage, probe_urls, bodies("greedy", hanging, "hang"))
    return compare(harmless, hostile, "URLs that hang")


async def answers(stage: Stage) -> list[Goal]:
    """An app at the provider that answers what no record can hold."""

    def bodies(marker: str) -> list[Body]:
        return [
            _APP | {"origin_tenant_id": marker, "fal_parameters": {"marker": f"{marker}-{number}"}}
            for number in range(LOAD)
        ]

    harmless = await beside(stage, probe_provider, bodies("neighbour"))
    hostile = await beside(stage, probe_provider, bodies(HOSTILE))
    return compare(harmless, hostile, "hostile answers")


async def clients(stage: Stage) -> list[Goal]:
    """Requests that never end, and what they cost the gateway and who asks it something."""
    task_id = await stage.create(_TASK)
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


SCENARIOS = {"urls": urls, "answers": answers, "clients": clients}


@asynccontextmanager
async def open_stage() -> AsyncIterator[Stage]:
    """A stack whose provider and strangers are on loopback."""
    async with AsyncExitStack() as exits:
        strangers = await exits.enter_async_context(open_strangers(picture(size=(64, 64))))
        fal = await exits.enter_async_context(open_hostile_fal())
        folder = exits.enter_context(tempfile.TemporaryDirectory(prefix="sartiq-bench-"))
        overrides = {
            "SARTIQ_INFERENCE_ENGINE": "identity",
            "SARTIQ_EGRESS_ALLOWED_HOSTS": '["127.0.0.1"]',
            "SARTIQ_EGRESS_NAMESERVERS": f'["{strangers.nameserver}"]',
            "SARTIQ_FAL_KEY": fal.key,
            "SARTIQ_FAL_BASE_URL": fal.url,
            # Few, so that 200 would fill them at a pace that two cores keep up with.
            "SARTIQ_EGRESS_MAX_FETCHES": "16",
            "SARTIQ_WEBHOOKS_MAX_CONCURRENT": "16",
        }
        settings = LocalSettings(state_dir=Path(folder))
        stack = await exits.enter_async_context(LocalStack(settings, overrides=overrides))
        http = await exits.enter_async_context(
            httpx.AsyncClient(
                base_url=stack.endpoints.gateway_url,
                headers={"Authorization": f"Bearer {stack.api_key}"},
                timeout=PROBE_CAP_S,
                limits=httpx.Limits(max_connections=None),
                trust_env=False,
            )
        )
        stage = Stage(stack, http, strangers)
        database = await asyncpg.connect(stack.environment["SARTIQ_DB_URL"].replace("+asyncpg", ""))
        exits.push_async_callback(database.close)
        await database.execute(NOTIFY)
        await database.add_listener("bench", stage.heard)
        yield stage


async def main() -> int:
    """Start a stack of its own, run the scenarios, conclude."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=SCENARIOS, help="one of the three")
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
