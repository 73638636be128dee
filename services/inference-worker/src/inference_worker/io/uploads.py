"""Uploads of large files, which a cancelled attempt does not leave running."""

import asyncio
import contextlib
import io
import threading
from functools import partial
from pathlib import Path

from inference_worker.cpu_threads import CpuThreads
from shared.cancellation import CancelFlag, stop_if
from shared.storage.object_store import ObjectStore


class _StoppableFile(io.FileIO):
    """A file whose reads end with an error once a flag is set."""

    def __init__(self, path: Path, cancel: CancelFlag) -> None:
        super().__init__(path)
        self._cancel = cancel

    def read(self, size: int | None = -1, /) -> bytes:
        stop_if(self._cancel)
        return super().read(-1 if size is None else size) or b""


async def upload_file(
    objects: ObjectStore, cpu: CpuThreads, key: str, path: Path, content_type: str
) -> None:
    """Write an object from a file, one part in memory at a time.

    Cancelling stops the upload at its next part, and waits until it has stopped.
    """
    cancel = threading.Event()
    size_bytes = (await cpu.run(path.stat)).st_size
    with await cpu.run(partial(_StoppableFile, path, cancel)) as source:
        # Duck-typed: the store only reads it.
        uploading = asyncio.ensure_future(
            objects.put_from(key, source, size_bytes, content_type)  # pyright: ignore[reportArgumentType]
        )
        try:
            await asyncio.shield(uploading)
        except asyncio.CancelledError:
            cancel.set()
            while not uploading.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([uploading])
            if not uploading.cancelled():
                uploading.exception()  # retrieved, so that asyncio does not report it as lost
            raise
