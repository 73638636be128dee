"""Media for orders: sources are read, pictures and videos made in threads, the latest kept."""

import asyncio
import base64
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import httpx
from PIL import Image

from provider_worker.sandbox.orders import Order, inline_content, is_data_url
from provider_worker.sandbox.pictures import BadPictureError, decode, draw, encode
from provider_worker.sandbox.video import pan

_KEPT = 64
_LARGEST_SOURCE = 128 * 1024 * 1024
_TIMEOUT_S = 20
_URLS = ("http://", "https://")


@dataclass(frozen=True)
class Medium:
    """A finished file."""

    content: bytes
    content_type: str
    width: int
    height: int
    duration_s: float | None = None

    @property
    def data_url(self) -> str:
        """The file itself as a URL."""
        return f"data:{self.content_type};base64,{base64.b64encode(self.content).decode()}"

    @property
    def suffix(self) -> str:
        """The file name's suffix."""
        return self.content_type.partition("/")[2]


class Studio:
    """Makes media, and keeps the latest: what is gone from memory is made again, alike."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, list[Medium]] = OrderedDict()
        self._http: httpx.AsyncClient | None = None

    async def media(self, name: str, order: Callable[[], Order]) -> list[Medium]:
        """Return the media of an order, which is made once under its name.

        Raises:
            BadPictureError: a source cannot be read.
        """
        kept = self._kept.pop(name, None) or await self._made(order())
        self._kept[name] = kept
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return kept

    async def _made(self, order: Order) -> list[Medium]:
        try:
            sources = [await self._source(source, order) for source in order.sources]
        except BadPictureError:
            if not order.is_lenient:
                raise
            sources = []
        return await asyncio.to_thread(_make, order, sources[0] if sources else None)

    async def _source(self, source: str, order: Order) -> Image.Image:
        content: bytes | None = None
        if source.startswith(_URLS):
            content = await self._fetched(source)
        elif order.is_plain or is_data_url(source):
            content = inline_content(source)
        if content is None:
            raise BadPictureError("the picture is neither a URL nor a data URL")
        return await asyncio.to_thread(decode, content)

    async def _fetched(self, url: str) -> bytes:
        content = bytearray()
        self._http = self._http or httpx.AsyncClient(
            timeout=_TIMEOUT_S, trust_env=False, follow_redirects=True, max_redirects=3
        )
        try:
            async with self._http.stream("GET", url) as response:
                response.raise_for_status()
                async for part in response.aiter_bytes():
                    content += part
                    if len(content) > _LARGEST_SOURCE:
                        raise BadPictureError("the picture is too large")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise BadPictureError("the picture could not be fetched") from error
        return bytes(content)

    async def close(self) -> None:
        """Close connections."""
        if self._http:
            await self._http.aclose()


def _make(order: Order, source: Image.Image | None) -> list[Medium]:
    if order.video_s is not None:
        clip = pan(source or draw(order, None, 0), order.video_s, order.ratio)
        return [Medium(clip.content, "video/mp4", *clip.size, clip.duration_s)]
    drawn = [draw(order, source, index) for index in range(order.count)]
    return [
        Medium(encode(picture, order.kind), f"image/{order.kind.lower()}", *picture.size)
        for picture in drawn
    ]
