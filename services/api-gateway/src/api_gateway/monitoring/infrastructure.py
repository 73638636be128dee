"""Queues and workers, as Temporal and the records report them."""

import asyncio
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from api_gateway.errors import unavailable
from api_gateway.monitoring.schemas.providers import ProviderStanding, ProviderStandingsResponse
from api_gateway.monitoring.schemas.workers import (
    QueueStats,
    QueueStatsResponse,
    WorkerHealthResponse,
    WorkerInfo,
    WorkerStatsResponse,
)
from api_gateway.resources import Resources
from shared.breaker import OPEN_FOR
from shared.contracts.enums import TaskQueue
from shared.db.repositories.breakers import all_breakers
from shared.db.repositories.workers import QueueRecords, memory_of, queue_records
from shared.temporal.queues import LiveWorker, TemporalDownError, backlogs, live_workers

_MEBIBYTE = 1024 * 1024
_MINUTE = timedelta(minutes=1)


@dataclass
class _Process:
    """A worker process with all of its pollers."""

    identity: str
    pollers: list[LiveWorker] = field(default_factory=list[LiveWorker])

    @property
    def num_slots(self) -> int:
        return sum(poller.num_slots for poller in self.pollers)

    @property
    def num_used(self) -> int:
        return sum(poller.num_used for poller in self.pollers)

    @property
    def has_capacity(self) -> bool:
        return self.num_used < self.num_slots

    @property
    def is_full(self) -> bool:
        """True if all its slots are in use; the first heartbeat may precede the slots."""
        return 0 < self.num_slots <= self.num_used

    @property
    def num_processed(self) -> int:
        return sum(poller.num_processed for poller in self.pollers)

    @property
    def per_minute(self) -> float:
        """The average since its start, as of its last heartbeat."""
        started_at = min(poller.started_at for poller in self.pollers)
        minutes = (max(poller.beat_at for poller in self.pollers) - started_at) / _MINUTE
        return self.num_processed / minutes if minutes > 0 else 0


async def queue_stats(res: Resources) -> QueueStatsResponse:
    """Return every queue's backlog, running tasks and throughput.

    Raises:
        Problem: 503, Temporal does not respond.
    """
    with _needing_temporal():
        depths, pollers, records = await asyncio.gather(
            backlogs(res.temporal), live_workers(res.temporal), _queue_records(res)
        )
    queues = [
        QueueStats(
            name=queue,
            depth=depths[queue],
            active_workers=len({p.identity for p in pollers if p.queue is queue}),
            active_tasks=(known := records.get(queue, QueueRecords())).num_executing,
            avg_wait_time_ms=known.wait_ms,
            tasks_completed_last_hour=known.num_completed,
        )
        for queue in TaskQueue
    ]
    return QueueStatsResponse(
        queues=queues,
        total_pending=sum(queue.depth for queue in queues),
        total_active=sum(queue.active_tasks for queue in queues),
        timestamp=datetime.now(UTC),
    )


async def worker_stats(res: Resources) -> WorkerStatsResponse:
    """Return every live worker process, as of its last heartbeat.

    Raises:
        Problem: 503, Temporal does not respond.
    """
    with _needing_temporal():
        processes = _processes(await live_workers(res.temporal))
    async with res.sessions() as session:
        memory = await memory_of(session, [process.identity for process in processes])
    capacity = sum(process.num_slots for process in processes)
    active = sum(process.num_used for process in processes)
    return WorkerStatsResponse(
        workers=[_present(process, memory.get(process.identity)) for process in processes],
        total_workers=len(processes),
        total_capacity=capacity,
        total_active=active,
        total_utilization_pct=_percent(active, capacity),
        workers_at_capacity=sum(process.is_full for process in processes),
        timestamp=datetime.now(UTC),
    )


async def worker_health(res: Resources) -> WorkerHealthResponse:
    """Return whether any worker has capacity, and no queue with tasks is without workers.

    Raises:
        Problem: 503, Temporal does not respond.
    """
    with _needing_temporal():
        depths, pollers = await asyncio.gather(backlogs(res.temporal), live_workers(res.temporal))
    processes = _processes(pollers)
    served = {poller.queue for poller in pollers}
    with_capacity = sum(process.has_capacity for process in processes)
    is_waited_for = any(depth and queue not in served for queue, depth in depths.items())
    return WorkerHealthResponse(
        healthy=with_capacity > 0 and not is_waited_for,
        total_workers=len(processes),
        workers_with_capacity=with_capacity,
        queues_with_workers=[queue for queue in TaskQueue if queue in served],
        queues_without_workers=[queue for queue in TaskQueue if queue not in served],
        timestamp=datetime.now(UTC),
    )


async def _queue_records(res: Resources) -> dict[str, QueueRecords]:
    async with res.sessions() as session:
        return await queue_records(session)


@contextmanager
def _needing_temporal() -> Generator[None]:
    try:
        yield
    except TemporalDownError as error:
        raise unavailable("Temporal") from error


def _processes(pollers: Iterable[LiveWorker]) -> list[_Process]:
    found: dict[str, _Process] = {}
    for poller in pollers:
        found.setdefault(poller.identity, _Process(poller.identity)).pollers.append(poller)
    return sorted(found.values(), key=lambda process: process.identity)


def _present(process: _Process, rss_bytes: int | None) -> WorkerInfo:
    return WorkerInfo(
        name=process.identity,
        queues=sorted({poller.queue for poller in process.pollers}),
        concurrency=process.num_slots,
        active_tasks=process.num_used,
        utilization_pct=_percent(process.num_used, process.num_slots),
        has_capacity=process.has_capacity,
        tasks_completed_total=process.num_processed,
        tasks_per_minute=process.per_minute,
        memory_mb=None if rss_bytes is None else rss_bytes / _MEBIBYTE,
    )


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0


async def provider_standings(res: Resources) -> ProviderStandingsResponse:
    """Return every provider's circuit breaker."""
    now = datetime.now(UTC)
    async with res.sessions() as session:
        breakers = await all_breakers(session)
    return ProviderStandingsResponse(
        providers=[
            ProviderStanding(
                provider_type=provider,
                breaker=breaker.state(now),
                failures=breaker.failures,
                opened_at=breaker.opened_at,
                half_open_at=breaker.opened_at + OPEN_FOR if breaker.opened_at else None,
            )
            for provider, breaker in breakers.items()
        ],
        timestamp=now,
    )
