"""Two versions of the workflow worker side by side: who runs what, and who says so."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from shared.contracts.enums import TaskQueue
from shared.temporal.queues import backlogs, live_workers
from shared.temporal.worker import WorkerSettings, worker_options
from tests.fakes.inference import Attempt
from tests.fixtures.namespaces import open_namespace
from tests.fixtures.rows import runnable_task, runnable_training, runnable_workflow
from tests.fixtures.servers import Servers
from tests.fixtures.workflow_runs import Runs, generation, until
from workflows.starts import start_pipeline, start_task, start_training
from workflows.versions import describe, set_current
from workflows.worker import build_worker

pytestmark = pytest.mark.long

DEPLOYMENT = "workflow-worker"


@pytest.fixture
async def client(servers: Servers) -> Client:
    """A namespace of the test's own: a queue with a current version gives nothing to others."""
    return await open_namespace(servers, f"versions-{uuid4().hex[:8]}")


class Gate:
    """Attempts wait in it until it is opened."""

    def __init__(self) -> None:
        self.num_waiting = 0
        self.opened = asyncio.Event()

    async def __call__(self, attempt: Attempt) -> None:
        self.num_waiting += 1
        await self.opened.wait()

    async def until_waiting(self, count: int) -> None:
        async def are_waiting() -> bool:
            return self.num_waiting == count

        await until(are_waiting)


@pytest.fixture
async def runs(client: Client) -> AsyncIterator[Runs]:
    """Its inference worker is not versioned, and serves every version of the workflows."""
    started = Runs(client)
    async with started.inference_worker():
        yield started


def worker(runs: Runs, build_id: str) -> Worker:
    settings = WorkerSettings(drain_timeout_s=0.1, deployment_name=DEPLOYMENT, build_id=build_id)
    return build_worker(runs.client, runs.records, settings)


async def builds(handle: WorkflowHandle) -> list[str]:
    """The versions that a run's workflow tasks were done by, in order, each once."""
    history = await handle.fetch_history()
    done = [
        event.workflow_task_completed_event_attributes.deployment_version.build_id
        for event in history.events
        if event.HasField("workflow_task_completed_event_attributes")
    ]
    return list(dict.fromkeys(done))


async def test_pinned_run_ends_where_it_began_and_new_ones_start_on_the_next(runs: Runs) -> None:
    gate = Gate()
    runs.inference.act = gate
    async with worker(runs, "1"), worker(runs, "2"):
        await set_current(runs.client, DEPLOYMENT, "1", wait_s=30)
        old = await runs.start_task(generation())
        await gate.until_waiting(1)
        await set_current(runs.client, DEPLOYMENT, "2", wait_s=30)
        new = await runs.start_task(generation())
        await gate.until_waiting(2)
        gate.opened.set()
        await asyncio.gather(old.result(), new.result())
    assert (await builds(old), await builds(new)) == (["1"], ["2"])


async def test_long_run_moves_on_to_the_next_version(runs: Runs) -> None:
    gate = Gate()
    runs.inference.act = gate
    async with worker(runs, "2"):
        async with worker(runs, "1"):
            await set_current(runs.client, DEPLOYMENT, "1", wait_s=30)
            workflow, tasks = runnable_workflow("a", "b")
            workflow.steps[1].dependencies = ["a"]
            await start_pipeline(runs.client, workflow, tasks)
            await gate.until_waiting(1)
            await set_current(runs.client, DEPLOYMENT, "2", wait_s=30)
        gate.opened.set()
        handle = runs.client.get_workflow_handle(workflow.temporal_id)
        await handle.result()
    assert await builds(handle) == ["1", "2"]


async def test_trainings_move_on_and_tasks_do_not(client: Client) -> None:
    task, training = runnable_task(), runnable_training()
    await start_task(client, task)
    await start_training(client, training)
    overrides = [
        described.raw_description.workflow_execution_info.versioning_info.versioning_override
        for row in (task, training)
        for described in [await client.get_workflow_handle(row.temporal_id).describe()]
    ]
    assert [override.auto_upgrade for override in overrides] == [False, True]


async def test_activity_worker_has_versions_of_its_own(client: Client) -> None:
    runs = Runs(client)
    settings = WorkerSettings(drain_timeout_s=0.1, deployment_name="inference-worker", build_id="1")
    inference = Worker(
        client,
        task_queue=TaskQueue.INFERENCE,
        activities=[runs.inference.generate_image],
        **worker_options(settings),
    )
    async with runs.workflow_worker(), inference:
        handle = await runs.start_task(generation())

        async def is_seen() -> bool:
            return [worker.queue for worker in await live_workers(client)].count("inference") == 1

        await until(is_seen)
        assert runs.inference.attempts == []
        assert (await backlogs(client))[TaskQueue.INFERENCE] == 1
        await set_current(client, "inference-worker", "1", wait_s=30)
        await handle.result()


async def test_rollback_is_the_same_command(runs: Runs) -> None:
    async with worker(runs, "1"), worker(runs, "2"):
        for build_id in ("2", "1"):
            await set_current(runs.client, DEPLOYMENT, build_id, wait_s=30)
        handle = await runs.start_task(generation())
        await handle.result()
    assert await builds(handle) == ["1"]


async def test_command_waits_for_the_first_worker_and_shows_what_is_current(
    runs: Runs, servers: Servers
) -> None:
    environment = {
        "SARTIQ_TEMPORAL_ADDRESS": servers.endpoints.temporal_address,
        "SARTIQ_TEMPORAL_NAMESPACE": runs.client.namespace,
        "TEMPORAL_DEPLOYMENT_NAME": DEPLOYMENT,
        "TEMPORAL_WORKER_BUILD_ID": "7",
    }
    setting = asyncio.create_task(command(environment, "set-current", "--wait-s", "60"))
    handle = await runs.start_task(generation())
    async with worker(runs, "7"):
        assert await setting == (0, f"{DEPLOYMENT}: 7 is current\n", "")
        await handle.result()
    code, listed, _ = await command(environment, "show")
    assert (code, listed.split("\t")[:2]) == (0, ["7", "current"])
    info = await describe(runs.client, DEPLOYMENT)
    assert info.routing_config.current_deployment_version.build_id == "7"


async def test_command_says_what_is_missing(servers: Servers) -> None:
    code, _, error = await command({}, "set-current")
    assert (code, error) == (1, "--deployment is missing, and the environment has none\n")
    environment = {"SARTIQ_TEMPORAL_ADDRESS": servers.endpoints.temporal_address}
    code, _, error = await command(environment, "show", "--deployment", "nobody")
    assert code == 1
    assert error.startswith("Temporal at SARTIQ_TEMPORAL_ADDRESS cannot do this: ")


async def command(environment: dict[str, str], *arguments: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "workflows.versions",
        *arguments,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, error = await process.communicate()
    return process.returncode, output.decode(), error.decode()
