"""Listing, reading and deleting stored images; `saving` writes them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from email.utils import format_datetime

from fastapi import Response
from fastapi.responses import RedirectResponse, StreamingResponse

from api_gateway.auth.principal import Principal
from api_gateway.errors import Problem, not_found
from api_gateway.paging import Paging, split
from api_gateway.resources import Resources
from api_gateway.storage.commits import commit
from api_gateway.storage.conditions import (
    ReadConditions,
    Representation,
    Selection,
    select_part,
)
from api_gateway.storage.cursors import cursor_behind, path_before
from api_gateway.storage.saving import in_use
from api_gateway.storage.schemas import (
    DeletedImage,
    PicturesQuery,
    StoredImage,
    StoredImageList,
)
from api_gateway.storage.urls import redirect_url
from api_gateway.uploads import discard
from shared.db.models.tables import StoredObject
from shared.db.repositories.loose_objects import note_loose
from shared.db.repositories.object_use import is_in_use
from shared.db.repositories.objects import count_objects, list_objects, lock_object
from shared.db.repositories.scope import Scope
from shared.db.repositories.subjects import find_object
from shared.errors import ObjectNotFoundError, StorageError
from shared.storage.object_store import ObjectInfo

_SHOWN = frozenset({"audio", "image", "video"})
"""Types that a browser shows; it saves all others as files."""
_POLICY = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox"
"""Whatever a browser makes of the bytes, it runs no script and has an origin of its own. The rest
is for the pages in which it shows a picture or plays a video."""


async def list_images(
    res: Resources, caller: Principal, paging: Paging, wanted: PicturesQuery
) -> StoredImageList:
    """Return one page of the images under a prefix that the caller may see, by path.

    Raises:
        InvalidRequestError: the cursor does not belong to this list.
    """
    prefix, limit = wanted.prefix, wanted.limit
    after = None if wanted.cursor is None else path_before(wanted.cursor, prefix)
    async with res.sessions() as session:
        found = await list_objects(session, caller.scope, prefix, limit + 1, after=after)
        total = await count_objects(session, caller.scope, prefix)
    rows, has_more = split(found, limit)
    following = {"cursor": cursor_behind(rows[-1].key)} if has_more else None
    paging.set(total=total, following=following)
    images = [
        StoredImage(
            path=row.key,
            size=row.size_bytes,
            content_type=row.content_type,
            last_modified=row.created_at,
        )
        for row in rows
    ]
    return StoredImageList(images=images, count=len(images))


async def describe_image(
    res: Resources, caller: Principal, path: str, asked: ReadConditions
) -> Response:
    """Return the response of a read without the bytes."""
    row = await _find(res, caller, path)
    if row.lost_at is not None:
        raise not_found(f"image {path!r}")
    selected = select_part(asked.model_copy(update={"range": ""}), _representation(row))
    headers = _headers(row)
    if selected.status == 200:
        headers["Content-Length"] = str(row.size_bytes)
    return Response(None, selected.status, headers, row.content_type)


async def read_image(
    res: Resources, caller: Principal, path: str, asked: ReadConditions
) -> Response:
    """Return the bytes of an image, a range of them, or a redirect to them.

    Raises:
        Problem: 404; 416, the range does not exist.
        StorageError: the object cannot be read, or differs from its row.
    """
    row = await _find(res, caller, path)
    while True:
        try:
            return await _answer(res, row, asked)
        except ObjectNotFoundError as error:
            # If the image was replaced and its object removed, the row has another key now.
            before, row = row, await _find(res, caller, path)
            if row.content_key == before.content_key:
                raise not_found(f"image {path!r}") from error


async def _answer(res: Resources, row: StoredObject, asked: ReadConditions) -> Response:
    selected = select_part(asked, _representation(row))
    headers = _headers(row)
    if selected.status == 304:
        return Response(status_code=304, headers=headers)
    url = redirect_url(res, row.content_key)
    if url is not None and row.lost_at is None:
        return RedirectResponse(url, 302, {"Cache-Control": "private, no-store"})
    if selected.status == 416:
        raise Problem(
            416,
            "range_not_satisfiable",
            f"the image has {row.size_bytes} bytes; ask for a range within them",
            headers={"Content-Range": f"bytes */{row.size_bytes}"},
        )
    return await _send(res, row, selected, headers)


async def delete_image(res: Resources, caller: Principal, path: str) -> DeletedImage:
    """Delete an image, unless unfinished work may read it.

    Raises:
        Problem: 404 or 409.
    """
    async with res.sessions() as session:
        held = await lock_object(session, caller.scope, path)
        if held is None:
            raise not_found(f"image {path!r}")
        if await is_in_use(session, held):
            raise in_use(path)
        content_key = held.content_key
        await session.delete(held)
        await note_loose(session, [content_key])
        await commit(session, lambda: _is_deleted(res, path, content_key))
    await discard(res, [content_key])
    return DeletedImage(path=path, deleted=True)


async def _is_deleted(res: Resources, path: str, content_key: str) -> bool:
    """Return whether a path's row is gone or replaced, after waiting for its lock."""
    async with res.sessions() as session:
        held = await lock_object(session, Scope(), path)
        return held is None or held.content_key != content_key


async def _find(res: Resources, caller: Principal, path: str) -> StoredObject:
    async with res.sessions() as session:
        row = await find_object(session, caller.scope, path)
    if row is None:
        raise not_found(f"image {path!r}")
    return row


def _representation(row: StoredObject) -> Representation:
    return Representation(f'"{row.sha256}"', row.created_at, row.size_bytes)


def _headers(row: StoredObject) -> dict[str, str]:
    headers = {
        "ETag": f'"{row.sha256}"',
        "Last-Modified": format_datetime(row.created_at, usegmt=True),
        "Accept-Ranges": "bytes",
        # An image can be replaced, so caches must revalidate; mostly they get 304.
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": _POLICY,
    }
    if row.content_type.partition("/")[0] not in _SHOWN:
        headers["Content-Disposition"] = "attachment"
    return headers


async def _send(
    res: Resources, row: StoredObject, selected: Selection, headers: dict[str, str]
) -> Response:
    """Respond once the first bytes were read, so that a read error is not a truncated image."""
    headers["Content-Length"] = str(selected.length)
    if selected.status == 206:
        last = selected.first + selected.length - 1
        headers["Content-Range"] = f"bytes {selected.first}-{last}/{row.size_bytes}"
    length = selected.length if selected.status == 206 else 0
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(
            res.objects.open(row.content_key, offset=selected.first, length=length)
        )
        _check_same(opened.info, row)
        first = await anext(opened.chunks, b"")
        if len(first) == selected.length:
            return Response(first, selected.status, headers, row.content_type)
        held = stack.pop_all()
    chunks = _chunks(first, opened.chunks, held)
    return StreamingResponse(chunks, selected.status, headers, row.content_type)


async def _chunks(
    first: bytes, rest: AsyncIterator[bytes], held: AsyncExitStack
) -> AsyncIterator[bytes]:
    async with held:
        yield first
        async for chunk in rest:
            yield chunk


def _check_same(info: ObjectInfo, row: StoredObject) -> None:
    """Refuse to serve an object that differs from its row."""
    digest = info.metadata.get("sha256", row.sha256)
    if (info.size_bytes, digest) != (row.size_bytes, row.sha256):
        raise StorageError(f"the object of {row.key!r} differs from its record")
