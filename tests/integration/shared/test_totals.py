"""The counters equal the number of rows, whatever happens concurrently."""

import asyncio
import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Table, delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.models.counts import (
    TASK_COUNTS,
    TASK_COUNTS_BY_DAY,
    TASK_DELTAS,
    TASK_SUMS_BY_DAY,
    WORKFLOW_COUNTS,
    WORKFLOW_COUNTS_BY_DAY,
)
from shared.db.models.tables import Task, Workflow
from shared.db.repositories.scope import Scope
from shared.db.repositories.totals import (
    TASKS,
    WORKFLOWS,
    Filters,
    total,
    total_steps,
    totals_by,
)
from shared.db.session import Sessions
from tests.fixtures.rows import add, task_row, workflow_row

EVERYONE = Scope()
FOLDED = (TASK_COUNTS, TASK_COUNTS_BY_DAY, TASK_SUMS_BY_DAY)
STATUSES = ("PENDING", "EXECUTING", "COMPLETED", "FAILED", "CANCELLED")
NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)


async def counted(session: AsyncSession, instance: str, folded: Table) -> dict[Any, int]:
    """Return the number of an instance's tasks by the counters."""
    names = [column.name for column in folded.c]
    unfolded = select(*(TASK_DELTAS.c[name] for name in names))
    both = select(folded).union_all(unfolded).subquery().c
    keys = [both[name] for name in names if name not in {"n", "origin_instance"}]
    rows = await session.execute(
        select(*keys, func.sum(both.n)).where(both.origin_instance == instance).group_by(*keys)
    )
    return {tuple(key): int(n) for *key, n in rows if n}


async def actual(session: AsyncSession, instance: str, folded: Table) -> dict[Any, int]:
    """Return the number of rows."""
    columns: dict[str, Any] = {
        **Task.__table__.c,
        "day": func.date(func.timezone("UTC", Task.created_at)),
    }
    names = [column.name for column in folded.c]
    keys = [columns[name] for name in names if name not in {"n", "origin_instance"}]
    rows = await session.execute(
        select(*keys, func.count()).where(Task.origin_instance == instance).group_by(*keys)
    )
    return {tuple(key): n for *key, n in rows}


async def assert_exact(sessions: Sessions, instance: str) -> None:
    async with sessions() as session:
        await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        for folded in FOLDED:
            assert await counted(session, instance, folded) == await actual(
                session, instance, folded
            )


class Client:
    """Create, change and delete tasks at random; some transactions are rolled back."""

    def __init__(self, sessions: Sessions, instance: str, seed: int) -> None:
        self.sessions, self.instance, self.random = sessions, instance, random.Random(seed)
        self.ids: list[uuid.UUID] = []

    async def act(self) -> None:
        is_kept = self.random.random() < 0.8
        async with self.sessions() as session:
            for _ in range(self.random.randint(1, 3)):
                await self.random.choice((self.create, self.create, self.change, self.remove))(
                    session
                )
            await (session.commit() if is_kept else session.rollback())

    async def create(self, session: AsyncSession) -> None:
        rows = [
            task_row(
                origin_instance=self.instance,
                origin_tenant_id=self.random.choice((None, "a", "b")),
                created_at=NOON + timedelta(days=self.random.randint(0, 3)),
            )
            for _ in range(self.random.randint(1, 5))
        ]
        session.add_all(rows)
        await session.flush()
        self.ids += [row.id for row in rows]

    async def change(self, session: AsyncSession) -> None:
        values = {
            "status": self.random.choice(STATUSES),
            "provider_type": self.random.choice(("local", "vertex")),
            "is_deleted": self.random.random() < 0.2,
            "progress": self.random.random(),
        }
        await session.execute(update(Task).where(Task.id.in_(self.some())).values(values))

    async def remove(self, session: AsyncSession) -> None:
        await session.execute(delete(Task).where(Task.id.in_(self.some())))

    def some(self) -> list[uuid.UUID]:
        return self.random.sample(self.ids, min(len(self.ids), self.random.randint(0, 4)))


async def test_counters_are_exact_while_many_write_at_once(sessions: Sessions) -> None:
    instance = f"totals-{uuid.uuid4()}"
    clients = [Client(sessions, instance, seed) for seed in range(8)]
    done = asyncio.Event()

    async def fold() -> None:
        while not done.is_set():
            async with sessions.begin() as session:
                await session.execute(text("SELECT fold_task_counts()"))

    async def read() -> None:
        while not done.is_set():
            await assert_exact(sessions, instance)

    async def write(client: Client) -> None:
        for _ in range(25):
            await client.act()

    async with asyncio.timeout(120), asyncio.TaskGroup() as others:
        others.create_task(fold())
        others.create_task(read())
        await asyncio.gather(*(write(client) for client in clients))
        done.set()
    await assert_exact(sessions, instance)
    async with sessions() as session:
        for table in FOLDED:
            assert await session.scalar(select(func.count()).where(table.c.n == 0)) == 0


