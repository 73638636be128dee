import pytest

from provider_worker.source_pictures import PictureReader, SourcePicture
from shared.errors import InvalidInputError, ObjectNotFoundError, PlatformError
from shared.settings import PictureLimits
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.pictures import picture

_PNG = "image/png"


def _size(found: SourcePicture) -> tuple[int, int, str]:
    return found.width, found.height, found.content_type


async def test_a_picture_is_measured() -> None:
    objects = MemoryObjectStore()
    await objects.put("a", picture("WEBP", size=(30, 20)), _PNG)
    reader = PictureReader(objects, PictureLimits())
    assert await reader.read("base_image", "a", _size) == (30, 20, "image/webp")


@pytest.mark.parametrize(
    ("content", "limits", "told"),
    [
        (b"<html>", {}, "base_image is not a PNG, JPEG or WebP picture"),
        (picture()[:-20], {}, "base_image is a truncated PNG"),
        (picture(), {"max_bytes": 10}, "base_image is larger than 10 bytes"),
        (picture(), {"max_pixels": 10}, "base_image has 8 × 8 pixels"),
    ],
)
async def test_a_picture_beyond_the_limits_is_refused(
    content: bytes, limits: dict[str, int], told: str
) -> None:
    objects = MemoryObjectStore()
    await objects.put("a", content, _PNG)
    with pytest.raises(InvalidInputError, match=told):
        await PictureReader(objects, PictureLimits(**limits)).read("base_image", "a", _size)


async def test_a_picture_that_is_gone_is_named() -> None:
    with pytest.raises(ObjectNotFoundError, match="base_image"):
        await PictureReader(MemoryObjectStore(), PictureLimits()).read("base_image", "a", _size)


async def test_a_place_is_free_again_after_a_failure() -> None:
    objects = MemoryObjectStore()
    await objects.put("a", b"", _PNG)
    reader = PictureReader(objects, PictureLimits())
    for _ in range(10):
        with pytest.raises(PlatformError):
            await reader.read("base_image", "a", _size)
