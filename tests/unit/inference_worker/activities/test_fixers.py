"""The fixers' activities in memory: inputs are fetched, results stored and reported."""

import io
from concurrent.futures import Executor
from typing import Any
from uuid import UUID

import pytest
from PIL import Image
from temporalio.testing import ActivityEnvironment

from inference_worker.activities.fixers import PictureFixers
from inference_worker.checks.metrics import Metrics
from inference_worker.cpu_threads import CpuThreads
from inference_worker.engine.engine_thread import EngineThread
from inference_worker.errors import UnsafeOutputError
from inference_worker.io.picture_files import PictureFiles
from inference_worker.settings import InferenceSettings
from inference_worker.vision.models import VisionModels
from inference_worker.vision.output_check import OutputCheck
from inference_worker.vision.protocols import BodyRegion, Box
from inference_worker.vision.settings import VisionSettings
from shared.contracts.fixing import (
    DetailInputs,
    EnhanceDetails,
    EnhanceFaces,
    FaceFixerConfig,
    FaceInputs,
    FixConfig,
    FixerActivities,
    GarmentFixerConfig,
)
from shared.errors import ConsistencyError, InvalidInputError
from shared.flux.kinds import DeviceKind
from shared.pixels.images import encode_png
from shared.progress import ExecutorIdentity
from tests.fakes.engine import MendingEngine
from tests.fakes.object_store import MemoryObjectStore
from tests.fakes.people import FakePeople
from tests.fakes.progress import RecordedProgress

_TASK = UUID(int=42)


class Bench:
    """The activities over one engine, and their stored objects."""

    def __init__(self, executor: Executor, cpu: CpuThreads, *, nsfw_threshold: float = 0) -> None:
        vision = VisionSettings(nsfw_threshold=nsfw_threshold)
        self.engine = MendingEngine()
        self.objects = MemoryObjectStore()
        self.people = FakePeople(
            face_boxes=[Box(0.4, 0.2, 0.6, 0.5)],
            person=Box(0.2, 0, 0.8, 1),
            regions={BodyRegion.UPPER_BODY: Box(0.1, 0.2, 0.9, 0.6)},
        )
        self.activities = PictureFixers(
            engine=EngineThread(self.engine, executor),
            files=PictureFiles(self.objects, cpu, max_pixels=10**7),
            progress=RecordedProgress(),
            executant=ExecutorIdentity("inference-worker@test:1", "local"),
            settings=InferenceSettings(),
            people=self.people,
            metrics=Metrics(None, DeviceKind.CPU),
            check=OutputCheck(vision, VisionModels(vision)),
        )


@pytest.fixture
def bench(engine_executor: Executor, cpu: CpuThreads) -> Bench:
    return Bench(engine_executor, cpu)


def _faces(options: dict[str, Any] | None = None, attempt: int = 2, **fixer: Any) -> EnhanceFaces:
    inputs = FaceInputs(input_image="uploads/a.jpg", config=FixConfig(**(options or {})))
    return EnhanceFaces(
        task_id=_TASK, attempt=attempt, inputs=inputs, fixer=FaceFixerConfig(**fixer)
    )


def _details(**fixer: Any) -> EnhanceDetails:
    inputs = DetailInputs(
        base_image="uploads/a.jpg", reference_image="uploads/b.png", detail_label="shirt"
    )
    return EnhanceDetails(
        task_id=_TASK, attempt=1, inputs=inputs, fixer=GarmentFixerConfig(**fixer)
    )


async def _upload(objects: MemoryObjectStore, photo: Image.Image) -> bytes:
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=95)
    await objects.put("uploads/a.jpg", buffer.getvalue(), "image/jpeg")
    await objects.put("uploads/b.png", encode_png(photo.rotate(90)), "image/png")
    return buffer.getvalue()


def test_activities_are_the_contracts() -> None:
    for method in ("enhance_faces", "enhance_details"):
        ours, theirs = getattr(PictureFixers, method), getattr(FixerActivities, method)
        name = "__temporal_activity_definition"
        assert getattr(ours, name).name == getattr(theirs, name).name == method


