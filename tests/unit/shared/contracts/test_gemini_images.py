"""Aspect ratios and sizes of Gemini's models."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.gemini_images import (
    IMAGE_SIZES,
    RATIOS,
    canonical_size,
    default_image_size,
    image_size_fault,
    image_sizes,
    model_fault,
    nearest_ratio,
    nominal,
)

PRO, FLASH = "gemini-3-pro-image", "gemini-2.5-flash-image"
LITE = "gemini-3.1-flash-lite-image"
MODELS = (PRO, FLASH, LITE, "gemini-3.1-flash-image", "gemini-3-pro-image-preview")
SIDES = st.integers(1, 16_384)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("ratio", RATIOS)
def test_each_size_of_a_model_has_the_ratio_that_gives_it(model: str, ratio: str) -> None:
    for image_size in image_sizes(model):
        assert nearest_ratio(model, *canonical_size(model, ratio, image_size)) == ratio


@pytest.mark.parametrize("ratio", RATIOS)
def test_sizes_are_the_published_ones(ratio: str) -> None:
    width, height = canonical_size(PRO, ratio)
    assert width % 16 == height % 16 == 0
    assert abs(math.log(width / height / nominal(ratio))) < 0.03
    assert canonical_size(PRO, ratio, "4K") == (4 * width, 4 * height)
    assert canonical_size(FLASH, ratio, "4K") == canonical_size(FLASH, ratio)
    turned = ":".join(reversed(ratio.split(":")))
    if turned in RATIOS:
        assert canonical_size(PRO, turned) == (height, width)


@pytest.mark.property
@given(width=SIDES, height=SIDES, model=st.sampled_from(MODELS))
def test_no_other_ratio_is_nearer(width: int, height: int, model: str) -> None:
    def distance(ratio: str) -> float:
        return abs(math.log(width / height / nominal(ratio)))

    found = nearest_ratio(model, width, height)
    sizes = {canonical_size(model, found, size) for size in image_sizes(model)}
    assert (width, height) in sizes or distance(found) == min(map(distance, RATIOS))


@pytest.mark.property
@given(width=SIDES, height=SIDES)
def test_a_turned_size_has_the_turned_ratio(width: int, height: int) -> None:
    across, down = nearest_ratio(PRO, width, height).split(":")
    turned = nearest_ratio(PRO, height, width)
    # 21:9 alone cannot be turned; the tallest is 9:16.
    assert turned == f"{down}:{across}" or "21:9" in (turned, f"{across}:{down}")


@pytest.mark.parametrize(
    ("width", "height", "ratio"),
    [
        (1024, 1024, "1:1"),
        (896, 1200, "3:4"),
        (1080, 1920, "9:16"),
        (3840, 1080, "21:9"),
        (1000, 5000, "9:16"),
        (800, 1000, "4:5"),
        (1, 16_384, "9:16"),
    ],
)
def test_ratios_of_some_sizes(width: int, height: int, ratio: str) -> None:
    assert nearest_ratio(PRO, width, height) == ratio


def test_a_size_of_the_other_table_is_not_exact() -> None:
    width, height = canonical_size(FLASH, "3:4")  # 864 x 1184, nearer to 3:4 than to 2:3 as well
    assert nearest_ratio(PRO, width, height) == "3:4"


@pytest.mark.parametrize(
    ("model", "sizes", "default"),
    [
        (PRO, IMAGE_SIZES, "2K"),
        (FLASH, ("1K",), "1K"),
        (LITE, ("1K",), "1K"),
        ("gemini-3.1-flash-image", IMAGE_SIZES, "2K"),
        ("gemini-9-image", IMAGE_SIZES, "2K"),
    ],
)
def test_sizes_by_model(model: str, sizes: tuple[str, ...], default: str) -> None:
    assert image_sizes(model) == sizes
    assert default_image_size(model) == default
    assert [size for size in IMAGE_SIZES if image_size_fault(model, size) is None] == list(sizes)


@pytest.mark.parametrize("model", ["", "a/b", "..%2f", "a b", "x" * 101, "gémini", 5, None])
def test_a_model_that_would_change_the_path_is_refused(model: object) -> None:
    assert model_fault(model) is not None


@pytest.mark.parametrize("model", [*MODELS, "gemini-3.1-pro-preview", "x" * 100])
def test_models_are_admitted_by_their_characters(model: str) -> None:
    assert model_fault(model) is None
