"""Threads, pictures, activities and a tiny model for the inference worker's tests."""

from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inference_worker.activities.inference import LocalInference
from inference_worker.activities.refinement import PictureRefiner
from inference_worker.checks.metrics import Metrics
from inference_worker.cpu_threads import CpuThreads
from inference_worker.engine.engine_thread import EngineThread
from inference_worker.engine.identity_engine import IdentityEngine
from inference_worker.io.picture_files import PictureFiles
from inference_worker.lora.files import LoraFiles
from inference_worker.settings import InferenceSettings
from inference_worker.upscaling.upscalers import Upscalers
from inference_worker.vision.models import VisionModels
from inference_worker.vision.output_check import OutputCheck
from inference_worker.vision.settings import VisionSettings
from shared.contracts.attempts import PictureResult
from shared.contracts.editing import EditImage
from shared.contracts.generation import GenerateImage
from shared.contracts.refinement import RefineImage, RefineImageResult
from shared.flux.kinds import DeviceKind
from shared.progress import ExecutorIdentity
from tests.fakes.object_store import MemoryObjectStore
from tests.fakes.people import FakePeople
from tests.fakes.progress import RecordedProgress
from tests.fixtures.pictures import noisy_photo


@dataclass(frozen=True)
class Inference:
    """The activities of one model."""

    generate_image: Callable[[GenerateImage], Awaitable[PictureResult]]
    edit_image: Callable[[EditImage], Awaitable[PictureResult]]
    refine_image: Callable[[RefineImage], Awaitable[RefineImageResult]]


@pytest.fixture(scope="session")
def tiny_flux_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.fixtures.tiny_flux import save_tiny_flux  # noqa: PLC0415 — imports torch

    return save_tiny_flux(tmp_path_factory.mktemp("tiny_flux"))


@pytest.fixture(scope="session")
def engine_executor() -> Iterator[Executor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture(scope="session")
def cpu() -> Iterator[CpuThreads]:
    with ThreadPoolExecutor(2) as executor:
        yield CpuThreads(executor)


@pytest.fixture(scope="session")
def photo() -> Image.Image:
    return noisy_photo()


@pytest.fixture(scope="session")
def person_photo() -> Image.Image:
    """A picture of 200 × 160 pixels without noise."""
    rows, columns = np.mgrid[0:160, 0:200]
    waves = 128 + 60 * np.sin(columns / 9) + 50 * np.cos(rows / 11)
    return Image.fromarray(np.stack([waves, waves[:, ::-1], waves[::-1]], axis=2).astype(np.uint8))


@pytest.fixture
def objects() -> MemoryObjectStore:
    return MemoryObjectStore()


@pytest.fixture
def progress() -> RecordedProgress:
    return RecordedProgress()


@pytest.fixture
def loras(objects: MemoryObjectStore, tmp_path: Path) -> Iterator[LoraFiles]:
    with closing(LoraFiles(objects, tmp_path, 2**20)) as files:
        yield files


@pytest.fixture
def build(
    engine_executor: Executor,
    cpu: CpuThreads,
    objects: MemoryObjectStore,
    loras: LoraFiles,
    progress: RecordedProgress,
) -> Any:
    def build(
        step_s: float = 0,
        engine: IdentityEngine | None = None,
        nsfw_threshold: float = 0,
        **settings: Any,
    ) -> Inference:
        vision = VisionSettings(nsfw_threshold=nsfw_threshold)
        engine = engine or IdentityEngine(edit_side_px=64, step_s=step_s)
        worker_settings = InferenceSettings(**settings)
        shared: dict[str, Any] = {
            "engine": EngineThread(engine, engine_executor),
            "files": PictureFiles(objects, cpu, max_pixels=worker_settings.max_input_pixels),
            "progress": progress,
            "executant": ExecutorIdentity("inference-worker@test:1", "local"),
            "check": OutputCheck(vision, VisionModels(vision)),
        }
        local = LocalInference(**shared, loras=loras)
        refiner = PictureRefiner(
            **shared,
            settings=worker_settings,
            people=FakePeople(),
            metrics=Metrics(None, DeviceKind.CPU),
            upscalers=Upscalers(vision),
        )
        return Inference(local.generate_image, local.edit_image, refiner.refine_image)

    return build
