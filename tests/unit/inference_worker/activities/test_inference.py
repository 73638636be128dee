"""The activities end to end in memory: inputs are fetched, results stored under their keys."""

import asyncio
import io
import threading
from concurrent.futures import Executor
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from PIL import Image
from temporalio.testing import ActivityEnvironment

from inference_worker.activities import attempts
from inference_worker.activities.inference import LocalInference
from inference_worker.activities.refinement import PictureRefiner
from inference_worker.lora.files import LoraFiles
from inference_worker.upscaling.real_esrgan import RealEsrgan
from inference_worker.upscaling.upscaler import LANCZOS
from inference_worker.upscaling.upscalers import Upscalers
from inference_worker.vision.settings import VisionSettings
from shared.contracts.generation import GenerateImage, GenerationConfig, GenerationInputs
from shared.contracts.inference import InferenceActivities, RefinerActivities
from shared.contracts.refinement import (
    RefineConfig,
    RefineImage,
    RefineInputs,
    TiledRefinerConfig,
    UpscalerKind,
)
from shared.errors import (
    ConsistencyError,
    InvalidInputError,
    ObjectNotFoundError,
    UnservedError,
)
from shared.pixels.images import encode_png, sha256_hex
from shared.temporal.heartbeat import Heartbeat
from tests.fakes.engine import MendingEngine
from tests.fakes.object_store import MemoryObjectStore
from tests.fakes.progress import RecordedProgress
from tests.fixtures.embedded import embedded_record

_TASK = UUID(int=42)


def _generation(attempt: int = 1, **inputs: Any) -> GenerateImage:
    fields = {"prompt": "a red dress", "width": 40, "height": 24, "seed": 1} | inputs
    return GenerateImage(task_id=_TASK, attempt=attempt, inputs=GenerationInputs(**fields))


def _refinement(**refiner: Any) -> RefineImage:
    return RefineImage(
        task_id=_TASK,
        attempt=2,
        inputs=RefineInputs(base_image_url="uploads/base.png", upscale_factor=2),
        refiner=TiledRefinerConfig(**refiner),
    )


def _names(worker: Any, method: str) -> str:
    return getattr(worker, method).__temporal_activity_definition.name


def test_activities_are_the_contracts() -> None:
    for method in ("generate_image", "edit_image"):
        assert _names(LocalInference, method) == _names(InferenceActivities, method) == method
    refine = "refine_image"
    assert _names(PictureRefiner, refine) == _names(RefinerActivities, refine) == refine


async def test_loras_are_fetched_before_the_engine_is_asked(
    build: Any, objects: MemoryObjectStore, loras: LoraFiles
) -> None:
    content = b"any bytes: the identity engine reads none"
    key = f"loras/sha256/{sha256_hex(content)}"
    await objects.put(key, content, "application/octet-stream")
    request = _generation(lora_objects={"style_model_path": key})
    await ActivityEnvironment().run(build().generate_image, request)
    assert [path.read_bytes() for path in loras.folder.glob("*.safetensors")] == [content]


async def test_lora_that_is_gone_from_storage_is_named(build: Any) -> None:
    key = "loras/sha256/" + "0" * 64
    request = _generation(lora_objects={"style_model_path": key})
    with pytest.raises(InvalidInputError, match="style_model_path"):
        await ActivityEnvironment().run(build().generate_image, request)


async def test_generation_stores_every_picture(
    build: Any, objects: MemoryObjectStore, progress: RecordedProgress
) -> None:
    config = GenerationConfig(num_images=2, num_inference_steps=2)
    result = await ActivityEnvironment().run(build().generate_image, _generation(3, config=config))
    keys = [f"generations/{_TASK}/a3/image_{index}.png" for index in (0, 1)]
    assert result.result_image_paths == keys
    assert result.result_image_path == keys[0]
    assert (result.executor_instance, result.executor_type) == ("inference-worker@test:1", "local")
    for file in result.files:
        content, info = objects.objects[file.key]
        assert (file.size_bytes, file.sha256) == (len(content), sha256_hex(content))
        assert file.content_type == info.content_type == "image/png"
        assert Image.open(io.BytesIO(content)).size == (40, 24)
    assert progress.started == [(_TASK, 3)]
    assert progress.fractions == [0.25, 0.5, 0.75, 1]


