"""Checks of an uploaded file: safetensors with finite values, and a LoRA; pickles are converted."""

import asyncio
import contextlib
import hashlib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from api_gateway.errors import unavailable
from api_gateway.idempotency import run_id
from api_gateway.lora.upload import LoraForm, file_fault
from api_gateway.resources import Resources
from shared.contracts.lora import LoraConversion
from shared.db.repositories.idempotency import CreateRequest
from shared.errors import ObjectNotFoundError, StorageError
from shared.lora.errors import LoraFileError
from shared.lora.inspection import LoraSummary, inspect_lora
from shared.lora.names import STORED_SUFFIX
from workflows.lora_conversion import (
    ConversionRefusedError,
    ConversionUnavailableError,
    convert_lora,
)
from workflows.start_errors import RunUnknownError

_CONTENT_TYPE = "application/octet-stream"


@dataclass(frozen=True)
class AdmittedLora:
    """A checked file, ready to be stored."""

    path: Path
    sha256: str
    size_bytes: int
    summary: LoraSummary


async def admit(
    res: Resources, wanted: LoraForm, folder: Path, repeatable: CreateRequest | None
) -> AdmittedLora:
    """Check a file; a pickle is converted first.

    Args:
        res: object store and Temporal.
        wanted: the file and its format.
        folder: the folder of a converted file; the caller removes it.
        repeatable: the idempotency key of the request, its hash including the file's digest.

    Raises:
        InvalidRequestError: the file is at fault.
        Problem: 503, no worker converts pickles at the moment.
        RunUnknownError: Temporal does not respond; a repeat with the same key continues from there.
    """
    file = wanted.file
    path, sha256, size_bytes = file.path, file.sha256, file.size_bytes
    if wanted.suffix != STORED_SUFFIX:
        path = folder / "converted.safetensors"
        await _convert(res, wanted, path, repeatable)
        size_bytes = (await asyncio.to_thread(path.stat)).st_size
        sha256 = await asyncio.to_thread(_digest, path)
    try:
        summary = await asyncio.to_thread(inspect_lora, path)
    except LoraFileError as error:
        raise file_fault(str(error)) from error
    return AdmittedLora(path, sha256, size_bytes, summary)


async def _convert(
    res: Resources, wanted: LoraForm, target: Path, repeatable: CreateRequest | None
) -> None:
    conversion = LoraConversion(
        conversion_id=run_id(repeatable),
        size_bytes=wanted.file.size_bytes,
        max_bytes=res.lora.max_bytes,
    )
    is_needed = False
    try:
        # A repeat may find the result of the first request's conversion.
        if await res.objects.head(conversion.result_key) is None:
            await res.objects.put_file(conversion.source_key, wanted.file.path, _CONTENT_TYPE)
            await convert_lora(
                res.temporal, conversion, wait=timedelta(seconds=res.lora.conversion_timeout_s)
            )
        await res.objects.get_file(conversion.result_key, target)
    except ConversionRefusedError as error:
        raise file_fault(str(error)) from error
    # A concurrent repeat may have deleted the result.
    except (ConversionUnavailableError, ObjectNotFoundError) as error:
        raise unavailable("the converter of pickles") from error
    except (RunUnknownError, asyncio.CancelledError):
        is_needed = repeatable is not None
        raise
    finally:
        if not is_needed:
            await _discard(res, conversion)


async def _discard(res: Resources, conversion: LoraConversion) -> None:
    for key in (conversion.source_key, conversion.result_key):
        # The sweep removes what an outage leaves.
        with contextlib.suppress(StorageError):
            await res.objects.delete(key)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
