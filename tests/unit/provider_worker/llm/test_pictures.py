"""Pictures are small, upright and plain before a model is shown them."""

import io

import pytest
from PIL import Image

from provider_worker.llm.pictures import scaled
from shared.images.admission import ImageRefusedError
from tests.fixtures.pictures import picture


def shown(content: bytes) -> Image.Image:
    found, kind = scaled(content)
    assert kind == "image/jpeg"
    image = Image.open(io.BytesIO(found))
    assert (image.format, image.mode) == ("JPEG", "RGB")
    return image


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((3136, 1000), (1568, 500)),
        ((1000, 3136), (500, 1568)),
        ((1568, 1568), (1568, 1568)),
        ((30, 40), (30, 40)),
        ((4000, 1), (1568, 1)),
    ],
)
def test_no_side_is_longer_than_the_models_look_at(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert shown(picture("PNG", "red", size)).size == expected


def test_a_turned_picture_is_upright_and_says_nothing_of_its_camera() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    buffer = io.BytesIO()
    Image.new("RGB", (40, 20), "red").save(buffer, "JPEG", exif=exif)
    image = shown(buffer.getvalue())
    assert image.size == (20, 40)
    assert not image.getexif()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1", "L", "CMYK", "I;16"])
def test_every_mode_is_shown(mode: str) -> None:
    image = Image.new(mode, (20, 20))
    if mode == "P":
        image.info["transparency"] = 0
    buffer = io.BytesIO()
    image.save(buffer, "TIFF" if mode in ("CMYK", "LA") else "PNG")
    colour = shown(buffer.getvalue()).getpixel((5, 5))
    is_clear = mode in ("RGBA", "LA", "P")
    assert colour == ((255, 255, 255) if is_clear or mode == "CMYK" else (0, 0, 0))


def test_a_damaged_picture_is_refused() -> None:
    with pytest.raises(ImageRefusedError):
        scaled(picture("PNG", "red", (300, 300))[:60])
