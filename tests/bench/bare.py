"""The baseline: a workflow of no-op activities on another queue, `python bare.py ADDRESS`."""

import asyncio
import contextlib
import sys
from datetime import timedelta

import uvloop
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

WORKFLOW_QUEUE = "bench-workflows"
ACTIVITY_QUEUE = "bench-activities"


@activity.defn
async def no_op() -> None:
    """Do nothing."""


@workflow.defn
class Bare:
    """A workflow of no-op activities, the least that durable execution costs."""

    @workflow.run
    async def run(self, number: int = 1) -> None:
        """Run a number of activities concurrently."""
        await asyncio.gather(*(self._activity() for _ in range(number)))

    async def _activity(self) -> None:
        await workflow.execute_activity(
            no_op,
            task_queue=ACTIVITY_QUEUE,
            start_to_close_timeout=timedelta(seconds=60),
        )


async def main(address: str) -> None:
    """Serve both queues until killed."""
    client = await Client.connect(address)
    async with (
        Worker(client, task_queue=WORKFLOW_QUEUE, workflows=[Bare]),
        Worker(client, task_queue=ACTIVITY_QUEUE, activities=[no_op]),
    ):
        sys.stdout.write("polling\n")
        sys.stdout.flush()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
