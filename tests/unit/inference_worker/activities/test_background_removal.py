"""BACKGROUND_REMOVE end to end in memory, with the installed models."""

import io
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from PIL import Image
from skimage import data
from temporalio.testing import ActivityEnvironment

from inference_worker.activities.background_removal import BackgroundRemover
from inference_worker.cpu_threads import CpuThreads
from inference_worker.io.picture_files import PictureFiles
from inference_worker.vision.models import VisionModels
from inference_worker.vision.settings import VisionSettings
from shared.contracts.background_removal import (
    BackgroundRemovalActivities,
    RemoveBackgrounds,
    RemoveBackgroundsResult,
)
from shared.errors import InvalidInputError, StorageError
from shared.pixels.images import encode_png, sha256_hex
from shared.progress import ExecutorIdentity
from tests.fakes.object_store import MemoryObjectStore
from tests.fakes.progress import RecordedProgress
from tests.fixtures.embedded import embedded_record

pytestmark = pytest.mark.models

_TASK = UUID(int=7)


@pytest.fixture(scope="session")
def models() -> VisionModels:
    return VisionModels(VisionSettings(threads=2))


@pytest.fixture
async def objects() -> MemoryObjectStore:
    """A store with two pictures, a truncated one, and a file that is not a picture."""
    store = MemoryObjectStore()
    for name in ("astronaut", "coffee"):
        picture = Image.fromarray(getattr(data, name)()).resize((160, 120))
        await store.put(f"uploads/{name}.png", encode_png(picture), "image/png")
    whole, _ = store.objects["uploads/coffee.png"]
    await store.put("uploads/cut.png", whole[: len(whole) // 2], "image/png")
    return store


def _remover(
    objects: Any,
    cpu: CpuThreads,
    models: VisionModels,
    max_pixels: int = 1_000_000,
    progress: RecordedProgress | None = None,
) -> BackgroundRemover:
    files = PictureFiles(objects, cpu, max_pixels=max_pixels)
    executant = ExecutorIdentity("inference-worker@test:1", "local")
    return BackgroundRemover(models, files, progress or RecordedProgress(), executant)


def _request(*names: str, **config: str) -> RemoveBackgrounds:
    return RemoveBackgrounds.model_validate(
        {
            "task_id": _TASK,
            "attempt": 2,
            "inputs": {"input_image_paths": [f"uploads/{name}.png" for name in names]},
            "remover": config,
        }
    )


async def _run(remover: BackgroundRemover, request: RemoveBackgrounds) -> RemoveBackgroundsResult:
    return await ActivityEnvironment().run(remover.remove_backgrounds, request)


def test_activity_is_the_contracts() -> None:
    def name(worker: Any) -> str:
        return worker.remove_backgrounds.__temporal_activity_definition.name

    assert name(BackgroundRemover) == name(BackgroundRemovalActivities) == "remove_backgrounds"


async def test_batch_gives_a_transparent_png_for_each_picture_in_order(
    objects: MemoryObjectStore, cpu: CpuThreads, models: VisionModels
) -> None:
    progress = RecordedProgress()
    remover = _remover(objects, cpu, models, progress=progress)

    result = await _run(remover, _request("astronaut", "coffee", "astronaut"))

    keys = [f"background_removals/{_TASK}/a2/image_{index}.png" for index in range(3)]
    assert result.result_image_paths == [file.key for file in result.files] == keys
    assert result.fields() == {"result_image_paths": keys, "rembg_model_used": "u2netp"}
    assert result.faults == []
    contents = [objects.objects[key][0] for key in keys]
    for file, content in zip(result.files, contents, strict=True):
        assert (file.size_bytes, file.sha256) == (len(content), sha256_hex(content))
        picture = Image.open(io.BytesIO(content))
        assert (picture.mode, picture.size, picture.format) == ("RGBA", (160, 120), "PNG")
        alpha = np.asarray(picture)[..., 3]
        assert alpha.min() == 0
        assert alpha.max() == 255
    assert contents[0] == contents[2] != contents[1]
    made = result.provenance
    assert made is not None
    assert (made.engine, made.models[0].finds, made.models[0].name) == (
        "background_remove",
        "subjects",
        "u2netp",
    )
    assert [(file.key, file.sha256, file.seed) for file in made.files] == [
        (file.key, file.sha256, None) for file in result.files
    ]
    for content in contents:
        within = embedded_record(content)
        assert within["task_id"] == str(_TASK)
        assert within["models"] == [model.model_dump() for model in made.models]
    assert progress.started == [(_TASK, 2)]
    assert progress.fractions == pytest.approx([1 / 3, 2 / 3, 1])


@pytest.mark.long
async def test_isnet_is_used_if_requested(
    objects: MemoryObjectStore, cpu: CpuThreads, models: VisionModels
) -> None:
    remover = _remover(objects, cpu, models)

    result = await _run(remover, _request("astronaut", rembg_model="isnet-general-use"))

    key = f"background_removals/{_TASK}/a2/image_0.png"
    named = {"result_image_paths": [key], "rembg_model_used": "isnet-general-use"}
    assert result.fields() == named
    by_isnet = objects.objects[key]
    await _run(remover, _request("astronaut"))
    assert objects.objects[key] != by_isnet
    first, second = [
        np.asarray(Image.open(io.BytesIO(content)))[..., 3] >= 128
        for content, _ in (by_isnet, objects.objects[key])
    ]
    assert (first & second).sum() / (first | second).sum() > 0.95


async def test_broken_pictures_are_named_and_the_others_are_done(
    objects: MemoryObjectStore, cpu: CpuThreads, models: VisionModels
) -> None:
    remover = _remover(objects, cpu, models)

    result = await _run(remover, _request("cut", "coffee", "missing"))

    folder = f"background_removals/{_TASK}/a2"
    assert result.result_image_paths == [f"{folder}/image_1.png"]
    first, second = result.faults
    assert first.startswith("input_image_paths[0] (uploads/cut.png): the picture cannot be read")
    assert second.startswith("input_image_paths[2] (uploads/missing.png): ")


async def test_batch_without_one_readable_picture_fails(
    objects: MemoryObjectStore, cpu: CpuThreads, models: VisionModels
) -> None:
    with pytest.raises(InvalidInputError, match=r"\[0\] \(uploads/cut\.png\): .*; .*\[1\]"):
        await _run(_remover(objects, cpu, models), _request("cut", "missing"))


async def test_picture_over_the_limit_is_reported(
    objects: MemoryObjectStore, cpu: CpuThreads, models: VisionModels
) -> None:
    with pytest.raises(InvalidInputError, match="at most 100 are read"):
        await _run(_remover(objects, cpu, models, max_pixels=100), _request("coffee"))


async def test_storage_outage_is_not_an_input_error(
    objects: MemoryObjectStore, cpu: CpuThreads, models: VisionModels
) -> None:
    class Away(MemoryObjectStore):
        async def get(self, key: str) -> bytes:
            if key == "uploads/coffee.png":
                raise StorageError("the store is away")
            return await objects.get(key)

    with pytest.raises(StorageError):
        await _run(_remover(Away(), cpu, models), _request("astronaut", "coffee"))


async def test_requested_model_must_be_installed(
    objects: MemoryObjectStore, cpu: CpuThreads, models: VisionModels, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInputError, match=r"'silueta' is not on this worker\. Put"):
        await _run(_remover(objects, cpu, models), _request("coffee", rembg_model="silueta"))
