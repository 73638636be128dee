"""Progress reports of workers to the gateway: start, progress and memory of the process.

Delivery is not guaranteed: a report that cannot be delivered is dropped. Results are only carried
by activity results.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

import httpx
import structlog

from shared.contracts.progress import (
    MEMORY_EVERY,
    MemoryReport,
    ProgressBatch,
    ProgressKind,
    TaskProgress,
    TrainingProgress,
)
from shared.memory import resident_bytes
from shared.settings import ProgressSettings
from shared.training_reports import EVERY_S, TrainingReports

_log = structlog.stdlib.get_logger(__name__)

_PROGRESS_EVERY_S = 1.0
_POST_EVERY_S = 0.1
_STARTED_AFTER_S = 0.05
"""Shorter attempts are not announced: their outcome contains the start time."""
_PATH = "/internal/progress"


class ProgressSink(Protocol):
    """The part of `ProgressReporter` that activities use."""

    def attempt(
        self, task_id: UUID, attempt: int
    ) -> AbstractAsyncContextManager[Callable[[float], None]]:
        """Announce an attempt; yield the function that takes its progress, 0 to 1."""
        ...


class TrainingProgressSink(Protocol):
    """The part of `ProgressReporter` that a training's activities use."""

    def report_training(self, report: TrainingProgress) -> None:
        """Send a report on a training soon; callable from any thread."""
        ...


@dataclass(frozen=True)
class ExecutorIdentity:
    """The identity of the worker that ran an attempt, as recorded in its result."""

    executor_instance: str
    executor_type: str


class ProgressReporter:
    """Sends the newest report of each running attempt, batched into one request.

    Args:
        settings: URL and token of the gateway's internal listener; with an empty URL nothing is
            sent.
        executor_instance: this worker's identity, as recorded.
        executor_type: the kind of worker.
        vram_bytes: returns the GPU memory of the process in bytes; none without a GPU.
    """

    def __init__(
        self,
        settings: ProgressSettings,
        *,
        executor_instance: str,
        executor_type: str,
        vram_bytes: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._vram_bytes = vram_bytes
        self._instance = executor_instance
        self._type = executor_type
        self._pending: dict[tuple[UUID, int], TaskProgress] = {}
        self._trainings = TrainingReports()
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client = (
            httpx.AsyncClient(
                base_url=settings.url,
                headers={"Authorization": f"Bearer {settings.token.get_secret_value()}"},
                timeout=5,
                trust_env=False,
            )
            if settings.url
            else None
        )

    @asynccontextmanager
    async def attempt(self, task_id: UUID, attempt: int) -> AsyncGenerator[Callable[[float], None]]:
        """Announce that an attempt started, and yield the function that reports its progress.

        Neither waits for delivery. The function takes a fraction from 0 to 1, may be called from
        any thread, and sends at most one report per second.
        """
        loop = asyncio.get_running_loop()
        last_sent_s = loop.time()
        self._post(task_id, attempt, ProgressKind.STARTED, 0)

        def report(fraction: float) -> None:
            nonlocal last_sent_s
            if loop.time() - last_sent_s < _PROGRESS_EVERY_S:
                return
            last_sent_s = loop.time()
            percent = round(100 * min(max(fraction, 0.0), 1.0), 1)
            loop.call_soon_threadsafe(self._post, task_id, attempt, ProgressKind.PROGRESS, percent)

        try:
            yield report
        finally:
            self._pending.pop((task_id, attempt), None)

    def _post(self, task_id: UUID, attempt: int, kind: ProgressKind, percent: float) -> None:
        self._pending[task_id, attempt] = TaskProgress(
            task_id=task_id,
            attempt=attempt,
            kind=kind,
            progress=percent,
            executor_instance=self._instance,
            executor_type=self._type,
            at=datetime.now(UTC),
        )
        self._wake.set()

    def report_training(self, report: TrainingProgress) -> None:
        """Send a report on a training, or a newer one in its place; callable from any thread.

        A training sends at most one report per second, but a new stage at once. Files of reports
        that were replaced, or that could not be delivered, are part of the next one.
        """
        if self._client is None:
            return
        wait_s = self._trainings.add(report, time.monotonic())
        if wait_s is not None and self._loop is not None:
            # The loop is closed when the process ends.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._wake_in, wait_s)

    def _wake_in(self, wait_s: float) -> None:
        if wait_s:
            asyncio.get_running_loop().call_later(wait_s, self._wake.set)
        else:
            self._wake.set()

    async def run(self) -> None:
        """Send reports until cancelled, one request at a time, each with the memory in use."""
        if self._client is None:
            return
        self._loop = asyncio.get_running_loop()
        async with self._client as client:
            while True:
                reports = list(self._pending.values())
                self._pending.clear()
                trainings = self._trainings.take(time.monotonic())
                await self._deliver(
                    client,
                    ProgressBatch(reports=reports, trainings=trainings, memory=self._memory()),
                )
                await asyncio.sleep(_POST_EVERY_S - _STARTED_AFTER_S)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), MEMORY_EVERY.total_seconds())
                self._wake.clear()
                await asyncio.sleep(_STARTED_AFTER_S)

    def _memory(self) -> MemoryReport:
        return MemoryReport(
            identity=self._instance,
            rss_bytes=resident_bytes(),
            vram_bytes=self._vram_bytes(),
            at=datetime.now(UTC),
        )

    async def _deliver(self, client: httpx.AsyncClient, batch: ProgressBatch) -> None:
        try:
            response = await client.post(
                _PATH,
                content=batch.model_dump_json(),
                headers={"Content-Type": "application/json"},
            )
            response.raise_for_status()
        except httpx.HTTPError as error:
            _log.warning("progress_lost", reports=len(batch.reports), cause=repr(error))
            if not _is_refused(error):
                self._trainings.give_back(batch.trainings)
                if batch.trainings:
                    self._wake_in(EVERY_S)


def _is_refused(error: httpx.HTTPError) -> bool:
    """Return true if the same request would be refused again."""
    return isinstance(error, httpx.HTTPStatusError) and error.response.is_client_error
