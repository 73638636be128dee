"""Pictures by path: saved whole or not at all, read in parts, and nobody else's."""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlalchemy.orm import Session

from api_gateway.settings import GatewaySettings
from shared.db.models.tables import ApiKey, StoredObject, Task
from shared.db.repositories.keys import hash_key
from shared.db.session import Sessions
from tests.fakes.broken_store import BrokenStore
from tests.fixtures.gateway import ADMIN_KEY, TENANT_KEY, Gateway
from tests.fixtures.pictures import noise, picture
from tests.integration.api_gateway.test_tasks import GENERATION
from tests.unit.api_gateway.storage.test_keys import HOSTILE

IMAGES = "/api/v1/storage/images"
RED, BLUE = picture(colour="red"), picture(colour="blue")
OTHER_KEY = "sk_test_other_tenant_" + "e" * 32


@pytest.fixture
def folder() -> str:
    return f"uploads/{uuid.uuid4()}"


@pytest.fixture
async def tenant(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway.client(TENANT_KEY) as client:
        yield client


@pytest.fixture
async def other(gateway: Gateway, sessions: Sessions) -> AsyncIterator[httpx.AsyncClient]:
    """A client of another tenant of the same instance."""
    key_hash = hash_key(OTHER_KEY)
    async with sessions.begin() as session:
        session.add(
            ApiKey(
                name="other",
                prefix=OTHER_KEY[:14],
                key_hash=key_hash,
                scopes=["compute"],
                origin_instance="shop",
                origin_tenant_id="other",
            )
        )
    async with gateway.client(OTHER_KEY) as client:
        yield client
    async with sessions.begin() as session:
        await session.execute(delete(ApiKey).where(ApiKey.key_hash == key_hash))


def at(path: str) -> str:
    """Every byte encoded, so that no client tidies the path up."""
    return f"{IMAGES}/" + "".join(f"%{byte:02x}" for byte in path.encode())


async def save(
    client: httpx.AsyncClient,
    path: str,
    content: bytes = RED,
    content_type: str = "image/png",
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    files = {"file": ("a.png", content, content_type)}
    return await client.post(at(path), files=files, headers=headers)


async def everything(gateway: Gateway) -> tuple[dict[str, int], list[str]]:
    """All rows by number, all objects by key."""
    objects = await gateway.resources.objects.list("")
    return await gateway.row_counts(), [item.key for item in objects]


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


# --- whose -------------------------------------------------------------------------------------


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
    colours = [picture(colour=colour) for colour in ("red", "green", "blue", "white")]
    answers = await asyncio.gather(*(save(tenant, folder, content) for content in colours))

    assert {answer.status_code for answer in answers} == {201}
    read = await tenant.get(at(folder))
    assert read.content in colours
    assert read.headers["etag"] == f'"{hashlib.sha256(read.content).hexdigest()}"'
    assert await gateway.resources.objects.list("quarantine/") == []


# --- which paths -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", HOSTILE)
async def test_hostile_path_is_422_for_every_method_and_leaves_nothing(
    gateway: Gateway, api: httpx.AsyncClient, path: str
) -> None:
    before = await everything(gateway)
    for method in ("GET", "HEAD", "DELETE"):
        answer = await api.request(method, at(path))
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


@pytest.mark.parametrize(
    "folder_of_tasks",
    ["generations", "refines", "editings", "Videos", "trainings", "loras", "quarantine"],
)
async def test_folders_of_tasks_are_not_written(
    gateway: Gateway, api: httpx.AsyncClient, folder_of_tasks: str
) -> None:
    before = await everything(gateway)
    answer = await save(api, f"{folder_of_tasks}/{uuid.uuid4()}/a.png")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["path", "path"]
    assert "uploads/" in answer.json()["detail"][0]["msg"]
    assert await everything(gateway) == before


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


# --- what is let in ----------------------------------------------------------------------------


async def test_what_is_no_picture_is_refused_and_leaves_nothing(
    gateway: Gateway, api: httpx.AsyncClient, folder: str
) -> None:
    before = await everything(gateway)
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
    for content, declared in (
        (svg, "image/png"),
        (picture("GIF"), "image/gif"),
        (b"", "image/png"),
        (b"GIF89a" + RED, "image/png"),
        (RED, "text/html"),
        (RED, "video/mp4"),
    ):
        answer = await save(api, folder, content, declared)
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    cut = await save(api, folder, RED[:-20])
    assert (cut.status_code, cut.json()["detail"][0]["loc"]) == (422, ["body", "file"])
    assert await everything(gateway) == before


async def test_form_that_is_none_is_refused(api: httpx.AsyncClient, folder: str) -> None:
    url = at(folder)
    assert (await api.post(url, content=RED)).status_code == 415
    assert (await api.post(url, json={"file": "x"})).status_code == 415
    for request in (
        {"files": {"picture": RED}},
        {"data": {"file": "text"}, "files": {"x": RED}},
        {"content": b"", "headers": {"content-type": "multipart/form-data; boundary=x"}},
    ):
        answer = await api.post(url, **request)
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["body", "file"]
    for request in (
        {"content": b"x", "headers": {"content-type": "multipart/form-data"}},
        {"content": b"nonsense", "headers": {"content-type": "multipart/form-data; boundary=x"}},
        {"files": [("file", RED), ("file", RED)]},
    ):
        answer = await api.post(url, **request)
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["body"]


async def test_too_large_is_413_and_leaves_nothing(gateway: Gateway, folder: str) -> None:
    before = await everything(gateway)
    content = noise(60)

    async def sent_in_pieces() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(100):
            yield content
        yield b"\r\n--x--\r\n"

    for limits in ({"max_input_bytes": len(content) - 1}, {"max_body_bytes": len(content)}):
        settings = gateway.resources.settings.model_copy(update=limits)
        async with gateway.client(settings=settings) as client:
            assert (await save(client, folder, content)).status_code == 413
            pieces = await client.post(
                at(folder),
                content=sent_in_pieces(),
                headers={"content-type": "multipart/form-data; boundary=x"},
            )
            assert pieces.status_code == 413
    settings = gateway.resources.settings.model_copy(update={"max_input_pixels": 63})
    async with gateway.client(settings=settings) as client:
        assert (await save(client, folder, RED)).status_code == 422
    assert await everything(gateway) == before


async def test_request_without_a_key_is_refused_before_its_body_is_read(
    gateway: Gateway, folder: str
) -> None:
    read: list[int] = []

    async def body() -> AsyncIterator[bytes]:
        read.append(1)
        yield RED

    async with gateway.client(None) as client:
        answer = await client.post(
            at(folder), content=body(), headers={"content-type": "multipart/form-data; boundary=x"}
        )
    assert answer.status_code == 401
    assert read == []


# --- again -------------------------------------------------------------------------------------


async def test_same_path_is_saved_anew(
    gateway: Gateway, tenant: httpx.AsyncClient, folder: str
) -> None:
    await save(tenant, folder, RED)
    first = await tenant.get(at(folder))
    assert (await save(tenant, folder, picture("WEBP"))).status_code == 201

    second = await tenant.get(at(folder), headers={"If-None-Match": first.headers["etag"]})
    assert (second.status_code, second.content) == (200, picture("WEBP"))
    assert second.headers["content-type"] == "image/webp"
    listed = (await tenant.get(IMAGES, params={"prefix": folder})).json()
    assert [image["content_type"] for image in listed["images"]] == ["image/webp"]
    assert await gateway.resources.objects.list("quarantine/") == []


async def test_idempotency_key_repeats_the_answer_and_refuses_other_bytes(
    gateway: Gateway, tenant: httpx.AsyncClient, folder: str
) -> None:
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
    assert await gateway.resources.objects.list("quarantine/") == []


# --- parts and conditions ----------------------------------------------------------------------


@pytest.fixture
async def large(tenant: httpx.AsyncClient, folder: str) -> bytes:
    """A picture of several chunks, saved under the folder's own name."""
    content = noise(500)
    assert (await save(tenant, folder, content)).status_code == 201
    return content


async def test_large_picture_comes_whole(
    tenant: httpx.AsyncClient, folder: str, large: bytes
) -> None:
    read = await tenant.get(at(folder))
    assert read.content == large
    assert read.headers["content-length"] == str(len(large))


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=100-199", 100, 199),
        ("bytes=1-700000", 1, 700_000),
        ("bytes=-5", -5, -1),
        ("bytes=600000-", 600_000, -1),
        ("bytes=700000-9999999", 700_000, -1),
    ],
)
async def test_part_of_a_picture(
    tenant: httpx.AsyncClient, folder: str, large: bytes, asked: str, first: int, last: int
) -> None:
    size = len(large)
    first, last = first % size, last % size

    part = await tenant.get(at(folder), headers={"Range": asked})

    assert (part.status_code, part.content) == (206, large[first : last + 1])
    assert part.headers["content-range"] == f"bytes {first}-{last}/{size}"
    assert part.headers["content-length"] == str(last - first + 1)
    assert part.headers["content-type"] == "image/png"


