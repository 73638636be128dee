"""Pictures with translucent pixels, in colour and in grey, through every operation on pictures.

The engines add noise that differs between channels, so that edited pixels can be distinguished from
unedited ones. Grey pictures must stay grey despite the noise.
"""

import io
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from numpy.typing import NDArray
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
from inference_worker.vision.protocols import BodyRegion, Box
from inference_worker.vision.rembg_models import SubjectModel
from inference_worker.vision.settings import VisionSettings
from shared.contracts.adjusting import AdjustImage, AdjustInputs
from shared.contracts.background_removal import BackgroundRemovalInputs, RemoveBackgrounds
from shared.contracts.backgrounds import BackgroundFixInputs, FixBackground
from shared.contracts.fixing import (
    DetailInputs,
    EnhanceDetails,
    EnhanceFaces,
    FaceInputs,
    GarmentFixerConfig,
)
from shared.contracts.refinement import RefineImage, RefineInputs, TiledRefinerConfig
from shared.flux.kinds import DeviceKind
from shared.pixels.images import encode_png
from shared.progress import ExecutorIdentity
from tests.fakes.engine import MendingEngine
from tests.fakes.object_store import MemoryObjectStore
from tests.fakes.people import FakePeople
from tests.fakes.progress import RecordedProgress

_TASK = UUID(int=11)
_KEY, _OTHER = "uploads/base", "uploads/other"
_SIZE = (128, 96)
_EDITED = np.s_[20:76, 30:98]
"""Box around the edited pixels of a face or a detail, with enlargement and feather."""
_PART = Box(0.4, 0.4, 0.6, 0.6)
_PHOTO = Image.fromarray(astronaut()).resize(_SIZE, Image.Resampling.LANCZOS)
_PICTURES = {"colour": _PHOTO, "grey": _PHOTO.convert("L").convert("RGB")}
_RAMP = (np.arange(_SIZE[0] * _SIZE[1]) % 256).reshape(_SIZE[::-1]).astype(np.uint8)
_ALPHAS: dict[str, NDArray[np.uint8]] = {
    **{str(level): np.full(_SIZE[::-1], level, np.uint8) for level in (1, 64, 127, 128, 254)},
    "every level": _RAMP,
}
_OPERATIONS = (
    "adjust",
    "shift background",
    "replace background",
    "refine 1",
    "refine 2",
    "faces",
    "details",
    "remove",
)


