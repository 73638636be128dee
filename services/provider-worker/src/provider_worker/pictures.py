"""A provider's pictures become ours: fetched with care, stored as PNG."""

import asyncio
import base64
import hashlib
import io
import struct

from PIL import Image

from provider_worker.calls import Call, CallLog
from provider_worker.errors import UnusableAnswerError
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


class PictureKeeper:
    """Fetches pictures that a provider names, and stores them.

    Their URLs come from outside, so they are fetched like a stranger's: without any key of ours,
    and from public addresses alone.

    Args:
        objects: where they go.
        guard: which hosts may be called.
        limits: what a picture may be at most.
        places: pictures that are fetched at a time; no tenant takes more than half.
    """

    def __init__(
        self, objects: ObjectStore, guard: Guard, limits: PictureLimits, *, places: int = 64
    ) -> None:
        self._shares = TenantShares(places)
        self._objects = objects
        self._guard = guard
        self._limits = limits

    async def keep(self, url: str, key: str, log: CallLog) -> StoredFile:
        """Store what a URL points at under a key.

        Raises:
            PlatformError: it cannot be had; final where a second try would end alike.
        """
        async with self._shares.place(tenant_of_activity()):
            return await self._keep(url, key, log)

    async def close(self) -> None:
        """Let go of what fetching has opened."""
        await self._guard.close()

    async def _keep(self, url: str, key: str, log: CallLog) -> StoredFile:
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
            call.answered(200)
        except ForbiddenUrlError as error:
            raise UnusableAnswerError(f"its picture is not fetched: {error}") from error
        except TooLargeError as error:
            raise UnusableAnswerError(f"its picture is too large: {error}") from error
        except FetchError as error:
            if error.category is ErrorCategory.VALIDATION:
                raise _unusable(f"the provider's picture cannot be had: {error}") from error
            raise
        finally:
            log.add(call)
        return fetched.content


def data_url(content: bytes, content_type: str) -> str:
    """A picture inside a request."""
    return f"data:{content_type};base64,{base64.b64encode(content).decode()}"


def _as_png(content: bytes, limits: PictureLimits) -> tuple[bytes, str]:
    """The picture as it is kept, and its digest."""
    admit_image(content, max_bytes=limits.max_bytes, max_pixels=limits.max_pixels)
    try:
        with Image.open(io.BytesIO(content)) as image:
            turn = exif_transposition(image)
            image.load()
            upright = image.copy() if turn is None else image.transpose(turn)
    # Pillow's readers meet hostile bytes with any of these.
    except (OSError, SyntaxError, ValueError, ArithmeticError, LookupError, struct.error) as error:
        raise ImageRefusedError("cannot be read; it is damaged") from error
    if upright.mode not in _LOSSLESS_MODES:
        upright = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    # Pillow's writers put what was read into these back out.
    upright.info.clear()
    buffer = io.BytesIO()
    upright.save(buffer, "PNG", compress_level=3)
    png = buffer.getvalue()
    return png, hashlib.sha256(png).hexdigest()


def _refused(error: ImageRefusedError) -> PlatformError:
    """A picture beyond our limits is refused by us; one that is broken is the provider's fault."""
    if isinstance(error, ImageTooLargeError | TooManyPixelsError):
        return UnusableAnswerError(f"its picture {error}")
    return _unusable(f"the provider's picture {error}")


def _unusable(message: str) -> PlatformError:
    return PlatformError(message, category=ErrorCategory.PROVIDER_ERROR, is_final=True)
