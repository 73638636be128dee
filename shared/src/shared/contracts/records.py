"""What the workflow worker can be asked to write into the records."""

from abc import ABC, abstractmethod

from temporalio import activity

from shared.contracts.runs import PipelineOutcome, PipelineStanding, TaskOutcome, TaskStanding


class RecordActivities(ABC):
    """Local activities of the workflow worker. Idempotent: a terminal record never changes."""

    @activity.defn(name="finish_task")
    @abstractmethod
    async def finish_task(self, outcome: TaskOutcome) -> TaskStanding:
        """Write a task's outcome, its files' owner rows and its event; answers what stands."""

    @activity.defn(name="finish_pipeline")
    @abstractmethod
    async def finish_pipeline(self, outcome: PipelineOutcome) -> PipelineStanding:
        """Write a workflow's outcome and its event; answers what stands."""
