"""A task's stored input pictures, read and measured before a request is built."""

import asyncio
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from PIL import Image

from shared.errors import InvalidInputError, ObjectNotFoundError
from shared.images.admission import ImageRefusedError, admit_image, too_large
from shared.images.orientation import exif_transposition
from shared.settings import PictureLimits
from shared.storage.object_store import ObjectStore

_T = TypeVar("_T")
_SIDEWAYS = frozenset(
    {
        Image.Transpose.TRANSPOSE,
        Image.Transpose.ROTATE_270,
        Image.Transpose.TRANSVERSE,
        Image.Transpose.ROTATE_90,
    }
)
_PLACES = 4


@dataclass(frozen=True)
class SourcePicture:
    """A picture as it is stored.

    Attributes:
        field: the request field that named it, for messages.
        content: the file.
        content_type: its type, by its content.
        width: in pixels, as it is shown: turned by its EXIF.
        height: likewise.
    """

    field: str
    content: bytes
    content_type: str
    width: int
    height: int


class PictureReader:
    """Reads input pictures, at most four at once: one may take hundreds of megabytes decoded.

    Args:
        objects: the object store.
        limits: limits of a picture.
    """

    def __init__(self, objects: ObjectStore, limits: PictureLimits) -> None:
        self._objects = objects
        self._limits = limits
        self._places = asyncio.Semaphore(_PLACES)

    async def read(self, field: str, key: str, convert: Callable[[SourcePicture], _T]) -> _T:
        """Read a picture, and return it converted by a function that runs in a thread.

        Raises:
            ObjectNotFoundError: there is no such object.
            InvalidInputError: it is no picture, is damaged, or exceeds the limits.
        """
        async with self._places:
            info = await self._objects.head(key)
            if info is None:
                raise ObjectNotFoundError(f"{field}: there is no object {key!r}")
            if info.size_bytes > self._limits.max_bytes:
                raise InvalidInputError(f"{field} {too_large(self._limits.max_bytes)}")
            content = await self._objects.get(key)
            return await asyncio.to_thread(self._converted, field, content, convert)

    async def convert(
        self, field: str, content: bytes, convert: Callable[[SourcePicture], _T]
    ) -> _T:
        """Return a picture that was read elsewhere, converted in the same way.

        Raises:
            InvalidInputError: it is no picture, is damaged, or exceeds the limits.
        """
        async with self._places:
            return await asyncio.to_thread(self._converted, field, content, convert)

    def _converted(self, field: str, content: bytes, convert: Callable[[SourcePicture], _T]) -> _T:
        try:
            return convert(measured(field, content, self._limits))
        except ImageRefusedError as error:
            raise InvalidInputError(f"{field} {error}") from error


def measured(field: str, content: bytes, limits: PictureLimits) -> SourcePicture:
    """Return a picture with its size, by its header.

    Raises:
        ImageRefusedError: it is no picture, or exceeds the limits.
    """
    found = admit_image(content, max_bytes=limits.max_bytes, max_pixels=limits.max_pixels)
    size = found.width, found.height
    with Image.open(io.BytesIO(content)) as image:
        if exif_transposition(image) in _SIDEWAYS:
            size = size[::-1]
    return SourcePicture(field, content, found.content_type, *size)
