"""Four provider workers, each a process, that race for every submission."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from shared.contracts.enums import TaskQueue
from shared.contracts.submissions import ProviderActivities, RemoteWork, Submission
from tests.faults.rig import Rig

RACERS = 4
_QUEUE = "races"
_LIMIT = timedelta(seconds=60)


@workflow.defn(name="Race")
class Race:
    """One submission by several workers at once, as after heartbeats that were lost."""

    @workflow.run
    async def run(self, work: RemoteWork) -> list[Submission]:
        """Return what each worker was told."""
        racing = (
            workflow.execute_activity_method(
                ProviderActivities.submit_work,
                work,
                task_queue=TaskQueue.PROVIDER_FAL,
                start_to_close_timeout=_LIMIT,
                heartbeat_timeout=timedelta(seconds=10),
                retry_policy=RetryPolicy(maximum_attempts=1),
            )
            for _ in range(RACERS)
        )
        return await asyncio.gather(*racing)


async def race(rig: Rig, works: Sequence[RemoteWork]) -> list[list[Submission]]:
    """Let four worker processes race for each of the works, and return their results."""
    client = rig.temporal
    worker = Worker(
        client, task_queue=_QUEUE, workflows=[Race], workflow_runner=UnsandboxedWorkflowRunner()
    )
    async with _more_workers(rig, RACERS - 1), worker:
        return await asyncio.gather(
            *(
                client.execute_workflow(
                    Race.run,
                    work,
                    id=f"race-{work.task_id}",
                    task_queue=_QUEUE,
                    execution_timeout=_LIMIT,
                )
                for work in works
            )
        )


@asynccontextmanager
async def _more_workers(rig: Rig, number: int) -> AsyncIterator[None]:
    """Run provider workers beside the one of the rig, until they poll."""
    async with AsyncExitStack() as exits:
        folder = Path(exits.enter_context(TemporaryDirectory(prefix="sartiq-racers-")))
        ready = [folder / f"{index}.ready" for index in range(number)]
        for file in ready:
            await exits.enter_async_context(_worker(rig, file))

        async def are_ready() -> bool:
            return all(file.exists() for file in ready)

        await rig.until(are_ready, timeout_s=60)
        yield


@asynccontextmanager
async def _worker(rig: Rig, ready: Path) -> AsyncIterator[None]:
    environment = {**os.environ, **rig.stack.environment, "SARTIQ_WORKER_READY_FILE": str(ready)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "provider_worker"),
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()
