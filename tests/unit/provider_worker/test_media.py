"""Pictures inside a response; those behind URLs are in the integration tests."""

import io
import struct

import pytest
from PIL import Image

from provider_worker.calls import CallLog
from provider_worker.downloads import MediaLimits
from provider_worker.media import MediaKeeper
from provider_worker.sources import data_url
from shared.contracts.enums import ErrorCategory, ProviderType
from shared.egress.guard import STRICT
from shared.errors import PlatformError
from shared.settings import PictureLimits
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.pictures import picture
from tests.fixtures.videos import mp4

_LOG = CallLog(ProviderType.FAL_STANDARD, 1)


def _keeper(objects: MemoryObjectStore, **limits: int) -> MediaKeeper:
    return MediaKeeper(objects, STRICT, MediaLimits(PictureLimits(**limits)))


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "RGB"), ("JPEG", "RGB"), ("WEBP", "RGB")])
async def test_pictures_of_every_kind_are_kept_as_png(kind: str, mode: str) -> None:
    objects = MemoryObjectStore()
    url = data_url(picture(kind), f"image/{kind.lower()}")
    file = await _keeper(objects).picture(url, "generations/a.png", _LOG)
    content, info = objects.objects["generations/a.png"]
    kept = Image.open(io.BytesIO(content))
    assert (kept.format, kept.mode, kept.size) == ("PNG", mode, (8, 8))
    assert (file.size_bytes, file.content_type) == (len(content), info.content_type)


async def test_transparency_and_grey_are_kept_and_metadata_is_not() -> None:
    objects = MemoryObjectStore()
    for mode in ("RGBA", "L"):
        buffer = io.BytesIO()
        Image.new(mode, (4, 4)).save(buffer, "PNG", dpi=(300, 300))
        await _keeper(objects).picture(data_url(buffer.getvalue(), "image/png"), mode, _LOG)
        kept = Image.open(io.BytesIO(objects.objects[mode][0]))
        kept.load()
        assert (kept.mode, kept.info) == (mode, {})


@pytest.mark.parametrize(("turned", "size"), [("exif", (4, 8)), ("xmp", (8, 4))])
async def test_pictures_are_rotated_by_exif_only(turned: str, size: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    xmp = b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    buffer = io.BytesIO()
    Image.new("RGB", (8, 4)).save(buffer, "JPEG", **{turned: {"exif": exif, "xmp": xmp}[turned]})
    objects = MemoryObjectStore()
    await _keeper(objects).picture(data_url(buffer.getvalue(), "image/jpeg"), "a", _LOG)
    assert Image.open(io.BytesIO(objects.objects["a"][0])).size == size


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (data_url(b"no picture", "image/png"), "not a PNG"),
        (data_url(picture()[:-30], "image/png"), "truncated"),
        ("data:text/html,hello", "text/html"),
    ],
)
async def test_an_invalid_picture_is_the_providers_fault_and_final(url: str, told: str) -> None:
    error = await _refusal(url)
    assert told in str(error)
    assert (error.category, error.is_final) == (ErrorCategory.PROVIDER_ERROR, True)


async def test_damage_is_reported_in_plain_words() -> None:
    whole = picture("PNG")
    data = whole.index(b"IDAT")
    # The first byte of the pixel stream selects the compression.
    broken = whole[: data + 4] + b"\xff" + whole[data + 5 :]
    error = await _refusal(data_url(broken, "image/png"))
    assert str(error) == "the provider's picture cannot be read; it is damaged"
    assert (error.category, error.is_final) == (ErrorCategory.PROVIDER_ERROR, True)


@pytest.mark.parametrize("error", [OverflowError("far"), IndexError("off"), struct.error("short")])
async def test_any_error_of_pillow_is_reported_as_damage(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_picture: Image.Image) -> None:
        raise error

    monkeypatch.setattr("provider_worker.png.exif_transposition", fail)
    refusal = await _refusal(data_url(picture("PNG"), "image/png"))
    assert str(refusal).endswith("it is damaged")
    assert (refusal.category, refusal.is_final) == (ErrorCategory.PROVIDER_ERROR, True)


