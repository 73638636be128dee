"""Saving a picture: its object and its row come together, or neither comes.

The bytes go to a key of their own first. Only then is the wanted key claimed in a transaction, and
under its lock the finished object is copied into place: no connection to the database waits for a
client or for an upload, and two requests for one key come after each other.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from uuid import uuid4

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from api_gateway.auth.principal import Principal
from api_gateway.errors import Problem
from api_gateway.idempotency import claim, keep
from api_gateway.resources import Resources
from api_gateway.storage.schemas import SavedImage
from api_gateway.storage.uploads import ImageUpload
from api_gateway.storage.urls import image_url
from shared.db.models.tables import StoredObject
from shared.db.repositories.idempotency import CreateRequest
from shared.db.repositories.objects import Claim, claim_object, is_in_use, replace_content
from shared.errors import ObjectNotFoundError, StorageError
from shared.storage.object_store import ObjectStore

_log = structlog.stdlib.get_logger(__name__)

_ASIDE = "quarantine/saves"
"""Where objects lie that have no row: nobody can read them."""
_UNBOUND_INSTANCE = "unknown"
"""Whose pictures those are that keys without an instance save."""


@dataclass(frozen=True)
class Save:
    """A request to save a picture."""

    caller: Principal
    path: str
    upload: ImageUpload
    repeat: CreateRequest | None

    @property
    def row(self) -> StoredObject:
        """The row of the picture, should its key be free."""
        bound = self.caller.scope
        return StoredObject(
            key=self.path,
            origin_instance=bound.origin_instance or _UNBOUND_INSTANCE,
            origin_tenant_id=bound.origin_tenant_id,
            size_bytes=self.upload.size_bytes,
            content_type=self.upload.image.content_type,
            sha256=self.upload.sha256,
        )


async def save_image(res: Resources, save: Save) -> SavedImage:
    """Store a picture under a path of the caller's, replacing what was there.

    Raises:
        Problem: 409, the path is not the caller's, or work in progress reads what lies there.
        Repeated: the same request was answered before.
    """
    answer = SavedImage(path=save.path, url=image_url(res.settings, save.path))
    # The route names the path; a form has no one spelling, so its file stands for the body.
    repeat = save.repeat and replace(save.repeat, body_hash=save.upload.sha256)
    async with _uploaded(res.objects, save.upload) as aside, res.sessions() as session:
        await claim(session, repeat)
        claimed = await _claim_path(session, save)
        await keep(session, repeat, answer)
        async with _in_place(res.objects, aside, save.path, is_new=claimed is Claim.NEW):
            await session.commit()
    return answer


def in_use(path: str) -> Problem:
    """The object stays as it is until the work that may read it has ended."""
    return Problem(
        409, "in_use", f"{path!r} belongs to work that has not ended; wait for it, or cancel it"
    )


async def _claim_path(session: AsyncSession, save: Save) -> Claim:
    row = save.row
    claimed, held = await claim_object(session, save.caller.scope, row)
    if claimed is Claim.TAKEN:
        raise Problem(409, "path_taken", "this path cannot be written; choose another")
    if claimed is Claim.REPLACED:
        if held.sha256 != row.sha256 and await is_in_use(session, held):
            raise in_use(save.path)
        replace_content(held, row)
        await session.flush()
    return claimed


@asynccontextmanager
async def _uploaded(objects: ObjectStore, upload: ImageUpload) -> AsyncGenerator[str]:
    """The key of an object that has the bytes, for as long as the block lasts."""
    aside = f"{_ASIDE}/{uuid4()}"
    try:
        await objects.put_from(
            aside,
            upload.file,
            upload.size_bytes,
            upload.image.content_type,
            {"sha256": upload.sha256},
        )
        yield aside
    finally:
        await _discard(objects, aside)


@asynccontextmanager
async def _in_place(
    objects: ObjectStore, aside: str, key: str, *, is_new: bool
) -> AsyncGenerator[None]:
    """Copy into place; if the block fails, what was there before is there again."""
    before = None if is_new else await _kept(objects, key)
    try:
        await objects.copy(aside, key)
        yield
    except BaseException:
        await (objects.copy(before, key) if before else objects.delete(key))
        if before:
            await _discard(objects, before)
        raise
    if before:
        await _discard(objects, before)


async def _kept(objects: ObjectStore, key: str) -> str | None:
    """The key of a copy of what lies under a key."""
    before = f"{_ASIDE}/{uuid4()}"
    try:
        await objects.copy(key, before)
    except ObjectNotFoundError:
        return None
    return before


async def _discard(objects: ObjectStore, key: str) -> None:
    """Remove an object that nobody needs; the request's outcome does not hang on it."""
    try:
        await objects.delete(key)
    except StorageError as error:
        _log.warning("object_left_behind", key=key, exc_info=error)
