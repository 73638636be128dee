"""Rendering of frames."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inference_worker.adjusting.rendering import render
from inference_worker.vision.protocols import Box


def shown(picture: Image.Image, frame: Any, size: Any, resampling: str = "lanczos") -> Image.Image:
    return render(picture, Box(*map(float, frame)), size, resampling)


def test_whole_pixels_are_copied(photo: Image.Image) -> None:
    part = shown(photo, (7, 9, 60, 50), (53, 41))
    assert part.tobytes() == photo.crop((7, 9, 60, 50)).tobytes()


def test_the_whole_picture_is_itself(photo: Image.Image) -> None:
    assert shown(photo, (0, 0, 96, 72), (96, 72)).tobytes() == photo.tobytes()


def test_padding_surrounds_the_pictures_own_pixels(photo: Image.Image) -> None:
    padded = shown(photo, (-10, -4, 100, 80), (110, 84))
    assert padded.crop((10, 4, 106, 76)).tobytes() == photo.tobytes()


def test_padding_has_the_median_colour_of_the_edges_it_touches() -> None:
    picture = Image.new("RGB", (30, 20), "white")
    picture.paste("red", (0, 15, 30, 20))
    picture.putpixel((0, 3), (0, 0, 0))
    sides = shown(picture, (-10, 0, 40, 20), (50, 20))
    assert sides.getpixel((2, 18)) == sides.getpixel((45, 1)) == (255, 255, 255)
    below = shown(picture, (0, 0, 30, 30), (30, 30))
    assert below.getpixel((15, 29)) == (255, 0, 0)


def test_padding_does_not_take_the_subjects_colour() -> None:
    picture = Image.new("RGB", (30, 20), "white")
    picture.paste("red", (2, 4, 28, 20))
    frame, subject = Box(0, 0, 30, 30), Box(2, 4, 28, 20)
    assert render(picture, frame, (30, 30), "lanczos", subject).getpixel((15, 29)) == (255,) * 3
    picture.paste("red", (0, 4, 30, 20))
    all_below = render(picture, frame, (30, 30), "lanczos", Box(0, 4, 30, 20))
    assert all_below.getpixel((15, 29)) == (255,) * 3


def test_padding_of_a_cutout_is_transparent() -> None:
    cutout = Image.new("RGBA", (10, 10), (200, 10, 10, 128))
    padded = shown(cutout, (-5, -5, 15, 15), (20, 20))
    assert padded.getpixel((0, 0))[3] == 0
    assert padded.getpixel((10, 10)) == (200, 10, 10, 128)


def test_no_hidden_colour_bleeds_into_a_resized_cutout() -> None:
    cutout = Image.new("RGBA", (64, 64), (0, 255, 0, 0))
    cutout.paste((255, 0, 0, 255), (16, 16, 48, 48))
    small = np.asarray(shown(cutout, (0, 0, 64, 64), (21, 21)))
    visible = small[small[:, :, 3] > 8]
    assert visible[:, 1].max() <= 12


@pytest.mark.parametrize("name", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_each_filter_is_pillows(photo: Image.Image, name: str) -> None:
    expected = photo.resize((31, 23), Image.Resampling[name.upper()], box=(3.5, 2, 90, 70))
    assert shown(photo, (3.5, 2, 90, 70), (31, 23), name).tobytes() == expected.tobytes()


@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.tuples(st.floats(-50, 80), st.floats(-50, 80), st.floats(0.1, 300), st.floats(0.1, 300)),
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
)
def test_the_size_is_exact_for_every_frame_that_shows_some_of_the_picture(
    own: tuple[int, int], place: tuple[float, ...], size: tuple[int, int]
) -> None:
    left, top = min(place[0], own[0] - 0.5), min(place[1], own[1] - 0.5)
    right, bottom = max(left + place[2], 0.5), max(top + place[3], 0.5)
    picture = Image.new("RGB", own, "red")
    assert shown(picture, (left, top, right, bottom), size, "bilinear").size == size


def test_a_line_one_pixel_wide_stays_visible() -> None:
    line = Image.new("RGB", (1, 8000), "red")
    assert (np.asarray(shown(line, (-3999, 0, 4001, 8000), (100, 100)))[:, 50] == (255, 0, 0)).all()
