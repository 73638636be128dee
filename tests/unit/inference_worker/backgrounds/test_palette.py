"""The colour of a palette's background."""

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2lab

from inference_worker.backgrounds.palette import background_colour
from shared.errors import InvalidInputError
from shared.pixels.lab import LabColour
from tests.fixtures.segmenters import ColourFinders

WALL = (214, 205, 190)


def colour_of(palette: Image.Image, *, is_somebody: bool = True) -> LabColour:
    return background_colour(palette, ColourFinders(is_somebody=is_somebody))


def distance(colour: LabColour, rgb: tuple[int, int, int]) -> float:
    lab = rgb2lab(np.array([[rgb]], np.uint8))[0, 0]
    return float(np.linalg.norm(np.subtract((colour.lightness, colour.a, colour.b), lab)))


@pytest.mark.parametrize("size", [(1, 1), (40, 60), (1300, 1700)])
def test_a_swatch_is_its_own_colour(size: tuple[int, int]) -> None:
    assert distance(colour_of(Image.new("RGB", size, WALL)), WALL) < 0.01


@pytest.mark.parametrize("is_somebody", [True, False])
def test_people_products_noise_and_props_do_not_move_it(*, is_somebody: bool) -> None:
    noise = np.random.default_rng(5).normal(0, 6, (900, 700, 3))
    palette = Image.fromarray(np.clip(np.array(WALL) + noise, 0, 255).astype(np.uint8))
    palette.paste("red", (100, 100, 500, 900))
    palette.paste((20, 20, 20), (520, 700, 700, 900))
    assert distance(colour_of(palette, is_somebody=is_somebody), WALL) < 1


def test_a_product_that_fills_most_of_it_does_not_move_it() -> None:
    palette = Image.new("RGB", (400, 400), WALL)
    palette.paste("red", (40, 40, 400, 400))
    assert distance(colour_of(palette, is_somebody=False), WALL) < 0.01


def test_a_swatch_of_a_fabric_is_its_own_colour_though_a_subject_is_seen_in_it() -> None:
    fabric = np.random.default_rng(6).integers(200, 256, (90, 90, 3), np.uint8)
    fabric[..., 1:] = 0
    assert distance(colour_of(Image.fromarray(fabric), is_somebody=False), (228, 0, 0)) < 1


def test_a_person_without_a_background_is_refused() -> None:
    palette = Image.new("RGB", (600, 600), "red")
    palette.paste(WALL, (0, 0, 50, 50))
    with pytest.raises(InvalidInputError, match=r"^palette_image: shows no background"):
        colour_of(palette)
