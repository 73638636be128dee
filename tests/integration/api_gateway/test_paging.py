"""Lists can be read completely by their `Link` headers, and report their length."""

import re
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from shared.db.models.tables import StoredObject
from shared.db.repositories import objects
from tests.fixtures.credentials import make_key
from tests.fixtures.gateway import OTHER_TENANT_KEY, Gateway
from tests.fixtures.rows import add
from tests.fixtures.storage import IMAGES, save
from tests.fixtures.tenants import create_tenant_records
from tests.integration.api_gateway.operation_tables import LISTS

UNCOUNTED = {"/api/v1/webhooks/deliveries", "/api/v1/webhooks/endpoints"}
NUM_ESTATES = 5


def following(answer: httpx.Response) -> str | None:
    """Return the next page by the header alone."""
    link = answer.headers.get("link")
    if link is None:
        return None
    found = re.fullmatch(r'<([^<>]+)>; rel="next"', link)
    assert found is not None, link
    return found[1]


async def pages(client: httpx.AsyncClient, path: str, **params: Any) -> list[httpx.Response]:
    """Return all pages of a list."""
    found = [await client.get(path, params=params)]
    while (url := following(found[-1])) is not None:
        found.append(await client.get(url))
        assert len(found) < 100
    assert {answer.status_code for answer in found} == {200}, found[-1].text
    return found


def entries(answer: httpx.Response) -> list[dict[str, Any]]:
    body = answer.json()
    if isinstance(body, list):
        return body
    return next(value for value in body.values() if isinstance(value, list))


@pytest.fixture(scope="module")
async def owner(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a tenant with several objects of each kind."""
    tenant = f"paged-{uuid.uuid4().hex}"
    for _ in range(NUM_ESTATES):
        await create_tenant_records(gateway.resources, "shop", tenant)
    key = await make_key(gateway, origin_instance="shop", origin_tenant_id=tenant)
    async with gateway.client(key) as client:
        yield client


@pytest.mark.parametrize("path", sorted(path for _, path in LISTS))
async def test_list_is_read_whole_by_its_links(owner: httpx.AsyncClient, path: str) -> None:
    size = "page_size" if "/monitoring/" in path else "limit"
    whole = entries(await owner.get(path, params={size: 500}))

    found = await pages(owner, path, **{size: 2})

    assert [entry for answer in found for entry in entries(answer)] == whole
    assert len(whole) >= NUM_ESTATES
    totals = {answer.headers.get("x-total-count") for answer in found}
    assert totals == ({None} if path in UNCOUNTED else {str(len(whole))})


@pytest.mark.parametrize(
    ("filters", "num"),
    [
        ({"status": "COMPLETED"}, 2 * NUM_ESTATES),
        ({"status": "FAILED"}, 0),
        ({"task_type": "REFINE"}, 0),
        ({"origin_instance": "market"}, 0),
        ({"origin_zone": "eu"}, 0),
        ({"include_deleted": "true"}, 2 * NUM_ESTATES),
    ],
)
async def test_total_is_of_what_the_filters_leave(
    owner: httpx.AsyncClient, filters: dict[str, str], num: int
) -> None:
    found = await pages(owner, "/api/v1/tasks/", limit=3, **filters)
    assert {answer.headers["x-total-count"] for answer in found} == {str(num)}
    assert sum(len(entries(answer)) for answer in found) == num


async def test_total_of_one_workflows_tasks(owner: httpx.AsyncClient) -> None:
    workflow = (await owner.get("/api/v1/workflows/")).json()["workflows"][0]
    answer = await owner.get("/api/v1/tasks/generation", params={"workflow_id": workflow["id"]})
    assert answer.headers["x-total-count"] == "1"


async def test_link_keeps_the_query_and_begins_with_the_public_url(
    gateway: Gateway, tenant: httpx.AsyncClient, folder: str
) -> None:
    for name in ("a b&limit=9", "ü>; rel", "z"):
        await save(tenant, f"{folder}/{name.replace('>', '')}.png")
    settings = gateway.resources.settings.model_copy(update={"public_url": "https://api.example/"})
    async with gateway.client(settings=settings) as client:
        answer = await client.get(IMAGES, params={"prefix": f"{folder}/", "limit": 1, "x": "ü>"})
    url = httpx.URL(following(answer) or "")
    assert str(url).startswith(f"https://api.example{IMAGES}?")
    assert url.params["prefix"] == f"{folder}/"
    assert (url.params["limit"], url.params["x"]) == ("1", "ü>")


async def stored(gateway: Gateway, folder: str, num: int) -> list[str]:
    """Write rows of images, without their bytes."""
    plain = {"size_bytes": 1, "content_type": "image/png", "sha256": "0" * 64}
    owner = {"origin_instance": "shop", "origin_tenant_id": "acme"}
    paths = [f"{folder}/{number:05}.png" for number in range(num)]
    await add(
        gateway.resources.sessions, *(StoredObject(key=path, **plain, **owner) for path in paths)
    )
    return paths


async def test_pictures_beyond_the_largest_page_are_reached(
    gateway: Gateway, tenant: httpx.AsyncClient, folder: str
) -> None:
    paths = await stored(gateway, folder, 2_100)

    found = await pages(tenant, IMAGES, prefix=folder, limit=1000)

    assert [image["path"] for answer in found for image in answer.json()["images"]] == paths
    assert [answer.json()["count"] for answer in found] == [1000, 1000, 100]
    assert {answer.headers["x-total-count"] for answer in found} == {"2100"}
    assert {tuple(answer.json()) for answer in found} == {("images", "count")}


async def test_too_many_pictures_are_not_counted_and_still_reached(
    gateway: Gateway, tenant: httpx.AsyncClient, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "COUNTED_AT_MOST", 3)
    paths = await stored(gateway, folder, 4)
    found = await pages(tenant, IMAGES, prefix=folder, limit=3)
    assert [image["path"] for answer in found for image in answer.json()["images"]] == paths
    assert {answer.headers.get("x-total-count") for answer in found} == {None}


@pytest.mark.parametrize("cursor", ["%", "", "ab=", "AA", "/w", "_w", "Zm9v\n", "x" * 1367])
async def test_what_is_no_cursor_is_refused(tenant: httpx.AsyncClient, cursor: str) -> None:
    answer = await tenant.get(IMAGES, params={"cursor": cursor})
    assert answer.status_code == 422, answer.text
    assert [fault["loc"] for fault in answer.json()["detail"]] == [["query", "cursor"]]


async def test_cursor_belongs_to_its_prefix_and_opens_nothing(
    gateway: Gateway, tenant: httpx.AsyncClient, folder: str
) -> None:
    await stored(gateway, folder, 2)
    first = await tenant.get(IMAGES, params={"prefix": folder, "limit": 1})
    url = httpx.URL(following(first) or "")

    elsewhere = await tenant.get(IMAGES, params={**url.params, "prefix": "uploads/other"})
    assert elsewhere.status_code == 422
    assert "another prefix" in elsewhere.json()["detail"][0]["msg"]
    async with gateway.client(OTHER_TENANT_KEY) as stranger:
        theirs = await stranger.get(str(url))
    assert (theirs.json()["images"], following(theirs)) == ([], None)
