"""Objects without an owner are removed after a while; missing owned ones are marked."""

import hashlib
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, BinaryIO

import httpx
import pytest
from sqlalchemy import delete, func, update
from structlog.testing import capture_logs

from shared.db.models.loose_objects import LooseObject
from shared.db.models.tables import StoredObject
from shared.db.repositories.loose_objects import loose_for, note_loose
from shared.errors import StorageError
from shared.storage.object_store import ObjectInfo
from tests.fakes.broken_store import BrokenStore
from tests.fixtures.gateway import Gateway
from tests.fixtures.rows import add
from tests.fixtures.storage import BLUE, IMAGES, RED, at, object_key, save
from tests.integration.workflows.test_reconcile import reconcile
from workflows.activities.loose_objects import LooseSweep
from workflows.activities.missing_objects import MissingObjects
from workflows.activities.temporary_objects import sweep_temporary

_NOW, _HOUR = timedelta(), timedelta(hours=1)


@pytest.fixture(autouse=True)
async def _settled(gateway: Gateway) -> AsyncIterator[None]:
    """Delete the notes of other tests."""
    await settle(gateway)
    yield
    await settle(gateway)


async def settle(gateway: Gateway, age: timedelta = _NOW, store: Any = None) -> Counter[str]:
    counts: Counter[str] = Counter()
    res = gateway.resources
    await LooseSweep(res.sessions, store or res.objects).sweep(age, counts)
    return counts


async def put(gateway: Gateway, *keys: str) -> None:
    for key in keys:
        await gateway.resources.objects.put(key, RED, "image/png")


async def note(gateway: Gateway, *keys: str) -> None:
    async with gateway.resources.sessions.begin() as session:
        await note_loose(session, keys)


async def wait_a_day(gateway: Gateway) -> None:
    earlier = LooseObject.noted_at - timedelta(days=1)
    async with gateway.resources.sessions.begin() as session:
        await session.execute(update(LooseObject).values(noted_at=earlier))


async def notes(gateway: Gateway) -> list[str]:
    async with gateway.resources.sessions() as session:
        return sorted(await loose_for(session, _NOW, 100))


async def left(gateway: Gateway, folder: str) -> list[str]:
    found = await gateway.resources.objects.list(folder)
    return [each.key.removeprefix(folder) for each in found]


def row(key: str, **fields: Any) -> StoredObject:
    digest = hashlib.sha256(RED).hexdigest()
    plain: dict[str, Any] = {"origin_instance": "shop", "size_bytes": len(RED), "sha256": digest}
    return StoredObject(key=key, content_type="image/png", **plain | fields)


async def test_noted_object_is_removed_unless_it_has_an_owner(gateway: Gateway) -> None:
    folder = f"saved_pictures/{uuid.uuid4()}/"
    names = ["nobodys", "by key", "by path", "once by path"]
    await put(gateway, *(folder + name for name in names))
    await add(
        gateway.resources.sessions,
        row(f"uploads/{uuid.uuid4()}", object_key=folder + "by key"),
        row(folder + "by path"),
        row(folder + "once by path", object_key=f"{folder}elsewhere"),
    )
    await note(gateway, *(folder + name for name in names), folder + "never written")

    assert await settle(gateway, _HOUR) == {}  # a request may be writing it
    assert await left(gateway, folder) == sorted(names)

    assert (await settle(gateway))["loose_swept"] == 3
    assert await left(gateway, folder) == ["by key", "by path"]
    assert await notes(gateway) == []


async def test_noted_folder_loses_objects_without_a_row(gateway: Gateway) -> None:
    folder = f"generations/{uuid.uuid4()}/"
    beside = folder.removesuffix("/") + "0/a1/image_0.png"
    await put(gateway, folder + "a1/image_0.png", folder + "a2/image_0.png", beside)
    await add(gateway.resources.sessions, row(folder + "a2/image_0.png"))
    await note(gateway, folder)

    assert await settle(gateway) == {"loose_swept": 1}

    assert await left(gateway, folder) == ["a2/image_0.png"]
    assert await gateway.resources.objects.head(beside)


class _Refusing(BrokenStore):
    """A store that fails to delete one object."""

    def __init__(self, gateway: Gateway, key: str) -> None:
        super().__init__(gateway.resources.objects)
        self._key = key

    async def delete(self, key: str) -> None:
        if key == self._key:
            raise StorageError("it is broken")
        await self._store.delete(key)


async def test_object_that_cannot_be_removed_blocks_no_other_and_is_retried(
    gateway: Gateway,
) -> None:
    folder = f"saved_pictures/{uuid.uuid4()}/"
    await put(gateway, folder + "a", folder + "b")
    await note(gateway, folder + "a")
    await wait_a_day(gateway)
    await note(gateway, folder + "b")

    with capture_logs():
        counts = await settle(gateway, store=_Refusing(gateway, folder + "a"))

    assert (counts["failed"] >= 1, counts["loose_swept"]) == (True, 1)
    assert await left(gateway, folder) == ["a"]
    assert await settle(gateway) == {"loose_swept": 1}