async def test_part_that_there_is_not_is_416(tenant: httpx.AsyncClient, folder: str) -> None:
    await save(tenant, folder)
    answer = await tenant.get(at(folder), headers={"Range": f"bytes={len(RED)}-"})
    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{len(RED)}"


async def test_conditions_are_kept(tenant: httpx.AsyncClient, folder: str) -> None:
    await save(tenant, folder)
    headers = (await tenant.get(at(folder))).headers
    etag, modified = headers["etag"], headers["last-modified"]
    earlier = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)

    async def status(method: str, **asked: str) -> int:
        named = {name.replace("_", "-"): value for name, value in asked.items()}
        answer = await tenant.request(method, at(folder), headers=named)
        if answer.status_code == 304:
            assert (answer.content, answer.headers["etag"]) == (b"", etag)
            assert "content-length" not in answer.headers
        return answer.status_code

    for method in ("GET", "HEAD"):
        assert await status(method, If_None_Match=etag) == 304
        assert await status(method, If_None_Match=f'"x", W/{etag}') == 304
        assert await status(method, If_None_Match="*") == 304
        assert await status(method, If_None_Match='"x"') == 200
        assert await status(method, If_Modified_Since=modified) == 304
        assert await status(method, If_Modified_Since=earlier) == 200
        assert await status(method, If_None_Match='"x"', If_Modified_Since=modified) == 200
    assert await status("HEAD", Range="bytes=0-1") == 200
    assert await status("GET", Range="bytes=0-1", If_Range=etag) == 206
    assert await status("GET", Range="bytes=0-1", If_Range='"x"') == 200
    assert await status("GET", Range="bytes=0-1", If_None_Match=etag) == 304
    assert await status("GET", Range="bytes=0-1,3-4") == 200


