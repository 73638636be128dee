"""Pictures that fail the optional check are not stored by any activity."""

from typing import Any
from uuid import UUID

import pytest
from PIL import Image
from temporalio.testing import ActivityEnvironment

from inference_worker.errors import UnsafeOutputError
from shared.contracts.editing import EditImage, EditingInputs
from shared.contracts.enums import ErrorCategory
from shared.contracts.generation import GenerateImage, GenerationInputs
from shared.contracts.refinement import RefineImage, RefineInputs, TiledRefinerConfig
from shared.pixels.images import encode_png
from tests.fakes.object_store import MemoryObjectStore

_TASK = UUID(int=42)
_BASE = "uploads/base.png"
_SIZE: dict[str, Any] = {"prompt": "a wall", "width": 40, "height": 24, "seed": 1}
_REQUESTS = {
    "generate_image": GenerateImage(task_id=_TASK, attempt=1, inputs=GenerationInputs(**_SIZE)),
    "edit_image": EditImage(
        task_id=_TASK, attempt=1, inputs=EditingInputs(base_image=_BASE, **_SIZE)
    ),
    "refine_image": RefineImage(
        task_id=_TASK, attempt=1, inputs=RefineInputs(base_image_url=_BASE, upscale_factor=2)
    ),
}


@pytest.fixture(autouse=True)
async def base(objects: MemoryObjectStore, photo: Image.Image) -> None:
    await objects.put(_BASE, encode_png(photo), "image/png")


def _outputs(objects: MemoryObjectStore) -> list[str]:
    return [key for key in objects.objects if "/a1/" in key]


@pytest.mark.parametrize("activity", _REQUESTS)
async def test_output_over_the_threshold_is_refused_and_not_stored(
    build: Any, objects: MemoryObjectStore, activity: str
) -> None:
    """The real classifier: no picture scores 0, so this threshold refuses every one."""
    work = getattr(build(nsfw_threshold=1e-9), activity)
    with pytest.raises(UnsafeOutputError, match="output 0 is not safe for work") as refusal:
        await ActivityEnvironment().run(work, _REQUESTS[activity])
    assert refusal.value.category is ErrorCategory.CONTENT_POLICY
    assert _outputs(objects) == []


@pytest.mark.parametrize("activity", _REQUESTS)
async def test_output_under_the_threshold_is_returned(
    build: Any, objects: MemoryObjectStore, activity: str
) -> None:
    result = await ActivityEnvironment().run(
        getattr(build(nsfw_threshold=0.99), activity), _REQUESTS[activity]
    )
    assert _outputs(objects) == [file.key for file in result.files]


async def test_unsafe_edited_tile_is_not_a_debug_tile(
    build: Any, objects: MemoryObjectStore
) -> None:
    request = _REQUESTS["refine_image"].model_copy(
        update={"refiner": TiledRefinerConfig(num_tiles=4, save_debug_tiles=True)}
    )
    with pytest.raises(UnsafeOutputError, match=r"^tile 00\d is not safe for work"):
        await ActivityEnvironment().run(build(nsfw_threshold=1e-9).refine_image, request)
    assert _outputs(objects) == []
