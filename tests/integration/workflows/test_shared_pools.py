"""A tenant whose servers hang uses its share of a worker, and delays nobody else."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from starlette.responses import Response
from temporalio.client import WorkflowHandle

from shared.contracts.enums import TaskStatus
from shared.db.models.tables import Task
from shared.db.session import create_engine, create_sessions
from shared.egress.guard import Exemptions, Guard
from shared.egress.names import NameResolver
from shared.settings import DatabaseSettings, PictureLimits
from shared.temporal.worker import WorkerSettings
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.deliveries import DeliveryHarness
from tests.fixtures.namespaces import open_namespace
from tests.fixtures.pictures import picture
from tests.fixtures.receiver import Post, Receiver, receiving
from tests.fixtures.rows import runnable_task
from tests.fixtures.servers import Servers
from tests.fixtures.workflow_runs import Runs
from tests.loopback.nameserver import NameServer, name_server
from workflows.activities.fetch_inputs import InputFetcher
from workflows.starts import start_task
from workflows.worker import build_fetch_worker

_AT_ONCE_S = 10
"""Time limit for a busy machine; hanging servers hang for longer."""
_PLACES = 4


@dataclass(frozen=True)
class Shop:
    """Start tasks with pictures by URL; each of `held` waits at its server until it is released."""

    runs: Runs
    pictures: Receiver
    names: NameServer
    may_go_on: asyncio.Event

    async def start(self, tenant: str, url: str) -> WorkflowHandle[object, object]:
        task: Task = runnable_task(
            origin_tenant_id=tenant,
            inputs=runnable_task().inputs | {"reference_image_url": url},
        )
        await start_task(self.runs.client, task)
        return self.runs.client.get_workflow_handle(task.temporal_id)

    def at_server(self, path: str) -> int:
        return sum(post.path == path for post in self.pictures.posts)


@pytest.fixture
async def shop(servers: Servers) -> AsyncIterator[Shop]:
    may_go_on = asyncio.Event()

    async def serve(post: Post) -> Response:
        if post.path == "/held":
            await may_go_on.wait()
        return Response(picture(), media_type="image/png")

    async with open_shop(servers) as (runs, names), receiving() as pictures:
        pictures.answer = serve
        yield Shop(runs, pictures, names, may_go_on)
        may_go_on.set()


@asynccontextmanager
async def open_shop(servers: Servers) -> AsyncIterator[tuple[Runs, NameServer]]:
    client = await open_namespace(servers, f"pools-{uuid.uuid4().hex[:8]}")
    runs = Runs(client)
    async with name_server({}, silent=["silent.example"]) as names:
        guard = Guard(Exemptions.parse(["127.0.0.1"]), NameResolver([names.address]))
        sessions = create_sessions(create_engine(DatabaseSettings()))  # connects to nothing
        fetcher = InputFetcher(
            sessions, MemoryObjectStore(), guard, PictureLimits(), places=_PLACES
        )
        settings = WorkerSettings(drain_timeout_s=0.1)
        async with runs.working(), build_fetch_worker(client, fetcher, settings):
            yield runs, names
        await guard.close()


async def test_hanging_urls_delay_neither_other_tenants_pictures_nor_housekeeping(
    shop: Shop,
) -> None:
    held = shop.pictures.url("/held")
    greedy = [await shop.start("greedy", held) for _ in range(3 * _PLACES)]
    slow = [await shop.start("slow", f"http://n{n}.silent.example/") for n in range(40)]
    await shop.pictures.until(lambda _: shop.at_server("/held") == _PLACES // 2)
    async with asyncio.timeout(_AT_ONCE_S):
        while not shop.names.asked:
            await asyncio.sleep(0.01)

    modest = await shop.start("modest", shop.pictures.url("/picture"))
    reconciliation = await shop.runs.start_reconciliation()
    async with asyncio.timeout(_AT_ONCE_S):
        await modest.result()
        await reconciliation.result()
    assert shop.at_server("/held") == _PLACES // 2

    shop.may_go_on.set()
    async with asyncio.timeout(2 * _AT_ONCE_S):
        await asyncio.gather(*(handle.result() for handle in greedy))
    for handle in slow:
        await handle.cancel()


async def test_hanging_receivers_delay_no_other_tenants_events(
    harness: DeliveryHarness, receiver: Receiver
) -> None:
    may_answer = asyncio.Event()

    async def answer(post: Post) -> Response:
        if post.path == "/held":
            await may_answer.wait()
        return Response(status_code=204)

    receiver.answer = answer
    courier = harness.courier(places=_PLACES, timeout_s=30)
    async with harness.worker(courier):
        greedy = [
            await harness.create_task(receiver.url("/held"), origin_tenant_id="greedy")
            for _ in range(3 * _PLACES)
        ]
        await receiver.until(lambda posts: len(posts) == _PLACES // 2)
        modest = await harness.create_task(receiver.url("/hook"), origin_tenant_id="modest")
        async with asyncio.timeout(_AT_ONCE_S):
            await receiver.until_status(modest, TaskStatus.PENDING)
        assert sum(post.path == "/held" for post in receiver.posts) == _PLACES // 2

        may_answer.set()
        await receiver.until(lambda posts: len(posts) > len(greedy))
        for task_id in greedy:
            await harness.until_logged(task_id, lambda log: log[0]["status"] == "delivered")
