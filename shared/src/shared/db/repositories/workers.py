"""Statistics of queues, and memory reports of workers."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.enums import TaskStatus
from shared.contracts.progress import MEMORY_EVERY, MemoryReport
from shared.db.models.tables import Task
from shared.db.models.workers import WorkerMemory
from shared.db.session import plan_for_values

_HOUR = timedelta(hours=1)
_KEPT_FOR = timedelta(days=1)
_FRESH_FOR = 3 * MEMORY_EVERY


@dataclass
class QueueRecords:
    """Statistics of one queue."""

    num_executing: int = 0
    """Running tasks."""
    num_completed: int = 0
    """Tasks completed within the last hour."""
    wait_ms: float | None = None
    """Mean time from creation to start of the tasks started within the last hour."""


async def queue_records(session: AsyncSession) -> dict[str, QueueRecords]:
    """Return the statistics of each queue; queues without tasks are omitted."""
    await plan_for_values(session)
    since = datetime.now(UTC) - _HOUR
    found: dict[str, QueueRecords] = {}
    executing = select(Task.queue_name, func.count()).where(Task.status == TaskStatus.EXECUTING)
    for queue, count in await session.execute(executing.group_by(Task.queue_name)):
        found.setdefault(queue, QueueRecords()).num_executing = count
    completed = select(Task.queue_name, func.count()).where(
        Task.completed_at >= since, Task.status == TaskStatus.COMPLETED
    )
    for queue, count in await session.execute(completed.group_by(Task.queue_name)):
        found.setdefault(queue, QueueRecords()).num_completed = count
    wait_s = func.avg(func.extract("epoch", Task.started_at - Task.created_at))
    started = select(Task.queue_name, wait_s).where(Task.started_at >= since)
    for queue, seconds in await session.execute(started.group_by(Task.queue_name)):
        found.setdefault(queue, QueueRecords()).wait_ms = 1000 * float(seconds)
    return found


async def write_memory(session: AsyncSession, report: MemoryReport) -> None:
    """Store a worker's newest report, and delete those of workers without reports for a day."""
    values = {
        "rss_bytes": report.rss_bytes,
        "vram_bytes": report.vram_bytes,
        "reported_at": report.at,
    }
    await session.execute(
        insert(WorkerMemory)
        .values(identity=report.identity, **values)
        .on_conflict_do_update(
            index_elements=[WorkerMemory.identity],
            set_=values,
            where=WorkerMemory.reported_at < report.at,
        )
    )
    silent = WorkerMemory.reported_at < datetime.now(UTC) - _KEPT_FOR
    await session.execute(delete(WorkerMemory).where(silent))


async def memory_of(session: AsyncSession, identities: Iterable[str]) -> dict[str, int]:
    """Return the resident memory in bytes by worker, for workers with a recent report."""
    rows = await session.execute(
        select(WorkerMemory.identity, WorkerMemory.rss_bytes).where(
            WorkerMemory.identity.in_(list(identities)),
            WorkerMemory.reported_at >= datetime.now(UTC) - _FRESH_FOR,
        )
    )
    return {row.identity: row.rss_bytes for row in rows}
