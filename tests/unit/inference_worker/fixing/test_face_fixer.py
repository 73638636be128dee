"""The face fixer: each field of its configuration, and pictures with and without faces."""

from concurrent.futures import Executor
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inference_worker.checks.metrics import Metrics
from inference_worker.cpu_threads import CpuThreads
from inference_worker.engine.engine_thread import EngineThread
from inference_worker.engine.identity_engine import IdentityEngine
from inference_worker.fixing.face_fixer import FaceFixer, FixedFaces
from inference_worker.refinement.editors import LocalEditors
from inference_worker.refinement.region_editing import Run
from inference_worker.refinement.tiles import S3TileStore
from inference_worker.vision.protocols import Box
from shared.contracts.editors import EditorKind
from shared.contracts.fixing import FaceFixerConfig, FixConfig
from shared.errors import ConsistencyError
from shared.flux.engine import Edit
from shared.flux.kinds import DeviceKind
from tests.fakes.engine import MendingEngine, PaintingEngine
from tests.fakes.object_store import MemoryObjectStore
from tests.fakes.people import FakePeople

_FACE = Box(0.4, 0.25, 0.6, 0.75)


class Bench:
    """A face fixer over one engine."""

    def __init__(
        self,
        engine: IdentityEngine,
        executor: Executor,
        cpu: CpuThreads,
        editor: EditorKind = EditorKind.STRENGTH,
    ) -> None:
        self.people = FakePeople(face_boxes=[_FACE])
        self.objects = MemoryObjectStore()
        self._fixer = FaceFixer(
            LocalEditors(EngineThread(engine, executor), editor),
            cpu,
            metrics=Metrics(None, DeviceKind.CPU),
            people=self.people,
        )

    async def fix(
        self, base: Image.Image, options: dict[str, Any] | None = None, **config: Any
    ) -> FixedFaces:
        chosen = FixConfig(**(options or {}))
        store = S3TileStore(self.objects, "face_enhancers/1", "digest")
        run = Run(store, lambda _: None, is_strict=chosen.strict_checks)
        return await self._fixer.fix(base, chosen, FaceFixerConfig(**config), seed=1, run=run)


@pytest.fixture
def bench(engine_executor: Executor, cpu: CpuThreads) -> Any:
    return lambda engine, **options: Bench(engine, engine_executor, cpu, **options)


def _changed(fixed: FixedFaces, base: Image.Image) -> tuple[int, int, int, int]:
    """Return the box (left, top, right, bottom) of the differences."""
    assert fixed.image is not None
    rows, columns = np.nonzero((np.asarray(fixed.image) != np.asarray(base)).any(axis=2))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


async def test_face_is_edited_and_the_rest_stays(bench: Any, person_photo: Image.Image) -> None:
    engine = MendingEngine()
    fixed = await bench(engine).fix(person_photo, expand_percent=0)
    assert _changed(fixed, person_photo) == pytest.approx((80, 40, 120, 120), abs=3)
    assert [face.attempts for face in fixed.faces] == [1]
    assert (fixed.faces[0].ssim or 0) > 0.6
    assert len(engine.edits) == 1


async def test_identity_editor_gives_the_picture_back(
    bench: Any, person_photo: Image.Image
) -> None:
    fixed = await bench(IdentityEngine(edit_side_px=64)).fix(person_photo)
    assert fixed.image is not None
    difference = np.abs(np.asarray(fixed.image, int) - np.asarray(person_photo))
    assert difference.max() <= 1


async def test_no_face_no_picture(bench: Any, person_photo: Image.Image) -> None:
    engine = MendingEngine()
    run = bench(engine)
    run.people.face_boxes = []
    fixed = await run.fix(person_photo)
    assert (fixed.image, fixed.faces, engine.edits) == (None, [], [])


async def test_every_face_is_repaired(bench: Any, person_photo: Image.Image) -> None:
    run = bench(MendingEngine())
    run.people.face_boxes = [_FACE, Box(0.05, 0.1, 0.2, 0.4)]
    fixed = await run.fix(person_photo)
    assert [face.index for face in fixed.faces] == [0, 1]


async def test_overlapping_faces_show_the_one_with_the_higher_score(
    bench: Any, person_photo: Image.Image
) -> None:
    """Faces are detected by descending score."""
    alone, both = bench(MendingEngine()), bench(MendingEngine())
    both.people.face_boxes = [_FACE, Box(0.5, 0.3, 0.7, 0.6)]
    options = {"expand_percent": 0, "feather_px": 0}
    first = (await alone.fix(person_photo, **options)).image.crop((81, 41, 119, 119))
    shown = (await both.fix(person_photo, **options)).image.crop((81, 41, 119, 119))
    assert first.tobytes() == shown.tobytes()


async def test_expand_percent_enlarges_the_box(bench: Any, person_photo: Image.Image) -> None:
    narrow = await bench(MendingEngine()).fix(person_photo, expand_percent=0)
    wide = await bench(MendingEngine()).fix(person_photo, expand_percent=0.5)
    left, top, right, bottom = _changed(narrow, person_photo)
    left2, top2, right2, bottom2 = _changed(wide, person_photo)
    assert (right2 - left2) / (right - left) == pytest.approx(1.5, abs=0.12)
    assert (bottom2 - top2) / (bottom - top) == pytest.approx(1.5, abs=0.12)


