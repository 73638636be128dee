"""Downloads of results from the URLs that a provider returned, into memory or onto a disk."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

from provider_worker.calls import Call, CallLog
from provider_worker.errors import DamagedResultError, UnusableResultError
from shared.contracts.enums import ErrorCategory
from shared.egress.errors import FetchError, ForbiddenUrlError, PrivateUrlError, TooLargeError
from shared.egress.fetch import fetch, fetch_to_file
from shared.egress.guard import Guard
from shared.errors import ResourceError
from shared.images.admission import ImageRefusedError, ImageTooLargeError, TooManyPixelsError
from shared.images.inline import decode_base64_file, decode_base64_image, is_data_url
from shared.settings import PictureLimits, VideoLimits


@dataclass(frozen=True)
class MediaLimits:
    """Limits of results: pictures, which are held in memory, and files, which are held on disk."""

    pictures: PictureLimits = field(default_factory=PictureLimits)
    files: VideoLimits = field(default_factory=VideoLimits)


class ReceivedFile:
    """A file on disk that is hashed as it is written."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.size_bytes = 0
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The SHA-256 of everything written."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Append to the file."""
        self._digest.update(data)
        self.size_bytes += len(data)
        self.file.write(data)


class Downloads:
    """Guarded downloads, without credentials.

    Args:
        guard: decides which hosts may be called.
        limits: limits of results.
    """

    def __init__(self, guard: Guard, limits: MediaLimits) -> None:
        self._guard = guard
        self._limits = limits

    async def picture(self, url: str, log: CallLog) -> bytes:
        """Return the content of a picture behind a URL or in a data URL.

        Raises:
            PlatformError: it cannot be fetched; final if a retry cannot help.
        """
        limits = self._limits.pictures
        if is_data_url(url):
            return await _decoded(decode_base64_image, url, limits.max_bytes, "picture")
        with _logged(url, log, "picture"):
            fetched = await fetch(
                url,
                max_bytes=limits.max_bytes,
                timeout_s=limits.fetch_timeout_s,
                guard=self._guard,
            )
        return fetched.content

    @asynccontextmanager
    async def file(self, url: str, log: CallLog, what: str) -> AsyncGenerator[ReceivedFile]:
        """Yield the downloaded file behind a URL or in a data URL.

        It has no name, so that nothing is left of it, however the process ends.

        Args:
            url: of the file.
            log: gets the request, if there is one.
            what: the kind of the result, for error messages.

        Raises:
            PlatformError: it cannot be fetched; final if a retry cannot help.
        """
        limits = self._limits.files
        with _nameless_file(limits) as file:
            if is_data_url(url):
                content = await _decoded(decode_base64_file, url, limits.max_bytes, what)
                await asyncio.to_thread(file.write, content)
            else:
                with _logged(url, log, what):
                    await fetch_to_file(
                        url,
                        file,
                        max_bytes=limits.max_bytes,
                        timeout_s=limits.fetch_timeout_s,
                        guard=self._guard,
                    )
            yield file

    async def close(self) -> None:
        """Close connections."""
        await self._guard.close()


def picture_error(
    error: ImageRefusedError, what: str = "picture"
) -> UnusableResultError | DamagedResultError:
    """Translate a refusal: exceeding our limits is our error, a damaged picture the provider's."""
    if isinstance(error, ImageTooLargeError | TooManyPixelsError):
        return UnusableResultError(f"its {what} {error}")
    return DamagedResultError(f"the provider's {what} {error}")


@contextmanager
def _nameless_file(limits: VideoLimits) -> Generator[ReceivedFile]:
    try:
        if limits.folder is not None:
            limits.folder.mkdir(parents=True, exist_ok=True)
        opened = tempfile.TemporaryFile(dir=limits.folder)  # noqa: SIM115 — closed below
    except OSError as error:
        raise ResourceError(f"a download's file cannot be created: {error.strerror}") from error
    with opened:
        # Typed as a wrapper; on Linux it is the file itself.
        file: BinaryIO = opened  # type: ignore[assignment]
        yield ReceivedFile(file)


async def _decoded(
    decode: Callable[[str, int], bytes], url: str, max_bytes: int, what: str
) -> bytes:
    try:
        return await asyncio.to_thread(decode, url, max_bytes)
    except ImageRefusedError as error:
        raise picture_error(error, what) from error


@contextmanager
def _logged(url: str, log: CallLog, what: str) -> Generator[None]:
    """Log a request, and translate its errors."""
    call = Call("GET", url)
    try:
        yield
        call.status = 200
    except PrivateUrlError as error:
        raise UnusableResultError(f"its {what} was not fetched: {error.reason}") from error
    except ForbiddenUrlError as error:
        raise UnusableResultError(f"its {what} was not fetched: {error}") from error
    except TooLargeError as error:
        raise UnusableResultError(f"its {what} is too large: {error}") from error
    except FetchError as error:
        if error.category is ErrorCategory.VALIDATION:
            raise DamagedResultError(f"the provider's {what} cannot be fetched: {error}") from error
        raise
    finally:
        log.add(call)
