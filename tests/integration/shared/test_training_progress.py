"""Reports of running trainings: figures, log and files; few events; no way back."""

import uuid
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import func, select

from shared.contracts.attempts import StoredFile
from shared.contracts.enums import TrainingStatus
from shared.contracts.progress import LOG_MAX_CHARS
from shared.contracts.training import TrainingMetrics
from shared.db.models.tables import Event, StoredObject
from shared.db.session import Sessions
from tests.integration.shared.test_trainings import add, end, read, report

TRAINING, PREPROCESSING = TrainingStatus.TRAINING, TrainingStatus.PREPROCESSING


async def events(sessions: Sessions, training_id: uuid.UUID) -> Sequence[dict[str, Any]]:
    async with sessions() as session:
        rows = select(Event.payload).where(Event.subject_id == training_id).order_by(Event.seq)
        return (await session.scalars(rows)).all()


def stored(training_id: uuid.UUID, name: str, sha256: str = "0", size_bytes: int = 1) -> StoredFile:
    return StoredFile(
        key=f"trainings/{training_id}/{name}",
        size_bytes=size_bytes,
        content_type="image/png",
        sha256=sha256,
    )


async def test_figures_and_log_are_shown_and_travel_with_events(sessions: Sessions) -> None:
    training_id = await add(sessions)
    figures = {
        "loss": 0.25,
        "it_per_s": 3.5,
        "device": "cuda",
        "memory_bytes": 5,
        "last_checkpoint_step": 40,
        "sample_paths": ["trainings/x/samples/0_0.png"],
    }
    await report(
        sessions,
        training_id,
        TRAINING,
        current_step=50,
        metrics=TrainingMetrics(held_out_loss=float("nan"), **figures),
        logs="a\x00b",
    )
    row = await read(sessions, training_id)
    assert row.metrics == figures
    assert row.logs == "ab"
    [event] = await events(sessions, training_id)
    assert event["metadata"] == figures | {"seq": 1}


async def test_report_of_figures_alone_adds_no_event(sessions: Sessions) -> None:
    training_id = await add(sessions)
    assert await report(sessions, training_id, TRAINING, current_step=50)
    fields = {"current_step": 50, "eta_seconds": 7, "logs": "b"}
    metrics = TrainingMetrics(loss=0.5)
    assert not await report(sessions, training_id, TRAINING, **fields, metrics=metrics)
    row = await read(sessions, training_id)
    assert (row.metrics, row.logs, row.eta_seconds) == ({"loss": 0.5}, "b", 7)
    assert len(await events(sessions, training_id)) == 1


async def test_alarm_adds_an_event_when_it_begins_and_when_it_ends(sessions: Sessions) -> None:
    training_id = await add(sessions)
    alarmed, calm = TrainingMetrics(alarms=["overfit"]), TrainingMetrics(loss=0.1)
    for metrics in (calm, alarmed, alarmed, calm):
        await report(sessions, training_id, TRAINING, current_step=1, metrics=metrics)
    alarms = [each["metadata"].get("alarms") for each in await events(sessions, training_id)]
    assert alarms == [None, ["overfit"], None]


async def test_resumed_attempt_does_not_go_back_but_its_log_and_figures_are_shown(
    sessions: Sessions,
) -> None:
    training_id = await add(sessions)
    await report(sessions, training_id, TRAINING, current_step=60, eta_seconds=5)
    resumed = TrainingMetrics(loss=0.3, last_checkpoint_step=40)
    fields: dict[str, Any] = {"current_step": 41, "metrics": resumed, "logs": "resumed at 40"}
    assert not await report(sessions, training_id, TRAINING, **fields)
    row = await read(sessions, training_id)
    assert (row.current_step, row.progress, row.eta_seconds) == (60, 60, 5)
    assert (row.logs, (row.metrics or {})["last_checkpoint_step"]) == ("resumed at 40", 40)
    assert len(await events(sessions, training_id)) == 1


async def test_a_million_steps_are_at_most_a_thousand_events(sessions: Sessions) -> None:
    training_id = await add(sessions, steps=1_000_000)
    # A report each 100 steps would be ten thousand; a part of them shows the rate.
    for step in range(100, 30_001, 100):
        await report(sessions, training_id, TRAINING, current_step=step)
    assert (await read(sessions, training_id)).current_step == 30_000
    assert len(await events(sessions, training_id)) == 31


async def test_short_training_has_an_event_for_each_report(sessions: Sessions) -> None:
    training_id = await add(sessions, steps=7)
    for step in range(1, 8):
        assert await report(sessions, training_id, TRAINING, current_step=step)


