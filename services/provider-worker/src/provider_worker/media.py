"""Results of providers as objects of ours: pictures as PNG, videos and other files unchanged."""

import asyncio
from io import BytesIO
from typing import BinaryIO

from provider_worker.calls import CallLog
from provider_worker.downloads import Downloads, MediaLimits, ReceivedFile, picture_error
from provider_worker.errors import DamagedResultError, UnusableResultError
from provider_worker.file_types import MP4, FileType, is_whole_mp4, type_of
from provider_worker.png import as_png
from shared.contracts.attempts import StoredFile
from shared.egress.guard import Guard
from shared.images.admission import ImageRefusedError
from shared.storage.object_store import ObjectStore
from shared.temporal.shares import TenantShares, tenant_of_activity

_PNG = "image/png"


class MediaKeeper:
    """Storing of the pictures, videos and files that providers return.

    Their URLs are untrusted: requests carry no credentials, and only public addresses are allowed.
    So are their contents, which alone decide on the stored type.

    Args:
        objects: destination of the files.
        guard: decides which hosts may be called.
        limits: limits of results.
        places: number of concurrent pictures; one tenant uses at most half of them.
    """

    def __init__(
        self, objects: ObjectStore, guard: Guard, limits: MediaLimits, *, places: int = 64
    ) -> None:
        self._objects = objects
        self._limits = limits
        self._downloads = Downloads(guard, limits)
        self._picture_shares = TenantShares(places)
        self._file_shares = TenantShares(limits.files.max_fetches)

    async def picture(
        self, source: str | bytes, key: str, log: CallLog, *, size: tuple[int, int] | None = None
    ) -> StoredFile:
        """Store a picture as upright PNG.

        Args:
            source: its URL, data URL or content: PNG, JPEG or WebP.
            key: of the object.
            log: gets the request, if there is one.
            size: width and height to resample to; none: its own.

        Raises:
            PlatformError: the picture cannot be fetched or decoded; final if a retry cannot help.
        """
        async with self._picture_shares.place(tenant_of_activity()):
            if isinstance(source, str):
                source = await self._downloads.picture(source, log)
            try:
                png, digest = await asyncio.to_thread(as_png, source, self._limits.pictures, size)
            except ImageRefusedError as error:
                if type_of(BytesIO(source)).is_video:
                    raise UnusableResultError("it is a video and no picture") from error
                raise picture_error(error) from error
            await self._objects.put(key, png, _PNG)
        return StoredFile(key=key, size_bytes=len(png), content_type=_PNG, sha256=digest)

    async def video(self, url: str, stem: str, log: CallLog) -> StoredFile:
        """Store a video unchanged, MP4 or WebM.

        Args:
            url: of the video, or a data URL.
            stem: key of the object without its suffix, `.mp4` or `.webm`.
            log: gets the request.

        Raises:
            PlatformError: the video cannot be fetched, or is none; final if a retry cannot help.
        """
        async with (
            self._file_shares.place(tenant_of_activity()),
            self._downloads.file(url, log, "video") as received,
        ):
            kind = await asyncio.to_thread(_video_type, received.file)
            return await self._put(received, stem, kind)

    async def any_file(self, url: str, stem: str, log: CallLog) -> StoredFile:
        """Store a file of any type unchanged.

        Args:
            url: of the file, or a data URL.
            stem: key of the object without its suffix, which the file's content decides.
            log: gets the request, if there is one.

        Raises:
            PlatformError: the file cannot be fetched; final if a retry cannot help.
        """
        async with (
            self._file_shares.place(tenant_of_activity()),
            self._downloads.file(url, log, "file") as received,
        ):
            kind = await asyncio.to_thread(type_of, received.file)
            return await self._put(received, stem, kind)

    async def close(self) -> None:
        """Close the connections of downloads."""
        await self._downloads.close()

    async def _put(self, received: ReceivedFile, stem: str, kind: FileType) -> StoredFile:
        key = f"{stem}{kind.suffix}"
        received.file.seek(0)
        await self._objects.put_from(key, received.file, received.size_bytes, kind.content_type)
        return StoredFile(
            key=key,
            size_bytes=received.size_bytes,
            content_type=kind.content_type,
            sha256=received.sha256,
        )


def _video_type(file: BinaryIO) -> FileType:
    """Return the type of a video.

    Raises:
        UnusableResultError: it is a picture or sound, which a retry would return again.
        DamagedResultError: it is no MP4 or WebM, or is truncated.
    """
    kind = type_of(file)
    if kind.content_type.startswith(("image/", "audio/")):
        raise UnusableResultError(f"it is {kind.content_type} and no video")
    if not kind.is_video:
        raise DamagedResultError("the provider's video is neither an MP4 nor a WebM")
    if kind is MP4 and not is_whole_mp4(file):
        raise DamagedResultError("the provider's video is damaged: the MP4 is truncated")
    return kind
