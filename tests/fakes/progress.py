"""A progress sink that records its calls."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import UUID

from shared.contracts.progress import TrainingProgress


class RecordedProgress:
    """Started attempts, reported fractions, and reports on trainings."""

    def __init__(self) -> None:
        self.started: list[tuple[UUID, int]] = []
        self.fractions: list[float] = []
        self.trainings: list[TrainingProgress] = []

    @asynccontextmanager
    async def attempt(self, task_id: UUID, attempt: int) -> AsyncIterator[Callable[[float], None]]:
        self.started.append((task_id, attempt))
        yield self.fractions.append

    def report_training(self, report: TrainingProgress) -> None:
        self.trainings.append(report)