# --- elsewhere ---------------------------------------------------------------------------------


def redirecting(gateway: Gateway, **settings: Any) -> Any:
    return gateway.client(
        TENANT_KEY, settings=GatewaySettings.model_validate(settings), follow_redirects=False
    )


async def test_reader_is_sent_to_the_object_store(gateway: Gateway, folder: str) -> None:
    settings = gateway.resources.settings.model_copy(update={"image_redirect": "presigned"})
    async with gateway.client(TENANT_KEY, settings=settings) as client, httpx.AsyncClient() as web:
        saved = await save(client, f"{folder}/a b.png")
        answer = await client.get(at(f"{folder}/a b.png"))
        assert answer.status_code == 302
        assert (await web.get(answer.headers["location"])).content == RED
        known = {"If-None-Match": f'"{hashlib.sha256(RED).hexdigest()}"'}
        assert (await client.get(at(f"{folder}/a b.png"), headers=known)).status_code == 304
        assert (await client.head(at(f"{folder}/a b.png"))).status_code == 200
        assert (await client.get(at(f"{folder}/none.png"))).status_code == 404
    assert saved.json()["url"] == f"{IMAGES}/{folder}/a%20b.png"


async def test_reader_is_sent_to_the_cdn(gateway: Gateway, folder: str) -> None:
    settings = gateway.resources.settings.model_copy(
        update={"image_redirect": "cdn", "cdn_base_url": "https://cdn.example/pictures/"}
    )
    url = f"https://cdn.example/pictures/{folder}/a%20b.png"
    async with gateway.client(TENANT_KEY, settings=settings) as client:
        assert (await save(client, f"{folder}/a b.png")).json()["url"] == url
        answer = await client.get(at(f"{folder}/a b.png"))
    assert (answer.status_code, answer.headers["location"]) == (302, url)


def test_cdn_without_its_address_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match="cdn_base_url"):
        GatewaySettings(image_redirect="cdn")