async def test_rebuilding_counts_rows_loaded_without_triggers(sessions: Sessions) -> None:
    instance = f"totals-{uuid.uuid4()}"
    async with sessions.begin() as session:
        await session.execute(text("SET LOCAL session_replication_role = replica"))
        session.add_all([task_row(origin_instance=instance) for _ in range(3)])
        await session.flush()
    async with sessions() as session:
        assert await total(session, TASKS, EVERYONE, Filters(origin_instance=instance)) == 0
    async with sessions.begin() as session:
        await session.execute(text("SELECT rebuild_task_counts()"))
    await assert_exact(sessions, instance)


async def test_deleting_a_workflow_updates_the_counters(sessions: Sessions) -> None:
    instance = f"totals-{uuid.uuid4()}"
    workflow = workflow_row("a", "b", origin_instance=instance)
    tasks = [task_row(origin_instance=instance, workflow_id=workflow.id) for _ in range(2)]
    await add(sessions, workflow, *tasks)
    mine = Filters(origin_instance=instance)
    async with sessions.begin() as session:
        assert await total(session, TASKS, EVERYONE, mine) == 2
        assert await total(session, WORKFLOWS, EVERYONE, mine) == 1
        assert await total_steps(session, EVERYONE, mine) == 2
        await session.execute(delete(Workflow).where(Workflow.id == workflow.id))
        assert await total(session, TASKS, EVERYONE, mine) == 0
        assert await total(session, WORKFLOWS, EVERYONE, mine) == 0
        assert await total_steps(session, EVERYONE, mine) == 0


async def test_workflow_counters_follow_status_and_steps(sessions: Sessions) -> None:
    instance = f"totals-{uuid.uuid4()}"
    workflow = workflow_row("a", origin_instance=instance)
    await add(sessions, workflow)
    mine = Filters(origin_instance=instance)
    async with sessions.begin() as session:
        await session.execute(
            update(Workflow)
            .where(Workflow.id == workflow.id)
            .values(status="RUNNING", total_steps=5)
        )
        await session.execute(text("SELECT fold_workflow_counts()"))
    async with sessions() as session:
        by = await totals_by(session, WORKFLOWS, EVERYONE, mine, ("status",))
        assert by == {"status": {"RUNNING": 1}}
        assert await total_steps(session, EVERYONE, mine) == 5
        for table in (WORKFLOW_COUNTS, WORKFLOW_COUNTS_BY_DAY):
            assert await session.scalar(select(func.count()).where(table.c.n == 0)) == 0


def moments() -> list[datetime]:
    """Times around midnight: a microsecond before, exactly, and a microsecond after."""
    midnight = NOON.replace(hour=0)
    tick = timedelta(microseconds=1)
    return sorted(
        midnight + timedelta(days=days) + near
        for days in range(4)
        for near in (-tick, timedelta(0), tick, timedelta(hours=12))
    )


@pytest.mark.parametrize("task_type", [None, "GENERATION"])
@pytest.mark.parametrize("is_folded", [False, True])
async def test_total_of_any_range_equals_counting(
    sessions: Sessions, task_type: str | None, *, is_folded: bool
) -> None:
    instance = f"totals-{uuid.uuid4()}"
    rows = [
        task_row(origin_instance=instance, created_at=moment, status=STATUSES[place % 5])
        for place, moment in enumerate(moments())
    ]
    await add(sessions, *rows)
    async with sessions.begin() as session:
        if is_folded:
            await session.execute(text("SELECT fold_task_counts()"))
    borders = [None, *moments(), datetime.now(UTC)]
    async with sessions() as session:
        for after in borders:
            for before in borders:
                wanted = Filters(
                    origin_instance=instance,
                    task_type=task_type,
                    created_after=after,
                    created_before=before,
                )
                matching = [
                    row
                    for row in rows
                    if (after is None or row.created_at >= after)
                    and (before is None or row.created_at <= before)
                ]
                found = await total(session, TASKS, EVERYONE, wanted)
                assert found == len(matching), (after, before)


async def test_range_at_the_ends_of_the_calendar_is_counted(sessions: Sessions) -> None:
    instance = f"totals-{uuid.uuid4()}"
    await add(sessions, task_row(origin_instance=instance))
    for after, before, expected in [
        (datetime.max.replace(tzinfo=UTC), None, 0),
        (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), 1),
        (None, datetime.min.replace(tzinfo=UTC), 0),
    ]:
        wanted = Filters(origin_instance=instance, created_after=after, created_before=before)
        async with sessions() as session:
            assert await total(session, TASKS, EVERYONE, wanted) == expected


async def test_scope_and_filters_narrow_together(sessions: Sessions) -> None:
    instance = f"totals-{uuid.uuid4()}"
    await add(
        sessions,
        task_row(origin_instance=instance, origin_tenant_id="a"),
        task_row(origin_instance=instance, origin_tenant_id="b", is_deleted=True),
        task_row(origin_instance=instance, origin_tenant_id="b", task_type="REFINE"),
    )
    own = Scope(instance, "b")
    async with sessions() as session:
        assert await total(session, TASKS, own, Filters()) == 2
        assert await total(session, TASKS, own, Filters(is_deleted=False)) == 1
        assert await total(session, TASKS, own, Filters(origin_tenant_id="a")) == 0
        by = await totals_by(session, TASKS, own, Filters(), ("task_type", "status"))
    assert by == {"task_type": {"GENERATION": 1, "REFINE": 1}, "status": {"PENDING": 2}}
