"""Backgrounds moved toward a palette's colour: the effect of each field, and invariants."""

import threading
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import binary_erosion
from skimage.color import deltaE_cie76, rgb2lab

from inference_worker.backgrounds import fixer as fixer_module
from inference_worker.backgrounds.fixer import BackgroundFixer, move_background
from inference_worker.backgrounds.protection import Protection
from shared.cancellation import Cancelled
from shared.contracts.backgrounds import BackgroundFixInputs, BackgroundMask
from shared.errors import InvalidInputError
from shared.pixels.lab import LabColour
from tests.fixtures.segmenters import ColourFinders, ColourSegmenter

CREAM = (240, 232, 214)
GREY = (205, 208, 212)
PERSON = (100, 60, 200, 300)


def studio() -> Image.Image:
    """Draw a person in red on a bluish wall, light above and in shadow below, and a black prop."""
    light = np.linspace(250, 120, 300)[:, None, None]
    noise = np.random.default_rng(1).normal(0, 2, (300, 400, 3))
    wall = np.clip(light * np.array([0.96, 0.98, 1.0]) + noise, 0, 255)
    picture = Image.fromarray(wall.astype(np.uint8))
    picture.paste((20, 20, 25), (330, 200, 390, 290))
    picture.paste("red", PERSON)
    return picture


def fixed(base: Image.Image, colour: Any = CREAM, **fields: Any) -> np.ndarray:
    palette = Image.new("RGB", (64, 64), colour)
    inputs = BackgroundFixInputs(base_image="a.png", palette_image="b.png", **fields)
    return np.asarray(BackgroundFixer(ColourFinders()).fix(base, palette, inputs).image)


def lab(pixels: Any) -> np.ndarray:
    return rgb2lab(np.asarray(pixels, np.uint8))


def far_from_person(reach: int = 90) -> np.ndarray:
    where = np.ones((300, 400), bool)
    left, top, right, _ = PERSON
    where[max(0, top - reach) :, max(0, left - reach) : right + reach] = False
    return where


@pytest.mark.parametrize("strategy", ["lab_shift", "replace"])
@pytest.mark.parametrize("colour", [CREAM, GREY, (30, 40, 50)])
def test_the_person_stays(strategy: str, colour: tuple[int, int, int]) -> None:
    base = studio()
    person = ColourSegmenter().person_mask(np.asarray(base)) >= 0.5
    moved = deltaE_cie76(lab(fixed(base, colour, strategy=strategy)), lab(base))
    assert moved[binary_erosion(person, iterations=2)].mean() <= 0.5
    assert moved[person].max() == 0


def test_a_white_garment_stays_white_beside_a_dark_palette() -> None:
    """The blurred mask without the maximum would tint its edges."""
    base = studio()
    base.paste("white", PERSON)
    white = ColourSegmenter("white", tolerance=0)
    inputs = BackgroundFixInputs(
        base_image="a", palette_image="b", mask_expansion_percentage=0, strategy="replace"
    )
    palette = Image.new("RGB", (8, 8), (60, 40, 40))
    fixer = BackgroundFixer(ColourFinders(white))
    result = np.asarray(fixer.fix(base, palette, inputs).image)
    left, top, right, bottom = PERSON
    assert (result[top:bottom, left:right] == 255).all()


@pytest.mark.parametrize("colour", [CREAM, GREY])
def test_light_background_gets_the_palettes_colour(colour: tuple[int, int, int]) -> None:
    base = studio()
    full = (lab(base)[..., 0] * 2.55 >= 220) & far_from_person()
    mean = lab(fixed(base, colour))[full].mean(axis=0)
    assert np.linalg.norm(mean - lab([[colour]])[0, 0]) <= 2


def test_shadows_stay_and_half_tones_go_part_of_the_way() -> None:
    base = studio()
    before, after = lab(base), lab(fixed(base))
    weight = np.clip((before[..., 0] * 2.55 - 150) / 70, 0, 1)[..., None]
    goal = lab([[CREAM]])[0, 0]
    where = far_from_person()
    expected = before + weight * (goal - before)
    assert deltaE_cie76(after, expected)[where].max() < 1.5
    dark = (before[..., 0] * 2.55 <= 150) & where
    assert (fixed(base)[dark] == np.asarray(base)[dark]).all()


def test_replace_paints_shadows_and_props_too() -> None:
    result = fixed(studio(), strategy="replace")
    assert (result[far_from_person(150)] == CREAM).all()


