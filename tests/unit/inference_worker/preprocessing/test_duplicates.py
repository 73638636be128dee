"""Duplicates: the same picture at another size or quality, and nothing else."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from inference_worker.preprocessing.duplicates import Signature, find_duplicates, sign

SEEDS = st.integers(0, 2**32 - 1)


def garment(colour: str = "crimson", *, lower: str | None = None, sleeve: int = 40) -> Image.Image:
    """Return a drawn dress; `lower` is the colour of its lower part."""
    picture = Image.new("RGB", (400, 600), "#f0ece4")
    draw = ImageDraw.Draw(picture)
    draw.polygon([(150, 80), (250, 80), (270, 300), (130, 300)], colour)
    draw.polygon([(130, 300), (270, 300), (340, 560), (60, 560)], lower or colour)
    draw.rectangle((150 - sleeve, 90, 150, 130), colour)
    draw.rectangle((250, 90, 250 + sleeve, 130), colour)
    return picture.filter(ImageFilter.GaussianBlur(2))


def as_jpeg(picture: Image.Image, quality: int = 50) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def half(picture: Image.Image) -> Image.Image:
    size = picture.width // 2, picture.height // 2
    return picture.resize(size, Image.Resampling.LANCZOS)


def photo(seed: int, side: int = 256) -> Image.Image:
    """Return soft random shapes, like a photograph out of focus."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


def are_same(left: Image.Image, right: Image.Image) -> bool:
    return sign(left).is_duplicate_of(sign(right))


@pytest.mark.parametrize(
    "copy", [as_jpeg(garment()), half(garment()), as_jpeg(half(garment())), garment()]
)
def test_copies_are_duplicates(copy: Image.Image) -> None:
    assert are_same(garment(), copy)


@pytest.mark.parametrize(
    "other",
    [
        garment("navy"),
        garment("firebrick"),
        garment(lower="orange"),
        garment(sleeve=110),
        garment().transpose(Image.Transpose.FLIP_LEFT_RIGHT).crop((60, 60, 340, 540)),
    ],
    ids=["other colour", "near colour", "two-tone", "sleeves", "crop"],
)
def test_other_garments_are_not(other: Image.Image) -> None:
    assert not are_same(garment(), other)


def test_grey_levels_alone_would_take_a_colourway_for_a_duplicate() -> None:
    """Red and green of one grey level have the same gradients: the colours are necessary."""
    red, green = sign(garment("#c04040")), sign(garment("#289228"))
    assert (red.gradients ^ green.gradients).bit_count() <= 2
    assert not red.is_duplicate_of(green)


def test_colours_alone_would_take_faint_structures_for_duplicates() -> None:
    """Slopes to the right and to the left differ by two levels at most, but in all gradients."""
    slope = np.tile(np.linspace(127, 129.9, 180).astype(np.uint8), (160, 1))
    right = Image.fromarray(np.dstack([slope] * 3))
    left = right.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert sign(right).colours != sign(left).colours
    assert not are_same(right, left)


@given(seed=SEEDS)
def test_jpeg_and_half_size_are_duplicates_of_any_soft_picture(seed: int) -> None:
    picture = photo(seed)
    assert are_same(picture, as_jpeg(picture))
    assert are_same(picture, half(picture))


@given(first=SEEDS, second=SEEDS)
def test_different_pictures_are_not(first: int, second: int) -> None:
    assert are_same(photo(first), photo(second)) == (first == second)


@given(seed=SEEDS)
def test_hash_is_that_of_neighbours_in_9_by_8_grey_pixels(seed: int) -> None:
    grey = np.asarray(photo(seed).convert("L").resize((9, 8), Image.Resampling.LANCZOS), int)
    bits = (grey[:, 1:] > grey[:, :-1]).ravel()
    assert sign(photo(seed)).gradients == int("".join("01"[int(bit)] for bit in bits), 2)


SIGNATURES = st.builds(
    Signature,
    gradients=st.integers(0, 7),
    colours=st.integers(0, 5).map(lambda level: bytes([level]) * 768),
    area=st.integers(1, 4),
)


@given(signatures=st.lists(SIGNATURES, max_size=12))
def test_groups_keep_their_largest_and_nothing_else_is_dropped(signatures: list[Signature]) -> None:
    found = find_duplicates(signatures)
    dropped = {each.index for each in found}
    kept = [index for index in range(len(signatures)) if index not in dropped]
    for each in found:
        assert each.kept_index in kept
        assert signatures[each.index].is_duplicate_of(signatures[each.kept_index])
        assert signatures[each.index].area <= signatures[each.kept_index].area
    for index in kept:
        others = [signatures[other] for other in kept if other != index]
        assert not any(signatures[index].is_duplicate_of(other) for other in others)


def test_first_of_equal_pictures_is_kept() -> None:
    large, small = sign(garment()), sign(half(garment()))
    [first, second] = find_duplicates([small, large, large])
    assert (first.index, first.kept_index) == (0, 1)
    assert (second.index, second.kept_index) == (2, 1)
