"""Reading of an image from a multipart form."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from api_gateway.errors import Fault, InvalidRequestError, Problem
from api_gateway.ignored.dependency import note_unknown_form_fields
from shared.images.admission import (
    AdmittedImage,
    ImageRefusedError,
    ImageTooLargeError,
    UnsupportedImageError,
    admit_image_file,
)
from shared.settings import PictureLimits

_FIELD = "file"
_MAX_OTHER_FIELDS = 8
_MAX_FIELD_BYTES = 64 * 1024
_BLOCK_BYTES = 1024 * 1024
_UNNAMED_TYPES = frozenset({"", "application/octet-stream", "binary/octet-stream"})


@dataclass(frozen=True)
class ImageUpload:
    """A checked image, open for reading."""

    file: BinaryIO
    size_bytes: int
    sha256: str
    image: AdmittedImage


@asynccontextmanager
async def receive_image(request: Request, limits: PictureLimits) -> AsyncGenerator[ImageUpload]:
    """Yield the image in a request's part `file`; its temporary file is removed afterwards.

    Raises:
        Problem: 413 or 415.
        InvalidRequestError: there is no such part, or it is no usable image.
    """
    async with _read_form(request) as form:
        note_unknown_form_fields(request, {_FIELD}, form)
        part = form.get(_FIELD)
        if not isinstance(part, UploadFile):
            raise _refused("send the image as a file in the part `file`", kind="missing")
        _check_declared_type(part)
        yield await asyncio.to_thread(_examine, part.file, limits)


@asynccontextmanager
async def _read_form(request: Request) -> AsyncGenerator[FormData]:
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        raise _unsupported("send multipart/form-data with the image in the part `file`")
    try:
        form = await request.form(
            max_files=1, max_fields=_MAX_OTHER_FIELDS, max_part_size=_MAX_FIELD_BYTES
        )
    except ClientDisconnect as error:
        raise Problem(400, "incomplete_request", "the request ended too early") from error
    except HTTPException as error:
        if error.status_code != 400:
            raise
        message = f"is no multipart form that is read here: {error.detail}"
        raise InvalidRequestError([Fault(("body",), message)]) from error
    try:
        yield form
    finally:
        await form.close()


def _check_declared_type(part: UploadFile) -> None:
    declared = (part.content_type or "").partition(";")[0].strip().lower()
    if declared not in _UNNAMED_TYPES and not declared.startswith("image/"):
        raise _unsupported(f"the part `file` is declared as {declared}; it must be image/*")


def _examine(file: BinaryIO, limits: PictureLimits) -> ImageUpload:
    try:
        image = admit_image_file(file, max_bytes=limits.max_bytes, max_pixels=limits.max_pixels)
    except ImageTooLargeError as error:
        raise Problem(413, "too_large", f"the part `file` {error}") from error
    except UnsupportedImageError as error:
        raise _unsupported(f"the part `file` {error}") from error
    except ImageRefusedError as error:
        raise _refused(str(error)) from error
    size_bytes, digest = 0, hashlib.sha256()
    file.seek(0)
    while block := file.read(_BLOCK_BYTES):
        size_bytes += len(block)
        digest.update(block)
    file.seek(0)
    return ImageUpload(file, size_bytes, digest.hexdigest(), image)


def _unsupported(detail: str) -> Problem:
    return Problem(415, "unsupported_media_type", detail)


def _refused(message: str, kind: str = "value_error") -> InvalidRequestError:
    return InvalidRequestError([Fault(("body", _FIELD), message, kind)])
