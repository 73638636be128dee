"""The size of the result."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_worker.refinement.target_size import target_size
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
def test_size_is_the_requested_one(fields: dict[str, Any], expected: tuple[int, int]) -> None:
    assert _target((100, 60), **fields) == expected


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, "upscale_factor: give it"),
        ({"upscale_factor": 0.2}, "at least 16"),
        ({"upscale_factor": 1000.0}, "^upscale_factor: .*at most"),
        ({"target_width": 9000, "target_height": 9000, "upscale_factor": 2.0}, "^target_width, "),
        ({"upscale_enabled": False, "upscale_factor": 2.0}, "^base_image_url: .*at most"),
    ],
)
def test_impossible_sizes_name_the_field(fields: dict[str, Any], named: str) -> None:
    size = (100, 60) if fields.get("upscale_enabled", True) else (9000, 9000)
    with pytest.raises(InvalidInputError, match=named):
        _target(size, **fields)


@given(width=st.integers(16, 600), height=st.integers(16, 600), factor=st.floats(1, 8, width=32))
def test_factor_scales_both_sides(width: int, height: int, factor: float) -> None:
    wide, high = _target((width, height), upscale_factor=factor)
    assert abs(wide - width * factor) <= 0.5
    assert abs(high - height * factor) <= 0.5
