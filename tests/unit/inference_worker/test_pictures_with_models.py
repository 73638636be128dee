"""Adjusting and background fixing on a photograph, with the packaged models."""

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import binary_erosion
from skimage.color import deltaE_cie76, rgb2lab
from skimage.data import astronaut

from inference_worker.adjusting.adjuster import ImageAdjuster
from inference_worker.backgrounds.fixer import BackgroundFixer
from inference_worker.backgrounds.palette import background_colour
from shared.contracts.adjusting import AdjustInputs
from shared.contracts.backgrounds import BackgroundFixInputs, BackgroundMask
from shared.errors import InvalidInputError

pytestmark = pytest.mark.models

pytest.importorskip("onnxruntime")
pytest.importorskip("ai_edge_litert")
vision = pytest.importorskip("inference_worker.vision.models")
settings = pytest.importorskip("inference_worker.vision.settings")

SAND = (216, 200, 176)


@pytest.fixture(scope="module")
def models() -> Any:
    return vision.VisionModels(settings.VisionSettings())


@pytest.fixture(scope="module")
def photograph() -> Image.Image:
    return Image.fromarray(astronaut())


def fixed(models: Any, base: Image.Image, palette: Image.Image, **fields: Any) -> np.ndarray:
    inputs = BackgroundFixInputs(base_image="a", palette_image="b", **fields)
    return np.asarray(BackgroundFixer(models).fix(base, palette, inputs).image)


@pytest.mark.parametrize("strategy", ["lab_shift", "replace"])
def test_a_person_is_unchanged(models: Any, photograph: Image.Image, strategy: str) -> None:
    result = fixed(models, photograph, Image.new("RGB", (32, 32), SAND), strategy=strategy)
    person = models.persons.person_mask(np.asarray(photograph)) >= 0.5
    assert 0.2 < person.mean() < 0.8
    moved = deltaE_cie76(rgb2lab(result), rgb2lab(np.asarray(photograph)))
    assert moved[binary_erosion(person, iterations=8)].mean() <= 0.5


def test_the_wall_gets_the_colour_where_the_weight_is_one(
    models: Any, photograph: Image.Image
) -> None:
    result = fixed(
        models,
        photograph,
        Image.new("RGB", (32, 32), SAND),
        edge_blur_sigma=4,
        shadow_threshold=0,
        light_threshold=1,
    )
    mask = models.persons.person_mask(np.asarray(photograph))
    is_light = rgb2lab(np.asarray(photograph))[..., 0] * 2.55 >= 1
    wall = binary_erosion(mask < 0.01, iterations=24) & is_light
    assert wall.mean() > 0.05
    colour = rgb2lab(np.array([[SAND]], np.uint8))[0, 0]
    assert np.linalg.norm(rgb2lab(result)[wall].mean(axis=0) - colour) <= 2


_DRESS = "40,10 44,10 50,18 56,10 60,10 62,35 58,45 78,92 22,92 42,45 38,35"
_SHIRT = "38,20 62,20 80,28 90,45 78,52 72,42 72,85 28,85 28,42 22,52 10,45 20,28"


def _packshot(outline: str, colour: tuple[int, int, int]) -> tuple[Image.Image, np.ndarray]:
    """Return a garment without a person on a light wall, and its mask."""
    size = 512
    corners = [tuple(float(part) * size / 100 for part in at.split(",")) for at in outline.split()]
    area = Image.new("L", (size, size), 0)
    ImageDraw.Draw(area).polygon(corners, fill=255)
    folds = 1 + 0.12 * np.sin(np.arange(size) / 20)
    garment = np.array(colour) * folds[None, :, None]
    pixels = np.where(np.asarray(area)[..., None] > 0, garment, 238)
    pixels = pixels + np.random.default_rng(0).normal(0, 3, (size, size, 1))
    picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    inside = binary_erosion(np.asarray(area) > 0, iterations=4)
    return picture.filter(ImageFilter.GaussianBlur(1)), inside


@pytest.mark.parametrize("strategy", ["lab_shift", "replace"])
@pytest.mark.parametrize("is_printed", [False, True])
def test_a_garment_is_kept_whole(
    models: Any, photograph: Image.Image, strategy: str, *, is_printed: bool
) -> None:
    """A dress of which person models detect parts, and a shirt with a printed face."""
    packshot, inside = _packshot(_DRESS, (180, 40, 50))
    if is_printed:
        packshot, inside = _packshot(_SHIRT, (40, 60, 120))
        packshot.paste(photograph.crop((140, 0, 320, 200)).resize((140, 150)), (186, 180))
    partly = models.persons.person_mask(np.asarray(packshot)) >= 0.5
    assert 0.1 < (partly & inside).sum() / inside.sum() < 0.95
    inputs = BackgroundFixInputs(base_image="a", palette_image="b", strategy=strategy)
    palette = Image.new("RGB", (32, 32), SAND)
    result = BackgroundFixer(models).fix(packshot, palette, inputs)
    assert result.mask_used == BackgroundMask.SUBJECT
    before, after = np.asarray(packshot, int)[inside], np.asarray(result.image, int)[inside]
    assert (np.abs(after - before).max(axis=1) <= 4).mean() > 0.99
    assert np.abs(np.asarray(result.image, int)[5, 5] - SAND).max() <= 3


def test_an_empty_wall_is_refused(models: Any) -> None:
    wall = np.tile(np.linspace(200, 230, 300)[:, None, None], (1, 200, 3)).astype(np.uint8)
    with pytest.raises(InvalidInputError, match=r"^base_image: neither a person nor a product"):
        fixed(models, Image.fromarray(wall), Image.new("RGB", (32, 32), SAND))


def test_a_palette_with_a_person_gives_its_background(models: Any, photograph: Image.Image) -> None:
    """The palette shows the photograph's person in front of a wall."""
    mask = Image.fromarray(
        (models.persons.person_mask(np.asarray(photograph)) * 255).astype(np.uint8)
    )
    palette = Image.new("RGB", photograph.size, SAND)
    palette.paste(photograph, mask=mask)
    assert np.abs(np.subtract(background_colour(palette, models).srgb, SAND)).max() <= 3


def test_a_photographs_subject_gets_its_margins(models: Any, photograph: Image.Image) -> None:
    adjuster = ImageAdjuster(lambda: models.subjects, max_output_pixels=1_000_000)
    inputs = AdjustInputs(
        input_image="a", mode="pad", target_width=400, target_height=500, margin_top=0.2
    )
    result = adjuster.adjust(photograph, None, inputs)
    assert result.size == (400, 500)
    top = np.asarray(result)[:60].reshape(-1, 3)
    assert len(np.unique(top, axis=0)) == 1
