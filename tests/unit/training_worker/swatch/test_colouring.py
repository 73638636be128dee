import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from training_worker.swatch.colouring import (
    GROUND,
    GROUND_FOR_WHITE,
    HSV,
    HUES,
    Colour,
    colour_freely,
    colour_pictures,
    crop_randomly,
    hsv_to_rgb,
    ink_of,
)
from training_worker.swatch.scores import nearest_hue, similarity

pytestmark = pytest.mark.models


def garment() -> Tensor:
    """A square of cloth with a fold: uint8 [1, 28, 28]."""
    picture = torch.zeros(1, 28, 28, dtype=torch.uint8)
    picture[:, 6:22, 8:20] = 150
    picture[:, 12:14, 8:20] = 220
    return picture


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(colour=st.sampled_from(HUES), seed=st.integers(0, 1000))
def test_every_shade_of_a_hue_is_recognised(colour: Colour, seed: int) -> None:
    image = colour_pictures(garment(), [colour], generator(seed))[0]
    assert nearest_hue(image) is colour


@pytest.mark.parametrize("colour", [Colour.WHITE, Colour.BLACK, Colour.GREY])
def test_grey_cloth_has_no_hue(colour: Colour) -> None:
    assert nearest_hue(colour_pictures(garment(), [colour], generator())[0]) is None


@given(colour=st.sampled_from(list(Colour)), seed=st.integers(0, 1000))
def test_pictures_are_64_px_on_a_light_ground(colour: Colour, seed: int) -> None:
    image = colour_pictures(garment(), [colour], generator(seed))
    assert image.shape == (1, 3, 64, 64)
    assert image.min() >= -1.001
    assert image.max() <= 1.001
    ground = GROUND_FOR_WHITE if colour is Colour.WHITE else GROUND
    assert torch.allclose(image[:, :, :4, :4], torch.tensor(ground * 2 - 1), atol=1e-5)


def test_white_cloth_is_lighter_than_its_ground_everywhere() -> None:
    image = colour_pictures(garment(), [Colour.WHITE], generator())
    assert (image[:, :, 16:40, 22:36] > GROUND_FOR_WHITE * 2 - 1 + 0.1).all()


def test_same_seed_colours_alike() -> None:
    first = colour_pictures(garment(), [Colour.BLUE], generator(7))
    assert torch.equal(colour_pictures(garment(), [Colour.BLUE], generator(7)), first)
    assert not torch.equal(colour_pictures(garment(), [Colour.BLUE], generator(8)), first)


def test_pale_and_dark_garments_get_the_same_ink() -> None:
    pale, dark = ink_of(garment() // 2), ink_of(garment())
    covered = dark > 0.1
    assert abs(pale[covered].mean() - dark[covered].mean()) < 0.05


def test_primary_hues_convert_to_rgb() -> None:
    hsv = torch.tensor([[0.0, 1, 1], [120, 1, 1], [240, 1, 0.5], [0, 0, 0.3]])
    expected = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 0.5], [0.3, 0.3, 0.3]])
    assert torch.allclose(hsv_to_rgb(hsv), expected)


def test_six_hues_are_well_apart() -> None:
    hues = sorted(HSV[colour][0] for colour in HUES)
    assert len(hues) == 6
    gaps = [(right - left) % 360 for left, right in zip(hues, [*hues[1:], hues[0]], strict=True)]
    assert min(gaps) >= 25


def test_crops_keep_shape_and_range() -> None:
    images = colour_freely(garment().expand(4, -1, -1), generator())
    crops = crop_randomly(images, generator())
    assert crops.shape == images.shape
    assert crops.abs().max() <= 1
    assert not torch.equal(crops, images)


def test_picture_has_similarity_1_to_itself() -> None:
    image = colour_pictures(garment(), [Colour.RED], generator())[0]
    assert similarity(image, image) == pytest.approx(1)
    assert similarity(image, -image) < 0.5
