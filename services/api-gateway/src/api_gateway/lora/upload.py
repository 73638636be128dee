"""An upload on its way in: what the client asks for, held against what is admitted."""

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

AnswerT = TypeVar("AnswerT", LoRAUploadResponse, AdminLoRAUploadResponse)

_ADMIN_FOLDERS = frozenset(LoraFolder) - {LoraFolder.NO_TYPE}
_FOLDERS = _ADMIN_FOLDERS - {LoraFolder.FACES}


@dataclass(frozen=True)
class Upload(Generic[AnswerT]):
    """A request to one of the two upload routes; they differ in form and answer."""

    request: Request
    caller: Principal
    repeatable: CreateRequest | None
    form: type[UploadForm]
    answer: type[AnswerT]


@dataclass(frozen=True)
class Wanted:
    """What an upload asks for, in order."""

    file: ReceivedFile
    folder: LoraFolder
    stem: str
    suffix: str
    is_versioned: bool


def check_filename(name: str) -> None:
    """Whether a file of that name may be uploaded at all, before its bytes are read.

    Raises:
        InvalidRequestError: names `file`.
    """
    _split(name, is_made_safe=True)


def read_form(received: ReceivedForm, form: type[UploadForm]) -> Wanted:
    """Check a form's fields.

    Raises:
        InvalidRequestError: names every field that is wrong.
    """
    # A form sends an empty field where nothing was chosen.
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
    return Wanted(received.file, LoraFolder(folder), stem, suffix, fields.use_safe_filename)


def with_hash(repeatable: CreateRequest | None, wanted: Wanted) -> CreateRequest | None:
    """The request with the hash of what its form says, however the form was put together."""
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
    """Something is wrong with the file."""
    return InvalidRequestError([Fault(("body", "file"), message)])
