"""Unusual pictures through every operation: the right result, or a clear error."""

import io
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut
from temporalio.testing import ActivityEnvironment

from inference_worker.activities.background_removal import BackgroundRemover
from inference_worker.activities.fixers import PictureFixers
from inference_worker.activities.pictures import PictureActivities
from inference_worker.checks.metrics import Metrics
from inference_worker.cpu_threads import CpuThreads
from inference_worker.engine.engine_thread import EngineThread
from inference_worker.engine.identity_engine import IdentityEngine
from inference_worker.io.picture_files import PictureFiles
from inference_worker.settings import InferenceSettings
from inference_worker.vision.models import VisionModels
from inference_worker.vision.output_check import OutputCheck
from inference_worker.vision.settings import VisionSettings
from shared.contracts.adjusting import AdjustImage, AdjustInputs
from shared.contracts.background_removal import BackgroundRemovalInputs, RemoveBackgrounds
from shared.contracts.backgrounds import BackgroundFixInputs, FixBackground
from shared.contracts.fixing import DetailInputs, EnhanceDetails, EnhanceFaces, FaceInputs
from shared.contracts.refinement import RefineImage, RefineInputs
from shared.errors import InvalidInputError
from shared.flux.kinds import DeviceKind
from shared.pixels.images import encode_png
from shared.progress import ExecutorIdentity
from tests.fakes.object_store import MemoryObjectStore
from tests.fakes.progress import RecordedProgress

_TASK = UUID(int=9)
_KEY = "uploads/odd"
_PHOTO = Image.fromarray(astronaut()).resize((160, 128), Image.Resampling.LANCZOS)
_PALETTE = Image.new("RGB", (16, 16), (200, 190, 170))


