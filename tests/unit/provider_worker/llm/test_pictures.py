"""Pictures for language models: JPEG, upright, no larger than they look at."""

import io

import pytest
from PIL import Image

from provider_worker.llm.pictures import scaled

LONGEST_SIDE = 1568


def shown(image: Image.Image, suffix: str = "PNG", **options: object) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, suffix, **options)
    content, kind = scaled(buffer.getvalue())
    assert kind == "image/jpeg"
    opened = Image.open(io.BytesIO(content))
    assert (opened.format, opened.mode) == ("JPEG", "RGB")
    return opened


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((64, 32), (64, 32)),
        ((LONGEST_SIDE, 9), (LONGEST_SIDE, 9)),
        ((3136, 1568), (LONGEST_SIDE, 784)),
        ((10, 4000), (4, LONGEST_SIDE)),
    ],
)
def test_only_large_pictures_are_scaled(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert shown(Image.new("RGB", size, "red")).size == expected


def test_transparent_parts_become_white() -> None:
    assert shown(Image.new("RGBA", (16, 16), (255, 0, 0, 0))).getpixel((8, 8)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "I;16", "CMYK"])
def test_any_mode_is_shown(mode: str) -> None:
    suffix = "JPEG" if mode == "CMYK" else "PNG"
    assert shown(Image.new(mode, (16, 16)), suffix).size == (16, 16)


def test_a_turned_picture_is_upright_and_has_no_metadata() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    opened = shown(Image.new("RGB", (32, 16)), "JPEG", exif=exif)
    assert opened.size == (16, 32)
    assert not opened.getexif()
