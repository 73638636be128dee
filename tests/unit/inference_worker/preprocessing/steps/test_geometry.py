"""Resizing, cropping, padding and mirroring."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from inference_worker.preprocessing.steps.geometry import center_crop, mirror, pad, resize
from shared.contracts.transforms import CenterCrop, Flip, Pad, Resize
from shared.errors import InvalidInputError

MAX_PIXELS = 10_000_000


def blank(*size: int) -> Image.Image:
    return Image.new("RGB", (size[0], size[1]), "red")


def columns(width: int, height: int) -> Image.Image:
    """Return a picture whose red is the number of the column, and whose green that of the row."""
    rows, cols = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([cols, rows, cols * 0], axis=2).astype(np.uint8))


@pytest.mark.parametrize(
    ("size", "parameters", "expected"),
    [
        ((2000, 1000), {}, (1024, 512)),
        ((200, 100), {}, (200, 100)),
        ((200, 100), {"upscale": True}, (1024, 512)),
        ((2000, 1000), {"size": 500}, (500, 250)),
        ((2000, 1000), {"width": 300, "height": 100}, (200, 100)),
        ((2000, 1000), {"size": 500, "fit": "cover"}, (1000, 500)),
        ((200, 100), {"size": 500, "fit": "cover"}, (200, 100)),
        ((200, 100), {"size": 500, "fit": "cover", "upscale": True}, (1000, 500)),
        ((2000, 1000), {"width": 300, "height": 100, "fit": "exact"}, (300, 100)),
        ((200, 100), {"size": 400, "fit": "exact"}, (100, 100)),
        ((200, 100), {"size": 400, "fit": "exact", "upscale": True}, (400, 400)),
    ],
)
def test_resize(size: tuple[int, int], parameters: dict[str, Any], expected: Any) -> None:
    assert resize(blank(*size), Resize(**parameters), MAX_PIXELS).size == expected


@pytest.mark.parametrize(
    ("size", "parameters", "expected"),
    [
        ((300, 200), {}, (200, 200)),
        ((300, 200), {"aspect": "3:4"}, (150, 200)),
        ((300, 200), {"size": 100}, (100, 100)),
        ((300, 200), {"size": 800}, (200, 200)),
        ((300, 200), {"width": 600, "height": 200}, (300, 100)),
    ],
)
def test_center_crop(size: tuple[int, int], parameters: dict[str, Any], expected: Any) -> None:
    assert center_crop(blank(*size), CenterCrop(**parameters)).size == expected


def test_crop_is_centred_and_not_resampled() -> None:
    cropped = np.asarray(center_crop(columns(100, 60), CenterCrop(size=20)))
    assert (cropped[0, 0, :2].tolist(), cropped[-1, -1, :2].tolist()) == ([40, 20], [59, 39])


@pytest.mark.parametrize(
    ("size", "parameters", "expected"),
    [
        ((300, 200), {}, (300, 300)),
        ((300, 200), {"aspect": "3:4"}, (300, 400)),
        ((300, 200), {"aspect": "4:1"}, (800, 200)),
        ((300, 200), {"width": 400, "height": 500}, (400, 500)),
        ((300, 200), {"width": 150, "height": 150}, (150, 150)),
    ],
)
def test_pad(size: tuple[int, int], parameters: dict[str, Any], expected: Any) -> None:
    assert pad(blank(*size), Pad(**parameters), MAX_PIXELS).size == expected


def test_padding_has_the_colour_and_keeps_the_picture() -> None:
    padded = np.asarray(pad(columns(40, 20), Pad(color="#0000ff"), MAX_PIXELS))
    assert padded[0, 0].tolist() == padded[-1, -1].tolist() == [0, 0, 255]
    assert np.array_equal(padded[10:30], np.asarray(columns(40, 20)))


def test_padding_repeats_the_edge() -> None:
    padded = np.asarray(pad(columns(40, 20), Pad(color="edge"), MAX_PIXELS))
    assert padded.shape == (40, 40, 3)
    assert padded[0, 7].tolist() == [7, 0, 0]
    assert padded[-1, 7].tolist() == [7, 19, 0]


def test_larger_picture_is_scaled_onto_its_canvas() -> None:
    padded = np.asarray(pad(blank(300, 200), Pad(width=150, height=150), MAX_PIXELS))
    assert padded[0, 75].tolist() == [255, 255, 255]
    assert padded[75, 0].tolist() == [255, 0, 0]


def test_result_beyond_all_memory_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"pad would make a picture of 2000 × .* at most"):
        pad(blank(2000, 20), Pad(aspect="1:9999"), MAX_PIXELS)
    covering = Resize(size=8192, fit="cover", upscale=True)
    with pytest.raises(InvalidInputError, match="resize would make a picture of 8192 × 819200"):
        resize(blank(20, 2000), covering, MAX_PIXELS)


def test_mirror_images() -> None:
    across = np.asarray(mirror(columns(8, 4), Flip()))
    down = np.asarray(mirror(columns(8, 4), Flip(axis="vertical")))
    assert across[0, 0, :2].tolist() == [7, 0]
    assert down[0, 0, :2].tolist() == [0, 3]