async def test_repeated_attempt_writes_the_same_bytes(
    build: Any, objects: MemoryObjectStore
) -> None:
    first = await ActivityEnvironment().run(build().generate_image, _generation())
    again = await ActivityEnvironment().run(build().generate_image, _generation())
    assert again.files == first.files
    assert len(objects.objects) == 1


async def test_generation_records_the_provenance_of_each_picture(
    build: Any, objects: MemoryObjectStore
) -> None:
    config = GenerationConfig(num_images=2, num_inference_steps=2, output_format="webp")
    lora = sha256_hex(b"a LoRA")
    await objects.put(f"loras/sha256/{lora}", b"a LoRA", "application/octet-stream")
    request = _generation(
        3,
        config=config,
        lora_objects={"style_model_path": f"loras/sha256/{lora}"},
        style_lora_weight=0.5,
    )

    result = await ActivityEnvironment().run(build().generate_image, request)

    made = result.provenance
    assert (made.engine, made.steps) == ("identity", 2)
    assert [dict(each) for each in made.loras] == [
        {"field": "style_model_path", "sha256": lora, "weight": 0.5}
    ]
    assert [(file.key, file.sha256, file.seed) for file in made.files] == [
        (file.key, file.sha256, 1 + index) for index, file in enumerate(result.files)
    ]
    for file in made.files:
        content, info = objects.objects[file.key]
        assert (file.key.rpartition(".")[2], info.content_type) == ("webp", "image/webp")
        within = made.model_dump(mode="json", exclude={"files"})
        assert embedded_record(content) == within | {"task_id": str(_TASK), "seed": file.seed}
    assert request.inputs.prompt not in result.provenance.model_dump_json()
    assert "provenance" not in result.fields()


async def test_reference_is_fetched(
    build: Any, objects: MemoryObjectStore, photo: Image.Image
) -> None:
    await objects.put("uploads/ref.png", encode_png(photo), "image/png")
    request = _generation(reference_image_url="uploads/ref.png", width=96, height=72)
    result = await ActivityEnvironment().run(build().generate_image, request)
    content, _ = objects.objects[result.result_image_path]
    assert Image.open(io.BytesIO(content)).tobytes() == photo.tobytes()


@pytest.mark.parametrize(
    ("content", "error"), [(None, ObjectNotFoundError), (b"text", InvalidInputError)]
)
async def test_bad_reference_fails(
    build: Any, objects: MemoryObjectStore, content: bytes | None, error: type[Exception]
) -> None:
    if content:
        await objects.put("uploads/ref.png", content, "image/png")
    request = _generation(reference_image_url="uploads/ref.png")
    with pytest.raises(error):
        await ActivityEnvironment().run(build().generate_image, request)


async def test_refinement_stores_picture_and_reports_tiles(
    build: Any, objects: MemoryObjectStore, progress: RecordedProgress, photo: Image.Image
) -> None:
    await objects.put("uploads/base.png", encode_png(photo), "image/png")
    result = await ActivityEnvironment().run(build().refine_image, _refinement(num_tiles=9))
    assert result.result_image_path == f"refines/{_TASK}/a2/image.png"
    content, _ = objects.objects[result.result_image_path]
    plain = photo.resize((192, 144), Image.Resampling.LANCZOS)
    assert Image.open(io.BytesIO(content)).tobytes() == plain.tobytes()
    assert [file.key for file in result.files] == [result.result_image_path]
    assert embedded_record(content)["settings"] == {"edit_side_px": 64, "edit_batch": 1}
    assert [file.key for file in result.provenance.files] == [result.result_image_path]
    assert [tile.index for tile in result.tiles] == list(range(9))
    assert all(tile.passed and tile.ssim == 1 for tile in result.tiles)
    assert progress.fractions[-1] == 1


