"""Tasks that are read together: each request gets its task, in a state after the request."""

import asyncio
import uuid
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import event, update
from sqlalchemy.exc import SQLAlchemyError

from api_gateway.cached_reads.tasks import TaskLoader
from shared.db.models.tables import Task
from shared.db.session import Sessions, create_engine, create_sessions, reading_engine
from shared.settings import DatabaseSettings
from tests.fixtures.rows import add, task_row


async def test_each_asker_gets_its_own_task(sessions: Sessions) -> None:
    rows = [task_row(priority=place) for place in range(150)]
    await add(sessions, *rows)
    loader, unknown = TaskLoader(reading_engine(sessions)), uuid.uuid4()

    asked = [row.id for row in rows] + [rows[0].id, unknown]
    found = await asyncio.gather(*(loader.load(task_id) for task_id in asked))

    assert [task and task.priority for task in found] == [*range(150), 0, None]


async def test_who_asks_together_shares_a_read(sessions: Sessions) -> None:
    row = task_row()
    await add(sessions, row)
    reads = reading_engine(sessions)
    statements: list[str] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    engine = reads.sync_engine
    event.listen(engine, "before_cursor_execute", count)
    try:
        loader = TaskLoader(reads)
        await asyncio.gather(*(loader.load(row.id) for _ in range(50)))
    finally:
        event.remove(engine, "before_cursor_execute", count)
    assert len(statements) <= 2


async def test_who_asks_just_when_a_read_ends_is_answered(sessions: Sessions) -> None:
    row = task_row()
    await add(sessions, row)
    loader = TaskLoader(reading_engine(sessions))

    async def ask_again_and_again() -> None:
        for _ in range(20):
            assert await loader.load(row.id)

    async with asyncio.timeout(30), asyncio.TaskGroup() as askers:
        for _ in range(8):
            askers.create_task(ask_again_and_again())


async def test_what_was_committed_before_asking_is_seen(sessions: Sessions) -> None:
    row = task_row()
    await add(sessions, row)
    loader = TaskLoader(reading_engine(sessions))
    done = asyncio.Event()

    async def keep_reading() -> None:
        while not done.is_set():
            await loader.load(row.id)

    async with asyncio.TaskGroup() as others:
        for _ in range(5):
            others.create_task(keep_reading())
        for progress in range(1, 40):
            async with sessions.begin() as session:
                await session.execute(
                    update(Task).where(Task.id == row.id).values(progress=progress)
                )
            found = await loader.load(row.id)
            assert found is not None
            assert found.progress == progress
        done.set()


async def test_asker_that_gives_up_takes_the_answer_from_nobody(sessions: Sessions) -> None:
    row = task_row()
    await add(sessions, row)
    loader = TaskLoader(reading_engine(sessions))
    impatient = asyncio.create_task(loader.load(row.id))
    patient = asyncio.create_task(loader.load(row.id))
    await asyncio.sleep(0)
    impatient.cancel()
    found = await patient
    assert found is not None
    assert found.id == row.id
    assert impatient.cancelled()


async def test_database_that_is_away_is_told_to_everyone_who_asked() -> None:
    url = SecretStr("postgresql+asyncpg://nobody@127.0.0.1:9/nothing")
    engine = create_engine(DatabaseSettings(url=url))
    loader = TaskLoader(reading_engine(create_sessions(engine)))
    asked = await asyncio.gather(
        *(loader.load(uuid.uuid4()) for _ in range(3)), return_exceptions=True
    )
    assert all(isinstance(error, (OSError, SQLAlchemyError)) for error in asked)
    with pytest.raises((OSError, SQLAlchemyError)):
        await loader.load(uuid.uuid4())
    await engine.dispose()
