"""A progress sink that keeps what it is told."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import UUID


class RecordedProgress:
    """Which attempts started, and how far they said they were."""

    def __init__(self) -> None:
        self.started: list[tuple[UUID, int]] = []
        self.fractions: list[float] = []

    @asynccontextmanager
    async def attempt(self, task_id: UUID, attempt: int) -> AsyncIterator[Callable[[float], None]]:
        self.started.append((task_id, attempt))
        yield self.fractions.append