@pytest.mark.parametrize(
    ("asked", "worker", "used"),
    [
        (UpscalerKind.REAL_ESRGAN, UpscalerKind.LANCZOS, UpscalerKind.REAL_ESRGAN),
        (None, UpscalerKind.REAL_ESRGAN, UpscalerKind.REAL_ESRGAN),
        (UpscalerKind.LANCZOS, UpscalerKind.REAL_ESRGAN, UpscalerKind.LANCZOS),
    ],
)
async def test_request_chooses_the_upscaler_or_else_the_worker(
    build: Any,
    objects: MemoryObjectStore,
    photo: Image.Image,
    asked: UpscalerKind | None,
    worker: UpscalerKind,
    used: UpscalerKind,
) -> None:
    small = photo.crop((0, 0, 32, 24))
    await objects.put("uploads/base.png", encode_png(small), "image/png")
    config = RefineConfig(upscaler=asked)
    inputs = RefineInputs(base_image_url="uploads/base.png", upscale_factor=2, config=config)
    request = RefineImage(task_id=_TASK, attempt=2, inputs=inputs)
    result = await ActivityEnvironment().run(build(upscaler=worker).refine_image, request)
    content, _ = objects.objects[result.result_image_path]
    upscalers = Upscalers(VisionSettings())
    enlarged = upscalers.open(used).upscale(small, (64, 48))
    assert Image.open(io.BytesIO(content)).tobytes() == enlarged.tobytes()
    assert result.provenance.upscaler == used
    assert result.provenance.models == upscalers.models(used)


@pytest.mark.parametrize(("upscale_enabled", "seed"), [(True, 5), (False, 6)])
async def test_recorded_seed_is_the_one_in_use(
    build: Any, objects: MemoryObjectStore, photo: Image.Image, *, upscale_enabled: bool, seed: int
) -> None:
    await objects.put("uploads/base.png", encode_png(photo), "image/png")
    inputs = RefineInputs(
        base_image_url="uploads/base.png",
        upscale_enabled=upscale_enabled,
        upscale_factor=2,
        upscale_seed=5,
        face_detail_enabled=True,
        face_detail_seed=6,
    )
    request = RefineImage(task_id=_TASK, attempt=1, inputs=inputs)
    result = await ActivityEnvironment().run(build().refine_image, request)
    assert [file.seed for file in result.provenance.files] == [seed]


async def test_strict_checks_fail_the_refinement(
    build: Any, objects: MemoryObjectStore, photo: Image.Image
) -> None:
    await objects.put("uploads/base.png", encode_png(photo), "image/png")
    strict = RefineConfig(strict_checks=True)
    inputs = RefineInputs(base_image_url="uploads/base.png", upscale_factor=1, config=strict)
    refiner = TiledRefinerConfig(ssim_threshold=1, max_retries=0)
    request = RefineImage(task_id=_TASK, attempt=1, inputs=inputs, refiner=refiner)
    with pytest.raises(ConsistencyError):
        await ActivityEnvironment().run(build(engine=MendingEngine()).refine_image, request)


async def test_debug_tiles_are_kept_with_the_attempt(
    build: Any, objects: MemoryObjectStore, photo: Image.Image
) -> None:
    await objects.put("uploads/base.png", encode_png(photo), "image/png")
    request = _refinement(num_tiles=4, save_debug_tiles=True)
    result = await ActivityEnvironment().run(build().refine_image, request)
    expected = [
        f"refines/{_TASK}/a2/tiles/{index:03}{kind}.png"
        for index in range(4)
        for kind in ("", "_source", "_ssim")
    ]
    assert [file.key for file in result.files[1:]] == expected
    assert result.fields()["debug_image_paths"] == expected
    assert all(objects.objects[key][0].startswith(b"\x89PNG") for key in expected)
    assert not any(Image.open(io.BytesIO(objects.objects[key][0])).text for key in expected)
    assert [file.key for file in result.provenance.files] == [result.result_image_path]


