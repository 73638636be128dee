"""The converter's activity: fetch the pickle, run the converter, store what it wrote."""

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
    """Opens uploaded pickles, one process each.

    Args:
        objects: where pickles come from and results go to.
        folder: where they lie meanwhile; none: the system's folder for temporary files.
    """

    def __init__(self, objects: ObjectStore, folder: Path | None = None) -> None:
        self._objects = objects
        self._folder = folder

    @activity.defn(name="convert_lora")
    async def convert_lora(self, request: LoraConversion) -> ConvertedLora:
        """Read a pickle in a process with limits, and write its tensors as safetensors."""
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
