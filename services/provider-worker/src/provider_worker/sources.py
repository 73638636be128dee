"""A task's stored pictures and files, as a provider reads them."""

import asyncio
import base64

from shared.errors import ObjectNotFoundError
from shared.storage.object_store import ObjectStore


class Sources:
    """The stored objects of requests: small pictures inside the request, everything else by URL.

    Args:
        objects: the object store.
        inline_max_bytes: largest picture that is sent inside the request.
        presign_s: validity of URLs, in seconds. A provider must be able to reach them.
    """

    def __init__(self, objects: ObjectStore, *, inline_max_bytes: int, presign_s: int) -> None:
        self._objects = objects
        self._inline_max_bytes = inline_max_bytes
        self._presign_s = presign_s

    async def picture_url(self, key: str) -> str:
        """Return a picture as a data URL, or as a presigned URL if it is large.

        Raises:
            ObjectNotFoundError: there is no such object.
        """
        info = await self._objects.head(key)
        if info is None:
            raise ObjectNotFoundError(f"there is no object {key!r}")
        if info.size_bytes > self._inline_max_bytes:
            return self.file_url(key)
        content = await self._objects.get(key)
        return await asyncio.to_thread(data_url, content, info.content_type)

    async def content(self, key: str) -> bytes:
        """Return the bytes of a picture.

        Raises:
            ObjectNotFoundError: there is no such object.
        """
        return await self._objects.get(key)

    def file_url(self, key: str) -> str:
        """Return a presigned URL."""
        return self._objects.presigned_url(key, expires_s=self._presign_s)


def data_url(content: bytes, content_type: str) -> str:
    """Encode a picture as a data URL."""
    return f"data:{content_type};base64,{base64.b64encode(content).decode()}"
