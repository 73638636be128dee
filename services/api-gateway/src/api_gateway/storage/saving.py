"""Saving a picture: its bytes are a new object, and its path's row switches to it.

An object is written once, under a key of its own, and is never changed. The row, in one
transaction, says which is the picture's, so that readers get the old bytes or the new ones, whole.
The object that the row has let go of is removed after the commit. Each is noted while it is
nobody's: what a crash leaves, the sweep finds.
"""

from dataclasses import dataclass, replace
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from api_gateway.auth.principal import Principal
from api_gateway.commits import UnknownCommitError, commit
from api_gateway.errors import Problem, unavailable
from api_gateway.idempotency import claim, keep
from api_gateway.resources import Resources
from api_gateway.storage.loose import discard, note
from api_gateway.storage.schemas import SavedImage
from api_gateway.storage.uploads import ImageUpload
from api_gateway.storage.urls import image_url
from shared.contracts.folders import SAVED_FOLDER
from shared.db.models.tables import StoredObject
from shared.db.repositories.idempotency import CreateRequest
from shared.db.repositories.loose_objects import forget_loose, note_loose
from shared.db.repositories.object_use import is_in_use
from shared.db.repositories.objects import KeyClaim, claim_object, replace_content

_UNBOUND_INSTANCE = "unknown"
"""Whose pictures those are that keys without an instance save."""


@dataclass(frozen=True)
class Save:
    """A request to save a picture."""

    caller: Principal
    path: str
    upload: ImageUpload
    repeat: CreateRequest | None
    object_key: str
    """Key of the object that its bytes become."""

    def row(self) -> StoredObject:
        """The row of the picture, should its path be free."""
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
    """A key that nobody has, ending in the picture's name: that is what links show."""
    return f"{SAVED_FOLDER}/{uuid4()}/{path.rpartition('/')[2]}"


async def save_image(res: Resources, save: Save) -> SavedImage:
    """Store a picture under a path of the caller's, replacing what was there.

    Raises:
        Problem: 409, the path is not the caller's, or work in progress reads what lies there.
        Repeated: the same request was answered before.
    """
    await note(res, [save.object_key])
    try:
        await _upload(res, save)
        answer, nobodys = await _switch(res, save)
    except UnknownCommitError:
        raise
    except Exception:
        await discard(res, [save.object_key])
        raise
    await discard(res, nobodys)
    return answer


def in_use(path: str) -> Problem:
    """The object stays as it is until the work that may read it has ended."""
    return Problem(
        409, "in_use", f"{path!r} belongs to work that has not ended; wait for it, or cancel it"
    )


async def _upload(res: Resources, save: Save) -> None:
    upload = save.upload
    await res.objects.put_from(
        save.object_key,
        upload.file,
        upload.size_bytes,
        upload.image.content_type,
        {"sha256": upload.sha256},
    )


async def _switch(res: Resources, save: Save) -> tuple[SavedImage, list[str]]:
    """Let the path's row name the new object.

    Returns:
        The answer, and the keys of objects that are nobody's now.
    """
    # The route names the path; a form has no one spelling, so its file stands for the body.
    repeat = save.repeat and replace(save.repeat, body_hash=save.upload.sha256)
    async with res.sessions() as session:
        await claim(session, repeat)
        content_key, nobodys = await _claim_path(res, session, save)
        answer = SavedImage(path=save.path, url=image_url(res.settings, save.path, content_key))
        await keep(session, repeat, answer)
        if content_key == save.object_key and not await forget_loose(session, [save.object_key]):
            raise unavailable("the object store")  # it took so long that the sweep has been there
        await note_loose(session, nobodys)
        await commit(session, lambda: _is_saved(res, save))
    return answer, nobodys


async def _claim_path(res: Resources, session: AsyncSession, save: Save) -> tuple[str, list[str]]:
    """The key of the object that the path has from now on, and those that are nobody's then."""
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


async def _is_saved(res: Resources, save: Save) -> bool:
    """Ask, as a save does, whether the path has the new object: that waits for one under way."""
    async with res.sessions() as session:
        claimed, held = await claim_object(session, save.caller.scope, save.row())
        return claimed is KeyClaim.REPLACED and held.content_key == save.object_key
