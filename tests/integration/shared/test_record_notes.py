"""Warnings in a task's record, and the condition that the task waits for."""

import uuid
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from shared.contracts.enums import TaskStatus
from shared.contracts.owners import Owner
from shared.contracts.progress import ProgressKind, TaskProgress
from shared.contracts.runs import TaskHistory, TaskOutcome
from shared.db.models.tables import Event, Task, WorkflowStep
from shared.db.repositories.outcomes import write_task_history, write_task_outcome
from shared.db.repositories.progress import write_progress
from shared.db.session import Sessions
from tests.fixtures.rows import add, task_row, workflow_row

OWNER = Owner(origin_instance="shop")


async def _read(sessions: Sessions, task: Task) -> Task:
    async with sessions() as session:
        row = await session.get(Task, task.id)
        assert row is not None
        return row


def _outcome(task: Task, **fields: Any) -> TaskOutcome:
    return TaskOutcome(
        task_id=task.id, status=TaskStatus.COMPLETED, owner=OWNER, attempt=1, **fields
    )


async def test_warnings_of_a_worker_join_those_of_the_request_once(sessions: Sessions) -> None:
    workflow = workflow_row("draw", status="RUNNING")
    task = task_row(workflow_id=workflow.id, step_id="draw", warnings=["asked", "cut"])
    workflow.steps[0].task_id = task.id
    await add(sessions, workflow, task)

    async with sessions.begin() as session:
        await write_task_outcome(session, _outcome(task, warnings=["cut", "late"]))

    assert (await _read(sessions, task)).warnings == ["asked", "cut", "late"]
    async with sessions() as session:
        step = await session.scalar(select(WorkflowStep).where(WorkflowStep.task_id == task.id))
    assert step is not None
    assert step.warnings == ["asked", "cut", "late"]


async def test_waiting_for_is_cleared_at_start(sessions: Sessions) -> None:
    picked_up, went_on = task_row(), task_row()
    await add(sessions, picked_up, went_on)
    for task in (picked_up, went_on):
        account = TaskHistory(task_id=task.id, waiting_for="a worker that can do it")
        async with sessions.begin() as session:
            await write_task_history(session, account)
        row = await _read(sessions, task)
        assert (row.waiting_for, row.status) == ("a worker that can do it", "PENDING")

    report = TaskProgress(
        task_id=picked_up.id,
        attempt=1,
        kind=ProgressKind.STARTED,
        executor_instance="w",
        executor_type="t",
        at=datetime.now(UTC),
    )
    async with sessions.begin() as session:
        assert await write_progress(session, report)
    async with sessions.begin() as session:
        await write_task_outcome(session, _outcome(went_on))

    assert (await _read(sessions, picked_up)).waiting_for is None
    assert (await _read(sessions, went_on)).waiting_for is None


async def test_retries_of_downloads_and_attempts_add_up(sessions: Sessions) -> None:
    task = task_row(max_retries=5)
    await add(sessions, task)
    async with sessions.begin() as session:
        await write_task_history(session, TaskHistory(task_id=task.id, retry_count=2))

    counts: list[int] = []
    for attempt in (1, 2, 4):
        report = TaskProgress(
            task_id=task.id,
            attempt=attempt,
            kind=ProgressKind.STARTED,
            executor_instance="w",
            executor_type="t",
            at=datetime.now(UTC),
        )
        async with sessions.begin() as session:
            await write_progress(session, report)
        counts.append((await _read(sessions, task)).retry_count)

    assert counts == [2, 3, 5]


async def test_events_of_a_step_name_its_workflow(sessions: Sessions) -> None:
    workflow = workflow_row("draw", status="RUNNING")
    step = task_row(workflow_id=workflow.id, step_id="draw")
    backend = {f"backend_{of}_id": str(uuid.uuid4()) for of in ("generation", "prediction")}
    known = task_row(workflow_id=workflow.id, step_id="draw", config=backend)
    alone = task_row()
    await add(sessions, workflow, step, known, alone)

    for task in (step, known, alone):
        async with sessions.begin() as session:
            await write_task_outcome(session, _outcome(task))
        async with sessions() as session:
            event = await session.scalar(select(Event).where(Event.subject_id == task.id))
        assert event is not None
        said = {name: event.payload.get(name) for name in ("workflow_id", "step_id")}
        is_step = task is not alone
        assert said == {
            "workflow_id": str(workflow.id) if is_step else None,
            "step_id": "draw" if is_step else None,
        }
