"""Pictures of tasks in the object store: loaded, decoded and stored off the event loop."""

import io
from collections.abc import Callable
from functools import partial

from PIL import Image

from inference_worker.cpu_threads import CpuThreads
from inference_worker.vision.output_check import OutputCheck
from shared.contracts.attempts import StoredFile
from shared.errors import InvalidInputError, ObjectNotFoundError
from shared.pixels.images import decode_image, encode_png, sha256_hex
from shared.storage.object_store import ObjectStore

Decode = Callable[..., Image.Image]
"""Decodes bytes, with a limit `max_pixels`, into a picture."""


class PictureFiles:
    """Loads and stores pictures by their keys.

    Args:
        objects: the object store.
        cpu: threads that decode and encode them.
        max_pixels: largest picture that is read, width × height.
    """

    def __init__(self, objects: ObjectStore, cpu: CpuThreads, *, max_pixels: int) -> None:
        self.objects = objects
        self.cpu = cpu
        self.max_pixels = max_pixels

    async def read(
        self, field: str, key: str, decode: Decode = decode_image
    ) -> tuple[bytes, Image.Image]:
        """Return a picture's bytes, and the picture.

        Args:
            field: the input that names it; errors name it too.
            key: of the object.
            decode: a function of `shared.pixels.images`.

        Raises:
            InvalidInputError: the picture cannot be read.
            ObjectNotFoundError: the object does not exist.
        """
        try:
            content = await self.objects.get(key)
            return content, await self.cpu.run(partial(decode, content, max_pixels=self.max_pixels))
        except (InvalidInputError, ObjectNotFoundError) as error:
            raise type(error)(f"{field}: {error}") from error

    async def fetch(self, field: str, key: str, decode: Decode = decode_image) -> Image.Image:
        """Return the picture alone."""
        _, picture = await self.read(field, key, decode)
        return picture

    async def store(self, key: str, picture: Image.Image) -> StoredFile:
        """Store a picture as PNG."""
        return await self.put(key, await self.cpu.run(partial(encode_png, picture)), "image/png")

    async def store_copy(self, stem: str, content: bytes) -> StoredFile:
        """Store a picture's bytes unchanged, under the suffix of their format."""
        with Image.open(io.BytesIO(content)) as picture:
            # An MPO is a JPEG with further pictures behind the first.
            kind = "JPEG" if picture.format == "MPO" else str(picture.format)
        return await self.put(f"{stem}.{kind.lower()}", content, Image.MIME[kind])

    async def put(self, key: str, content: bytes, content_type: str) -> StoredFile:
        """Store bytes and describe them."""
        digest = await self.cpu.run(partial(sha256_hex, content))
        await self.objects.put(key, content, content_type)
        return StoredFile(
            key=key, size_bytes=len(content), content_type=content_type, sha256=digest
        )


class DebugFolder:
    """Implements `DebugSink`: stores intermediate pictures under one prefix.

    Args:
        files: stores pictures.
        prefix: of their keys.
        check: decides which pictures of the model may be stored.
    """

    def __init__(self, files: PictureFiles, prefix: str, check: OutputCheck) -> None:
        self._files = files
        self._prefix = prefix
        self._check = check
        self._stored: list[StoredFile] = []

    async def save(self, name: str, picture: Image.Image) -> None:
        self._stored.append(await self._files.store(f"{self._prefix}/{name}.png", picture))

    async def save_edit(self, name: str, picture: Image.Image) -> None:
        await self._files.cpu.run(partial(self._check.require_safe, picture, f"tile {name}"))
        await self.save(name, picture)

    @property
    def stored(self) -> list[StoredFile]:
        """The stored files, ordered by key."""
        return sorted(self._stored, key=lambda file: file.key)

    @property
    def paths(self) -> list[str]:
        """The keys of the stored files."""
        return [file.key for file in self.stored]