async def test_faces_are_repaired_and_reported(bench: Bench, person_photo: Image.Image) -> None:
    await _upload(bench.objects, person_photo)
    result = await ActivityEnvironment().run(
        bench.activities.enhance_faces, _faces(lpips_threshold=0.9)
    )
    assert result.result_image_path == f"face_enhancers/{_TASK}/a2/image.png"
    assert [file.key for file in result.files] == [result.result_image_path]
    assert (result.face_detected, result.attempts_used) == (True, 1)
    assert (result.final_ssim_score or 0) > 0.6
    assert result.final_lpips_score is not None
    assert result.final_dists_score is None
    assert result.faces[0].ssim == result.final_ssim_score
    assert "stlpips" in str(result.metric_weights.lpips)
    assert result.provenance is not None
    assert [file.key for file in result.provenance.files] == [result.result_image_path]
    assert result.provenance.steps == 20
    assert result.fields()["faces"][0]["tries"][0]["ssim"] == result.final_ssim_score


async def test_final_scores_are_those_of_the_worst_face(
    bench: Bench, person_photo: Image.Image
) -> None:
    await _upload(bench.objects, person_photo)
    bench.people.face_boxes = [Box(0.4, 0.2, 0.6, 0.5), Box(0.1, 0.5, 0.2, 0.7)]
    result = await ActivityEnvironment().run(bench.activities.enhance_faces, _faces())
    assert result.final_ssim_score == min(face.ssim or 0 for face in result.faces)
    assert len(result.faces) == 2


async def test_picture_without_faces_is_returned_byte_by_byte(
    bench: Bench, person_photo: Image.Image
) -> None:
    content = await _upload(bench.objects, person_photo)
    bench.people.face_boxes = []
    result = await ActivityEnvironment().run(bench.activities.enhance_faces, _faces())
    assert result.result_image_path == f"face_enhancers/{_TASK}/a2/image.jpeg"
    assert bench.objects.objects[result.result_image_path][0] == content
    assert (result.face_detected, result.attempts_used) == (False, 0)
    assert result.final_ssim_score is None
    assert result.provenance is None
    assert result.files[0].content_type == "image/jpeg"


async def test_phones_jpeg_of_several_pictures_is_returned_as_a_jpeg(
    bench: Bench, person_photo: Image.Image
) -> None:
    """Pillow calls it MPO, a format that no browser shows."""
    buffer = io.BytesIO()
    person_photo.save(buffer, "MPO", save_all=True, append_images=[person_photo.rotate(90)])
    await bench.objects.put("uploads/a.jpg", buffer.getvalue(), "image/jpeg")
    bench.people.face_boxes = []
    result = await ActivityEnvironment().run(bench.activities.enhance_faces, _faces())
    assert result.result_image_path.endswith("/image.jpeg")
    assert result.files[0].content_type == "image/jpeg"


async def test_every_attempt_gives_the_same_picture_and_edits_no_face_twice(
    bench: Bench, person_photo: Image.Image
) -> None:
    await _upload(bench.objects, person_photo)
    first = await ActivityEnvironment().run(bench.activities.enhance_faces, _faces(attempt=1))
    again = await ActivityEnvironment().run(bench.activities.enhance_faces, _faces(attempt=2))
    assert len(bench.engine.edits) == 1
    assert first.files[0].sha256 == again.files[0].sha256


async def test_seed_is_the_requested_one(bench: Bench, person_photo: Image.Image) -> None:
    await _upload(bench.objects, person_photo)
    for seed in (1, 2, 1):
        await ActivityEnvironment().run(bench.activities.enhance_faces, _faces({"seed": seed}))
    assert len({edit.seed for edit in bench.engine.edits}) == len(bench.engine.edits) == 2


async def test_debug_images_are_stored_if_requested(
    bench: Bench, person_photo: Image.Image
) -> None:
    await _upload(bench.objects, person_photo)
    request = _faces(save_debug_images=True, lpips_threshold=0.9, dists_threshold=0.9)
    result = await ActivityEnvironment().run(bench.activities.enhance_faces, request)
    assert result.debug_image_paths == [file.key for file in result.files[1:]]
    names = [file.key.rpartition("/")[2] for file in result.files[1:]]
    endings = [name.rpartition("_")[2] for name in names]
    # DISTS compares statistics of whole pictures: it has no map.
    assert sorted(endings[1:]) == ["lpips.png", "source.png", "ssim.png"]
    assert all(f"/{_TASK}/a2/debug/face_" in file.key for file in result.files[1:])

    details = await ActivityEnvironment().run(
        bench.activities.enhance_details, _details(save_debug_images=True)
    )
    assert len(details.files) == 1 + 3 * len(details.tiles)
    assert details.debug_image_paths == [file.key for file in details.files[1:]]