class _Slow(BrokenStore):
    """A store that writes so slowly that the sweep comes first."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway.resources.objects)
        self._gateway = gateway

    async def put_from(self, key: str, source: BinaryIO, *args: Any) -> None:
        await self._store.put_from(key, source, *args)
        await settle(self._gateway)

    async def put(self, key: str, *args: Any) -> None:
        await self._store.put(key, *args)
        await settle(self._gateway)


async def test_request_that_outlasts_the_grace_period_is_refused_without_loss(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    path = f"uploads/{uuid.uuid4()}.png"
    await save(api, path, RED)
    async with gateway.client(objects=_Slow(gateway)) as slow:
        answer = await save(slow, path, BLUE)
        assert answer.status_code == 503, answer.text
    assert (await api.get(at(path))).content == RED


async def listed(api: httpx.AsyncClient, prefix: str) -> list[str]:
    answer = (await api.get(IMAGES, params={"prefix": prefix})).json()
    return [image["path"].removeprefix(prefix) for image in answer["images"]]


@pytest.fixture
async def pictures(gateway: Gateway) -> MissingObjects:
    """A check of the rows of this test only."""
    async with gateway.resources.sessions.begin() as session:
        await session.execute(delete(StoredObject))
    return MissingObjects(gateway.resources.sessions, gateway.resources.objects)


async def test_picture_with_a_missing_object_is_not_listed_until_it_is_back(
    gateway: Gateway, api: httpx.AsyncClient, pictures: MissingObjects
) -> None:
    folder = f"uploads/{uuid.uuid4()}/"
    for name in ("a.png", "b.png", "c.png"):
        await save(api, folder + name)
    lost = await object_key(gateway, folder + "b.png")
    await gateway.resources.objects.delete(lost)
    counts: Counter[str] = Counter()

    with capture_logs() as logs:
        await pictures.check(counts)

    assert counts == {"pictures_lost": 1}
    assert [(entry["event"], entry["path"]) for entry in logs] == [
        ("picture_lost", folder + "b.png")
    ]
    assert await listed(api, folder) == ["a.png", "c.png"]
    assert (await api.get(at(folder + "b.png"))).status_code == 404
    assert (await api.head(at(folder + "b.png"))).status_code == 404
    body = {
        "task_type": "FACE_ENHANCER",
        "input_image": folder + "b.png",
        "origin_instance": "shop",
    }
    assert (await api.post("/api/v1/tasks/", json=body)).status_code == 422

    await put(gateway, lost)
    await pictures.check(counts)

    assert counts == {"pictures_lost": 1, "pictures_found": 1}
    assert await listed(api, folder) == ["a.png", "b.png", "c.png"]


async def test_missing_picture_can_be_saved_again_or_deleted(
    gateway: Gateway, api: httpx.AsyncClient, pictures: MissingObjects
) -> None:
    folder = f"uploads/{uuid.uuid4()}/"
    for name in ("a.png", "b.png"):
        await save(api, folder + name)
        await gateway.resources.objects.delete(await object_key(gateway, folder + name))
    with capture_logs():
        await pictures.check(Counter())

    assert (await save(api, folder + "a.png")).status_code == 201
    assert (await api.delete(at(folder + "b.png"))).status_code == 200

    assert await listed(api, folder) == ["a.png"]
    assert (await api.get(at(folder + "a.png"))).content == RED


async def test_rows_are_checked_page_by_page(
    gateway: Gateway, pictures: MissingObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.activities.missing_objects._PAGE_SIZE", 2)
    looked: list[str] = []

    class Watched(BrokenStore):
        async def head(self, key: str) -> ObjectInfo | None:
            looked.append(key)
            return await self._store.head(key)

    names = [f"uploads/{name}" for name in "abcde"]
    await put(gateway, *names)
    await add(gateway.resources.sessions, *map(row, names))
    walking = MissingObjects(gateway.resources.sessions, Watched(gateway.resources.objects))
    for _ in range(4):
        await walking.check(Counter())
    assert looked == [*names, *names[:2]]

    # A marked row has its own turn in each pass.
    async with gateway.resources.sessions.begin() as session:
        marked = update(StoredObject).where(StoredObject.key == names[4])
        await session.execute(marked.values(lost_at=func.now()))
    looked.clear()
    counts: Counter[str] = Counter()
    await walking.check(counts)
    assert looked[0] == names[4]
    assert counts == {"pictures_found": 1}


async def test_temporary_folders_lose_old_objects(gateway: Gateway) -> None:
    mark = uuid.uuid4().hex
    passing = [f"evaluations/{mark}/inputs/a.png", f"quarantine/{mark}"]
    owned = f"evaluations/{mark}.png"  # a client's, from before the folder was reserved
    await put(gateway, *passing, owned)
    await add(gateway.resources.sessions, row(owned))
    res, counts = gateway.resources, Counter[str]()

    await sweep_temporary(res.sessions, res.objects, _HOUR, counts)
    assert [await res.objects.head(key) is not None for key in [*passing, owned]] == [True] * 3
    await sweep_temporary(res.sessions, res.objects, -_HOUR, counts)

    assert [await res.objects.head(key) is not None for key in passing] == [False] * 2
    assert await res.objects.head(owned)


@pytest.mark.usefixtures("alone")
async def test_a_pass_of_the_reconciler_runs_every_sweep(
    gateway: Gateway, api: httpx.AsyncClient, pictures: MissingObjects
) -> None:
    del pictures  # no rows of other tests
    path = f"uploads/{uuid.uuid4()}.png"
    await save(api, path)
    await gateway.resources.objects.delete(await object_key(gateway, path))
    abandoned = f"saved_pictures/{uuid.uuid4()}/a.png"
    await put(gateway, abandoned)
    await note(gateway, abandoned)
    await wait_a_day(gateway)

    made = await reconcile(gateway)

    assert (made.loose_swept, made.pictures_lost, made.failed) == (1, 1, 0)
