"""Download of result pictures from a provider, stored as PNG."""

import asyncio
import hashlib
import io
import struct

from PIL import Image

from provider_worker.calls import Call, CallLog
from provider_worker.errors import UnusableResultError
from shared.contracts.attempts import StoredFile
from shared.contracts.enums import ErrorCategory
from shared.egress.errors import FetchError, ForbiddenUrlError, TooLargeError
from shared.egress.fetch import fetch
from shared.egress.guard import Guard
from shared.errors import PlatformError
from shared.images.admission import (
    ImageRefusedError,
    ImageTooLargeError,
    TooManyPixelsError,
    admit_image,
)
from shared.images.inline import decode_base64_image, is_data_url
from shared.images.orientation import exif_transposition
from shared.settings import PictureLimits
from shared.storage.object_store import ObjectStore
from shared.temporal.shares import TenantShares, tenant_of_activity

_PNG = "image/png"
_LOSSLESS_MODES = frozenset({"L", "RGB", "RGBA"})


class PictureDownloader:
    """Download of the pictures whose URLs a provider returned.

    The URLs are untrusted: requests carry no credentials, and only public addresses are allowed.

    Args:
        objects: destination of the pictures.
        guard: decides which hosts may be called.
        limits: limits of a picture.
        places: number of concurrent downloads; one tenant uses at most half of them.
    """

    def __init__(
        self, objects: ObjectStore, guard: Guard, limits: PictureLimits, *, places: int = 64
    ) -> None:
        self._shares = TenantShares(places)
        self._objects = objects
        self._guard = guard
        self._limits = limits

    async def download(self, url: str, key: str, log: CallLog) -> StoredFile:
        """Download a picture and store it as PNG under a key.

        Raises:
            PlatformError: the picture cannot be fetched or decoded; final if a retry cannot help.
        """
        async with self._shares.place(tenant_of_activity()):
            return await self._download(url, key, log)

    async def close(self) -> None:
        """Close the connections of downloads."""
        await self._guard.close()

    async def _download(self, url: str, key: str, log: CallLog) -> StoredFile:
        content = await self._content(url, log)
        try:
            png, digest = await asyncio.to_thread(_as_png, content, self._limits)
        except ImageRefusedError as error:
            raise _refused(error) from error
        await self._objects.put(key, png, _PNG)
        return StoredFile(key=key, size_bytes=len(png), content_type=_PNG, sha256=digest)

    async def _content(self, url: str, log: CallLog) -> bytes:
        if is_data_url(url):
            try:
                return await asyncio.to_thread(decode_base64_image, url, self._limits.max_bytes)
            except ImageRefusedError as error:
                raise _refused(error) from error
        call = Call("GET", url)
        try:
            fetched = await fetch(
                url,
                max_bytes=self._limits.max_bytes,
                timeout_s=self._limits.fetch_timeout_s,
                guard=self._guard,
            )
            call.status = 200
        except ForbiddenUrlError as error:
            raise UnusableResultError(f"its picture was not fetched: {error}") from error
        except TooLargeError as error:
            raise UnusableResultError(f"its picture is too large: {error}") from error
        except FetchError as error:
            if error.category is ErrorCategory.VALIDATION:
                raise _unusable(f"the provider's picture cannot be fetched: {error}") from error
            raise
        finally:
            log.add(call)
        return fetched.content


def _as_png(content: bytes, limits: PictureLimits) -> tuple[bytes, str]:
    """Convert a picture to an upright PNG without metadata; return it with its SHA-256."""
    admit_image(content, max_bytes=limits.max_bytes, max_pixels=limits.max_pixels)
    try:
        with Image.open(io.BytesIO(content)) as image:
            turn = exif_transposition(image)
            image.load()
            upright = image.copy() if turn is None else image.transpose(turn)
    # Pillow's decoders raise any of these for malformed files.
    except (OSError, SyntaxError, ValueError, ArithmeticError, LookupError, struct.error) as error:
        raise ImageRefusedError("cannot be read; it is damaged") from error
    if upright.mode not in _LOSSLESS_MODES:
        upright = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    # Pillow's encoders would write the metadata in `info`.
    upright.info.clear()
    buffer = io.BytesIO()
    upright.save(buffer, "PNG", compress_level=3)
    png = buffer.getvalue()
    return png, hashlib.sha256(png).hexdigest()


def _refused(error: ImageRefusedError) -> PlatformError:
    """Translate a refusal.

    Exceeding our limits is our error; a damaged picture is the provider's.
    """
    if isinstance(error, ImageTooLargeError | TooManyPixelsError):
        return UnusableResultError(f"its picture {error}")
    return _unusable(f"the provider's picture {error}")


def _unusable(message: str) -> PlatformError:
    return PlatformError(message, category=ErrorCategory.PROVIDER_ERROR, is_final=True)
