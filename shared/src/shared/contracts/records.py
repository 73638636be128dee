"""What the workflow worker can be asked to write into the records."""

from abc import ABC, abstractmethod

from temporalio import activity

from shared.contracts.runs import PipelineOutcome, TaskOutcome


class RecordActivities(ABC):
    """Local activities of the workflow worker. Idempotent: a terminal record never changes."""

    @activity.defn(name="finish_task")
    @abstractmethod
    async def finish_task(self, outcome: TaskOutcome) -> None:
        """Write a task's outcome, its files' owner rows and its event in one transaction."""

    @activity.defn(name="finish_pipeline")
    @abstractmethod
    async def finish_pipeline(self, outcome: PipelineOutcome) -> None:
        """Write a workflow's outcome and its event in one transaction."""
