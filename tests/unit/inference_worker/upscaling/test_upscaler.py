"""The Lanczos upscaler, and its crop to another aspect ratio."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from inference_worker.upscaling.upscaler import LANCZOS, covering_box, is_enlarged


@given(
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    wide=st.integers(16, 80),
    high=st.integers(16, 80),
)
def test_upscale_is_exact_in_size(width: int, height: int, wide: int, high: int) -> None:
    assert LANCZOS.upscale(Image.new("RGB", (width, height)), (wide, high)).size == (wide, high)


def test_same_proportions_are_a_plain_lanczos_resize(photo: Image.Image) -> None:
    for size in ((192, 144), (143, 107), (96, 72)):
        plain = photo.resize(size, Image.Resampling.LANCZOS)
        assert LANCZOS.upscale(photo, size).tobytes() == plain.tobytes()


def test_other_proportions_are_cut_not_squeezed() -> None:
    striped = np.zeros((60, 100, 3), np.uint8)
    striped[:, 50:] = 255
    square = np.asarray(LANCZOS.upscale(Image.fromarray(striped), (60, 60)))
    assert (square[:, 28, 0] < 10).all()
    assert (square[:, 31, 0] > 245).all()


@given(
    source=st.tuples(*[st.integers(1, 9000)] * 2), target=st.tuples(*[st.integers(16, 9000)] * 2)
)
def test_box_is_within_the_picture_around_its_middle(
    source: tuple[int, int], target: tuple[int, int]
) -> None:
    left, top, right, bottom = covering_box(source, target)
    assert 0 <= left < right <= source[0]
    assert 0 <= top < bottom <= source[1]
    assert abs(left + right - source[0]) < 1e-6
    assert abs(top + bottom - source[1]) < 1e-6


def test_other_proportions_equal_pillows_fit(photo: Image.Image) -> None:
    for size in ((100, 200), (300, 100)):
        plain = ImageOps.fit(photo, size, Image.Resampling.LANCZOS)
        assert LANCZOS.upscale(photo, size).tobytes() == plain.tobytes()


def test_other_proportions_are_covered_and_the_rest_is_cut_off(photo: Image.Image) -> None:
    square = photo.crop((12, 0, 84, 72))
    assert LANCZOS.upscale(photo, (72, 72)).tobytes() == square.tobytes()


def test_only_larger_targets_are_enlargements() -> None:
    assert is_enlarged((64, 48), (65, 48))
    assert is_enlarged((64, 64), (128, 32))
    assert not is_enlarged((64, 48), (64, 48))
    assert not is_enlarged((64, 48), (32, 32))
