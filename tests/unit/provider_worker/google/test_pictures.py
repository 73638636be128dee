"""Pictures within the size of a request."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from provider_worker.google.pictures import byte_limit, fitted
from provider_worker.source_pictures import SourcePicture, measured
from shared.settings import PictureLimits
from tests.fixtures.pictures import noise

SIZES = st.lists(st.integers(1, 10_000_000), max_size=20)


def source(content: bytes) -> SourcePicture:
    return measured("base_image", content, PictureLimits())


@pytest.mark.property
@given(sizes=SIZES, budget=st.integers(1, 20_000_000))
def test_a_limit_fits_and_wastes_nothing(sizes: list[int], budget: int) -> None:
    limit = byte_limit(sizes, budget)
    kept = sum(min(size, limit) for size in sizes)
    assert kept <= budget or not sizes
    if sum(sizes) > budget:
        assert kept > budget - len(sizes)
    elif sizes:
        assert limit >= max(sizes)


def test_a_picture_that_fits_stays_as_it_is() -> None:
    content = noise(50)
    assert fitted(source(content), len(content)) == (content, "image/png")


@pytest.mark.parametrize("max_bytes", [500_000, 100_000, 20_000])
def test_a_large_picture_is_encoded_anew_and_scaled(max_bytes: int) -> None:
    content, kind = fitted(source(noise(600)), max_bytes)
    assert len(content) <= max_bytes
    assert kind == "image/jpeg"
    shown = Image.open(io.BytesIO(content))
    assert shown.width == shown.height <= 600


def test_transparent_parts_stay() -> None:
    image = Image.open(io.BytesIO(noise(400))).convert("RGBA")
    image.putalpha(128)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    content, kind = fitted(source(buffer.getvalue()), 300_000)
    assert kind == "image/png"
    assert len(content) <= 300_000
    assert Image.open(io.BytesIO(content)).mode == "RGBA"


def test_a_picture_is_not_scaled_to_nothing() -> None:
    content, _ = fitted(source(noise(600)), 10)
    assert max(Image.open(io.BytesIO(content)).size) > 32
