"""Colour chunks of PNGs are interpreted as in browsers."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from shared.errors import InvalidInputError
from shared.pixels.images import decode_image, decode_with_alpha
from tests.fixtures.icc_profiles import swapped_rgb

_SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
_ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
_WIDE = ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
_WHITE = (0.3127, 0.3290)
_COLOURS = np.array([[[200, 60, 60], [60, 160, 90], [70, 80, 190], [128, 128, 128]]], np.uint8)

Chunk = tuple[bytes, bytes]


def _gamma(value: float) -> Chunk:
    return b"gAMA", struct.pack(">I", round(value * 100_000))


def _primaries(points: tuple[tuple[float, float], ...]) -> Chunk:
    numbers = [number for point in (_WHITE, *points) for number in point]
    return b"cHRM", struct.pack(">8I", *(round(number * 100_000) for number in numbers))


def _points(*numbers: int) -> Chunk:
    return b"cICP", bytes(numbers)


def _profile() -> Chunk:
    return b"iCCP", b"p\0\0" + zlib.compress(swapped_rgb())


def _png(image: Image.Image, *chunks: Chunk, before: bytes = b"IDAT", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    content = buffer.getvalue()
    place = content.index(before) - 4
    if before == b"IDAT" and b"PLTE" in content:
        place = content.index(b"PLTE") - 4
    made = b""
    for kind, data in chunks:
        made += struct.pack(">I", len(data)) + kind + data
        made += struct.pack(">I", zlib.crc32(kind + data))
    return content[:place] + made + content[place:]


def _decoded(content: bytes) -> NDArray[np.int16]:
    return np.asarray(decode_image(content, max_pixels=10**6)).astype(np.int16)


def _matrix(points: tuple[tuple[float, float], ...]) -> NDArray[np.float64]:
    """Return the matrix from linear RGB to XYZ with white at (1, 1, 1), by the textbook."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in points]).T
    x, y = _WHITE
    return columns * np.linalg.solve(columns, [x / y, 1, (1 - x - y) / y])


def _as_srgb(levels: Any, points: tuple[tuple[float, float], ...], gamma: float) -> Any:
    light = (np.asarray(levels, np.float64) / 255) ** gamma
    return _encoded(light @ (np.linalg.inv(_matrix(_SRGB)) @ _matrix(points)).T)


def _encoded(light: NDArray[np.float64]) -> NDArray[np.float64]:
    light = np.clip(light, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def _assert_near(found: NDArray[np.int16], expected: Any) -> None:
    assert np.abs(found - expected).max() <= 2


@pytest.mark.parametrize(("points", "gamma"), [(_ADOBE, 2.2), (_SRGB, 1.0), (_P3, 1.8)])
def test_gamma_and_primaries_together_are_a_profile(
    points: tuple[tuple[float, float], ...], gamma: float
) -> None:
    content = _png(Image.fromarray(_COLOURS), _gamma(1 / gamma), _primaries(points))
    _assert_near(_decoded(content), _as_srgb(_COLOURS, points, gamma))


_UNCHANGED: list[tuple[Chunk, ...]] = [
    (_gamma(1.0),),
    (_primaries(_WIDE),),
    (_gamma(1.0), _primaries(_WIDE), (b"sRGB", b"\0")),
    (_gamma(0), _primaries(_WIDE)),
    (_gamma(1.0), (b"cHRM", bytes(32))),
    (_points(1, 13, 0, 1),),
    (_points(2, 13, 0, 1),),
    (_points(9, 2, 0, 1),),
    (_points(9, 16, 9, 1),),
    (_points(9, 16, 0, 0),),
    (_points(9, 16),),
]


@pytest.mark.parametrize("chunks", _UNCHANGED)
def test_chunks_that_browsers_ignore_change_nothing(chunks: tuple[Chunk, ...]) -> None:
    assert np.array_equal(_decoded(_png(Image.fromarray(_COLOURS), *chunks)), _COLOURS)


def test_chunks_after_the_pixels_are_ignored() -> None:
    chunks = (_gamma(1.0), _primaries(_WIDE), _points(9, 8, 0, 1))
    content = _png(Image.fromarray(_COLOURS), *chunks, before=b"IEND")
    assert np.array_equal(_decoded(content), _COLOURS)


def test_code_points_override_the_profile_which_overrides_gamma() -> None:
    red = Image.new("RGB", (1, 1), (255, 0, 0))
    others = (_gamma(1.0), _primaries(_SRGB), _profile())
    _assert_near(_decoded(_png(red, *others)), (0, 255, 0))
    _assert_near(_decoded(_png(red, *others, _points(1, 13, 0, 1))), (255, 0, 0))
    _assert_near(_decoded(_png(red, *others, _points(255, 13, 0, 1))), (0, 255, 0))


@pytest.mark.parametrize(
    ("numbers", "points", "gamma"),
    [((12, 4, 0, 1), _P3, 2.2), ((9, 8, 0, 1), _WIDE, 1.0), ((1, 5, 0, 1), _SRGB, 2.8)],
)
def test_code_points_are_a_profile(
    numbers: tuple[int, ...], points: tuple[tuple[float, float], ...], gamma: float
) -> None:
    content = _png(Image.fromarray(_COLOURS), _points(*numbers))
    _assert_near(_decoded(content), _as_srgb(_COLOURS, points, gamma))


@pytest.mark.parametrize(("transfer", "white"), [(16, 0.5806), (18, 0.75)])
def test_white_of_a_picture_with_highlights_is_white(transfer: int, white: float) -> None:
    levels = np.rint(255 * np.array([[[white], [white + 0.1], [1], [white / 2]]])).astype(np.uint8)
    grey = Image.fromarray(levels.repeat(3, axis=2))
    found = _decoded(_png(grey, _points(9, transfer, 0, 1)))[0, :, 0]
    assert (found[:3] >= 252).all()
    assert 20 < found[3] < 160


def test_grey_palettes_depth_and_alpha() -> None:
    chunks = (_gamma(1.0), _primaries(_SRGB))
    expected = round(float(_encoded(np.array(55 / 255))))
    plain = Image.new("RGB", (2, 2), (55, 55, 55))
    deep = Image.fromarray(np.full((2, 2), 55 * 257, np.uint16))
    for image in (plain, plain.convert("L"), plain.quantize(2), deep):
        _assert_near(_decoded(_png(image, *chunks)), expected)
    content = _png(Image.new("RGBA", (2, 2), (55, 55, 55, 77)), *chunks)
    pixel = decode_with_alpha(content, max_pixels=100).getpixel((0, 0))
    assert pixel == pytest.approx((expected, expected, expected, 77), abs=2)


@given(
    st.lists(
        st.tuples(st.sampled_from([b"gAMA", b"cHRM", b"cICP", b"sRGB"]), st.binary(max_size=40)),
        max_size=4,
    )
)
def test_any_chunks_give_a_picture_or_a_refusal(chunks: list[Chunk]) -> None:
    content = _png(Image.fromarray(_COLOURS), *chunks)
    try:
        assert _decoded(content).shape == _COLOURS.shape
    except InvalidInputError as error:
        assert "cannot be read" in str(error)  # noqa: PT017 -- one of two good ends
