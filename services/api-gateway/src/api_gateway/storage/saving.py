"""Saving an image: its bytes become a new object, and the row of its path switches to it.

An object is written once, under a unique key, and never changed. One transaction switches the row,
so that readers get the old bytes or the new ones. The replaced object is removed after the commit.
Objects without a row are noted: the sweep removes those that a crash leaves.
"""

from dataclasses import dataclass, replace
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from api_gateway.auth.principal import Principal
from api_gateway.errors import Problem, unavailable
from api_gateway.idempotency import claim, keep_response
from api_gateway.resources import Resources
from api_gateway.storage.commits import UnknownCommitError, commit
from api_gateway.storage.schemas import SavedImage
from api_gateway.storage.uploads import ImageUpload
from api_gateway.storage.urls import image_url
from api_gateway.uploads import discard, note
from shared.contracts.folders import SAVED_FOLDER
from shared.db.models.tables import StoredObject
from shared.db.repositories.idempotency import CreateRequest
from shared.db.repositories.loose_objects import forget_loose, note_loose
from shared.db.repositories.object_use import is_in_use
from shared.db.repositories.objects import KeyClaim, claim_object, replace_content

_UNBOUND_INSTANCE = "unknown"
"""Instance of images saved by a credential that is bound to none."""


@dataclass(frozen=True)
class SaveRequest:
    """A request to save an image."""

    caller: Principal
    path: str
    upload: ImageUpload
    repeat: CreateRequest | None
    object_key: str
    """Key of the new object with its bytes."""

    def row(self) -> StoredObject:
        """Return the row of the image, in case its path is free."""
        bound = self.caller.scope
        return StoredObject(
            key=self.path,
            object_key=self.object_key,
            origin_instance=bound.origin_instance or _UNBOUND_INSTANCE,
            origin_tenant_id=bound.origin_tenant_id,
            size_bytes=self.upload.size_bytes,
            content_type=self.upload.image.content_type,
            sha256=self.upload.sha256,
        )


def new_object_key(path: str) -> str:
    """Return a unique key that ends in the image's file name, as shown by links."""
    return f"{SAVED_FOLDER}/{uuid4()}/{path.rpartition('/')[2]}"


async def save_image(res: Resources, save: SaveRequest) -> SavedImage:
    """Store an image under a path of the caller, replacing the one there.

    Raises:
        Problem: 409, the path is not the caller's, or unfinished work reads the image there.
        RepeatedRequest: the request was completed before.
    """
    await note(res, [save.object_key])
    try:
        await _upload(res, save)
        saved, unowned = await _switch(res, save)
    except UnknownCommitError:
        raise
    except Exception:
        await discard(res, [save.object_key])
        raise
    await discard(res, unowned)
    return saved


def in_use(path: str) -> Problem:
    """Return the problem of an image that unfinished work may read."""
    return Problem(
        409, "in_use", f"{path!r} belongs to work that has not ended; wait for it, or cancel it"
    )


async def _upload(res: Resources, save: SaveRequest) -> None:
    upload = save.upload
    await res.objects.put_from(
        save.object_key,
        upload.file,
        upload.size_bytes,
        upload.image.content_type,
        {"sha256": upload.sha256},
    )


async def _switch(res: Resources, save: SaveRequest) -> tuple[SavedImage, list[str]]:
    """Let the row of the path refer to the new object.

    Returns:
        The response, and the keys of objects without a row now.
    """
    # The URL has the path; the file's hash is the body's, since a form has many encodings.
    repeat = save.repeat and replace(save.repeat, body_hash=save.upload.sha256)
    async with res.sessions() as session:
        await claim(session, repeat)
        content_key, unowned = await _claim_path(res, session, save)
        saved = SavedImage(path=save.path, url=image_url(res.settings, save.path, content_key))
        await keep_response(session, repeat, saved)
        if content_key == save.object_key and not await forget_loose(session, [save.object_key]):
            raise unavailable("the object store")  # the sweep has removed the new object already
        await note_loose(session, unowned)
        await commit(session, lambda: _is_saved(res, save))
    return saved, unowned


async def _claim_path(
    res: Resources, session: AsyncSession, save: SaveRequest
) -> tuple[str, list[str]]:
    """Return the key of the path's object from now on, and the keys without a row then."""
    row = save.row()
    claimed, held = await claim_object(session, save.caller.scope, row)
    if claimed is KeyClaim.TAKEN:
        raise Problem(409, "path_taken", "this path cannot be written; choose another")
    if claimed is KeyClaim.NEW:
        return row.content_key, []
    if held.sha256 != row.sha256:
        if await is_in_use(session, held):
            raise in_use(save.path)
    elif await _is_there(res, held):
        return held.content_key, [row.content_key]
    before = replace_content(held, row)
    await session.flush()
    return row.content_key, [before]


async def _is_there(res: Resources, held: StoredObject) -> bool:
    found = await res.objects.head(held.content_key)
    return found is not None and found.size_bytes == held.size_bytes


async def _is_saved(res: Resources, save: SaveRequest) -> bool:
    """Return whether the path has the new object, after waiting for a concurrent save."""
    async with res.sessions() as session:
        claimed, held = await claim_object(session, save.caller.scope, save.row())
        return claimed is KeyClaim.REPLACED and held.content_key == save.object_key
