"""The backlog of one tenant does not delay another's work, on a server with the stack's flags."""

import uuid
from collections.abc import AsyncIterator, Sequence

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.common import Priority
from temporalio.worker import Worker

from shared.contracts.enums import TaskQueue
from shared.db.models.tables import Workflow
from shared.temporal.queues import backlogs
from shared.temporal.worker import WorkerSettings, worker_options
from tests.fakes.inference import Attempt
from tests.fixtures.namespaces import open_namespace
from tests.fixtures.rows import runnable_task, runnable_workflow
from tests.fixtures.servers import Servers
from tests.fixtures.workflow_runs import Runs, until
from workflows.starts import start_pipeline, start_task

pytestmark = pytest.mark.long

WEIGHTS = {"heavy": 3.0}


class Shop:
    """Starter of tenants' work that records the order of completions."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.runs = Runs(client)
        self.runs.inference.act = self._note
        self.order: list[str] = []
        self.priorities: list[Priority] = []
        self._names: dict[uuid.UUID, str] = {}

    async def _note(self, attempt: Attempt) -> None:
        self.order.append(self._names[attempt.task_id])
        self.priorities.append(activity.info().priority)

    async def tasks(self, tenant: str, count: int, *, name: str = "", priority: int = 0) -> None:
        """Start single tasks, which appear as `name` in the order."""
        for _ in range(count):
            task = runnable_task(origin_tenant_id=tenant, priority=priority)
            self._names[task.id] = name or tenant
            await start_task(self.client, task)

    async def pipelines(self, tenant: str, count: int, num_steps: int) -> list[Workflow]:
        """Start pipelines whose steps are all ready at once."""
        started: list[Workflow] = []
        for _ in range(count):
            names = [f"s{number}" for number in range(num_steps)]
            workflow, tasks = runnable_workflow(*names, origin_tenant_id=tenant)
            self._names.update({task.id: tenant for task in tasks.values()})
            await start_pipeline(self.client, workflow, tasks)
            started.append(workflow)
        return started

    async def until_queued(self, count: int) -> None:
        """Wait until the queue holds so many attempts."""

        async def are_queued() -> bool:
            return (await backlogs(self.client))[TaskQueue.INFERENCE] == count

        await until(are_queued)

    async def until_done(self, name: str, count: int) -> None:
        """Wait until so many tasks of that name are completed."""

        async def are_done() -> bool:
            return self.order.count(name) == count

        await until(are_done)

    def worker(self, slots: int) -> Worker:
        """Run a worker of the inference queue."""
        return Worker(
            self.client,
            task_queue=TaskQueue.INFERENCE,
            activities=[self.runs.inference.generate_image],
            max_concurrent_activities=slots,
            **worker_options(WorkerSettings(drain_timeout_s=0.1)),
        )


@pytest.fixture
async def shop(servers: Servers) -> AsyncIterator[Shop]:
    """A namespace of the test's own, and its workflow worker."""
    client = await open_namespace(servers, f"fairness-{uuid.uuid4().hex[:8]}", weights=WEIGHTS)
    opened = Shop(client)
    async with opened.runs.workflow_worker():
        yield opened


def last_of(name: str, order: Sequence[str]) -> int:
    """Return the number of completions until the last task of a name completed."""
    return len(order) - list(reversed(order)).index(name)


async def test_backlog_of_one_tenant_does_not_delay_another_nor_what_is_urgent(shop: Shop) -> None:
    await shop.tasks("a", 200)
    await shop.until_queued(200)
    await shop.tasks("b", 5)
    await shop.tasks("a", 1, name="urgent", priority=2)
    await shop.until_queued(206)

    async with shop.worker(slots=1):
        await shop.until_done("b", 5)

    assert last_of("urgent", shop.order) == 1
    assert last_of("b", [name for name in shop.order if name != "urgent"]) <= 12


async def test_pipelines_of_one_tenant_do_not_crowd_out_another(shop: Shop) -> None:
    await shop.pipelines("a", 4, num_steps=50)
    await shop.until_queued(200)
    await shop.tasks("b", 5)
    await shop.tasks("a", 1, name="urgent", priority=2)
    await shop.until_queued(206)

    async with shop.worker(slots=4):
        await shop.until_done("b", 5)

    # Four run at a time, and those of one round are counted in any order.
    assert last_of("urgent", shop.order) <= 4
    # The tenants take turns, so that the fifth of "b" is the tenth at the latest, and three others
    # that run beside it may end first.
    assert last_of("b", [name for name in shop.order if name != "urgent"]) <= 13


async def test_weights_share_a_queue(shop: Shop) -> None:
    await shop.tasks("light", 40)
    await shop.tasks("heavy", 40)
    await shop.until_queued(80)

    async with shop.worker(slots=1):
        await shop.until_done("heavy", 40)

    # 13 of 40, at a ratio of three to one.
    assert 50 <= last_of("heavy", shop.order) <= 58


async def test_steps_inherit_priority_and_fairness(shop: Shop) -> None:
    await shop.tasks("heavy", 1, priority=1)
    await shop.pipelines("heavy", 1, num_steps=1)
    async with shop.worker(slots=1):
        await shop.until_done("heavy", 2)
    # The priority of the dispatched activities; the server fills in inherited values.
    of_task = Priority(priority_key=2, fairness_key="heavy", fairness_weight=3.0)
    of_step = Priority(priority_key=3, fairness_key="heavy", fairness_weight=3.0)
    assert set(shop.priorities) == {of_task, of_step}
