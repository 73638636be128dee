"""Adjusting and background fixing on a photograph, with the packaged models."""

from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import binary_erosion
from skimage.color import deltaE_cie76, rgb2lab
from skimage.data import astronaut

from inference_worker.adjusting.adjuster import ImageAdjuster
from inference_worker.backgrounds.fixer import BackgroundFixer
from shared.contracts.adjusting import AdjustInputs
from shared.contracts.backgrounds import BackgroundFixInputs

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
    return np.asarray(BackgroundFixer(lambda: models.persons).fix(base, palette, inputs))


@pytest.mark.parametrize("strategy", ["lab_shift", "replace"])
def test_a_person_stays_as_they_are(models: Any, photograph: Image.Image, strategy: str) -> None:
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


def test_a_palette_with_a_person_gives_its_wall(models: Any, photograph: Image.Image) -> None:
    """The photograph's own person, cut out, before a wall."""
    mask = Image.fromarray(
        (models.persons.person_mask(np.asarray(photograph)) * 255).astype(np.uint8)
    )
    palette = Image.new("RGB", photograph.size, SAND)
    palette.paste(photograph, mask=mask)
    result = fixed(models, Image.new("RGB", (64, 64), "white"), palette)
    assert np.abs(result.astype(int) - SAND).max() <= 3


def test_a_photographs_subject_gets_its_margins(models: Any, photograph: Image.Image) -> None:
    adjuster = ImageAdjuster(lambda: models.subjects, max_output_pixels=1_000_000)
    inputs = AdjustInputs(
        input_image="a", mode="pad", target_width=400, target_height=500, margin_top=0.2
    )
    result = adjuster.adjust(photograph, None, inputs)
    assert result.size == (400, 500)
    top = np.asarray(result)[:60].reshape(-1, 3)
    assert len(np.unique(top, axis=0)) == 1