@pytest.mark.parametrize(
    ("url", "limits", "told"),
    [
        (data_url(picture(), "image/png"), {"max_bytes": 10}, "larger than 10 bytes"),
        (data_url(picture(), "image/png"), {"max_pixels": 10}, "at most 10"),
        ("http://169.254.169.254/latest", {}, "not public"),
        ("file:///etc/passwd", {}, "scheme"),
        ("http://[", {}, "DNS name"),
    ],
)
async def test_pictures_above_our_limits_are_our_refusal_and_not_generated_again(
    url: str, limits: dict[str, int], told: str
) -> None:
    error = await _refusal(url, **limits)
    assert told in str(error)
    assert (error.category, error.is_final) == (ErrorCategory.VALIDATION, True)


async def _refusal(url: str, **limits: int) -> PlatformError:
    """Return the error of a picture that is refused; nothing of it is stored."""
    objects = MemoryObjectStore()
    with pytest.raises(PlatformError) as caught:
        await _keeper(objects, **limits).picture(url, "generations/a.png", _LOG)
    assert not objects.objects
    return caught.value


async def test_content_is_stored_as_a_url_is() -> None:
    objects = MemoryObjectStore()
    file = await _keeper(objects).picture(picture("JPEG"), "generations/a.png", _LOG)
    kept = Image.open(io.BytesIO(objects.objects["generations/a.png"][0]))
    assert (kept.format, kept.size, file.content_type) == ("PNG", (8, 8), "image/png")
    with pytest.raises(PlatformError, match="not a PNG") as caught:
        await _keeper(objects).picture(b"no picture", "generations/b.png", _LOG)
    assert (caught.value.category, caught.value.is_final) == (ErrorCategory.PROVIDER_ERROR, True)


async def test_transparent_colours_do_not_shine_through_after_resampling() -> None:
    objects = MemoryObjectStore()
    source = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    source.paste((0, 0, 255, 255), (0, 0, 4, 8))
    buffer = io.BytesIO()
    source.save(buffer, "PNG")
    await _keeper(objects).picture(buffer.getvalue(), "a", _LOG, size=(5, 5))
    kept = Image.open(io.BytesIO(objects.objects["a"][0]))
    assert kept.size == (5, 5)
    shown = [kept.getpixel((x, 2)) for x in range(5)]
    assert all(pixel[0] < 16 for pixel in shown if isinstance(pixel, tuple) and pixel[3])


async def test_files_in_data_urls_are_stored_unchanged() -> None:
    objects, content = MemoryObjectStore(), picture("PNG")
    file = await _keeper(objects).any_file(data_url(content, "image/jpeg"), "a/file", _LOG)
    assert (file.key, file.content_type) == ("a/file.png", "image/png")
    assert objects.objects["a/file.png"][0] == content


async def test_a_video_in_place_of_a_picture_is_paid_for_once() -> None:
    with pytest.raises(PlatformError, match="a video and no picture") as caught:
        await _keeper(MemoryObjectStore()).picture(mp4(100), "generations/a.png", _LOG)
    assert (caught.value.category, caught.value.is_final) == (ErrorCategory.VALIDATION, True)


async def test_a_video_in_a_data_url_is_stored_unchanged() -> None:
    objects, content = MemoryObjectStore(), mp4()
    url = data_url(content, "video/mp4")
    files = [await _keeper(objects).video(url, "a/video", _LOG)]
    files.append(await _keeper(objects).any_file(url, "a/file", _LOG))
    for file, key in zip(files, ("a/video.mp4", "a/file.mp4"), strict=True):
        assert (file.key, file.content_type) == (key, "video/mp4")
        assert objects.objects[key][0] == content
    with pytest.raises(PlatformError, match="the provider's file is a data URL whose data is not"):
        await _keeper(objects).any_file("data:image/png;base64,A!", "a/file", _LOG)
