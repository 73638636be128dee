"""Statistics of queues, and workers' memory, in the database."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from shared.contracts.progress import MemoryReport
from shared.db.models.workers import WorkerMemory
from shared.db.repositories.workers import memory_of, queue_records, write_memory
from shared.db.session import Sessions
from tests.fixtures.rows import add, task_row


async def test_queue_statistics_are_of_the_last_hour(sessions: Sessions) -> None:
    queue, now = f"q-{uuid.uuid4()}", datetime.now(UTC)

    def minutes(ago: float) -> datetime:
        return now - timedelta(minutes=ago)

    rows = [
        {"status": "PENDING", "created_at": minutes(5)},
        {"status": "EXECUTING", "created_at": minutes(10), "started_at": minutes(9)},
        {"status": "EXECUTING", "created_at": minutes(100), "started_at": minutes(97)},
        {
            "status": "COMPLETED",
            "created_at": minutes(20),
            "started_at": minutes(17),
            "completed_at": minutes(16),
            # Deleted at once, as clients do; it still counts as work.
            "is_deleted": True,
        },
        {"status": "FAILED", "created_at": minutes(90), "completed_at": minutes(1)},
        {"status": "COMPLETED", "created_at": minutes(99), "completed_at": minutes(61)},
    ]
    await add(sessions, *(task_row(queue_name=queue, **row) for row in rows))
    async with sessions() as session:
        found = (await queue_records(session))[queue]
    assert (found.num_executing, found.num_completed) == (2, 1)
    assert found.wait_ms == pytest.approx(1000 * 60 * (1 + 3) / 2)


def report(identity: str, rss_bytes: int, age_s: float) -> MemoryReport:
    at = datetime.now(UTC) - timedelta(seconds=age_s)
    return MemoryReport(identity=identity, rss_bytes=rss_bytes, at=at)


async def test_newest_report_of_memory_counts_while_it_is_fresh(sessions: Sessions) -> None:
    worker, silent = f"w-{uuid.uuid4()}", f"w-{uuid.uuid4()}"
    for told in [report(worker, 1, 60), report(worker, 3, 10), report(worker, 2, 30)]:
        async with sessions.begin() as session:
            await write_memory(session, told)
    async with sessions.begin() as session:
        await write_memory(session, report(silent, 7, 100))
        assert await memory_of(session, [worker, silent, "nobody"]) == {worker: 3}


async def test_worker_without_reports_for_a_day_is_deleted(sessions: Sessions) -> None:
    gone = f"w-{uuid.uuid4()}"
    async with sessions.begin() as session:
        await write_memory(session, report(gone, 1, 25 * 3600))
    async with sessions.begin() as session:
        await write_memory(session, report(f"w-{uuid.uuid4()}", 1, 0))
    async with sessions() as session:
        assert await session.get(WorkerMemory, gone) is None
