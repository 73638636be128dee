"""Adjusting and background fixing end to end in memory: inputs are fetched, results stored."""

import io
from typing import Any
from uuid import UUID

import pytest
from PIL import Image
from temporalio.testing import ActivityEnvironment

from inference_worker.activities.pictures import PictureActivities
from inference_worker.cpu_threads import CpuThreads
from inference_worker.io.picture_files import PictureFiles
from inference_worker.vision.weights import ModelFile, Weights
from shared.contracts.adjusting import AdjustImage, AdjustingActivities, AdjustInputs
from shared.contracts.backgrounds import BackgroundActivities, BackgroundFixInputs, FixBackground
from shared.errors import InvalidInputError, ObjectNotFoundError
from shared.pixels.images import encode_png, sha256_hex
from shared.progress import ExecutorIdentity
from tests.fakes.object_store import MemoryObjectStore
from tests.fakes.progress import RecordedProgress
from tests.fixtures.embedded import embedded_record
from tests.fixtures.pictures import picture
from tests.fixtures.segmenters import ColourModels

TASK = UUID(int=7)
WORKER = ExecutorIdentity("inference-worker@test:1", "inference-worker")


@pytest.fixture
def objects() -> MemoryObjectStore:
    return MemoryObjectStore()


@pytest.fixture
def started() -> RecordedProgress:
    return RecordedProgress()


@pytest.fixture
def activities(
    cpu: CpuThreads, objects: MemoryObjectStore, started: RecordedProgress
) -> PictureActivities:
    return PictureActivities(
        ColourModels(),
        PictureFiles(objects, cpu, max_pixels=10_000),
        started,
        WORKER,
        max_output_pixels=1_000_000,
    )


def adjustment(attempt: int = 1, **inputs: Any) -> AdjustImage:
    fields = AdjustInputs(input_image="uploads/in.png", **inputs)
    return AdjustImage(task_id=TASK, attempt=attempt, inputs=fields)


def fix(attempt: int = 1, **inputs: Any) -> FixBackground:
    fields = BackgroundFixInputs(
        base_image="uploads/base.png", palette_image="uploads/palette.png", **inputs
    )
    return FixBackground(task_id=TASK, attempt=attempt, inputs=fields)


async def run(activity: Any, request: Any) -> Any:
    return await ActivityEnvironment().run(activity, request)


def opened(objects: MemoryObjectStore, key: str) -> Image.Image:
    return Image.open(io.BytesIO(objects.objects[key][0]))


def test_activities_are_the_contracts() -> None:
    for worker, contract, name in (
        (PictureActivities, AdjustingActivities, "adjust_image"),
        (PictureActivities, BackgroundActivities, "fix_background"),
    ):
        for one in (worker, contract):
            assert getattr(one, name).__temporal_activity_definition.name == name


async def test_an_adjusted_picture_is_stored_under_its_attempt(
    activities: PictureActivities, objects: MemoryObjectStore, started: RecordedProgress
) -> None:
    await objects.put("uploads/in.png", picture(size=(40, 20)), "image/png")
    request = adjustment(3, mode="pad", target_width=50, target_height=60)
    result = await run(activities.adjust_image, request)
    assert result.result_image_path == f"image_adjusters/{TASK}/a3/image.png"
    [file] = result.files
    content = objects.objects[file.key][0]
    assert (file.sha256, file.size_bytes) == (sha256_hex(content), len(content))
    assert opened(objects, file.key).size == (50, 60)
    assert (result.executor_instance, result.executor_type) == (
        "inference-worker@test:1",
        "inference-worker",
    )
    assert started.started == [(TASK, 3)]


async def test_the_reference_image_is_fetched_too(
    activities: PictureActivities, objects: MemoryObjectStore
) -> None:
    reference = Image.new("RGB", (100, 100), "white")
    reference.paste("red", (40, 40, 60, 60))
    buffer = io.BytesIO()
    reference.save(buffer, "PNG")
    await objects.put("uploads/ref.png", buffer.getvalue(), "image/png")
    await objects.put("uploads/in.png", picture(size=(20, 20)), "image/png")
    request = adjustment(mode="pad", reference_image="uploads/ref.png")
    result = await run(activities.adjust_image, request)
    assert opened(objects, result.result_image_path).size == (100, 100)


async def test_cutouts_are_stored_with_their_alpha(
    activities: PictureActivities, objects: MemoryObjectStore
) -> None:
    cutout = Image.new("RGBA", (40, 20), (0, 0, 0, 0))
    cutout.paste((0, 0, 255, 255), (10, 5, 30, 15))
    buffer = io.BytesIO()
    cutout.save(buffer, "PNG")
    await objects.put("uploads/in.png", buffer.getvalue(), "image/png")
    result = await run(activities.adjust_image, adjustment(mode="pad", aspect_ratio=1))
    stored = opened(objects, result.result_image_path)
    assert (stored.mode, stored.size) == ("RGBA", (40, 40))
    assert stored.getchannel("A").getbbox() == (10, 15, 30, 25)


