"""Records in memory, behind a database that may be away."""

import asyncio
from uuid import UUID

from temporalio import activity

from shared.contracts.records import RecordActivities
from shared.contracts.runs import PipelineOutcome, PipelineStanding, TaskOutcome, TaskStanding


class FakeRecords(RecordActivities):
    """Keeps what it was told; the first outcome of a run stands, as in the real records.

    Args:
        failures: calls that fail before the first one that succeeds.
    """

    def __init__(self, failures: int = 0) -> None:
        self.failures_left = failures
        self.calls = 0
        self.is_called = asyncio.Event()
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.tasks: dict[UUID, TaskOutcome] = {}
        self.pipelines: dict[UUID, PipelineOutcome] = {}

    @activity.defn(name="finish_task")
    async def finish_task(self, outcome: TaskOutcome) -> TaskStanding:
        await self._answer()
        stands = self.tasks.setdefault(outcome.task_id, outcome)
        return TaskStanding(status=stands.status, results=stands.results)

    @activity.defn(name="finish_pipeline")
    async def finish_pipeline(self, outcome: PipelineOutcome) -> PipelineStanding:
        await self._answer()
        stands = self.pipelines.setdefault(outcome.workflow_id, outcome)
        return PipelineStanding(status=stands.status)

    async def _answer(self) -> None:
        self.calls += 1
        self.is_called.set()
        await self.is_open.wait()
        if self.failures_left:
            self.failures_left -= 1
            raise ConnectionRefusedError("the database is away")
