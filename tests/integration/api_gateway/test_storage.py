"""Images by path are saved, listed and deleted, and private to their owner."""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from shared.contracts.folders import PLATFORM_FOLDERS, SAVED_FOLDER
from shared.db.models.tables import StoredObject, Task
from shared.storage.object_store import OpenObject
from tests.fakes.broken_store import BrokenStore
from tests.fixtures.gateway import OTHER_TENANT_KEY, Gateway
from tests.fixtures.pictures import picture
from tests.fixtures.rows import add
from tests.fixtures.storage import BLUE, IMAGES, RED, at, everything, object_key, save
from tests.integration.api_gateway.test_tasks import GENERATION
from tests.unit.api_gateway.storage.test_keys import HOSTILE


@pytest.fixture
async def other(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    """A client of another tenant of the same instance."""
    async with gateway.client(OTHER_TENANT_KEY) as client:
        yield client


async def num_saved(gateway: Gateway) -> int:
    return len(await gateway.resources.objects.list(f"{SAVED_FOLDER}/"))


async def test_saved_picture_is_read_looked_up_listed_and_deleted(
    gateway: Gateway, tenant: httpx.AsyncClient, folder: str
) -> None:
    before = await everything(gateway)
    path = f"{folder}/Dress 1.png"
    saved = await save(tenant, path)

    assert saved.status_code == 201, saved.text
    url = f"{IMAGES}/{folder}/Dress%201.png"
    assert saved.json() == {"path": path, "url": url}

    read = await tenant.get(url)
    assert (read.status_code, read.content) == (200, RED)
    assert read.headers["content-type"] == "image/png"
    assert read.headers["etag"] == f'"{hashlib.sha256(RED).hexdigest()}"'
    assert read.headers["x-content-type-options"] == "nosniff"

    found = await tenant.head(url)
    assert (found.status_code, found.content) == (200, b"")
    told = ("etag", "last-modified", "content-type", "content-length", "accept-ranges")
    assert {name: found.headers[name] for name in told} == {
        name: read.headers[name] for name in told
    }

    listed = (await tenant.get(IMAGES, params={"prefix": folder})).json()
    modified = datetime.fromisoformat(listed["images"][0].pop("last_modified"))
    assert format_datetime(modified, usegmt=True) == read.headers["last-modified"]
    assert listed == {
        "images": [{"path": path, "size": len(RED), "content_type": "image/png"}],
        "count": 1,
    }

    deleted = await tenant.delete(url)
    assert (deleted.status_code, deleted.json()) == (200, {"path": path, "deleted": True})
    for answer in (await tenant.get(url), await tenant.head(url), await tenant.delete(url)):
        assert answer.status_code == 404
    assert await everything(gateway) == before


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("declared", ["image/png", "application/octet-stream", "image/x; a=b", ""])
async def test_type_is_what_the_bytes_are_whatever_was_declared(
    tenant: httpx.AsyncClient, folder: str, kind: str, declared: str
) -> None:
    assert (await save(tenant, folder, picture(kind), declared)).status_code == 201
    assert (await tenant.get(at(folder))).headers["content-type"] == f"image/{kind.lower()}"


async def test_settings_decide_status_and_url(gateway: Gateway, folder: str) -> None:
    settings = gateway.resources.settings.model_copy(
        update={"answers_create_with_200": True, "public_url": "https://api.example/"}
    )
    async with gateway.client(settings=settings) as client:
        saved = await save(client, folder)
    assert saved.status_code == 200
    assert saved.json()["url"] == f"https://api.example{IMAGES}/{folder}"


async def test_tenants_neither_reach_nor_notice_each_others_pictures(
    tenant: httpx.AsyncClient, other: httpx.AsyncClient, folder: str
) -> None:
    path = f"{folder}/a.png"
    assert (await save(tenant, path)).status_code == 201

    for method in ("GET", "HEAD", "DELETE"):
        known = await other.request(method, at(path))
        unknown = await other.request(method, at(f"{folder}/b.png"))
        assert known.status_code == unknown.status_code == 404
        assert known.text.replace("a.png", "b.png") == unknown.text
    assert (await other.get(IMAGES, params={"prefix": folder})).json()["count"] == 0
    taken = await save(other, path, BLUE)
    assert (taken.status_code, taken.json()["code"]) == (409, "path_taken")
    assert "acme" not in taken.text

    assert (await tenant.get(at(path))).content == RED


async def test_unbound_key_reaches_all_and_takes_nothing_over(
    api: httpx.AsyncClient, tenant: httpx.AsyncClient, folder: str
) -> None:
    await save(tenant, f"{folder}/a.png")
    await save(api, f"{folder}/b.png")

    assert (await save(api, f"{folder}/a.png", BLUE)).status_code == 201
    assert (await tenant.get(at(f"{folder}/a.png"))).content == BLUE
    assert (await tenant.get(at(f"{folder}/b.png"))).status_code == 404
    assert (await api.get(IMAGES, params={"prefix": folder})).json()["count"] == 2


async def test_one_of_two_racing_tenants_gets_the_path(
    tenant: httpx.AsyncClient, other: httpx.AsyncClient, folder: str
) -> None:
    mine, theirs = await asyncio.gather(save(tenant, folder, RED), save(other, folder, BLUE))

    assert sorted([mine.status_code, theirs.status_code]) == [201, 409]
    winner, content = (tenant, RED) if mine.status_code == 201 else (other, BLUE)
    assert (await winner.get(at(folder))).content == content


async def test_racing_saves_of_one_tenant_come_after_each_other(
    gateway: Gateway, tenant: httpx.AsyncClient, folder: str
) -> None:
    before = await num_saved(gateway)
    colours = [picture(colour=colour) for colour in ("red", "green", "blue", "white")]
    answers = await asyncio.gather(*(save(tenant, folder, content) for content in colours))

    assert {answer.status_code for answer in answers} == {201}
    read = await tenant.get(at(folder))
    assert read.content in colours
    assert read.headers["etag"] == f'"{hashlib.sha256(read.content).hexdigest()}"'
    assert await num_saved(gateway) == before + 1


# No route takes a line feed.
@pytest.mark.parametrize("path", [path for path in HOSTILE if "\n" not in path])
async def test_hostile_path_is_422_for_every_method_and_leaves_nothing(
    gateway: Gateway, api: httpx.AsyncClient, path: str
) -> None:
    before = await everything(gateway)
    assert (await api.head(at(path))).status_code == 422
    for answer in (await api.get(at(path)), await api.delete(at(path))):
        assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["path", "path"])
    answer = await save(api, path)
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["path", "path"])
    assert await everything(gateway) == before


