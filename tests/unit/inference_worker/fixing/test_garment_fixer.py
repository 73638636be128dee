"""The garment fixer: each field of its configuration, and the location of details."""

from concurrent.futures import Executor
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inference_worker.checks.metrics import Metrics
from inference_worker.cpu_threads import CpuThreads
from inference_worker.engine.engine_thread import EngineThread
from inference_worker.engine.identity_engine import IdentityEngine
from inference_worker.fixing.detail_finder import DetailFinder
from inference_worker.fixing.garment_fixer import Detail, FixedDetail, GarmentFixer
from inference_worker.refinement.editors import LocalEditors, Reference
from inference_worker.refinement.region_editing import Run
from inference_worker.refinement.tiles import S3TileStore
from inference_worker.vision.protocols import BodyRegion, Box
from shared.contracts.fixing import FixConfig, GarmentFixerConfig
from shared.errors import ConsistencyError, InvalidInputError
from shared.flux.engine import Edit
from shared.flux.kinds import DeviceKind
from tests.fakes.engine import MendingEngine, PaintingEngine
from tests.fakes.object_store import MemoryObjectStore
from tests.fakes.people import FakePeople

_REFERENCE = Image.new("RGB", (40, 40), (200, 30, 30))


class Bench:
    """A garment fixer over one engine."""

    def __init__(self, engine: IdentityEngine, executor: Executor, cpu: CpuThreads) -> None:
        self.people = FakePeople(
            person=Box(0.2, 0, 0.8, 1),
            regions={
                BodyRegion.UPPER_BODY: Box(0.1, 0.2, 0.9, 0.6),
                BodyRegion.TORSO: Box(0.3, 0.2, 0.7, 0.6),
                BodyRegion.LOWER_BODY: Box(0.4, 0.55, 0.6, 1),
            },
        )
        self._fixer = GarmentFixer(
            LocalEditors(EngineThread(engine, executor)),
            cpu,
            metrics=Metrics(None, DeviceKind.CPU),
            finder=DetailFinder(self.people),
        )

    async def fix(
        self,
        base: Image.Image,
        label: str | None = "shirt",
        options: dict[str, Any] | None = None,
        **config: Any,
    ) -> FixedDetail:
        chosen = FixConfig(**(options or {}))
        store = S3TileStore(MemoryObjectStore(), "detail_enhancers/1", "digest")
        return await self._fixer.fix(
            base,
            Detail(label, Reference(_REFERENCE)),
            chosen,
            GarmentFixerConfig(**config),
            seed=1,
            run=Run(store, lambda _: None, is_strict=chosen.strict_checks),
        )


@pytest.fixture
def bench(engine_executor: Executor, cpu: CpuThreads) -> Any:
    return lambda engine: Bench(engine, engine_executor, cpu)


def _changed(fixed: FixedDetail, base: Image.Image) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero((np.asarray(fixed.image) != np.asarray(base)).any(axis=2))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


@pytest.mark.parametrize(
    ("label", "box"),
    [
        ("shirt", (40, 32, 160, 96)),
        ("T-Shirt", (40, 32, 160, 96)),
        ("shirt logo", (60, 32, 140, 96)),
        ("the logo on the shirt", (60, 32, 140, 96)),
        ("front of the shirt", (40, 32, 160, 96)),
        ("shirt without a logo", (40, 32, 160, 96)),
        ("blue jeans", (80, 88, 120, 160)),
        ("dress", (40, 32, 160, 160)),
        (None, (40, 32, 160, 160)),
    ],
)
async def test_detail_is_found_where_it_is_worn(
    bench: Any, person_photo: Image.Image, label: str | None, box: tuple[int, int, int, int]
) -> None:
    fixed = await bench(MendingEngine()).fix(
        person_photo, label, bbox_expand_percent=0, feather_px=0
    )
    assert _changed(fixed, person_photo) == pytest.approx(box, abs=1)


async def test_bbox_expand_percent_enlarges_the_box(bench: Any, person_photo: Image.Image) -> None:
    fixed = await bench(MendingEngine()).fix(
        person_photo, "logo", bbox_expand_percent=0.5, feather_px=0
    )
    assert _changed(fixed, person_photo) == pytest.approx((40, 16, 160, 112), abs=1)


@pytest.mark.parametrize(("threshold", "num_tiles"), [(1.8, 2), (2.5, 1)])
async def test_long_boxes_are_edited_as_two_tiles(
    bench: Any, person_photo: Image.Image, threshold: float, num_tiles: int
) -> None:
    fixed = await bench(MendingEngine()).fix(
        person_photo, "shirt", split_threshold=threshold, bbox_expand_percent=0
    )
    assert len(fixed.tiles) == num_tiles


@pytest.mark.parametrize("split_threshold", [1, 5])
async def test_identity_editor_gives_the_picture_back(
    bench: Any, person_photo: Image.Image, split_threshold: float
) -> None:
    fixed = await bench(IdentityEngine(edit_side_px=64)).fix(
        person_photo, split_threshold=split_threshold
    )
    difference = np.abs(np.asarray(fixed.image, int) - np.asarray(person_photo))
    assert difference.max() <= 1


