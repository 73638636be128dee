"""Conversion of pictures with embedded profiles to sRGB."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms
from skimage.color import lab2rgb

from shared.pixels.images import decode_image, decode_with_alpha
from tests.fixtures.icc_profiles import linear_grey, poster_cmyk, swapped_rgb

_LIMIT = 89_478_485


def decoded(image: Image.Image, form: str = "PNG", **options: Any) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return decode_image(buffer.getvalue(), max_pixels=_LIMIT)


def plain(mode: str, colour: Any) -> Image.Image:
    return Image.new(mode, (16, 16), colour)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_the_pictures_own_profile_decides_its_colours(form: str) -> None:
    pixel = decoded(plain("RGB", (255, 0, 0)), form, icc_profile=swapped_rgb()).getpixel((8, 8))
    assert np.abs(np.subtract(pixel, (0, 255, 0))).max() <= 3


def test_a_picture_declared_as_srgb_keeps_its_bits(photo: Image.Image) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert decoded(photo, icc_profile=profile).tobytes() == photo.tobytes()


def test_grey_is_read_by_a_grey_profile() -> None:
    assert decoded(plain("L", 55), icc_profile=linear_grey()).getpixel((0, 0)) == (128, 128, 128)


def test_sixteen_bit_grey_is_read_by_its_profile_too() -> None:
    deep = Image.fromarray(np.full((8, 8), 55 << 8, np.uint16))
    assert decoded(deep, icc_profile=linear_grey()).getpixel((0, 0)) == (128, 128, 128)


def test_grey_may_have_the_profile_of_an_rgb() -> None:
    assert decoded(plain("L", 90), icc_profile=swapped_rgb()).getpixel((0, 0)) == pytest.approx(
        (90, 90, 90), abs=3
    )


def test_cmyk_is_read_by_its_profile() -> None:
    picture = decoded(plain("CMYK", (255, 0, 0, 0)), "JPEG", icc_profile=poster_cmyk())
    expected = lab2rgb(np.array([80.0, -30, 0])) * 255
    assert np.abs(np.subtract(picture.getpixel((8, 8)), expected)).max() <= 4


@pytest.mark.parametrize(
    ("inks", "colour"),
    [((0, 0, 0, 0), (255, 255, 255)), ((255, 0, 0, 0), (0, 255, 255)), ((0, 0, 0, 255), (0, 0, 0))],
)
def test_cmyk_without_a_profile_is_not_inverted(
    inks: tuple[int, ...], colour: tuple[int, ...]
) -> None:
    assert decoded(plain("CMYK", inks), "JPEG").getpixel((8, 8)) == pytest.approx(colour, abs=2)


@pytest.mark.parametrize(
    "profile", [b"nonsense", swapped_rgb()[:200], poster_cmyk(), linear_grey()]
)
def test_a_profile_that_is_broken_or_of_other_pixels_is_ignored(
    photo: Image.Image, profile: bytes
) -> None:
    assert decoded(photo, icc_profile=profile).tobytes() == photo.tobytes()


def test_alpha_is_not_colour_managed() -> None:
    image = Image.new("RGBA", (4, 4), (255, 0, 0, 77))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", icc_profile=swapped_rgb())
    managed = decode_with_alpha(buffer.getvalue(), max_pixels=_LIMIT)
    assert managed.getpixel((0, 0)) == pytest.approx((0, 255, 0, 77), abs=3)


def test_palettes_are_managed() -> None:
    image = plain("RGB", (255, 0, 0)).convert("P")
    assert decoded(image, icc_profile=swapped_rgb()).getpixel((0, 0)) == pytest.approx(
        (0, 255, 0), abs=3
    )