def test_shadow_threshold_bounds_the_unchanged_pixels() -> None:
    base = studio()
    unchanged = [
        int((fixed(base, shadow_threshold=value) == np.asarray(base)).all(axis=2).sum())
        for value in (100, 150, 200)
    ]
    assert unchanged == sorted(unchanged)
    assert len(set(unchanged)) == 3


def test_light_threshold_bounds_the_fully_moved_pixels() -> None:
    base = studio()
    arrived = [
        int((fixed(base, light_threshold=value) == CREAM).all(axis=2).sum())
        for value in (180, 220, 250)
    ]
    assert arrived == sorted(arrived, reverse=True)
    assert len(set(arrived)) == 3


def test_mask_expansion_keeps_more_around_the_person() -> None:
    kept = [
        int(
            (
                fixed(studio(), strategy="replace", edge_blur_sigma=0, mask_expansion_percentage=p)
                != CREAM
            )
            .any(axis=2)[200]
            .sum()
        )
        for p in (0, 0.005, 0.1)
    ]
    assert kept == pytest.approx([100, 104, 180], abs=2)


def test_edge_blur_softens_the_edge() -> None:
    def soft_pixels(sigma: float) -> int:
        row = fixed(studio(), strategy="replace", edge_blur_sigma=sigma)[150].astype(int)
        wall = np.asarray(studio())[150].astype(int)
        between = (np.abs(row - CREAM).max(axis=1) > 1) & (np.abs(row - wall).max(axis=1) > 1)
        return int(between.sum())

    widths = [soft_pixels(sigma) for sigma in (0, 5, 20)]
    assert widths == sorted(widths)
    assert widths[0] <= 4
    assert widths[2] > widths[1] > 8


def test_crossed_thresholds_are_refused_by_name() -> None:
    with pytest.raises(InvalidInputError, match=r"^shadow_threshold must be below light_threshold"):
        fixed(studio(), shadow_threshold=220, light_threshold=220)
    fixed(studio(), shadow_threshold=220, light_threshold=220, strategy="replace")


def test_strips_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fixed(studio())
    monkeypatch.setattr(fixer_module, "_STRIP_PIXELS", 1000)
    assert (fixed(studio()) == whole).all()


@pytest.mark.parametrize("size", [(1, 8000), (8000, 1)])
def test_the_thinnest_pictures_are_fixed(size: tuple[int, int]) -> None:
    base = Image.new("RGB", size, "white")
    base.paste("red", (0, 0, *(min(side, 4000) for side in size)))
    result = fixed(base)
    assert (result.reshape(-1, 3)[0] == (255, 0, 0)).all()
    assert (result.reshape(-1, 3)[-1] == CREAM).all()


def test_cancelled_work_stops_at_the_next_strip() -> None:
    cancel = threading.Event()
    strips: list[int] = []

    class GoneAfterTwo(Protection):
        def rows(self, first: int, last: int) -> np.ndarray:
            strips.append(first)
            if len(strips) == 2:
                cancel.set()
            return super().rows(first, last)

    protection = GoneAfterTwo(np.zeros((4096, 1024), np.float32), grow_px=0, blur_sigma_px=0)
    with pytest.raises(Cancelled):
        move_background(
            Image.new("RGB", (1024, 4096)), LabColour(50, 0, 0), protection, None, cancel
        )
    assert len(strips) == 2


def _cutout() -> Image.Image:
    """Draw a garment without a person, in the palette's colours, with a translucent edge."""
    pixels = np.random.default_rng(2).integers(180, 256, (300, 400, 4), np.uint8)
    pixels[..., 3] = 0
    pixels[60:240, 80:320, 3] = 128
    pixels[70:230, 90:310, 3] = 255
    return Image.fromarray(pixels)


def _fixer_that_finds_nothing() -> BackgroundFixer:
    """Return a fixer whose models find nothing."""
    return BackgroundFixer(ColourFinders(ColourSegmenter("#010203", tolerance=0)))


def _inputs(**fields: Any) -> BackgroundFixInputs:
    return BackgroundFixInputs(base_image="a", palette_image="b", **fields)


_PALETTE = Image.new("RGB", (8, 8), CREAM)