async def test_a_fixed_background_is_stored_under_its_attempt(
    activities: PictureActivities, objects: MemoryObjectStore, started: RecordedProgress
) -> None:
    base = Image.new("RGB", (40, 30), "white")
    base.paste("red", (10, 10, 20, 30))
    buffer = io.BytesIO()
    base.save(buffer, "PNG")
    await objects.put("uploads/base.png", buffer.getvalue(), "image/png")
    await objects.put("uploads/palette.png", picture(colour="#e0d8c8"), "image/png")
    result = await run(activities.fix_background, fix(2, edge_blur_sigma=1))
    assert result.result_image_path == f"background_fixes/{TASK}/a2/image.png"
    stored = opened(objects, result.result_image_path)
    assert stored.getpixel((39, 0)) == (0xE0, 0xD8, 0xC8)
    assert stored.getpixel((15, 20)) == (255, 0, 0)
    assert started.started == [(TASK, 2)]


async def test_a_cutout_is_its_own_mask_and_no_model_runs(
    activities: PictureActivities, objects: MemoryObjectStore
) -> None:
    cutout = Image.new("RGBA", (40, 30), (0, 0, 0, 0))
    cutout.paste((250, 250, 240, 255), (10, 10, 30, 30))
    await objects.put("uploads/base.png", encode_png(cutout), "image/png")
    await objects.put("uploads/palette.png", picture(colour="#e0d8c8"), "image/png")
    result = await run(activities.fix_background, fix(strategy="replace"))
    assert (result.mask_used, result.provenance.models) == ("alpha", [])
    stored = opened(objects, result.result_image_path)
    assert stored.getpixel((0, 0)) == (0xE0, 0xD8, 0xC8)
    assert stored.getpixel((15, 20)) == (250, 250, 240)


@pytest.mark.parametrize("name", ["base", "palette"])
async def test_a_picture_that_cannot_be_read_is_named(
    activities: PictureActivities, objects: MemoryObjectStore, name: str
) -> None:
    await objects.put("uploads/base.png", picture(), "image/png")
    await objects.put("uploads/palette.png", picture(), "image/png")
    await objects.put(f"uploads/{name}.png", picture()[:40], "image/png")
    with pytest.raises(InvalidInputError, match=rf"^{name}_image: the picture cannot be read"):
        await run(activities.fix_background, fix())


async def test_too_many_pixels_are_refused_by_name(
    activities: PictureActivities, objects: MemoryObjectStore
) -> None:
    await objects.put("uploads/in.png", picture(size=(101, 100)), "image/png")
    with pytest.raises(InvalidInputError, match=r"^input_image: .*at most 10000"):
        await run(activities.adjust_image, adjustment())


async def test_a_missing_picture_is_reported(activities: PictureActivities) -> None:
    with pytest.raises(ObjectNotFoundError, match=r"^input_image: there is no object"):
        await run(activities.adjust_image, adjustment())


def within(objects: MemoryObjectStore, result: Any) -> dict[str, Any]:
    """Return the record embedded in the single file of a result."""
    return embedded_record(objects.objects[result.result_image_path][0])


async def test_a_fixed_background_records_its_provenance(
    activities: PictureActivities, objects: MemoryObjectStore
) -> None:
    await objects.put("uploads/base.png", picture(), "image/png")
    await objects.put("uploads/palette.png", picture(colour="#e0d8c8"), "image/png")
    result = await run(activities.fix_background, fix())
    made = result.provenance
    model = Weights(None).file(ModelFile.SELFIE_SEGMENTATION).read_bytes()
    assert dict(made.models[0]) == {
        "finds": "persons",
        "name": "selfie_segmentation",
        "sha256": sha256_hex(model),
    }
    assert [(model.finds, model.name) for model in made.models[1:]] == [
        ("subjects", "u2netp"),
        ("poses", "blazepose"),
    ]
    assert result.fields()["mask_used"] == "person"
    assert (made.engine, made.model, made.sampler, made.steps) == ("background_fix", "", None, None)
    assert {"sartiq-inference-worker", "pillow", "numpy", "scipy"} <= set(made.versions)
    assert "torch" not in made.versions
    [file] = made.files
    assert (file.key, file.sha256, file.seed) == (
        result.result_image_path,
        result.files[0].sha256,
        None,
    )
    shared = made.model_dump(mode="json", exclude={"files"})
    assert within(objects, result) == shared | {"task_id": str(TASK), "seed": None}


async def test_a_record_names_only_the_used_models(
    activities: PictureActivities, objects: MemoryObjectStore
) -> None:
    shown = Image.new("RGB", (60, 60), "white")
    shown.paste("red", (20, 20, 40, 40))
    buffer = io.BytesIO()
    shown.save(buffer, "PNG")
    await objects.put("uploads/in.png", buffer.getvalue(), "image/png")
    plain = await run(activities.adjust_image, adjustment(mode="pad", aspect_ratio=2))
    assert plain.provenance.engine == "image_adjuster"
    assert plain.provenance.models == []
    framed = await run(activities.adjust_image, adjustment(mode="pad", margin_top=0.4))
    assert [(model.finds, model.name) for model in framed.provenance.models] == [
        ("subjects", "u2netp")
    ]
    assert within(objects, framed)["models"][0]["name"] == "u2netp"


async def test_every_attempt_gives_the_same_bytes(
    activities: PictureActivities, objects: MemoryObjectStore
) -> None:
    await objects.put("uploads/in.png", picture(), "image/png")
    results = [await run(activities.adjust_image, adjustment(n, aspect_ratio=2)) for n in (1, 2)]
    assert results[0].files[0].sha256 == results[1].files[0].sha256
