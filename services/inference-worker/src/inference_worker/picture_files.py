"""Pictures of tasks in the object store: fetched, decoded and stored off the event loop."""

import asyncio
import io
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import TypeVar

from PIL import Image

from inference_worker.images import decode_image, encode_png, sha256_hex
from shared.contracts.attempts import StoredFile
from shared.errors import InvalidInputError
from shared.storage.object_store import ObjectStore

_T = TypeVar("_T")
Decode = Callable[..., Image.Image]
"""Bytes, and `max_pixels`, to a picture."""


class PictureFiles:
    """Pictures by their keys.

    Args:
        objects: where they lie.
        cpu: threads that decode them.
        max_pixels: largest picture that is read, width × height.
    """

    def __init__(self, objects: ObjectStore, cpu: Executor, *, max_pixels: int) -> None:
        self._objects = objects
        self._cpu = cpu
        self._max_pixels = max_pixels

    async def read(
        self, field: str, key: str, decode: Decode = decode_image
    ) -> tuple[bytes, Image.Image]:
        """A picture's bytes, and the picture.

        Args:
            field: the input that names it; errors name it too.
            key: of the object.
            decode: one of `inference_worker.images`.

        Raises:
            InvalidInputError: it cannot be read.
        """
        content = await self._objects.get(key)
        try:
            picture = await self.on_cpu(partial(decode, content, max_pixels=self._max_pixels))
        except InvalidInputError as error:
            raise InvalidInputError(f"{field}: {error}") from error
        return content, picture

    async def fetch(self, field: str, key: str, decode: Decode = decode_image) -> Image.Image:
        """The picture alone."""
        _, picture = await self.read(field, key, decode)
        return picture

    async def store(self, key: str, picture: Image.Image) -> StoredFile:
        """Store a picture as PNG."""
        return await self.put(key, await self.on_cpu(partial(encode_png, picture)), "image/png")

    async def store_copy(self, stem: str, content: bytes) -> StoredFile:
        """Store a picture's bytes as they came, under the ending that they ask for."""
        with Image.open(io.BytesIO(content)) as picture:
            kind = str(picture.format)
        return await self.put(f"{stem}.{kind.lower()}", content, Image.MIME[kind])

    async def put(self, key: str, content: bytes, content_type: str) -> StoredFile:
        digest = await self.on_cpu(partial(sha256_hex, content))
        await self._objects.put(key, content, content_type)
        return StoredFile(
            key=key, size_bytes=len(content), content_type=content_type, sha256=digest
        )

    async def on_cpu(self, work: Callable[[], _T]) -> _T:
        """What a function answers that would block, from another thread."""
        return await asyncio.get_running_loop().run_in_executor(self._cpu, work)


class DebugFolder:
    """Implements `DebugSink`: pictures of what happened on the way, under one prefix.

    Args:
        files: stores them.
        prefix: of their keys.
    """

    def __init__(self, files: PictureFiles, prefix: str) -> None:
        self._files = files
        self._prefix = prefix
        self._stored: list[StoredFile] = []

    async def save(self, name: str, png: bytes) -> None:
        self._stored.append(await self._files.put(f"{self._prefix}/{name}.png", png, "image/png"))

    @property
    def stored(self) -> list[StoredFile]:
        """What was stored, by key."""
        return sorted(self._stored, key=lambda file: file.key)
