"""Pictures out of the object store and into it, decoded and encoded off the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import TypeVar

from PIL import Image

from inference_worker.images import encode_png, sha256_hex
from shared.contracts.attempts import StoredFile
from shared.errors import InvalidInputError
from shared.storage.object_store import ObjectStore

_T = TypeVar("_T")


class PictureStore:
    """What activities on pictures fetch, compute and store with.

    Args:
        objects: where pictures come from and go to.
        cpu: threads that decode, encode and compute.
        max_input_pixels: the largest picture that is decoded, width × height.
    """

    def __init__(self, objects: ObjectStore, cpu: Executor, *, max_input_pixels: int) -> None:
        self._objects = objects
        self._cpu = cpu
        self._max_input_pixels = max_input_pixels

    async def fetch(self, field: str, key: str, decode: Callable[..., Image.Image]) -> Image.Image:
        """The picture that an input names.

        Args:
            field: the input, which errors name.
            key: of the object.
            decode: one of `inference_worker.images`.

        Raises:
            InvalidInputError: it is no picture that can be read.
        """
        content = await self._objects.get(key)
        try:
            return await self.compute(partial(decode, content, max_pixels=self._max_input_pixels))
        except InvalidInputError as error:
            raise InvalidInputError(f"{field}: {error}") from error

    async def store(self, key: str, picture: Image.Image) -> StoredFile:
        """Keep a picture as PNG."""
        png = await self.compute(partial(encode_png, picture))
        digest = await self.compute(partial(sha256_hex, png))
        await self._objects.put(key, png, "image/png")
        return StoredFile(key=key, size_bytes=len(png), content_type="image/png", sha256=digest)

    async def compute(self, work: Callable[[], _T]) -> _T:
        """Run something that blocks."""
        return await asyncio.get_running_loop().run_in_executor(self._cpu, work)
