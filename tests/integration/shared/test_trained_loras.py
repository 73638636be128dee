"""Registration of a training's LoRA: once, under a free name, for the training's owner alone."""

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from shared.contracts.enums import TrainingStatus
from shared.contracts.training import TrainedLora, TrainingMetrics, TrainingRecordState
from shared.db.models.loose_objects import LooseObject
from shared.db.models.loras import Lora
from shared.db.repositories.loras import find_lora
from shared.db.repositories.scope import Scope
from shared.db.session import Sessions
from tests.fakes.training import LORA
from tests.integration.shared.test_trainings import add, end, prepare, read


def lora(**fields: Any) -> TrainedLora:
    own = {"stem": f"sh0e{uuid.uuid4().hex[:8]}", "sha256": uuid.uuid4().hex * 2}
    return LORA.model_copy(update=own | fields)


async def complete(
    sessions: Sessions, training_id: uuid.UUID, trained: TrainedLora, **fields: Any
) -> TrainingRecordState:
    own: dict[str, Any] = {"lora": trained, "folder": "product", "current_step": 100} | fields
    return await end(sessions, training_id, TrainingStatus.COMPLETED, **own)


async def rows_of(sessions: Sessions, training_id: uuid.UUID) -> Sequence[Lora]:
    async with sessions() as session:
        rows = select(Lora).where(Lora.training_id == training_id)
        return (await session.scalars(rows)).all()


async def test_outcome_registers_the_lora_with_its_facts_and_owner(sessions: Sessions) -> None:
    training_id, trained = await add(sessions), lora()
    standing = await complete(sessions, training_id, trained)
    path = f"product/{trained.stem}.safetensors"
    assert standing.local_model_path == path
    assert (await read(sessions, training_id)).local_model_path == path
    [row] = await rows_of(sessions, training_id)
    assert (row.sha256, row.size_bytes, row.rank) == (trained.sha256, 1, 16)
    assert (row.base_model, row.target_modules) == ("FLUX.1", ["attn.to_q"])
    assert row.file_metadata == {"format": "pt"}
    async with sessions() as session:
        assert await find_lora(session, Scope("shop", "acme"), path)
        for foreign in (Scope("shop", "other"), Scope("market", "acme")):
            assert await find_lora(session, foreign, path) is None


async def test_second_outcome_adds_no_second_row(sessions: Sessions) -> None:
    training_id, trained = await add(sessions), lora()
    first, again = [await complete(sessions, training_id, trained) for _ in range(2)]
    assert first == again
    assert len(await rows_of(sessions, training_id)) == 1


async def test_trainings_that_end_together_get_names_of_their_own(sessions: Sessions) -> None:
    trained = lora()
    ids = [await add(sessions) for _ in range(3)]
    standings = await asyncio.gather(*(complete(sessions, each, trained) for each in ids))
    assert sorted(standing.local_model_path or "" for standing in standings) == [
        f"product/{trained.stem}.safetensors",
        f"product/{trained.stem}_v2.safetensors",
        f"product/{trained.stem}_v3.safetensors",
    ]


async def test_ended_training_registers_nothing(sessions: Sessions) -> None:
    training_id = await add(sessions)
    await end(sessions, training_id, TrainingStatus.CANCELLED)
    standing = await complete(sessions, training_id, lora())
    assert (standing.status, standing.local_model_path) == (TrainingStatus.CANCELLED, None)
    assert not await rows_of(sessions, training_id)


async def test_bytes_that_an_upload_noted_as_loose_are_kept(sessions: Sessions) -> None:
    training_id, trained = await add(sessions), lora()
    key = f"loras/sha256/{trained.sha256}"
    async with sessions.begin() as session:
        session.add(LooseObject(key=key))
    await complete(sessions, training_id, trained)
    async with sessions() as session:
        assert await session.get(LooseObject, key) is None


async def test_outcome_and_dataset_write_log_figures_and_warnings_once(sessions: Sessions) -> None:
    training_id = await add(sessions, warnings=["base_model_path: swatch"])
    await prepare(sessions, training_id, log=["one is broken", "two"], warnings=["1 is left out"])
    row = await read(sessions, training_id)
    assert row.logs == "one is broken\ntwo\n"
    warnings = ["1 is left out", "sampled without guidance"]
    metrics = TrainingMetrics(loss=0.1)
    await complete(
        sessions, training_id, lora(), logs="the end", warnings=warnings, metrics=metrics
    )
    row = await read(sessions, training_id)
    assert (row.logs, row.metrics) == ("the end", {"loss": 0.1})
    assert row.warnings == ["base_model_path: swatch", *warnings]


async def test_failure_keeps_the_figures_and_the_log(sessions: Sessions) -> None:
    training_id = await add(sessions, metrics={"loss": 0.1}, logs="so far")
    await end(sessions, training_id, TrainingStatus.FAILED, error="the loss is not finite")
    row = await read(sessions, training_id)
    assert row.metrics == {"loss": 0.1}
    first, last = row.logs.splitlines()
    assert first == "so far"
    assert last.endswith("ERROR the loss is not finite")
