"""The size of the result, and the plain upscale."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inference_worker.refinement.target_size import target_size, upscale
from shared.contracts.refinement import RefineInputs
from shared.errors import InvalidInputError

_LIMIT = 8192 * 8192


def _target(size: tuple[int, int], max_pixels: int = _LIMIT, **fields: Any) -> tuple[int, int]:
    inputs = RefineInputs(base_image_url="uploads/a.png", **fields)
    return target_size(size, inputs, max_pixels=max_pixels)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"upscale_factor": 2.0}, (200, 120)),
        ({"upscale_factor": 1.5}, (150, 90)),
        ({"upscale_factor": 0.5}, (50, 30)),
        ({"target_width": 333, "target_height": 222}, (333, 222)),
        ({"target_width": 333, "target_height": 222, "upscale_factor": 4.0}, (333, 222)),
        ({"target_width": 333}, (333, 200)),
        ({"target_height": 90}, (150, 90)),
        ({"upscale_enabled": False, "upscale_factor": 4.0}, (100, 60)),
    ],
)
def test_size_is_what_was_asked_for(fields: dict[str, Any], expected: tuple[int, int]) -> None:
    assert _target((100, 60), **fields) == expected


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, "upscale_factor: give it"),
        ({"upscale_factor": 0.2}, "at least 16"),
        ({"upscale_factor": 1000.0}, "lower upscale_factor"),
    ],
)
def test_impossible_sizes_say_what_to_change(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidInputError, match=named):
        _target((100, 60), **fields)


@given(width=st.integers(16, 600), height=st.integers(16, 600), factor=st.floats(1, 8, width=32))
def test_factor_scales_both_sides(width: int, height: int, factor: float) -> None:
    wide, high = _target((width, height), upscale_factor=factor)
    assert abs(wide - width * factor) <= 0.5
    assert abs(high - height * factor) <= 0.5


@given(
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    wide=st.integers(16, 80),
    high=st.integers(16, 80),
)
def test_upscale_is_exact_in_size(width: int, height: int, wide: int, high: int) -> None:
    assert upscale(Image.new("RGB", (width, height)), (wide, high)).size == (wide, high)


def test_same_proportions_are_a_plain_lanczos_resize(photo: Image.Image) -> None:
    for size in ((192, 144), (143, 107), (96, 72)):
        plain = photo.resize(size, Image.Resampling.LANCZOS)
        assert upscale(photo, size).tobytes() == plain.tobytes()


def test_other_proportions_are_cut_not_squeezed() -> None:
    striped = np.zeros((60, 100, 3), np.uint8)
    striped[:, 50:] = 255
    square = np.asarray(upscale(Image.fromarray(striped), (60, 60)))
    assert (square[:, 28, 0] < 10).all()
    assert (square[:, 31, 0] > 245).all()


def test_other_proportions_are_covered_and_the_rest_is_cut_off(photo: Image.Image) -> None:
    square = photo.crop((12, 0, 84, 72))
    assert upscale(photo, (72, 72)).tobytes() == square.tobytes()
