"""The listener is notified after each commit that created deliveries, and only then."""

import uuid

import pytest

from shared.contracts.enums import EventType
from shared.db.announcements import Announcement, announcing
from shared.db.models.tables import Task
from shared.db.repositories.events import add_task_event
from shared.db.session import Sessions
from tests.fixtures.rows import task_row

URL = "https://example.com/hook"


class Listener:
    def __init__(self) -> None:
        self.heard: list[frozenset[Announcement]] = []

    def __call__(self, subjects: frozenset[Announcement]) -> None:
        self.heard.append(subjects)


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def telling(sessions: Sessions, listener: Listener) -> Sessions:
    return announcing(sessions, listener)


def new_task(url: str | None = URL) -> Task:
    return task_row(webhook_url=url, origin_tenant_id="acme", last_seq=0)


async def test_commit_notifies_of_each_subject_once(telling: Sessions, listener: Listener) -> None:
    tasks = [new_task(), new_task()]
    async with telling.begin() as session:
        session.add_all(tasks)
        await session.flush()
        for task in tasks:
            add_task_event(session, task, EventType.TASK_CREATED)
            add_task_event(session, task, EventType.TASK_STATUS_UPDATE)
        await session.flush()
        assert listener.heard == []
    [heard] = listener.heard
    assert heard == {Announcement(task.id, "task", "shop", "acme") for task in tasks}


async def test_rollback_does_not_notify(telling: Sessions, listener: Listener) -> None:
    async with telling() as session:
        task = new_task()
        session.add(task)
        add_task_event(session, task, EventType.TASK_CREATED)
        await session.flush()
        await session.rollback()
    assert listener.heard == []


async def test_savepoint_does_not_notify(telling: Sessions, listener: Listener) -> None:
    async with telling.begin() as session:
        async with session.begin_nested():
            task = new_task()
            session.add(task)
            add_task_event(session, task, EventType.TASK_CREATED)
        assert listener.heard == []
    assert len(listener.heard) == 1


async def test_subject_without_a_webhook_does_not_notify(
    telling: Sessions, listener: Listener
) -> None:
    async with telling.begin() as session:
        task = new_task(url=None)
        session.add(task)
        add_task_event(session, task, EventType.TASK_CREATED)
    assert listener.heard == []


async def test_sessions_work_without_a_listener(sessions: Sessions) -> None:
    task = new_task()
    async with sessions.begin() as session:
        session.add(task)
        add_task_event(session, task, EventType.TASK_CREATED)
    async with sessions() as session:
        assert (await session.get_one(Task, task.id)).last_seq == 1
        assert task.id != uuid.UUID(int=0)
