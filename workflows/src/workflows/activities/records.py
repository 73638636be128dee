"""The bookkeeping of runs: one transaction each, repeated until the database takes it."""

from temporalio import activity

from shared.contracts.records import RecordActivities
from shared.contracts.runs import PipelineOutcome, PipelineStanding, TaskOutcome, TaskStanding
from shared.db.repositories.outcomes import write_pipeline_outcome, write_task_outcome
from shared.db.session import Sessions


class Records(RecordActivities):
    """Writes outcomes through the connection pool of this worker."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    @activity.defn(name="finish_task")
    async def finish_task(self, outcome: TaskOutcome) -> TaskStanding:
        """Write a task's outcome, its files' owner rows and its event; answers what stands."""
        async with self._sessions.begin() as session:
            return await write_task_outcome(session, outcome)

    @activity.defn(name="finish_pipeline")
    async def finish_pipeline(self, outcome: PipelineOutcome) -> PipelineStanding:
        """Write a workflow's outcome and its event; answers what stands."""
        async with self._sessions.begin() as session:
            return await write_pipeline_outcome(session, outcome)
