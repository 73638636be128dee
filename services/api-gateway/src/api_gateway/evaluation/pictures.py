"""The picture of an evaluation: stored for as long as it takes, or fetched by the evaluator."""

import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog

from api_gateway.auth.ownership import Origin
from api_gateway.auth.principal import Principal
from api_gateway.errors import Fault, InvalidRequestError
from api_gateway.evaluation.schemas import EvaluationRequest
from api_gateway.resources import Resources
from api_gateway.tasks.image_inputs import PictureError, Upload
from api_gateway.training.sources import take_source
from shared.errors import StorageError

_log = structlog.stdlib.get_logger(__name__)

FOLDER = "evaluations"
"""Nothing in here outlives its evaluation, but for what a crash of the gateway leaves. No object
in here has an owner row: the API serves none of them."""


@dataclass(frozen=True)
class Picture:
    """Where the evaluator finds the picture: one of the two."""

    upload: Upload | None = None
    url: str | None = None

    @property
    def path(self) -> str | None:
        """Its object key."""
        return self.upload.row.key if self.upload else None


async def take_picture(
    request: EvaluationRequest,
    origin: Origin,
    evaluation_id: uuid.UUID,
    res: Resources,
    caller: Principal,
) -> Picture:
    """The picture of a request, not stored yet.

    Raises:
        InvalidRequestError: names the field that holds none.
    """
    if request.image_url is not None:
        check_url(request.image_url)
        return Picture(url=request.image_url)
    try:
        found = await take_source(
            request.image_data or "",
            folder=FOLDER,
            origin=origin,
            task_id=evaluation_id,
            res=res,
            caller=caller,
        )
    except PictureError as error:
        raise _fault("image_data", str(error)) from error
    if not isinstance(found, Upload):
        raise _fault(
            "image_data", "must be a picture as base64 or data URL; give URLs as image_url"
        )
    return Picture(upload=found)


@asynccontextmanager
async def stored(res: Resources, picture: Picture) -> AsyncGenerator[None]:
    """Keep a picture's bytes in the object store while the body runs."""
    if picture.upload is None:
        yield
        return
    row = picture.upload.row
    await res.objects.put(row.key, picture.upload.content, row.content_type)
    try:
        yield
    finally:
        try:
            await res.objects.delete(row.key)
        except StorageError as error:
            _log.warning("picture_left_behind", key=row.key, exc_info=error)


def check_url(url: str) -> None:
    """Refuse what is no http(s) URL with a host. The place for the guard against private hosts."""
    try:
        parts = urlsplit(url)
        is_fetchable = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        is_fetchable = False
    if not is_fetchable:
        raise _fault("image_url", "must be an http:// or https:// URL")


def _fault(field: str, message: str) -> InvalidRequestError:
    return InvalidRequestError([Fault(("body", field), message)])