# --- deleting ----------------------------------------------------------------------------------


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


# --- when parts fail ---------------------------------------------------------------------------


class NoCommit(Session):
    """The database goes away at the last moment."""

    def commit(self) -> None:
        raise ConnectionError("the database is gone")


def without_commit(gateway: Gateway) -> Any:
    bind = gateway.resources.sessions.kw["bind"]
    return async_sessionmaker(bind, expire_on_commit=False, sync_session_class=NoCommit)


def broken(gateway: Gateway, *methods: str) -> BrokenStore:
    return BrokenStore(gateway.resources.objects, *methods)


@pytest.mark.parametrize("part", ["put_from", "copy", "commit"])
async def test_save_that_fails_leaves_neither_object_nor_row(
    gateway: Gateway, folder: str, part: str
) -> None:
    before = await everything(gateway)
    change: dict[str, Any] = (
        {"sessions": without_commit(gateway)}
        if part == "commit"
        else {"objects": broken(gateway, part)}
    )
    key = {"Idempotency-Key": str(uuid.uuid4())}
    async with gateway.client(ADMIN_KEY, **change) as client:
        answer = await save(client, folder, headers=key)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert await everything(gateway) == before

    async with gateway.client(ADMIN_KEY) as client:
        assert (await save(client, folder, headers=key)).status_code == 201


@pytest.mark.parametrize("part", ["put_from", "copy", "commit"])
async def test_save_that_fails_leaves_what_was_there(
    gateway: Gateway, api: httpx.AsyncClient, folder: str, part: str
) -> None:
    await save(api, folder, RED)
    before = await everything(gateway)
    change: dict[str, Any] = (
        {"sessions": without_commit(gateway)}
        if part == "commit"
        else {"objects": broken(gateway, part)}
    )
    async with gateway.client(ADMIN_KEY, **change) as client:
        assert (await save(client, folder, BLUE)).status_code == 503
    assert await everything(gateway) == before
    assert (await api.get(at(folder))).content == RED


async def test_save_succeeds_although_its_leftovers_stay(gateway: Gateway, folder: str) -> None:
    async with gateway.client(ADMIN_KEY, objects=broken(gateway, "delete")) as client:
        assert (await save(client, folder)).status_code == 201
        assert (await client.get(at(folder))).content == RED
    left = await gateway.resources.objects.list("quarantine/")
    assert len(left) == 1
    await gateway.resources.objects.delete(left[0].key)


async def test_delete_that_fails_can_be_repeated(
    gateway: Gateway, api: httpx.AsyncClient, folder: str
) -> None:
    await save(api, folder)
    async with gateway.client(ADMIN_KEY, objects=broken(gateway, "delete")) as client:
        assert (await client.delete(at(folder))).status_code == 503
    assert (await api.get(at(folder))).content == RED
    async with gateway.client(ADMIN_KEY, sessions=without_commit(gateway)) as client:
        assert (await client.delete(at(folder))).status_code == 503
    assert (await api.get(at(folder))).status_code == 404
    assert (await api.delete(at(folder))).status_code == 200


@pytest.mark.parametrize("part", ["open", "chunks"])
async def test_picture_that_cannot_be_read_is_an_error_not_half_a_picture(
    gateway: Gateway, api: httpx.AsyncClient, folder: str, part: str
) -> None:
    await save(api, folder)
    async with gateway.client(ADMIN_KEY, objects=broken(gateway, part)) as client:
        answer = await client.get(at(folder))
    assert (answer.status_code, answer.json()["code"]) == (503, "dependency_down")


async def test_object_that_is_not_what_its_row_says_is_not_served(
    gateway: Gateway, api: httpx.AsyncClient, folder: str
) -> None:
    await save(api, folder, RED)
    await gateway.resources.objects.put(folder, RED + b"x", "image/png")
    assert (await api.get(at(folder))).status_code == 503
    digest = {"sha256": hashlib.sha256(BLUE).hexdigest()}
    await gateway.resources.objects.put(folder, RED, "image/png", digest)
    assert (await api.get(at(folder))).status_code == 503
    await gateway.resources.objects.delete(folder)
    assert (await api.get(at(folder))).status_code == 404
    assert (await save(api, folder, RED)).status_code == 201
    assert (await api.get(at(folder))).content == RED
