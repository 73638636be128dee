"""The stack of `make bench-hostile`, with external hosts and a provider on loopback."""

import asyncio
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from external_hosts import ExternalHosts, open_external_hosts
from hostile_fal import open_hostile_fal
from overhead import NOTIFY

from local_stack.settings import LocalSettings
from local_stack.stack import LocalStack
from tests.fixtures.pictures import picture

LOAD_EVERY_S = 0.2
"""A pace that two cores can serve: overload is not what is compared."""
PROBE_CAP_S = 20.0
"""A probe that takes longer counts as having taken this long."""
SETTLING_S = 15.0

TASK = {
    "task_type": "GENERATION",
    "prompt": "a red dress",
    "width": 64,
    "height": 64,
    "seed": 7,
    "origin_instance": "bench",
    "max_retries": 0,
}
_FAL = {"provider_type": "fal_standard", "fal_app_id": "fal-ai/flux/dev"}

Body = dict[str, Any]


@dataclass
class Stage:
    """A running stack, and a client that observes its tenants' work."""

    stack: LocalStack
    http: httpx.AsyncClient
    hosts: ExternalHosts
    ends: dict[str, asyncio.Future[float]] = field(default_factory=dict)

    def on_notification(
        self, _connection: object, _pid: object, _channel: object, payload: object
    ) -> None:
        """Record the moment at which a terminal row is committed."""
        end = self.end_of(str(payload).split()[0])
        if not end.done():
            end.set_result(time.perf_counter())

    def end_of(self, task_id: str) -> asyncio.Future[float]:
        """Return a future of a task's end, by `time.perf_counter`."""
        return self.ends.setdefault(task_id, asyncio.get_running_loop().create_future())

    async def create(self, body: Body) -> str | None:
        """Create a task and return its id, or None where the gateway refused it."""
        with suppress(httpx.TransportError):
            answer = await self.http.post("/api/v1/tasks/", json=body)
            if answer.status_code == 201:
                return answer.json()["id"]
        return None

    async def load(self, bodies: Sequence[Body]) -> list[str]:
        """Create tasks at an even pace and return the ids of those that were accepted."""
        creating: list[asyncio.Task[str | None]] = []
        for body in bodies:
            creating.append(asyncio.create_task(self.create(body)))
            await asyncio.sleep(LOAD_EVERY_S)
        return [task_id for task_id in await asyncio.gather(*creating) if task_id]

    async def until_settled(self, task_ids: Sequence[str]) -> None:
        """Wait for tasks to end, for `SETTLING_S` at most, and cancel the others."""
        if task_ids:
            await asyncio.wait([self.end_of(each) for each in task_ids], timeout=SETTLING_S)
        gate = asyncio.Semaphore(8)

        async def cancel(task_id: str) -> None:
            async with gate:
                with suppress(httpx.TransportError):
                    await self.http.post(f"/api/v1/tasks/{task_id}/cancel")

        await asyncio.gather(*(cancel(each) for each in task_ids if not self.end_of(each).done()))


async def probe_task(stage: Stage) -> dict[str, float]:
    """Time a plain task, from POST to its terminal row's commit."""
    begun = time.perf_counter()
    task_id = await stage.create(TASK | {"origin_tenant_id": "modest"})
    end = stage.end_of(task_id) if task_id else None
    return {"task": await _seconds(end, begun)}


async def probe_urls(stage: Stage) -> dict[str, float]:
    """Time a plain task, and the first calls of another's picture URL and webhook."""
    mark, begun = uuid.uuid4().hex, time.perf_counter()
    task = asyncio.create_task(probe_task(stage))
    fetch, hook = (stage.hosts.first_call(f"/{kind}/{mark}") for kind in ("picture", "hook"))
    await stage.create(
        TASK
        | {
            "origin_tenant_id": "modest",
            "reference_image_url": stage.hosts.named(mark, f"/picture/{mark}"),
            "webhook_url": f"{stage.hosts.url}/hook/{mark}",
        }
    )
    taken = await asyncio.gather(_seconds(fetch, begun), _seconds(hook, begun))
    return {"fetch": taken[0], "webhook": taken[1], **await task}


async def probe_provider(stage: Stage) -> dict[str, float]:
    """Time a plain task, and one at the provider."""
    begun = time.perf_counter()
    task = asyncio.create_task(probe_task(stage))
    body = TASK | {"origin_tenant_id": "modest", "provider_config": _FAL, "prompt": "modest"}
    task_id = await stage.create(body)
    end = stage.end_of(task_id) if task_id else None
    return {"provider's task": await _seconds(end, begun), **await task}


async def _seconds(moment: asyncio.Future[float] | None, begun: float) -> float:
    if moment is None:
        return PROBE_CAP_S
    left = max(0.0, begun + PROBE_CAP_S - time.perf_counter())
    await asyncio.wait([moment], timeout=left)
    return moment.result() - begun if moment.done() else PROBE_CAP_S


@asynccontextmanager
async def open_stage() -> AsyncIterator[Stage]:
    """Start a stack whose provider and external hosts are on loopback."""
    async with AsyncExitStack() as exits:
        hosts = await exits.enter_async_context(open_external_hosts(picture(size=(64, 64))))
        fal = await exits.enter_async_context(open_hostile_fal())
        folder = exits.enter_context(tempfile.TemporaryDirectory(prefix="sartiq-bench-"))
        overrides = {
            "SARTIQ_INFERENCE_ENGINE": "identity",
            "SARTIQ_EGRESS_ALLOWED_HOSTS": '["127.0.0.1"]',
            "SARTIQ_EGRESS_NAMESERVERS": f'["{hosts.nameserver}"]',
            "SARTIQ_FAL_KEY": fal.key,
            "SARTIQ_FAL_BASE_URL": fal.url,
            # Few, so that 200 requests would fill them at a pace that two cores can serve.
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
        stage = Stage(stack, http, hosts)
        database = await asyncpg.connect(stack.environment["SARTIQ_DB_URL"].replace("+asyncpg", ""))
        exits.push_async_callback(database.close)
        await database.execute(NOTIFY)
        await database.add_listener("bench", stage.on_notification)
        yield stage
