"""One attempt from a stored dataset to a stored LoRA, on the packaged model."""

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from shared.contracts.enums import EntityType
from shared.contracts.owners import Owner
from shared.contracts.progress import TrainingProgress
from shared.contracts.training import Hyperparameters, TrainModel
from shared.errors import PlatformError, StorageError
from shared.settings import ModelSettings, TrainingSettings
from tests.fakes.broken_store import BrokenStore
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.lora_training import TRAINING, blocking, write_dataset
from training_worker import attempt
from training_worker.attempt import TrainingJob, TrainingResult, run_attempt
from training_worker.resources import Resources
from training_worker.settings import TrainerSettings
from training_worker.state.uploads import Uploads

pytestmark = pytest.mark.models

_FOLDER = f"trainings/{TRAINING}"
_ATTEMPTS = f"{_FOLDER}/resume/attempts.json"


class _Reports:
    def __init__(self) -> None:
        self.all: list[TrainingProgress] = []

    def report_training(self, report: TrainingProgress) -> None:
        self.all.append(report)


class _FullOnce(BrokenStore):
    """A store that refuses LoRAs once."""

    is_full = True

    async def put_file(self, key: str, path: Path, content_type: str) -> None:
        if key.startswith("loras/") and self.is_full:
            self.is_full = False
            raise StorageError("the store is full")
        await self._store.put_file(key, path, content_type)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    write_dataset(folder, [(32, 32), (48, 32)])
    return folder


@pytest.fixture
def store(store: MemoryObjectStore, dataset: Path) -> MemoryObjectStore:
    with blocking(store) as objects:
        for name in ("archive.zip", "manifest.json"):
            objects.upload(name, dataset / name)
    return store


def _run(store: Any, folder: Path, trainings: TrainingSettings | None = None) -> TrainingResult:
    values = Hyperparameters(
        steps=2, rank=4, learning_rate=1e-2, sample_steps=1, resolutions=[32], warmup_steps=0
    )
    request = TrainModel(
        training_id=TRAINING,
        entity_type=EntityType.PRODUCT,
        trigger_word="zqx",
        base_model_path="black-forest-labs/FLUX.1-dev",
        dataset_path="manifest.json",
        folder="product",
        hyperparameters=values,
        owner=Owner(origin_instance="test"),
    )
    resources = Resources(
        objects=store,
        progress=_Reports(),
        settings=TrainerSettings(cache_dir=folder / "cache"),
        trainings=trainings or TrainingSettings(),
        model=ModelSettings(),
        folder=folder,
    )

    async def run() -> TrainingResult:
        loop = asyncio.get_running_loop()
        job = TrainingJob(request, resources, folder, loop, lambda _: None)
        return await asyncio.to_thread(run_attempt, job, threading.Event())

    return asyncio.run(run())


def test_a_store_that_refuses_the_result_once_costs_nothing(
    store: MemoryObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "Uploads", lambda: Uploads(back_off=lambda _: 0.0))
    full: Any = _FullOnce(store)

    result = _run(full, tmp_path)

    assert not full.is_full
    assert f"loras/sha256/{result.lora.sha256}" in store.objects
    assert (result.step, result.lora.stem) == (2, "zqx")
    assert any("stored as zqx" in line for line in result.logs.splitlines())


def test_a_base_model_that_is_away_is_told_without_its_folder(
    store: MemoryObjectStore, tmp_path: Path
) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    name = "black-forest-labs/FLUX.1-dev"

    with pytest.raises(PlatformError, match="base_model_path") as raised:
        _run(store, tmp_path, TrainingSettings(base_models={name: str(folder)}))

    assert str(folder) in str(raised.value.__cause__)
    told = [str(raised.value), *(bytes(store.objects[key][0]).decode() for key in _texts())]
    assert not any(str(folder) in text for text in told)


def test_a_store_that_fails_costs_no_attempt(store: MemoryObjectStore, tmp_path: Path) -> None:
    broken: Any = BrokenStore(store, "get_file")

    with pytest.raises(StorageError):
        _run(broken, tmp_path)

    assert json.loads(store.objects[_ATTEMPTS][0])["count"] == 0


def _texts() -> list[str]:
    return [f"{_FOLDER}/log.txt", _ATTEMPTS]
