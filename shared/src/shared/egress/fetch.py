"""Downloads from URLs that clients or providers name, into memory or into a file."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from shared.egress.download import PACE, Limits, Pace, Source, download
from shared.egress.guard import STRICT, Guard
from shared.errors import ResourceError

_BLOCK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Fetched(Source):
    """A downloaded file in memory."""

    content: bytes


class Sink(Protocol):
    """A file that is open for writing, or an object like it. `write` is called in a thread."""

    def write(self, data: bytes, /) -> object:
        """Write all of the data."""
        ...


async def fetch(
    url: str,
    *,
    max_bytes: int,
    timeout_s: float,
    headers: Mapping[str, str] | None = None,
    guard: Guard = STRICT,
    pace: Pace = PACE,
) -> Fetched:
    """GET a URL, following up to five redirects, each of which is guarded as well.

    Args:
        url: http or https.
        max_bytes: maximal size of the body.
        timeout_s: for the whole download, including DNS and redirects.
        headers: request headers; credentials are only sent to the origin of `url`.
        guard: decides which addresses may be called.
        pace: minimal speed of each response.

    Raises:
        ForbiddenUrlError: the URL or a redirect may not be called.
        FetchError: there was no response, or no usable one.
    """
    content = bytearray()

    async def keep(block: bytes) -> None:
        content.extend(block)

    limits = Limits(max_bytes, timeout_s, guard, pace)
    source = await download(url, headers or {}, limits, keep)
    return Fetched(source.content_type, source.final_url, bytes(content))


async def fetch_to_file(
    url: str,
    file: Sink,
    *,
    max_bytes: int,
    timeout_s: float,
    guard: Guard = STRICT,
    pace: Pace = PACE,
) -> Source:
    """GET a URL as `fetch` does, into a file, with at most about a mebibyte of it in memory.

    If it raises, the file has the beginning of the response.

    Args:
        url: http or https.
        file: receives the body in order.
        max_bytes: maximal size of the body; the file never gets more.
        timeout_s: for the whole download, including DNS and redirects.
        guard: decides which addresses may be called.
        pace: minimal speed of each response.

    Raises:
        ForbiddenUrlError: the URL or a redirect may not be called.
        FetchError: there was no response, or no usable one.
        ResourceError: the file could not be written.
    """
    waiting = bytearray()

    async def write(block: bytes) -> None:
        waiting.extend(block)
        if len(waiting) >= _BLOCK_BYTES:
            await flush()

    async def flush() -> None:
        block = bytes(waiting)
        waiting.clear()
        try:
            await asyncio.to_thread(file.write, block)
        except OSError as error:
            raise ResourceError(f"a downloaded file cannot be written: {error.strerror}") from error

    source = await download(url, {}, Limits(max_bytes, timeout_s, guard, pace), write)
    await flush()
    return source