async def test_details_are_repaired_and_reported(bench: Bench, person_photo: Image.Image) -> None:
    await _upload(bench.objects, person_photo)
    result = await ActivityEnvironment().run(bench.activities.enhance_details, _details())
    assert result.result_image_path == f"detail_enhancers/{_TASK}/a1/image.png"
    assert len(result.tiles) == 2
    assert not result.follows_reference
    assert all(tile.passed for tile in result.tiles)


@pytest.mark.parametrize("field", ["base_image", "reference_image"])
async def test_unreadable_picture_names_its_field(
    bench: Bench, person_photo: Image.Image, field: str
) -> None:
    await _upload(bench.objects, person_photo)
    key = {"base_image": "uploads/a.jpg", "reference_image": "uploads/b.png"}[field]
    await bench.objects.put(key, b"text", "image/png")
    with pytest.raises(InvalidInputError, match=f"^{field}: "):
        await ActivityEnvironment().run(bench.activities.enhance_details, _details())


@pytest.mark.parametrize(
    ("name", "request_", "refused"),
    [
        ("enhance_faces", _faces(attempt=1), "output 0"),
        ("enhance_faces", _faces(attempt=1, save_debug_images=True), "tile face_"),
        ("enhance_details", _details(), "output 0"),
        ("enhance_details", _details(save_debug_images=True), "tile detail_"),
    ],
)
async def test_unsafe_picture_is_not_stored_with_the_attempt(
    engine_executor: Executor,
    cpu: CpuThreads,
    person_photo: Image.Image,
    name: str,
    request_: Any,
    refused: str,
) -> None:
    """The real classifier: no picture scores 0, so this threshold refuses every one."""
    bench = Bench(engine_executor, cpu, nsfw_threshold=1e-9)
    await _upload(bench.objects, person_photo)
    with pytest.raises(UnsafeOutputError, match=f"^{refused}.* is not safe for work"):
        await ActivityEnvironment().run(getattr(bench.activities, name), request_)
    assert [key for key in bench.objects.objects if "/a1/" in key] == []


async def test_picture_without_faces_is_returned_without_a_safety_check(
    engine_executor: Executor, cpu: CpuThreads, person_photo: Image.Image
) -> None:
    bench = Bench(engine_executor, cpu, nsfw_threshold=1e-9)
    await _upload(bench.objects, person_photo)
    bench.people.face_boxes = []
    result = await ActivityEnvironment().run(bench.activities.enhance_faces, _faces())
    assert not result.face_detected


async def test_strict_checks_fail_the_attempt(bench: Bench, person_photo: Image.Image) -> None:
    await _upload(bench.objects, person_photo)
    request = _faces({"strict_checks": True}, ssim_threshold=1, max_retries=0)
    with pytest.raises(ConsistencyError):
        await ActivityEnvironment().run(bench.activities.enhance_faces, request)


async def test_other_reference_is_another_edit(bench: Bench, person_photo: Image.Image) -> None:
    await _upload(bench.objects, person_photo)
    first = await ActivityEnvironment().run(bench.activities.enhance_details, _details())
    await bench.objects.put("uploads/b.png", encode_png(person_photo), "image/png")
    await ActivityEnvironment().run(bench.activities.enhance_details, _details())
    assert len(bench.engine.edits) == 2 * len(first.tiles)


@pytest.mark.parametrize(
    ("name", "request_"), [("enhance_faces", _faces()), ("enhance_details", _details())]
)
async def test_fixed_cutout_is_transparent_where_it_was(
    bench: Bench, person_photo: Image.Image, name: str, request_: Any
) -> None:
    await _upload(bench.objects, person_photo)
    alpha = Image.new("L", person_photo.size)
    alpha.paste(255, (10, 0, 190, 160))
    cutout = person_photo.copy()
    cutout.putalpha(alpha)
    await bench.objects.put("uploads/a.jpg", encode_png(cutout), "image/png")
    result = await ActivityEnvironment().run(getattr(bench.activities, name), request_)
    content, _ = bench.objects.objects[result.result_image_path]
    made = Image.open(io.BytesIO(content))
    assert made.mode == "RGBA"
    assert made.getchannel("A").tobytes() == alpha.tobytes()
    assert made.convert("RGB").tobytes() != person_photo.tobytes()
