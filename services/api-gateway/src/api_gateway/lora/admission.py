"""From an uploaded file to one that may be stored: safetensors, finite, a LoRA."""

import asyncio
import contextlib
import hashlib
import uuid
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from api_gateway.errors import unavailable
from api_gateway.lora.upload import Wanted, file_fault
from api_gateway.resources import Resources
from shared.contracts.lora import LoraConversion
from shared.errors import StorageError
from shared.lora.errors import LoraFileError
from shared.lora.inspection import LoraSummary, inspect_lora
from shared.lora.names import STORED_SUFFIX
from workflows.lora_conversion import (
    ConversionRefusedError,
    ConversionUnavailableError,
    convert_lora,
)

_CONTENT_TYPE = "application/octet-stream"


@dataclass(frozen=True)
class Admitted:
    """A file that may be stored."""

    path: Path
    sha256: str
    size_bytes: int
    summary: LoraSummary


async def admit(res: Resources, wanted: Wanted, folder: Path) -> Admitted:
    """Check a file; a pickle is converted first.

    Args:
        res: storage and Temporal.
        wanted: the file and its format.
        folder: where a converted file goes; who calls removes it.

    Raises:
        InvalidRequestError: the file is at fault.
        Problem: 503, nobody converts pickles at the moment.
    """
    file = wanted.file
    path, sha256, size_bytes = file.path, file.sha256, file.size_bytes
    if wanted.suffix != STORED_SUFFIX:
        path = folder / "converted.safetensors"
        await _convert(res, wanted, path)
        size_bytes = (await asyncio.to_thread(path.stat)).st_size
        sha256 = await asyncio.to_thread(_digest, path)
    try:
        summary = await asyncio.to_thread(inspect_lora, path)
    except LoraFileError as error:
        raise file_fault(str(error)) from error
    return Admitted(path, sha256, size_bytes, summary)


async def _convert(res: Resources, wanted: Wanted, target: Path) -> None:
    conversion = LoraConversion(
        conversion_id=uuid.uuid4(),
        size_bytes=wanted.file.size_bytes,
        max_bytes=res.lora.max_bytes,
    )
    try:
        await res.objects.put_file(conversion.source_key, wanted.file.path, _CONTENT_TYPE)
        await convert_lora(
            res.temporal, conversion, wait=timedelta(seconds=res.lora.conversion_timeout_s)
        )
        await res.objects.get_file(conversion.result_key, target)
    except ConversionRefusedError as error:
        raise file_fault(str(error)) from error
    except ConversionUnavailableError as error:
        raise unavailable("the converter of pickles") from error
    finally:
        for key in (conversion.source_key, conversion.result_key):
            # What an outage leaves is swept.
            with contextlib.suppress(StorageError):
                await res.objects.delete(key)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