@pytest.mark.parametrize(
    "raw",
    [
        "%c0%ae%c0%ae%c0%afetc%c0%afpasswd",
        "%e0%80%ae/a",
        "uploads/%ff.png",
        "..%2f..%2fetc%2fpasswd",
        "%252e%252e%252fa",
        "%5c%5cserver%5cshare",
        "a%00.png",
        "....%2f%2fa",
    ],
)
async def test_path_that_hides_in_an_encoding_is_422(api: httpx.AsyncClient, raw: str) -> None:
    for method in ("GET", "HEAD", "DELETE"):
        assert (await api.request(method, f"{IMAGES}/{raw}")).status_code == 422
    posted = await api.post(f"{IMAGES}/{raw}", files={"file": RED})
    assert posted.status_code == 422


async def test_folders_of_the_platform_are_not_written(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    before = await everything(gateway)
    for name in PLATFORM_FOLDERS | {"Evaluations"}:
        answer = await save(api, f"{name}/{uuid.uuid4()}/a.png")
        assert answer.status_code == 422, name
        assert answer.json()["detail"][0]["loc"] == ["path", "path"]
        assert "uploads/" in answer.json()["detail"][0]["msg"]
    assert await everything(gateway) == before


async def test_object_of_a_picture_is_reached_by_its_path_alone(
    gateway: Gateway, api: httpx.AsyncClient, folder: str
) -> None:
    await save(api, folder)
    key = await object_key(gateway, folder)
    assert key.startswith(f"{SAVED_FOLDER}/")
    assert (await api.get(at(key))).status_code == 404
    assert (await api.head(at(key))).status_code == 404
    assert (await api.delete(at(key))).status_code == 404
    named = await api.post("/api/v1/tasks/", json=GENERATION | {"reference_image_url": key})
    assert named.status_code == 422


async def test_picture_of_before_there_were_object_keys_is_read_replaced_and_deleted(
    gateway: Gateway, api: httpx.AsyncClient, folder: str
) -> None:
    """The object's key is its path."""
    objects = gateway.resources.objects
    for name in ("a.png", "b.png"):
        await objects.put(f"{folder}/{name}", RED, "image/png")
        old = StoredObject(
            key=f"{folder}/{name}",
            origin_instance="shop",
            size_bytes=len(RED),
            content_type="image/png",
            sha256=hashlib.sha256(RED).hexdigest(),
        )
        await add(gateway.resources.sessions, old)
    assert (await api.get(at(f"{folder}/a.png"))).content == RED

    assert (await save(api, f"{folder}/a.png", BLUE)).status_code == 201
    assert (await api.delete(at(f"{folder}/b.png"))).status_code == 200

    assert (await api.get(at(f"{folder}/a.png"))).content == BLUE
    assert await objects.list(folder) == []


async def test_read_that_a_replacement_overtakes_gets_the_new_picture(
    gateway: Gateway, api: httpx.AsyncClient, folder: str
) -> None:
    class Overtaken(BrokenStore):
        """An object store whose object is replaced between the read of the row and its own."""

        is_overtaken = False

        @asynccontextmanager
        async def open(
            self, key: str, *, offset: int = 0, length: int = 0
        ) -> AsyncIterator[OpenObject]:
            if not self.is_overtaken:
                self.is_overtaken = True
                assert (await save(api, folder, BLUE)).status_code == 201
            async with self._store.open(key, offset=offset, length=length) as opened:
                yield opened

    await save(api, folder, RED)
    async with gateway.client(objects=Overtaken(gateway.resources.objects)) as client:
        assert (await client.get(at(folder))).content == BLUE


async def test_paths_that_differ_in_case_are_two_pictures(
    tenant: httpx.AsyncClient, other: httpx.AsyncClient, folder: str
) -> None:
    assert (await save(tenant, f"{folder}/a.png", RED)).status_code == 201
    assert (await save(other, f"{folder}/A.png", BLUE)).status_code == 201
    assert (await other.get(at(f"{folder}/a.png"))).status_code == 404
    assert (await other.delete(at(f"{folder}/A.png"))).status_code == 200
    assert (await tenant.get(at(f"{folder}/a.png"))).content == RED


async def test_list_is_by_path_from_a_prefix_up_to_a_limit(
    tenant: httpx.AsyncClient, folder: str
) -> None:
    for name in ("b", "a", "B", "é"):
        await save(tenant, f"{folder}/{name}")

    async def listed(**params: Any) -> list[str]:
        answer = (await tenant.get(IMAGES, params=params)).json()
        assert answer["count"] == len(answer["images"])
        return [image["path"].rpartition("/")[2] for image in answer["images"]]

    assert await listed(prefix=folder) == ["B", "a", "b", "é"]
    assert await listed(prefix=folder, limit=2) == ["B", "a"]
    assert await listed(prefix=f"{folder}/é") == ["é"]
    assert await listed(prefix=f"{folder}/_") == []
    assert len(await listed()) >= 4
    for params in ({"limit": 0}, {"limit": 1001}, {"prefix": "a\0"}, {"prefix": "a" * 2000}):
        assert (await tenant.get(IMAGES, params=params)).status_code == 422


async def test_same_path_is_saved_anew(
    gateway: Gateway, tenant: httpx.AsyncClient, folder: str
) -> None:
    before = await num_saved(gateway)
    await save(tenant, folder, RED)
    first = await tenant.get(at(folder))
    assert (await save(tenant, folder, picture("WEBP"))).status_code == 201

    second = await tenant.get(at(folder), headers={"If-None-Match": first.headers["etag"]})
    assert (second.status_code, second.content) == (200, picture("WEBP"))
    assert second.headers["content-type"] == "image/webp"
    listed = (await tenant.get(IMAGES, params={"prefix": folder})).json()
    assert [image["content_type"] for image in listed["images"]] == ["image/webp"]
    assert await num_saved(gateway) == before + 1


async def test_idempotency_key_repeats_the_answer_and_refuses_other_bytes(
    gateway: Gateway, tenant: httpx.AsyncClient, folder: str
) -> None:
    before = await num_saved(gateway)
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = await save(tenant, folder, RED, headers=key)
    assert (await save(tenant, folder, BLUE)).status_code == 201

    repeat = await save(tenant, folder, RED, headers=key)
    assert (repeat.status_code, repeat.json()) == (201, first.json())
    assert repeat.headers["idempotency-replayed"] == "true"
    assert (await tenant.get(at(folder))).content == BLUE
    reused = await save(tenant, folder, BLUE, headers=key)
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
    assert (await save(tenant, f"{folder}-2", BLUE, headers=key)).status_code == 201
    assert await num_saved(gateway) == before + 2


async def test_picture_stays_as_it_is_while_a_task_may_read_it(
    gateway: Gateway, api: httpx.AsyncClient, folder: str
) -> None:
    path = f"{folder}/a.png"
    await save(api, path)
    body = GENERATION | {"reference_image_url": path, "reference_image_strength": 50}
    created = await api.post("/api/v1/tasks/", json=body)
    assert created.status_code == 201, created.text

    for answer in (await api.delete(at(path)), await save(api, path, BLUE)):
        assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
    assert (await save(api, path, RED)).status_code == 201
    assert (await api.get(at(path))).content == RED

    async with gateway.resources.sessions.begin() as session:
        ended = update(Task).where(Task.id == uuid.UUID(created.json()["id"]))
        await session.execute(ended.values(status="COMPLETED"))
    assert (await save(api, path, BLUE)).status_code == 201
    assert (await api.delete(at(path))).status_code == 200


async def test_output_of_a_task_is_deleted_once_it_has_ended(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    task_id = uuid.UUID((await api.post("/api/v1/tasks/", json=GENERATION)).json()["id"])
    path = f"generations/{task_id}/a1/image_0.png"
    await gateway.resources.objects.put(path, RED, "image/png")
    async with gateway.resources.sessions.begin() as session:
        session.add(
            StoredObject(
                key=path,
                origin_instance="shop",
                task_id=task_id,
                size_bytes=len(RED),
                content_type="image/png",
                sha256=hashlib.sha256(RED).hexdigest(),
            )
        )
    assert (await api.delete(at(path))).status_code == 409
    async with gateway.resources.sessions.begin() as session:
        await session.execute(update(Task).where(Task.id == task_id).values(status="FAILED"))
    assert (await api.delete(at(path))).status_code == 200
    assert await gateway.resources.objects.head(path) is None


@pytest.mark.parametrize("folder_of_records", ["loras", "trainings", "quarantine"])
async def test_what_goes_with_its_own_record_is_not_deleted(
    api: httpx.AsyncClient, folder_of_records: str
) -> None:
    answer = await api.delete(at(f"{folder_of_records}/a/b.png"))
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["path", "path"])
