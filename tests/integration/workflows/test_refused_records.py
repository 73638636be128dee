"""Records that Postgres refuses for good are written once more, without values from outside."""

from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from shared.contracts.attempts import StoredFile
from shared.contracts.enums import ErrorCategory, ProviderType, TaskStatus, TrainingStatus
from shared.contracts.owners import Owner
from shared.contracts.runs import OwnershipCheck, TaskHistory, TaskOutcome
from shared.contracts.training import TrainingOutcome
from shared.db.models.tables import Event, Task
from shared.db.models.trainings import Training
from shared.db.session import Sessions
from tests.fixtures.rows import add, runnable_training, task_row
from workflows.activities.records import Records

_OWNER = Owner(origin_instance="shop")
_FILE = StoredFile(key="x" * 5000, size_bytes=1, content_type="image/png", sha256="0" * 64)


def _nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


async def _write(sessions: Sessions, name: str, message: Any) -> Any:
    return await ActivityEnvironment().run(getattr(Records(sessions), name), message)


@pytest.mark.parametrize(
    "fields",
    [
        {"results": {"text": "a\0b"}},
        {"results": {"text": "\ud83d"}},
        {"results": {"score": float("nan")}},
        {"results": {"score": 10**5000}},
        {"results": {"deep": _nested(2000)}},
        {"mapped_inputs": {"a\0": 1}},
        {"executor_instance": "x" * 1000},
        {"service_task_id": "x" * 1000},
        {"files": [_FILE]},
    ],
    ids=lambda fields: next(iter(fields)),
)
async def test_an_outcome_that_cannot_be_stored_is_written_bare(
    sessions: Sessions, fields: dict[str, Any]
) -> None:
    task = task_row()
    await add(sessions, task)
    outcome = TaskOutcome(
        task_id=task.id, status=TaskStatus.COMPLETED, owner=_OWNER, attempt=2, **fields
    )
    standing = await _write(sessions, "finish_task", outcome)
    assert standing.status == TaskStatus.FAILED
    assert "cannot store" in (standing.note or "")
    async with sessions() as session:
        row = await session.get_one(Task, task.id)
        events = list(await session.scalars(select(Event).where(Event.subject_id == task.id)))
    assert (row.status, row.error_category, row.attempt) == ("FAILED", "INTERNAL", 2)
    assert row.errors == [standing.note]
    assert [event.is_terminal for event in events] == [True]


async def test_a_failure_keeps_its_status(sessions: Sessions) -> None:
    task = task_row()
    await add(sessions, task)
    outcome = TaskOutcome(
        task_id=task.id,
        status=TaskStatus.CANCELLED,
        owner=_OWNER,
        error_category=ErrorCategory.CANCELLED,
        executor_type="x" * 1000,
    )
    assert (await _write(sessions, "finish_task", outcome)).status == TaskStatus.CANCELLED


async def test_an_attempt_log_that_cannot_be_stored_is_written_bare(sessions: Sessions) -> None:
    task = task_row(provider_type=ProviderType.FAL_STANDARD)
    await add(sessions, task)
    account = TaskHistory(task_id=task.id, attempt=1, service_task_id="x" * 1000)
    await _write(sessions, "record_account", account)
    async with sessions() as session:
        row = await session.get_one(Task, task.id)
    assert (row.status, row.service_task_id) == ("EXECUTING", "x" * 254 + "…")


async def test_a_training_that_cannot_be_stored_is_written_bare(sessions: Sessions) -> None:
    training = runnable_training()
    await add(sessions, training)
    outcome = TrainingOutcome(
        training_id=training.id,
        status=TrainingStatus.COMPLETED,
        owner=_OWNER,
        local_model_path="a\0.safetensors",
    )
    standing = await _write(sessions, "finish_training", outcome)
    assert standing.status == TrainingStatus.FAILED
    async with sessions() as session:
        row = await session.get_one(Training, training.id)
    assert "cannot store" in (row.error_message or "")


async def test_an_invalid_query_is_not_retried(sessions: Sessions) -> None:
    question = OwnershipCheck(owner=_OWNER, keys=["a\0.png"])
    with pytest.raises(ApplicationError) as caught:
        await _write(sessions, "foreign_objects", question)
    assert (caught.value.type, caught.value.non_retryable) == (ErrorCategory.INTERNAL, True)


async def test_transient_errors_are_retried(sessions: Sessions) -> None:
    """Everything but the two error classes is retried: a cancelled statement, for instance."""

    async def is_cut_off(session: AsyncSession, _message: Any) -> None:
        await session.execute(text("SET LOCAL statement_timeout = 50"))
        await session.execute(text("SELECT pg_sleep(5)"))

    records = Records(sessions)
    with pytest.raises(DBAPIError, match="canceling statement"):
        await records._write(is_cut_off, None)