async def test_limits_are_the_settings(
    build: Any, objects: MemoryObjectStore, photo: Image.Image
) -> None:
    await objects.put("uploads/base.png", encode_png(photo), "image/png")
    for settings, message in (
        ({"max_input_pixels": 100}, "at most 100 are read"),
        ({"max_output_pixels": 10_000}, "at most 10000"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            await ActivityEnvironment().run(build(**settings).refine_image, _refinement())


async def test_cancelled_activity_stops_the_engine(
    build: Any, engine_executor: Executor, progress: RecordedProgress
) -> None:
    environment = ActivityEnvironment()
    config = GenerationConfig(num_inference_steps=200)
    running = asyncio.create_task(
        environment.run(build(step_s=0.02).generate_image, _generation(config=config))
    )
    async with asyncio.timeout(60):
        while not progress.fractions:
            await asyncio.sleep(0.005)
    environment.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    engine_executor.submit(lambda: None).result(timeout=30)
    assert len(progress.fractions) < 200


async def test_activities_heartbeat_while_the_engine_computes(
    build: Any, progress: RecordedProgress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "Heartbeat", partial(Heartbeat, every_s=0.001))
    environment = ActivityEnvironment()
    steps_at_beats: list[int] = []
    environment.on_heartbeat = lambda *_: steps_at_beats.append(len(progress.fractions))
    config = GenerationConfig(num_inference_steps=10)
    await environment.run(build(step_s=0.02).generate_image, _generation(config=config))
    assert any(0 < steps < 10 for steps in steps_at_beats)


async def test_refined_cutout_is_transparent_where_it_was(
    build: Any, objects: MemoryObjectStore
) -> None:
    """The hidden colour under transparent pixels, here green, shows nowhere."""
    alpha = Image.new("L", (64, 48))
    alpha.paste(255, (8, 8, 56, 40))
    cutout = Image.new("RGBA", alpha.size, (0, 255, 0, 0))
    cutout.paste((200, 30, 30, 255), mask=alpha)
    await objects.put("uploads/base.png", encode_png(cutout), "image/png")
    result = await ActivityEnvironment().run(build().refine_image, _refinement())
    content, _ = objects.objects[result.result_image_path]
    made = Image.open(io.BytesIO(content))
    assert (made.mode, made.size) == ("RGBA", (128, 96))
    wanted = alpha.resize(made.size, Image.Resampling.LANCZOS)
    assert made.getchannel("A").tobytes() == wanted.tobytes()
    for extrema, level in zip(made.convert("RGB").getextrema(), (200, 30, 30), strict=True):
        assert extrema == pytest.approx((level, level), abs=2)


async def test_busy_network_holds_no_slot(
    build: Any, objects: MemoryObjectStore, photo: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, end = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slow(_: Any, picture: Image.Image, size: tuple[int, int], **options: Any) -> Image.Image:
        loop.call_soon_threadsafe(begun.set)
        end.wait(30)
        return LANCZOS.upscale(picture, size)

    monkeypatch.setattr(RealEsrgan, "upscale", slow)
    await objects.put("uploads/base.png", encode_png(photo), "image/png")
    worker = build(upscaler=UpscalerKind.REAL_ESRGAN)
    first = asyncio.create_task(ActivityEnvironment().run(worker.refine_image, _refinement()))
    await begun.wait()
    with pytest.raises(UnservedError, match="real_esrgan of this worker"):
        await ActivityEnvironment().run(worker.refine_image, _refinement())
    plain = RefineConfig(upscaler=UpscalerKind.LANCZOS)
    inputs = RefineInputs(base_image_url="uploads/base.png", upscale_factor=2, config=plain)
    other = RefineImage(task_id=_TASK, attempt=2, inputs=inputs)
    assert (await ActivityEnvironment().run(worker.refine_image, other)).result_image_path
    end.set()
    await first
    assert (await ActivityEnvironment().run(worker.refine_image, _refinement())).result_image_path


@pytest.mark.parametrize(
    "fields", [{"upscale_enabled": False}, {"target_width": 32, "target_height": 24}]
)
async def test_unused_upscaler_is_not_recorded(
    build: Any, objects: MemoryObjectStore, photo: Image.Image, fields: dict[str, Any]
) -> None:
    await objects.put("uploads/base.png", encode_png(photo), "image/png")
    inputs = RefineInputs(base_image_url="uploads/base.png", **fields)
    request = RefineImage(task_id=_TASK, attempt=2, inputs=inputs)
    worker = build(upscaler=UpscalerKind.REAL_ESRGAN)
    made = (await ActivityEnvironment().run(worker.refine_image, request)).provenance
    assert (made.upscaler, made.models) == (None, [])
