"""A training's record: progress, and reports that arrive too late."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from shared.contracts.attempts import StoredFile
from shared.contracts.datasets import PreparedDataset
from shared.contracts.enums import AiProvider, TrainingStatus
from shared.contracts.evaluation import EvaluationRecord
from shared.contracts.owners import Owner
from shared.contracts.progress import TrainingProgress
from shared.contracts.training import DatasetRecord, TrainingOutcome
from shared.db.models.evaluations import Evaluation
from shared.db.models.tables import Event, StoredObject
from shared.db.models.trainings import Training
from shared.db.repositories.evaluations import write_evaluation
from shared.db.repositories.training_progress import write_training_progress
from shared.db.repositories.trainings import write_dataset, write_training_outcome
from shared.db.session import Sessions

OWNER = Owner(origin_instance="shop", origin_tenant_id="acme")
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
OPEN = [TrainingStatus.PENDING, TrainingStatus.PREPROCESSING, TrainingStatus.TRAINING]
ENDED = [TrainingStatus.COMPLETED, TrainingStatus.FAILED, TrainingStatus.CANCELLED]


async def add(sessions: Sessions, **fields: Any) -> uuid.UUID:
    training_id = uuid.uuid4()
    row = {
        "status": TrainingStatus.PENDING,
        "training_type": "LORA",
        "entity_type": "PRODUCT",
        "trigger_word": "sh0e",
        "rank": 16,
        "steps": 100,
        "learning_rate": 0.1,
        "base_model_path": "base",
        "preprocessing_captioning_strategy": "none",
        "temporal_id": f"training-{training_id}",
        "origin_instance": "shop",
    }
    async with sessions.begin() as session:
        session.add(Training(id=training_id, **row | fields))
    return training_id


async def read(sessions: Sessions, training_id: uuid.UUID) -> Training:
    async with sessions() as session:
        row = await session.get(Training, training_id)
    assert row is not None
    return row


async def events_of(sessions: Sessions, training_id: uuid.UUID) -> list[tuple[int, str, bool]]:
    async with sessions() as session:
        rows = await session.scalars(
            select(Event).where(Event.subject_id == training_id).order_by(Event.seq)
        )
        return [(row.seq, row.payload["status"], row.is_terminal) for row in rows]


async def end(sessions: Sessions, training_id: uuid.UUID, status: TrainingStatus, **fields: Any):
    outcome = TrainingOutcome(training_id=training_id, status=status, owner=OWNER, **fields)
    async with sessions.begin() as session:
        return await write_training_outcome(session, outcome)


async def prepare(sessions: Sessions, training_id: uuid.UUID, **fields: Any):
    path = f"trainings/{training_id}/dataset.tar"
    dataset = PreparedDataset(
        started_at=AT,
        completed_at=AT + timedelta(minutes=1),
        executor_instance="w",
        executor_type="w",
        files=[StoredFile(key=path, size_bytes=1, content_type="application/x-tar", sha256="0")],
        dataset_path=path,
        processed_files_count=3,
        total_files_count=4,
        **fields,
    )
    record = DatasetRecord(training_id=training_id, owner=OWNER, dataset=dataset)
    async with sessions.begin() as session:
        return await write_dataset(session, record)


async def report(sessions: Sessions, training_id: uuid.UUID, stage: TrainingStatus, **fields: Any):
    told = TrainingProgress.model_validate(
        {"training_id": training_id, "stage": stage, "at": AT} | fields
    )
    async with sessions.begin() as session:
        return await write_training_progress(session, told)


@pytest.mark.parametrize("status", ENDED)
async def test_first_end_stands(sessions: Sessions, status: TrainingStatus) -> None:
    training_id = await add(sessions)
    first = await end(sessions, training_id, status, error="one", local_model_path="a")
    again = await end(sessions, training_id, TrainingStatus.COMPLETED, local_model_path="b")
    assert first == again
    assert first.status == status
    assert first.local_model_path == ("a" if status == TrainingStatus.COMPLETED else None)
    assert await events_of(sessions, training_id) == [(1, status, True)]
    assert not await report(sessions, training_id, TrainingStatus.TRAINING, current_step=50)
    assert (await prepare(sessions, training_id)).status == status
    row = await read(sessions, training_id)
    assert (row.status, row.errors, row.current_step) == (status, ["one"], 0)
    assert row.processed_dataset_path is None


@pytest.mark.parametrize("status", OPEN)
async def test_open_training_may_end_from_every_state(
    sessions: Sessions, status: TrainingStatus
) -> None:
    training_id = await add(sessions, status=status)
    standing = await end(sessions, training_id, TrainingStatus.CANCELLED)
    assert standing.status == TrainingStatus.CANCELLED
    assert (await read(sessions, training_id)).completed_at is not None


async def test_dataset_is_written_once_and_owned(sessions: Sessions) -> None:
    training_id = await add(sessions)
    first, again = [await prepare(sessions, training_id) for _ in range(2)]
    assert first == again
    row = await read(sessions, training_id)
    assert (row.status, row.preprocessing_stage) == (TrainingStatus.PREPROCESSING, "completed")
    assert (row.processed_files_count, row.total_files_count) == (3, 4)
    assert row.started_at == row.preprocessing_started_at == AT
    assert await events_of(sessions, training_id) == [(1, "PREPROCESSING", False)]
    async with sessions() as session:
        owner = await session.get(StoredObject, row.processed_dataset_path)
    assert owner is not None
    assert (owner.origin_instance, owner.origin_tenant_id) == ("shop", "acme")
    assert not await report(
        sessions, training_id, TrainingStatus.PREPROCESSING, processed_files_count=4
    )


async def test_later_report_makes_up_for_a_lost_one(sessions: Sessions) -> None:
    training_id = await add(sessions)
    assert await report(sessions, training_id, TrainingStatus.TRAINING, current_step=30)
    assert not await report(sessions, training_id, TrainingStatus.PREPROCESSING)
    assert await report(sessions, training_id, TrainingStatus.TRAINING, current_step=500)
    row = await read(sessions, training_id)
    assert (row.status, row.current_step, row.progress) == (TrainingStatus.TRAINING, 100, 100)
    assert await events_of(sessions, training_id) == [
        (1, "TRAINING", False),
        (2, "TRAINING", False),
    ]


async def test_evaluation_is_recorded_once(sessions: Sessions) -> None:
    record = EvaluationRecord(
        evaluation_id=uuid.uuid4(),
        provider=AiProvider.OLLAMA,
        success=False,
        duration_ms=12.5,
        error="no",
        owner=OWNER,
    )
    for _ in range(2):
        async with sessions.begin() as session:
            await write_evaluation(session, record)
    async with sessions() as session:
        row = await session.get(Evaluation, record.evaluation_id)
    assert row is not None
    assert (row.provider, row.duration_ms, row.error) == ("ollama", 12.5, "no")
    assert (row.origin_instance, row.origin_tenant_id) == ("shop", "acme")


async def test_the_log_of_a_failed_training_ends_with_the_cause(sessions: Sessions) -> None:
    training_id = await add(sessions, logs="2026-01-02T03:04:05Z INFO begun\n")
    error = "none of the source images can be used:\nimage 0"
    outcome = TrainingOutcome(
        training_id=training_id, status=TrainingStatus.FAILED, owner=OWNER, error=error
    )
    async with sessions.begin() as session:
        await write_training_outcome(session, outcome)
    begun, cause = (await read(sessions, training_id)).logs.splitlines()
    assert begun.endswith("INFO begun")
    assert cause.endswith("ERROR none of the source images can be used: image 0")
