"""The dataset activities on the real object store."""

import json
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from zipfile import ZipFile

import pytest
from PIL import Image
from temporalio.testing import ActivityEnvironment

from inference_worker.activities.preprocessing import DatasetPreparer
from inference_worker.cpu_threads import CpuThreads
from inference_worker.io.picture_files import PictureFiles
from shared.contracts.datasets import (
    Captioning,
    DatasetManifest,
    FinishDataset,
    FinishedDataset,
    PreparedDataset,
    PreprocessDataset,
)
from shared.contracts.enums import CaptioningStrategy
from shared.contracts.owners import Owner
from shared.progress import ExecutorIdentity
from shared.storage.object_store import ObjectStore
from shared.storage.s3 import S3ObjectStore
from tests.fakes.progress import RecordedProgress
from tests.fixtures.gateway import storage_settings
from tests.fixtures.segmenters import ColourModels
from tests.fixtures.servers import Servers

OWNER = Owner(origin_instance="test")


@dataclass
class Datasets:
    """Runs the activities for one training, and reads what they stored."""

    store: S3ObjectStore
    cpu: CpuThreads
    folder: Path
    progress: RecordedProgress = field(default_factory=RecordedProgress)
    training_id: UUID = field(default_factory=uuid4)
    models: Any = field(default_factory=ColourModels)
    objects: ObjectStore | None = None
    """The store that the activities see, if a test disturbs it."""

    @property
    def prefix(self) -> str:
        return f"trainings/{self.training_id}"

    @property
    def preparer(self) -> DatasetPreparer:
        return DatasetPreparer(
            self.models,
            PictureFiles(self.objects or self.store, self.cpu, max_pixels=89_000_000),
            self.progress,
            ExecutorIdentity("inference-worker@test:1", "inference-worker"),
            native_px=64,
            folder=self.folder,
        )

    async def put(self, name: str, content: bytes | Image.Image) -> str:
        """Store a source picture, and return its key."""
        key = f"{self.prefix}/inputs/{name}"
        if isinstance(content, Image.Image):
            content = encoded(content)
        await self.store.put(key, content, "image/png")
        return key

    def request(self, *sources: str, **fields: Any) -> PreprocessDataset:
        strategy = fields.pop("strategy", CaptioningStrategy.TRIGGER_ONLY)
        trigger = fields.pop("trigger", "zqx")
        return PreprocessDataset(
            training_id=self.training_id,
            source_images=list(sources),
            captioning=Captioning(strategy=strategy, trigger_word=trigger),
            owner=OWNER,
            **fields,
        )

    async def prepare(self, *sources: str, **fields: Any) -> PreparedDataset:
        request = self.request(*sources, **fields)
        return await ActivityEnvironment().run(self.preparer.preprocess_dataset, request)

    async def finish(self, dataset: PreparedDataset, captions: dict[str, str]) -> FinishedDataset:
        request = FinishDataset(
            training_id=self.training_id,
            dataset_path=dataset.dataset_path,
            captions=captions,
            owner=OWNER,
        )
        return await ActivityEnvironment().run(self.preparer.finish_dataset, request)

    async def manifest(self) -> DatasetManifest:
        content = await self.store.get(f"{self.prefix}/dataset/manifest.json")
        return DatasetManifest.model_validate(json.loads(content))

    async def archive(self) -> dict[str, Image.Image]:
        content = await self.store.get(f"{self.prefix}/dataset/images.zip")
        with ZipFile(BytesIO(content)) as archive:
            return {name: Image.open(archive.open(name)) for name in archive.namelist()}


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture(scope="session")
async def store(servers: Servers) -> AsyncIterator[S3ObjectStore]:
    opened = S3ObjectStore(storage_settings(servers))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def cpu() -> Iterator[CpuThreads]:
    with ThreadPoolExecutor(2) as executor:
        yield CpuThreads(executor)


@pytest.fixture
def datasets(store: S3ObjectStore, cpu: CpuThreads, tmp_path: Path) -> Datasets:
    return Datasets(store, cpu, tmp_path)
