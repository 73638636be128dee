"""The activity that converts pickled LoRAs: fetch, run the converter, store its output."""

import asyncio
import tempfile
from pathlib import Path

from temporalio import activity

from inference_worker.lora.conversion.sandbox import run_converter
from shared.contracts.lora import ConvertedLora, LoraActivities, LoraConversion
from shared.errors import InvalidInputError
from shared.storage.object_store import ObjectStore
from shared.temporal.heartbeat import Heartbeat


class LoraConverter(LoraActivities):
    """Converts uploaded pickles, each in a process of its own.

    Args:
        objects: the object store of pickles and results.
        folder: for temporary files; None: the system's.
    """

    def __init__(self, objects: ObjectStore, folder: Path | None = None) -> None:
        self._objects = objects
        self._folder = folder

    @activity.defn(name="convert_lora")
    async def convert_lora(self, request: LoraConversion) -> ConvertedLora:
        """Convert a pickle to safetensors in a process with limits."""
        with tempfile.TemporaryDirectory(prefix="convert-", dir=self._folder) as folder:
            source, target = Path(folder) / "in", Path(folder) / "out.safetensors"
            async with Heartbeat():
                found = await self._objects.head(request.source_key)
                if found is None or found.size_bytes != request.size_bytes:
                    raise InvalidInputError("is not the file that was uploaded")
                await self._objects.get_file(request.source_key, source)
                await run_converter(source, target, max_bytes=request.max_bytes)
                size_bytes = (await asyncio.to_thread(target.stat)).st_size
                await self._objects.put_file(request.result_key, target, "application/octet-stream")
        return ConvertedLora(key=request.result_key, size_bytes=size_bytes)