def _encoded(picture: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def _turned() -> bytes:
    """Encode the picture rotated, with its orientation in EXIF."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return _encoded(_PHOTO.rotate(90, expand=True), "JPEG", exif=exif, quality=95)


def _transparent() -> Image.Image:
    picture = _PHOTO.copy()
    alpha = Image.new("L", picture.size, 255)
    alpha.paste(0, (0, 0, 20, 128))
    picture.putalpha(alpha)
    return picture


def _sixteen_bits() -> Image.Image:
    return Image.fromarray(np.asarray(_PHOTO.convert("L"), np.uint16) * 257)


_GREY = _PHOTO.convert("L").convert("RGB")
_RIGHT: dict[str, tuple[Callable[[], bytes], Image.Image]] = {
    "a pixel": (
        lambda: _encoded(Image.new("RGB", (1, 1), "red"), "PNG"),
        Image.new("RGB", (1, 1), "red"),
    ),
    "a line": (
        lambda: _encoded(Image.new("RGB", (1, 8000), "red"), "PNG"),
        Image.new("RGB", (1, 8000), "red"),
    ),
    "CMYK": (lambda: _encoded(_PHOTO.convert("CMYK"), "JPEG", quality=95), _PHOTO),
    "16 bits": (lambda: _encoded(_sixteen_bits(), "PNG"), _GREY),
    "animated": (
        lambda: _encoded(
            _PHOTO, "WEBP", save_all=True, append_images=[_GREY.rotate(180)], lossless=True
        ),
        _PHOTO,
    ),
    "turned": (_turned, _PHOTO),
    "transparent": (lambda: _encoded(_transparent(), "PNG"), _PHOTO),
    "grey": (lambda: _encoded(_PHOTO.convert("L"), "PNG"), _GREY),
}
"""The encoder of each kind of picture, and its expected appearance."""


@pytest.fixture(scope="module")
def models() -> VisionModels:
    return VisionModels(VisionSettings(threads=2))


@pytest.fixture
def operations(
    build: Any,
    objects: MemoryObjectStore,
    models: VisionModels,
    engine_executor: Executor,
    cpu: CpuThreads,
) -> dict[str, Any]:
    """Every operation, as a function from a picture's file to the result."""
    files = PictureFiles(objects, cpu, max_pixels=10**7)
    common: dict[str, Any] = {
        "files": files,
        "progress": RecordedProgress(),
        "executant": ExecutorIdentity("inference-worker@test:1", "local"),
    }
    pictures = PictureActivities(models, **common, max_output_pixels=10**7)
    fixers = PictureFixers(
        engine=EngineThread(IdentityEngine(edit_side_px=64), engine_executor),
        settings=InferenceSettings(),
        people=models,
        metrics=Metrics(None, DeviceKind.CPU),
        check=OutputCheck(VisionSettings(), models),
        **common,
    )
    remover = BackgroundRemover(models, **common)
    adjusted = AdjustInputs(input_image=_KEY, mode="pad", target_width=90, target_height=70)
    shifted = BackgroundFixInputs(base_image=_KEY, palette_image="uploads/palette")
    detail = DetailInputs(base_image=_KEY, reference_image="uploads/palette")
    requests: dict[str, tuple[Any, Any, dict[str, Any]]] = {
        "adjust": (pictures.adjust_image, AdjustImage, {"inputs": adjusted}),
        "fix background": (pictures.fix_background, FixBackground, {"inputs": shifted}),
        "refine": (
            build().refine_image,
            RefineImage,
            {"inputs": RefineInputs(base_image_url=_KEY, upscale_factor=2)},
        ),
        "faces": (fixers.enhance_faces, EnhanceFaces, {"inputs": FaceInputs(input_image=_KEY)}),
        "details": (fixers.enhance_details, EnhanceDetails, {"inputs": detail}),
        "remove": (
            remover.remove_backgrounds,
            RemoveBackgrounds,
            {"inputs": BackgroundRemovalInputs(input_image_paths=[_KEY])},
        ),
    }

    def operation(activity: Any, request: Any, fields: dict[str, Any]) -> Any:
        async def run(content: bytes) -> Image.Image:
            await objects.put(_KEY, content, "image/png")
            await objects.put("uploads/palette", encode_png(_PALETTE), "image/png")
            sent = request(task_id=_TASK, attempt=1, **fields)
            result = await ActivityEnvironment().run(activity, sent)
            made, _ = objects.objects[result.files[0].key]
            return Image.open(io.BytesIO(made))

        return run

    return {name: operation(*parts) for name, parts in requests.items()}


_ALL = ("adjust", "fix background", "refine", "faces", "details", "remove")


_REFUSED = {
    ("a pixel", "refine"): "refined picture would have 2 × 2 pixels; each side needs at least 16",
    ("a line", "refine"): "refined picture would have 2 × 16000 pixels",
    ("a pixel", "details"): "base_image: the garment was not found: no person",
    ("a line", "details"): "base_image: the garment was not found: no person",
    ("a pixel", "fix background"): "base_image: neither a person nor a product is found",
    ("a line", "fix background"): "base_image: neither a person nor a product is found",
}
_MADE = [(kind, name) for kind in _RIGHT for name in _ALL if (kind, name) not in _REFUSED]


@pytest.mark.parametrize(("kind", "operation"), _MADE)
async def test_result_has_its_size_and_shows_the_picture(
    operations: dict[str, Any], kind: str, operation: str
) -> None:
    encode, seen = _RIGHT[kind]
    made = await operations[operation](encode())
    sizes = {"adjust": (90, 70), "refine": (2 * seen.width, 2 * seen.height)}
    assert made.size == sizes.get(operation, seen.size)
    if operation in {"refine", "faces", "details"}:
        _assert_shows(made, seen, is_transparent=kind == "transparent")
    if operation == "remove":
        assert made.mode == "RGBA"


@pytest.mark.parametrize(("kind", "operation"), _REFUSED)
async def test_impossible_operations_are_explained(
    operations: dict[str, Any], kind: str, operation: str
) -> None:
    encode, _ = _RIGHT[kind]
    with pytest.raises(InvalidInputError, match=_REFUSED[kind, operation]):
        await operations[operation](encode())


def _assert_shows(made: Image.Image, seen: Image.Image, *, is_transparent: bool) -> None:
    """Assert that the result of the identity editor shows the picture, at any size."""
    if is_transparent:
        assert made.mode == "RGBA"
        assert made.getchannel("A").getextrema() == (0, 255)
    right = (made.width // 4, 0, made.width, made.height)
    found = made.convert("RGB").crop(right)
    wanted = seen.resize(made.size, Image.Resampling.LANCZOS).crop(right)
    off = np.abs(np.asarray(found, float) - np.asarray(wanted, float))
    assert off.mean() < 4


@pytest.mark.parametrize("operation", _ALL)
async def test_half_a_file_is_refused_by_its_field(
    operations: dict[str, Any], operation: str
) -> None:
    content = encode_png(_PHOTO)
    with pytest.raises(InvalidInputError, match=r"(image|image_url|paths\[0\]).*: "):
        await operations[operation](content[: len(content) // 2])


_LARGE = """
import resource, sys
import numpy as np
from PIL import Image
from skimage.data import astronaut
from inference_worker.adjusting.adjuster import ImageAdjuster
from inference_worker.background_removal.cut_out import cut_out
from inference_worker.backgrounds.fixer import BackgroundFixer
from inference_worker.vision.models import VisionModels
from inference_worker.vision.settings import VisionSettings
from shared.contracts.adjusting import AdjustInputs
from shared.contracts.backgrounds import BackgroundFixInputs
models = VisionModels(VisionSettings(threads=2))
small = np.asarray(Image.fromarray(astronaut()).resize((64, 64)))
models.subjects.subject_mask(small), models.persons.person_mask(small)
large = Image.fromarray(astronaut()).resize((4000, 6000), Image.Resampling.BICUBIC)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if sys.argv[1] == "adjust":
    asked = AdjustInputs(input_image="-", mode="scale", margin_top=0.1, margin_bottom=0.1)
    ImageAdjuster(lambda: models.subjects, max_output_pixels=10**8).adjust(large, None, asked)
elif sys.argv[1] == "fix background":
    asked = BackgroundFixInputs(base_image="-", palette_image="-")
    palette = Image.new("RGB", (16, 16), "tan")
    BackgroundFixer(models).fix(large, palette, asked)
else:
    cut_out(large, models.subjects)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.long
@pytest.mark.parametrize("operation", ["adjust", "fix background", "remove"])
def test_24_megapixels_take_bounded_memory(operation: str) -> None:
    """Runs in its own process; 24 megapixels are 69 MiB, and their mask is 92 MiB."""
    answer = subprocess.run(
        [sys.executable, "-c", _LARGE, operation], check=True, capture_output=True, text=True
    )
    assert int(answer.stdout) < 1000
