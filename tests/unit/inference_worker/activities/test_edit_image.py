"""The activity of EDITING in memory: base image and references are fetched, results stored."""

import asyncio
import io
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from PIL import Image
from temporalio.testing import ActivityEnvironment

from inference_worker.engine.identity_engine import IdentityEngine
from shared.cancellation import CancelFlag
from shared.contracts.editing import EditImage, EditingConfig, EditingInputs
from shared.errors import InvalidInputError, ObjectNotFoundError
from shared.flux.engine import StepCallback
from shared.pixels.images import encode_png, sha256_hex
from tests.fakes.object_store import MemoryObjectStore
from tests.fakes.progress import RecordedProgress
from tests.fixtures.embedded import embedded_record

_TASK = UUID(int=42)


def _editing(attempt: int = 1, **inputs: Any) -> EditImage:
    fields = {"prompt": "in red", "base_image": "uploads/base.png", "seed": 1}
    fields |= {"width": 96, "height": 72}
    return EditImage(
        task_id=_TASK, attempt=attempt, inputs=EditingInputs.model_validate(fields | inputs)
    )


class WatchedEngine(IdentityEngine):
    """An engine that records the pictures to edit."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Image.Image] = []

    def instruct(
        self,
        inputs: EditingInputs,
        base: Image.Image,
        references: Sequence[Image.Image],
        *,
        on_step: StepCallback,
        cancel: CancelFlag,
    ) -> list[Image.Image]:
        self.seen = [base, *references]
        return super().instruct(inputs, base, references, on_step=on_step, cancel=cancel)


async def test_editing_stores_every_picture(
    build: Any, objects: MemoryObjectStore, progress: RecordedProgress, photo: Image.Image
) -> None:
    await objects.put("uploads/base.png", encode_png(photo), "image/png")
    config = EditingConfig(num_images=2, num_inference_steps=2)
    result = await ActivityEnvironment().run(build().edit_image, _editing(3, config=config))
    keys = [f"editings/{_TASK}/a3/image_{index}.png" for index in (0, 1)]
    assert (result.result_image_path, result.result_image_paths) == (keys[0], keys)
    assert (result.executor_instance, result.executor_type) == ("inference-worker@test:1", "local")
    for file in result.files:
        content, info = objects.objects[file.key]
        assert Image.open(io.BytesIO(content)).tobytes() == photo.tobytes()
        assert (file.size_bytes, file.sha256) == (len(content), sha256_hex(content))
        assert file.content_type == info.content_type == "image/png"
    assert [file.seed for file in result.provenance.files] == [1, 2]
    record = embedded_record(objects.objects[keys[1]][0])
    assert (record["task_id"], record["seed"], record["steps"]) == (str(_TASK), 2, 2)
    assert progress.started == [(_TASK, 3)]
    assert progress.fractions == [0.25, 0.5, 0.75, 1]


async def test_editing_gets_its_mask_and_flat_references(
    build: Any, objects: MemoryObjectStore, photo: Image.Image
) -> None:
    cut = photo.convert("RGBA")
    cut.paste((0, 0, 0, 0), (0, 0, 48, 72))
    await objects.put("uploads/base.png", encode_png(cut), "image/png")
    await objects.put("uploads/plain.png", encode_png(photo), "image/png")
    await objects.put("uploads/cut.png", encode_png(cut), "image/png")
    engine = WatchedEngine()
    request = _editing(reference_images=["uploads/cut.png", "uploads/plain.png"])
    await ActivityEnvironment().run(build(engine=engine).edit_image, request)
    base, first, second = engine.seen
    assert base.mode == "RGBA"
    assert base.getchannel("A").getbbox() == (48, 0, 96, 72)
    assert (first.mode, first.getpixel((0, 0))) == ("RGB", (255, 255, 255))
    assert (second.mode, second.tobytes()) == ("RGB", photo.tobytes())


async def test_repeated_editing_writes_the_same_bytes(
    build: Any, objects: MemoryObjectStore, photo: Image.Image
) -> None:
    await objects.put("uploads/base.png", encode_png(photo), "image/png")
    first = await ActivityEnvironment().run(build().edit_image, _editing())
    again = await ActivityEnvironment().run(build().edit_image, _editing())
    assert again.files == first.files


@pytest.mark.parametrize(
    ("field", "value"), [("base_image", "uploads/x.png"), ("reference_images", ["uploads/x.png"])]
)
@pytest.mark.parametrize(
    ("content", "error"), [(None, ObjectNotFoundError), (b"text", InvalidInputError)]
)
async def test_editing_with_a_bad_picture_names_it(
    build: Any,
    objects: MemoryObjectStore,
    photo: Image.Image,
    field: str,
    value: Any,
    content: bytes | None,
    error: type[Exception],
) -> None:
    await objects.put("uploads/base.png", encode_png(photo), "image/png")
    if content:
        await objects.put("uploads/x.png", content, "image/png")
    with pytest.raises(error, match=field if content else r"uploads/x\.png"):
        await ActivityEnvironment().run(build().edit_image, _editing(**{field: value}))


async def test_cancelled_editing_stops_the_engine(
    build: Any, objects: MemoryObjectStore, progress: RecordedProgress, photo: Image.Image
) -> None:
    await objects.put("uploads/base.png", encode_png(photo), "image/png")
    environment = ActivityEnvironment()
    running = asyncio.create_task(
        environment.run(
            build(step_s=0.02).edit_image, _editing(config=EditingConfig(num_inference_steps=200))
        )
    )
    while not progress.fractions:
        await asyncio.sleep(0.005)
    environment.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(progress.fractions) < 200
