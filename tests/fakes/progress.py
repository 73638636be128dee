"""A progress sink that records its calls."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import UUID


class RecordedProgress:
    """Started attempts and reported fractions."""

    def __init__(self) -> None:
        self.started: list[tuple[UUID, int]] = []
        self.fractions: list[float] = []

    @asynccontextmanager
    async def attempt(self, task_id: UUID, attempt: int) -> AsyncIterator[Callable[[float], None]]:
        self.started.append((task_id, attempt))
        yield self.fractions.append