async def test_files_get_owners_and_a_rewritten_one_its_new_digest(sessions: Sessions) -> None:
    training_id, other = await add(sessions), await add(sessions, origin_tenant_id="other")
    sheet = stored(training_id, "contact_sheet.png", "1")
    assert await report(sessions, training_id, TRAINING, files=[sheet])
    rewritten = [stored(training_id, "contact_sheet.png", digest, 9) for digest in ("2", "3")]
    assert not await report(sessions, training_id, TRAINING, files=rewritten)
    assert await report(sessions, training_id, TRAINING, files=[stored(training_id, "a.png")])
    # A worker's report gives no training another's files.
    await report(sessions, other, TRAINING, files=[stored(training_id, "contact_sheet.png", "4")])
    await report(sessions, other, TRAINING, files=[stored(training_id, "new.png")])
    async with sessions() as session:
        row = await session.get(StoredObject, sheet.key)
        count = await session.scalar(
            select(func.count()).where(StoredObject.key.startswith(f"trainings/{training_id}/"))
        )
    assert row is not None
    assert (row.sha256, row.size_bytes, row.task_id) == ("3", 9, training_id)
    assert (row.origin_instance, row.origin_tenant_id) == ("shop", None)
    assert count == 2


async def test_counts_of_preprocessing_start_anew_with_each_stage(sessions: Sessions) -> None:
    training_id = await add(sessions)

    async def tell(stage: str, done: int) -> tuple[str | None, int | None]:
        fields = {"preprocessing_stage": stage, "processed_files_count": done}
        await report(sessions, training_id, PREPROCESSING, **fields, total_files_count=20)
        row = await read(sessions, training_id)
        return row.preprocessing_stage, row.processed_files_count

    assert await tell("validating", 20) == ("validating", 20)
    assert await tell("transforming", 3) == ("transforming", 3)
    assert await tell("transforming", 2) == ("transforming", 3)
    # A second attempt begins at the first stage; the record stays where it was.
    assert await tell("validating", 5) == ("transforming", 3)
    assert await tell("captioning", 1) == ("captioning", 1)
    assert await tell("bucketing", 1) == ("bucketing", 1)
    progress = [each["progress"] for each in await events(sessions, training_id)]
    assert progress == [100, 15, 5, 5]


async def test_a_thousand_pictures_are_at_most_a_hundred_events_a_stage(
    sessions: Sessions,
) -> None:
    training_id = await add(sessions)
    for done in range(0, 301, 5):
        fields = {"preprocessing_stage": "validating", "processed_files_count": done}
        await report(sessions, training_id, PREPROCESSING, **fields, total_files_count=1000)
    assert len(await events(sessions, training_id)) == 31


@pytest.mark.parametrize("stage", [PREPROCESSING, TRAINING])
async def test_log_of_each_stage_is_written(sessions: Sessions, stage: TrainingStatus) -> None:
    training_id = await add(sessions)
    await report(sessions, training_id, stage, logs="x" * LOG_MAX_CHARS)
    assert len((await read(sessions, training_id)).logs) == LOG_MAX_CHARS


@pytest.mark.parametrize("status", [TrainingStatus.CANCELLED, TrainingStatus.FAILED])
async def test_what_a_worker_stores_after_the_end_can_be_read(
    sessions: Sessions, status: TrainingStatus
) -> None:
    training_id = await add(sessions)
    await report(sessions, training_id, TRAINING, files=[stored(training_id, "log.txt")])
    await end(sessions, training_id, status)

    newer = stored(training_id, "log.txt", "1", 2)
    metrics = TrainingMetrics(last_checkpoint_step=7)
    fields = {"logs": "stopped\n", "metrics": metrics, "files": [newer], "current_step": 9}
    assert not await report(sessions, training_id, TRAINING, **fields)
    row = await read(sessions, training_id)
    assert (row.status, row.current_step, row.logs) == (status, 0, "stopped\n")
    assert row.metrics == {"last_checkpoint_step": 7}
    async with sessions() as session:
        owned = await session.get(StoredObject, newer.key)
    assert owned is not None
    assert (owned.sha256, owned.size_bytes) == ("1", 2)


async def test_the_outcome_of_a_completed_training_has_its_last_files(sessions: Sessions) -> None:
    training_id = await add(sessions)
    newest = stored(training_id, "log.txt", "1", 2)
    await end(sessions, training_id, TrainingStatus.COMPLETED, files=[newest])
    late = [stored(training_id, "log.txt")]
    await report(sessions, training_id, TRAINING, files=late, logs="late")
    async with sessions() as session:
        owned = await session.get(StoredObject, newest.key)
    assert owned is not None
    assert owned.sha256 == "1"
    assert (await read(sessions, training_id)).logs == ""