async def test_feather_fades_the_detail_in(bench: Any, person_photo: Image.Image) -> None:
    source = np.asarray(person_photo, int)
    edge = (slice(32, 96), slice(60, 62))
    changes: list[float] = []
    for feather_px in (0, 12):
        fixed = await bench(MendingEngine(noise=40)).fix(
            person_photo, "logo", feather_px=feather_px, bbox_expand_percent=0, ssim_threshold=0
        )
        changes.append(np.abs(np.asarray(fixed.image, int) - source)[edge].mean())
    assert changes[1] < changes[0] / 2


async def test_reference_is_passed_to_a_model_that_uses_it(
    bench: Any, person_photo: Image.Image
) -> None:
    engine = MendingEngine(max_references=1)
    fixed = await bench(engine).fix(person_photo, "logo")
    assert fixed.follows_reference
    assert engine.references == [_REFERENCE]
    assert "logo" in engine.instructions[0].prompt
    assert engine.edits == []


@pytest.mark.parametrize("max_references", [None, 0])
async def test_model_without_references_edits_by_strength_and_reports_it(
    bench: Any, person_photo: Image.Image, max_references: int | None
) -> None:
    engine = MendingEngine(max_references=max_references)
    fixed = await bench(engine).fix(
        person_photo, "logo", {"denoise": 0.3, "num_inference_steps": 4}
    )
    assert not fixed.follows_reference
    assert (engine.edits[0].strength, engine.edits[0].num_steps) == (0.3, 4)


class RepaintingEngine(PaintingEngine):
    """An engine that paints everything red."""

    def paint(self, image: Image.Image, edit: Edit) -> Image.Image:
        return Image.new("RGB", image.size, (220, 20, 20))


async def test_editor_may_change_colours(bench: Any, person_photo: Image.Image) -> None:
    fixed = await bench(RepaintingEngine(edit_side_px=64)).fix(
        person_photo, "logo", ssim_threshold=0, feather_px=0
    )
    middle = np.asarray(fixed.image, float)[48:80, 80:120].mean((0, 1))
    assert middle[0] > middle[1] + 80


async def test_max_retries_bounds_the_tries(bench: Any, person_photo: Image.Image) -> None:
    engine = MendingEngine(noise=30)
    fixed = await bench(engine).fix(person_photo, "logo", ssim_threshold=1, max_retries=2)
    assert [tile.attempts for tile in fixed.tiles] == [3]


@pytest.mark.parametrize(
    ("metric", "threshold"), [("ssim", 0.999), ("lpips", 0.0001), ("dists", 0.0001)]
)
async def test_each_threshold_decides(
    bench: Any, person_photo: Image.Image, metric: str, threshold: float
) -> None:
    off = {"ssim_threshold": 0, "lpips_threshold": 0, "dists_threshold": 0}
    config = off | {f"{metric}_threshold": threshold, "max_retries": 0}
    with pytest.raises(ConsistencyError, match=f"{metric}_threshold"):
        await bench(MendingEngine(noise=30)).fix(
            person_photo, "logo", {"strict_checks": True}, **config
        )


async def test_unknown_label_is_refused_and_lists_the_known(
    bench: Any, person_photo: Image.Image
) -> None:
    with pytest.raises(InvalidInputError, match=r"detail_label: .*'wheel'.*trousers"):
        await bench(MendingEngine()).fix(person_photo, "wheel")


@pytest.mark.parametrize("change", [{"regions": {}}, {"person": None}])
async def test_picture_without_a_person_names_the_label(
    bench: Any, person_photo: Image.Image, change: dict[str, Any]
) -> None:
    run = bench(MendingEngine())
    for name, value in change.items():
        setattr(run.people, name, value)
    with pytest.raises(InvalidInputError, match="detail_label: 'shirt' was not found: no person"):
        await run.fix(person_photo)


async def test_part_that_is_not_in_the_picture_is_named(
    bench: Any, person_photo: Image.Image
) -> None:
    with pytest.raises(InvalidInputError, match=r"'shoes' was not found: the person's feet"):
        await bench(MendingEngine()).fix(person_photo, "shoes")


class ShadingEngine(PaintingEngine):
    """An engine that darkens or lightens each picture by its seed."""

    def paint(self, image: Image.Image, edit: Edit) -> Image.Image:
        shade = np.random.default_rng(edit.seed).integers(-40, 41)
        return Image.fromarray(np.clip(np.asarray(image, int) + shade, 0, 255).astype(np.uint8))


async def test_feather_fades_two_tiles_into_each_other(
    bench: Any, person_photo: Image.Image
) -> None:
    steps: list[int] = []
    for feather_px in (0, 20):
        fixed = await bench(ShadingEngine(edit_side_px=64)).fix(
            person_photo, split_threshold=1, bbox_expand_percent=0, feather_px=feather_px
        )
        change = np.asarray(fixed.image, int)[64] - np.asarray(person_photo, int)[64]
        steps.append(int(np.abs(np.diff(change[90:110, 0])).max()))
    assert steps[1] < steps[0] / 2


async def test_tall_boxes_are_split_like_wide_ones(bench: Any, person_photo: Image.Image) -> None:
    fixed = await bench(MendingEngine()).fix(person_photo, "jeans", split_threshold=1.5)
    assert len(fixed.tiles) == 2


async def test_a_long_unknown_label_is_truncated_in_the_message(
    bench: Any, person_photo: Image.Image
) -> None:
    with pytest.raises(InvalidInputError, match=r"'wheel{56}…'") as refused:
        await bench(IdentityEngine()).fix(person_photo, "whee" + "l" * 10_000)
    assert len(str(refused.value)) < 2000