class _WholePictureModels(VisionModels):
    """A segmenter whose subject is the whole picture."""

    @property
    def persons(self) -> Any:
        return self

    @property
    def poses(self) -> Any:
        return self

    def subjects_by(self, model: SubjectModel) -> Any:
        return self

    def person_mask(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.zeros(picture.shape[:2], np.float32)

    def pose(self, _picture: NDArray[np.uint8]) -> None:
        return None

    def subject_mask(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.ones(picture.shape[:2], np.float32)


@pytest.fixture
def operate(
    build: Any, objects: MemoryObjectStore, engine_executor: Executor, cpu: CpuThreads
) -> Callable[..., Any]:
    """Function that runs one operation on a picture, with another as its second input."""
    files = PictureFiles(objects, cpu, max_pixels=10**6)
    common: dict[str, Any] = {
        "files": files,
        "progress": RecordedProgress(),
        "executant": ExecutorIdentity("inference-worker@test:1", "local"),
    }
    models = _WholePictureModels(VisionSettings())
    pictures = PictureActivities(models, **common, max_output_pixels=10**6)
    fixers = PictureFixers(
        engine=EngineThread(MendingEngine(noise=20), engine_executor),
        settings=InferenceSettings(),
        people=FakePeople([_PART], {BodyRegion.UPPER_BODY: _PART}, person=_PART),
        metrics=Metrics(None, DeviceKind.CPU),
        check=OutputCheck(VisionSettings(), models),
        **common,
    )
    unedited = build(engine=IdentityEngine(edit_side_px=64)).refine_image
    background = {"base_image": _KEY, "palette_image": _OTHER}
    still = RefineInputs(base_image_url=_KEY, upscale_factor=1, upscale_denoise=0)
    unchecked: dict[str, Any] = {"ssim_threshold": 0, "feather_px": 4}

    def refined(version: str) -> tuple[Any, Any]:
        config = TiledRefinerConfig(version=version, **unchecked)
        return unedited, _request(RefineImage, still, refiner=config)

    detail = DetailInputs(base_image=_KEY, reference_image=_OTHER, detail_label="logo jacket")
    fixes = [
        BackgroundFixInputs(**background, strategy=strategy)  # pyright: ignore[reportArgumentType]
        for strategy in ("lab_shift", "replace")
    ]
    requests: dict[str, tuple[Any, Any]] = {
        "adjust": (pictures.adjust_image, _request(AdjustImage, AdjustInputs(input_image=_KEY))),
        "shift background": (pictures.fix_background, _request(FixBackground, fixes[0])),
        "replace background": (pictures.fix_background, _request(FixBackground, fixes[1])),
        "refine 1": refined("1"),
        "refine 2": refined("2"),
        "faces": (
            fixers.enhance_faces,
            _request(EnhanceFaces, FaceInputs(input_image=_KEY), fixer=unchecked),
        ),
        "details": (
            fixers.enhance_details,
            _request(EnhanceDetails, detail, fixer=GarmentFixerConfig(**unchecked)),
        ),
        "remove": (
            BackgroundRemover(models, **common).remove_backgrounds,
            _request(RemoveBackgrounds, BackgroundRemovalInputs(input_image_paths=[_KEY])),
        ),
    }

    async def operate(name: str, base: Image.Image, other: Image.Image) -> Image.Image:
        await objects.put(_KEY, encode_png(base), "image/png")
        await objects.put(_OTHER, encode_png(other), "image/png")
        activity, request = requests[name]
        result = await ActivityEnvironment().run(activity, request)
        return Image.open(io.BytesIO(objects.objects[result.files[0].key][0]))

    return operate


def _request(kind: Any, inputs: Any, **more: Any) -> Any:
    return kind(task_id=_TASK, attempt=1, inputs=inputs, **more)


def _translucent(kind: str, alpha: str) -> Image.Image:
    picture = _PICTURES[kind].copy()
    picture.putalpha(Image.fromarray(_ALPHAS[alpha]))
    return picture


@pytest.mark.parametrize("operation", _OPERATIONS)
@pytest.mark.parametrize("alpha", _ALPHAS)
@pytest.mark.parametrize("kind", _PICTURES)
async def test_translucent_colours_stay_as_given_where_nothing_is_edited(
    operate: Any, operation: str, alpha: str, kind: str
) -> None:
    base = _translucent(kind, alpha)
    given = np.asarray(base)
    made = await operate(operation, base, Image.new("RGB", (16, 16), (200, 190, 170)))
    assert made.size == base.size
    if operation == "replace background":
        share = given[..., 3:] / 255
        expected = share * given[..., :3] + (1 - share) * np.array((200, 190, 170))
        assert np.abs(np.asarray(made.convert("RGB")) - expected).max() <= 1.5
        return
    assert made.mode == "RGBA"
    result = np.asarray(made)
    stays = given[..., 3] > 0
    if operation in {"faces", "details"}:
        stays = stays.copy()
        stays[_EDITED] = False
        assert (result[_EDITED] != given[_EDITED]).any()
    assert (result[..., 3] == given[..., 3]).all()
    assert (result[stays] == given[stays]).all()


@pytest.mark.parametrize("alpha", [None, *_ALPHAS])
@pytest.mark.parametrize("operation", [*_OPERATIONS, "refine with noise 1", "refine with noise 2"])
async def test_a_grey_picture_stays_grey(
    operate: Any, build: Any, objects: MemoryObjectStore, operation: str, alpha: str | None
) -> None:
    base = _PICTURES["grey"] if alpha is None else _translucent("grey", alpha)
    other = Image.new("RGB", (16, 16), (190, 190, 190))
    if operation.startswith("refine with noise"):
        await objects.put(_KEY, encode_png(base), "image/png")
        request = _request(
            RefineImage,
            RefineInputs(base_image_url=_KEY, upscale_factor=2),
            refiner=TiledRefinerConfig(version=operation[-1], ssim_threshold=0),
        )
        worker = build(engine=MendingEngine(noise=20))
        result = await ActivityEnvironment().run(worker.refine_image, request)
        made = Image.open(io.BytesIO(objects.objects[result.result_image_path][0]))
        assert made.convert("RGB").tobytes() != base.convert("RGB").resize(made.size).tobytes()
    else:
        made = await operate(operation, base, other)
    assert np.ptp(np.asarray(made.convert("RGB"), int), axis=2).max() == 0
