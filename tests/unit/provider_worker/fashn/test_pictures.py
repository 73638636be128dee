import io

import pytest
from PIL import Image

from provider_worker.fashn.pictures import fitted
from provider_worker.source_pictures import SourcePicture, measured
from shared.images.admission import ImageRefusedError
from shared.settings import PictureLimits

_LIMITS = PictureLimits()


def _picture(image: Image.Image, kind: str, **options: object) -> SourcePicture:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)  # type: ignore[arg-type]
    return measured("base_image", buffer.getvalue(), _LIMITS)


def _open(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def test_a_picture_that_is_not_too_tall_remains_as_it_is() -> None:
    picture = _picture(Image.new("RGB", (900, 300), "red"), "WEBP")
    assert fitted(picture, 300) == (picture.content, "image/webp", False)


def test_a_tall_picture_is_scaled_down_as_jpeg() -> None:
    picture = _picture(Image.linear_gradient("L").resize((300, 600)), "PNG")
    content, content_type, is_scaled = fitted(picture, 256)
    scaled = _open(content)
    assert (scaled.format, scaled.size, scaled.mode) == ("JPEG", (128, 256), "RGB")
    assert (content_type, is_scaled) == ("image/jpeg", True)
    assert [scaled.getpixel((64, y)) for y in (0, 255)] == [(0, 0, 0), (255, 255, 255)]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_parts_survive(mode: str) -> None:
    image = Image.new("RGBA", (40, 600), (0, 200, 0, 0)).convert(mode)
    options = {"transparency": 0} if mode == "P" else {}
    content, content_type, _ = fitted(_picture(image, "PNG", **options), 300)
    scaled = _open(content)
    assert (scaled.format, scaled.size, content_type) == ("PNG", (20, 300), "image/png")
    assert scaled.getchannel("A").getextrema() == (0, 0)


def test_the_height_is_that_of_the_upright_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    image = Image.new("RGB", (600, 300), "red")
    image.paste("blue", (0, 0, 300, 300))
    picture = _picture(image, "JPEG", exif=exif, quality=95)
    assert (picture.width, picture.height) == (300, 600)
    scaled = _open(fitted(picture, 300)[0])
    assert scaled.size == (150, 300)
    top = scaled.getpixel((75, 20))
    assert isinstance(top, tuple)
    assert top[2] > 200
    assert top[0] < 50
    assert not scaled.getexif()


def test_sixteen_bits_are_not_cut_off() -> None:
    image = Image.new("I;16", (20, 600), 0x8000)
    scaled = _open(fitted(_picture(image, "PNG"), 300)[0])
    found = scaled.getpixel((5, 5))
    assert isinstance(found, tuple)
    assert 120 < found[0] < 136


def test_the_colour_profile_is_kept() -> None:
    picture = _picture(Image.new("RGB", (20, 600)), "PNG", icc_profile=b"a profile")
    assert _open(fitted(picture, 300)[0]).info["icc_profile"] == b"a profile"


def test_a_damaged_picture_is_refused() -> None:
    whole = _picture(Image.effect_noise((300, 600), 80), "PNG")
    at = whole.content.index(b"IDAT") + 40
    damaged = whole.content[:at] + bytes(2000) + whole.content[at + 2000 :]
    picture = SourcePicture("base_image", damaged, "image/png", 300, 600)
    with pytest.raises(ImageRefusedError, match="damaged"):
        fitted(picture, 300)
