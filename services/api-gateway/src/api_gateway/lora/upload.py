"""The request of an upload, and its checked form."""

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from fastapi import Request
from pydantic import ValidationError

from api_gateway.auth.principal import Principal
from api_gateway.errors import Fault, InvalidRequestError
from api_gateway.lora.multipart import ReceivedFile, ReceivedForm
from api_gateway.lora.schemas import (
    AdminLoRAUploadResponse,
    AdminUploadForm,
    LoRAUploadResponse,
    UploadForm,
)
from shared.contracts.error_text import describe_fault
from shared.db.repositories.idempotency import CreateRequest
from shared.lora.errors import LoraNameError
from shared.lora.names import LoraFolder, split_filename

ResponseT = TypeVar("ResponseT", LoRAUploadResponse, AdminLoRAUploadResponse)

_ADMIN_FOLDERS = frozenset(LoraFolder) - {LoraFolder.NO_TYPE}
_FOLDERS = _ADMIN_FOLDERS - {LoraFolder.FACES}


@dataclass(frozen=True)
class Upload(Generic[ResponseT]):
    """A request to one of the two upload routes, which differ in form and response."""

    request: Request
    caller: Principal
    repeatable: CreateRequest | None
    form: type[UploadForm]
    response: type[ResponseT]


@dataclass(frozen=True)
class LoraForm:
    """The checked fields of an upload's form."""

    file: ReceivedFile
    folder: LoraFolder
    stem: str
    suffix: str
    is_versioned: bool


def check_filename(name: str) -> None:
    """Refuse a file name before the file's bytes are read.

    Raises:
        InvalidRequestError: names `file`.
    """
    _split(name, is_made_safe=True)


def read_form(received: ReceivedForm, form: type[UploadForm]) -> LoraForm:
    """Check a form's fields.

    Raises:
        InvalidRequestError: names every field that is wrong.
    """
    # A browser's form sends an empty field if nothing was chosen.
    chosen = {name: value for name, value in received.fields.items() if value}
    try:
        fields = form.model_validate(chosen)
    except ValidationError as error:
        raise InvalidRequestError(
            [Fault(("body", *f["loc"]), describe_fault(f), f["type"]) for f in error.errors()]
        ) from error
    folders = _ADMIN_FOLDERS if issubclass(form, AdminUploadForm) else _FOLDERS
    folder = fields.entity_type or LoraFolder.NO_TYPE
    if fields.entity_type and folder not in folders:
        message = f"must be one of {', '.join(sorted(folders))}, or absent"
        raise InvalidRequestError([Fault(("body", "entity_type"), message)])
    stem, suffix = _split(received.file.filename, is_made_safe=fields.use_safe_filename)
    return LoraForm(received.file, LoraFolder(folder), stem, suffix, fields.use_safe_filename)


def with_hash(repeatable: CreateRequest | None, wanted: LoraForm) -> CreateRequest | None:
    """Return the request's identity with a hash of the form's content, whatever its encoding."""
    if repeatable is None:
        return None
    said = [wanted.file.sha256, wanted.file.filename, wanted.folder, wanted.is_versioned]
    return replace(repeatable, body_hash=hashlib.sha256(json.dumps(said).encode()).hexdigest())


def _split(name: str, *, is_made_safe: bool) -> tuple[str, str]:
    try:
        return split_filename(name, is_made_safe=is_made_safe)
    except LoraNameError as error:
        raise file_fault(str(error)) from error


def file_fault(message: str) -> InvalidRequestError:
    """Return the error of an invalid file."""
    return InvalidRequestError([Fault(("body", "file"), message)])