async def test_feather_fades_the_face_in(bench: Any, person_photo: Image.Image) -> None:
    hard = await bench(MendingEngine(noise=40)).fix(person_photo, feather_px=0, ssim_threshold=0)
    soft = await bench(MendingEngine(noise=40)).fix(person_photo, feather_px=8, ssim_threshold=0)
    source = np.asarray(person_photo, int)
    edge = (slice(25, 135), slice(70, 72))
    assert hard.image is not None
    assert soft.image is not None
    changes = [np.abs(np.asarray(one.image, int) - source)[edge].mean() for one in (hard, soft)]
    assert changes[1] < changes[0] / 2


async def test_face_prompt_reaches_the_editor(bench: Any, person_photo: Image.Image) -> None:
    engine = MendingEngine()
    await bench(engine).fix(person_photo, face_prompt="an old man")
    assert engine.edits[0].prompt == "an old man"


async def test_max_retries_bounds_the_tries_and_the_best_is_kept(
    bench: Any, person_photo: Image.Image
) -> None:
    engine = MendingEngine(noise=30)
    fixed = await bench(engine).fix(person_photo, ssim_threshold=1, max_retries=2)
    (face,) = fixed.faces
    assert (face.attempts, face.passed, len(engine.edits)) == (3, False, 3)
    assert face.ssim == max(one.ssim or 0 for one in face.tries)
    assert len({edit.seed for edit in engine.edits}) == 3


@pytest.mark.parametrize(
    ("metric", "threshold"), [("ssim", 0.999), ("lpips", 0.0001), ("dists", 0.0001)]
)
async def test_each_threshold_decides(
    bench: Any, person_photo: Image.Image, metric: str, threshold: float
) -> None:
    off = {"ssim_threshold": 0, "lpips_threshold": 0, "dists_threshold": 0}
    config = off | {f"{metric}_threshold": threshold, "max_retries": 0}
    fixed = await bench(MendingEngine(noise=30)).fix(person_photo, **config)
    (face,) = fixed.faces
    assert not face.passed
    scores = {name for name in ("ssim", "lpips", "dists") if getattr(face, name) is not None}
    assert scores == {metric}
    with pytest.raises(ConsistencyError, match=f"{metric}_threshold"):
        await bench(MendingEngine(noise=30)).fix(person_photo, {"strict_checks": True}, **config)


async def test_options_reach_the_editor(bench: Any, person_photo: Image.Image) -> None:
    engine = MendingEngine()
    await bench(engine).fix(person_photo, {"denoise": 0.2, "num_inference_steps": 9})
    assert (engine.edits[0].strength, engine.edits[0].num_steps) == (0.2, 9)


async def test_finished_faces_are_not_edited_again(bench: Any, person_photo: Image.Image) -> None:
    first = bench(MendingEngine())
    fixed = await first.fix(person_photo)
    engine = MendingEngine()
    again = bench(engine)
    again.objects = first.objects
    repeated = await again.fix(person_photo)
    assert engine.edits == []
    assert fixed.image is not None
    assert repeated.image is not None
    assert repeated.image.tobytes() == fixed.image.tobytes()
    assert repeated.faces == fixed.faces


async def test_faces_with_equal_enlarged_boxes_are_edited_once(
    bench: Any, person_photo: Image.Image
) -> None:
    """Two edits of one box would share a checkpoint, and a retry would give another picture."""
    first = bench(MendingEngine())
    first.people.face_boxes = [_FACE, Box(0.3, 0.2, 0.5, 0.5)]
    fixed = await first.fix(person_photo, expand_percent=5)
    assert [face.index for face in fixed.faces] == [0]
    again = bench(MendingEngine())
    again.objects, again.people = first.objects, first.people
    repeated = await again.fix(person_photo, expand_percent=5)
    assert repeated.faces == fixed.faces
    assert repeated.image.tobytes() == fixed.image.tobytes()


@pytest.mark.parametrize(("max_references", "instructed"), [(None, 0), (2, 1)])
async def test_instructions_are_followed_where_there_is_a_model(
    bench: Any, person_photo: Image.Image, max_references: int | None, instructed: int
) -> None:
    engine = MendingEngine(max_references=max_references)
    await bench(engine, editor=EditorKind.INSTRUCT).fix(person_photo)
    assert (len(engine.instructions), len(engine.edits)) == (instructed, 1 - instructed)


class TintingEngine(PaintingEngine):
    """An engine that adds red."""

    def paint(self, image: Image.Image, edit: Edit) -> Image.Image:
        tinted = np.add(image, (30, 0, 0))
        return Image.fromarray(np.clip(tinted, 0, 255).astype(np.uint8))


async def test_colours_stay_the_pictures(bench: Any, person_photo: Image.Image) -> None:
    fixed = await bench(TintingEngine(edit_side_px=64)).fix(person_photo, ssim_threshold=0)
    face = (slice(40, 120), slice(80, 120))
    moved = np.asarray(fixed.image, int)[face] - np.asarray(person_photo, int)[face]
    assert np.abs(moved.mean((0, 1))).max() < 5
