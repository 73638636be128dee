"""Cases of kills of the gateway at every point of saving, replacing and deleting a picture.

The path then has the complete old or new bytes, and is listed if and only if they can be read. A
while later the object store contains no object without a record.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import httpx

from shared.contracts.folders import SAVED_FOLDER
from shared.storage.s3 import S3ObjectStore
from tests.faults.cases import Case
from tests.faults.clients import Clients
from tests.faults.proxy import NetworkFault, Proxy, Stall
from tests.faults.rig import Rig
from tests.fixtures.gateway import storage_settings
from tests.fixtures.pictures import picture
from tests.fixtures.storage import IMAGES, at, save

_OLD, _NEW = picture(colour="red"), picture(colour="blue")
_SWEPT_WITHIN_S = 60


@dataclass(frozen=True)
class Request:
    """A client's request, and the bytes under the path before and after it."""

    verb: str
    before: bytes | None
    after: bytes | None

    async def ask(self, api: httpx.AsyncClient, path: str) -> httpx.Response:
        """Send the request once."""
        if self.after is None:
            return await api.delete(at(path))
        return await save(api, path, self.after)


@dataclass(frozen=True)
class Point:
    """A point at which the gateway is killed."""

    name: str
    target: str
    """The server that the gateway talks to."""
    at: bytes
    is_forwarded: bool = False

    def fault(self, path: str) -> NetworkFault:
        """The fault that stalls the connection at the point."""
        after = path.encode() if self.target == "postgres" else b""
        return NetworkFault(stall=Stall(self.at, after=after, is_forwarded=self.is_forwarded))


_SAVE = Request("saving", None, _NEW)
_REPLACE = Request("replacing", _OLD, _NEW)
_DELETE = Request("deleting", _OLD, None)

_STORING = Point("before its bytes are stored", "s3", b"PUT /")
_STORED = Point("once its bytes are stored", "s3", b"PUT /", is_forwarded=True)
_BEFORE_COMMIT = Point("before its commit", "postgres", b"COMMIT")
_AFTER_COMMIT = Point("after its commit", "postgres", b"COMMIT", is_forwarded=True)
_REMOVING = Point("before the old bytes are deleted", "s3", b"DELETE /")
_REMOVED = Point("once the old bytes are deleted", "s3", b"DELETE /", is_forwarded=True)

_POINTS = {
    _SAVE: (_STORING, _STORED, _BEFORE_COMMIT, _AFTER_COMMIT),
    _REPLACE: (_STORING, _STORED, _BEFORE_COMMIT, _AFTER_COMMIT, _REMOVING, _REMOVED),
    _DELETE: (_BEFORE_COMMIT, _AFTER_COMMIT, _REMOVING, _REMOVED),
}


def _case(request: Request, point: Point) -> Case:
    async def sabotage(rig: Rig, _clients: Clients) -> None:
        path = f"uploads/{uuid.uuid4()}/picture.png"
        if request.before:
            assert (await save(rig.api, path, request.before)).status_code == 201
        async with _asked(rig, request, path, rig.link("gateway", point.target), point):
            await rig.kill("gateway")
        await rig.start("gateway")
        await _is_whole(rig.api, path, request.before, request.after)
        answer = await request.ask(rig.api, path)
        assert answer.is_success or answer.status_code == 404, answer.text
        await _is_whole(rig.api, path, request.after)
        await rig.until(lambda: _is_tidy(rig), timeout_s=_SWEPT_WITHIN_S)
        await _is_whole(rig.api, path, request.after)

    return Case("gateway", f"{request.verb} a picture, {point.name}", sabotage)


@asynccontextmanager
async def _asked(
    rig: Rig, request: Request, path: str, link: Proxy, point: Point
) -> AsyncIterator[None]:
    """Run the block while the request is stalled at the point."""
    link.impose(point.fault(path))
    asking = asyncio.create_task(request.ask(rig.api, path))
    await asyncio.wait_for(link.stalled.wait(), 20)
    yield
    link.heal()
    with suppress(httpx.TransportError):
        await asking


async def _is_whole(api: httpx.AsyncClient, path: str, *contents: bytes | None) -> None:
    read = await api.get(at(path))
    assert read.status_code in {200, 404}, f"unreadable: {read.status_code} {read.text}"
    content = read.content if read.status_code == 200 else None
    assert content in contents, f"lost: {path} has neither the old picture nor the new one"
    listed = (await api.get(IMAGES, params={"prefix": path})).json()["count"]
    assert listed == (content is not None), f"{path} is listed {listed} times"


async def _is_tidy(rig: Rig) -> bool:
    """Return True where rows and objects agree and no object is listed as unowned."""
    store = S3ObjectStore(storage_settings(rig.stack))
    try:
        stored = {found.key for found in await store.list(f"{SAVED_FOLDER}/")}
    finally:
        store.close()
    rows = await rig.rows("SELECT object_key FROM stored_objects WHERE object_key IS NOT NULL")
    notes = await rig.rows("SELECT key FROM loose_objects")
    return stored == {row["object_key"] for row in rows} and not notes


PICTURES: tuple[Case, ...] = tuple(
    _case(request, point) for request, points in _POINTS.items() for point in points
)