@pytest.mark.parametrize("strategy", ["lab_shift", "replace"])
def test_all_that_shows_of_a_cutout_is_kept(strategy: str) -> None:
    cutout = _cutout()
    result = _fixer_that_finds_nothing().fix(cutout, _PALETTE, _inputs(strategy=strategy))
    assert result.mask_used == BackgroundMask.ALPHA
    pixels = np.asarray(cutout)
    opaque = pixels[..., 3] == 255
    assert (np.asarray(result.image.convert("RGB"))[opaque] == pixels[opaque][:, :3]).all()


def test_a_shift_leaves_a_cutout_as_it_is() -> None:
    cutout = _cutout()
    assert (
        _fixer_that_finds_nothing().fix(cutout, _PALETTE, _inputs()).image.tobytes()
        == cutout.tobytes()
    )


def test_a_colour_that_replaces_the_background_goes_behind_a_cutout() -> None:
    cutout = _cutout()
    result = np.asarray(
        _fixer_that_finds_nothing().fix(cutout, _PALETTE, _inputs(strategy="replace")).image
    )
    pixels = np.asarray(cutout)
    share = pixels[..., 3:] / 255
    expected = share * pixels[..., :3] + (1 - share) * np.array(CREAM)
    assert result.shape[2] == 3
    assert np.abs(result - expected).max() <= 1.5


class _PartsAlone(ColourSegmenter):
    """Detects a person in the left half of the product, as person models do in packshots."""

    def person_mask(self, picture: np.ndarray) -> np.ndarray:
        mask = super().person_mask(picture)
        mask[:, 150:] = 0
        return mask


@pytest.mark.parametrize("strategy", ["lab_shift", "replace"])
@pytest.mark.parametrize("is_somebody", [True, False])
@pytest.mark.parametrize(
    "person", [_PartsAlone(), ColourSegmenter("#010203", tolerance=0)], ids=["parts", "nobody"]
)
def test_a_product_is_kept_where_no_person_is(
    strategy: str, person: ColourSegmenter, *, is_somebody: bool
) -> None:
    """This includes a product with a printed face, in which a pose may be detected."""
    base = studio()
    finders = ColourFinders(is_somebody=is_somebody, person=person)
    result = BackgroundFixer(finders).fix(base, _PALETTE, _inputs(strategy=strategy))
    assert result.mask_used == BackgroundMask.SUBJECT
    left, top, right, bottom = PERSON
    product = np.s_[top:bottom, left:right]
    assert (np.asarray(result.image)[product] == np.asarray(base)[product]).all()
    assert (np.asarray(result.image) != np.asarray(base)).any()


def test_a_person_is_kept_and_named() -> None:
    result = BackgroundFixer(ColourFinders()).fix(studio(), _PALETTE, _inputs())
    assert result.mask_used == BackgroundMask.PERSON


def test_a_person_without_a_pose_is_kept_where_no_subject_stands_out() -> None:
    finders = ColourFinders(
        ColourSegmenter("#010203", tolerance=0), is_somebody=False, person=ColourSegmenter()
    )
    result = BackgroundFixer(finders).fix(studio(), _PALETTE, _inputs(strategy="replace"))
    assert result.mask_used == BackgroundMask.PERSON
    assert result.image.getpixel((150, 200)) == (255, 0, 0)


@pytest.mark.parametrize("strategy", ["lab_shift", "replace"])
@pytest.mark.parametrize(
    "base", [studio(), Image.new("RGBA", (40, 40), (200, 10, 10, 0))], ids=["wall", "transparent"]
)
def test_picture_without_a_foreground_is_refused(strategy: str, base: Image.Image) -> None:
    with pytest.raises(InvalidInputError, match=r"^base_image: neither .* transparent background"):
        _fixer_that_finds_nothing().fix(base, _PALETTE, _inputs(strategy=strategy))


@pytest.mark.parametrize("strategy", ["lab_shift", "replace"])
def test_grey_before_grey_stays_without_colour(strategy: str) -> None:
    levels = np.linspace(0, 255, 400, dtype=np.uint8)
    base = Image.fromarray(np.repeat(np.tile(levels, (300, 1))[:, :, None], 3, axis=2))
    base.paste((0, 0, 0), PERSON)
    fixer = BackgroundFixer(ColourFinders(ColourSegmenter("black", tolerance=0)))
    for level in range(150, 256, 7):
        palette = Image.new("RGB", (8, 8), (level, level, level))
        result = np.asarray(fixer.fix(base, palette, _inputs(strategy=strategy)).image, int)
        assert np.ptp(result, axis=2).max() == 0
