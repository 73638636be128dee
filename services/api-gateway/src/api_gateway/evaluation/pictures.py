"""The image of an evaluation: stored temporarily, or fetched by the evaluator."""

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from api_gateway.auth.ownership import Origin
from api_gateway.auth.principal import Principal
from api_gateway.errors import Fault, InvalidRequestError
from api_gateway.evaluation.schemas import EvaluationRequest
from api_gateway.image_sources import Destination, resolve_source
from api_gateway.resources import Resources
from api_gateway.uploads import Upload
from shared.contracts.folders import EVALUATIONS_FOLDER
from shared.egress.errors import ForbiddenUrlError
from shared.egress.urls import check_url
from shared.errors import StorageError
from shared.images.admission import ImageRefusedError
from workflows.start_errors import RunUnknownError

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Picture:
    """Location of the image for the evaluator: one of the two."""

    upload: Upload | None = None
    url: str | None = None

    @property
    def path(self) -> str | None:
        """The object key of the upload; none for a URL."""
        return self.upload.row.key if self.upload else None


async def take_picture(
    request: EvaluationRequest,
    origin: Origin,
    evaluation_id: uuid.UUID,
    res: Resources,
    caller: Principal,
) -> Picture:
    """Return the image of a request, not stored yet.

    Raises:
        InvalidRequestError: names the field without a valid image.
    """
    if request.image_url is not None:
        try:
            check_url(request.image_url, res.guard)
        except ForbiddenUrlError as error:
            raise _fault("image_url", str(error)) from error
        return Picture(url=request.image_url)
    try:
        found = await resolve_source(
            request.image_data or "",
            Destination(
                EVALUATIONS_FOLDER, evaluation_id, origin.origin_instance, origin.origin_tenant_id
            ),
            res,
            caller,
        )
    except ImageRefusedError as error:
        raise _fault("image_data", str(error)) from error
    if not isinstance(found, Upload):
        raise _fault("image_data", "must be an image as base64 or data URL; give URLs as image_url")
    return Picture(upload=found)


@asynccontextmanager
async def stored(res: Resources, picture: Picture, *, is_repeatable: bool) -> AsyncGenerator[None]:
    """Store an image's bytes while the body runs.

    If the outcome is unknown, the evaluator may still need them: they stay for the repeat of the
    request, if it has a key. They have no owner row: the API does not serve them, and the sweep
    removes what a crash leaves.
    """
    if picture.upload is None:
        yield
        return
    row = picture.upload.row
    await res.objects.put(row.key, picture.upload.content, row.content_type)
    is_needed = False
    try:
        yield
    except (RunUnknownError, asyncio.CancelledError):
        is_needed = is_repeatable
        raise
    finally:
        if not is_needed:
            await _discard(res, row.key)


async def _discard(res: Resources, key: str) -> None:
    try:
        await res.objects.delete(key)
    except StorageError as error:
        _log.warning("picture_left_behind", key=key, exc_info=error)


def _fault(field: str, message: str) -> InvalidRequestError:
    return InvalidRequestError([Fault(("body", field), message)])
