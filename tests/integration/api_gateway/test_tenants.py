"""Every operation of the API as an unauthorized caller, from the OpenAPI document.

A new operation belongs in a table of `operation_tables`; until then, a test fails.
"""

from collections.abc import AsyncIterator, Iterable

import httpx
import pytest

from tests.fixtures.gateway import (
    ADMIN_KEY,
    OTHER_INSTANCE_KEY,
    OTHER_TENANT_KEY,
    POWERLESS_KEY,
    TENANT_KEY,
    Gateway,
)
from tests.fixtures.tenants import PICTURE, TenantRecords, create_tenant_records, snapshot
from tests.integration.api_gateway.operation_tables import (
    ADDRESSED,
    ADMIN,
    CREATES,
    IMAGES,
    KNOWN,
    LISTS,
    OPEN,
    OVERWRITES,
    OWN_SECRETS,
    PLATFORM,
    STATISTICS,
    TABLES,
    Operation,
    operations,
)

STRANGERS = {"shop/other": OTHER_TENANT_KEY, "market/acme": OTHER_INSTANCE_KEY}


@pytest.fixture(scope="module")
async def owned(gateway: Gateway) -> AsyncIterator[TenantRecords]:
    """The objects of shop/acme; unchanged at the end by all that other callers have tried."""
    founded = await create_tenant_records(gateway.resources, "shop", "acme")
    before = await snapshot(gateway.resources.sessions, founded)
    yield founded
    assert await snapshot(gateway.resources.sessions, founded) == before
    assert await gateway.resources.objects.get(founded.image_path) == PICTURE


def served(gateway: Gateway, *tables: Iterable[tuple[str, str]]) -> list[Operation]:
    wanted = {name for table in tables for name in table}
    return [one for one in operations(gateway.openapi()) if one.name in wanted]


def guarded(gateway: Gateway) -> list[Operation]:
    return [one for one in operations(gateway.openapi()) if one.name not in OPEN]


def test_every_operation_is_in_one_table(gateway: Gateway) -> None:
    unknown = {one.name for one in operations(gateway.openapi())} - KNOWN
    assert not unknown, f"say in operation_tables.py what strangers get from {sorted(unknown)}"
    assert len(KNOWN) == sum(map(len, TABLES))


def test_document_says_which_operations_need_a_credential(gateway: Gateway) -> None:
    document = gateway.openapi()
    secured = {one.name for one in operations(document) if one.details.get("security")}
    assert secured == {one.name for one in guarded(gateway)}
    assert document["components"]["securitySchemes"] == {
        "HTTPBearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "API key or JWT",
            "description": "An API key (`sk_…`), or a JSON Web Token of the configured issuer",
        }
    }


_JSON = (b"{}", "application/json")


@pytest.mark.parametrize(
    ("key", "content", "content_type"),
    [
        *((key, *_JSON) for key in ("", "sk_unknown", ADMIN_KEY + "x", "eyJ.eyJ.eyJ")),
        (None, *_JSON),
        (None, b"{", "application/json"),
        (None, b"--x", "multipart/form-data; boundary=x"),
        (None, b"", "text/plain"),
    ],
)
async def test_stranger_without_a_valid_credential_is_401_everywhere(
    gateway: Gateway, owned: TenantRecords, key: str | None, content: bytes, content_type: str
) -> None:
    answers = {}
    async with gateway.client(key) as client:
        for one in guarded(gateway):
            answer = await client.request(
                one.method,
                one.url(owned),
                content=content,
                headers={"Content-Type": content_type},
            )
            if answer.status_code != 401 or answer.headers["www-authenticate"] != "Bearer":
                answers[one.name] = answer.status_code
        for _, path in OPEN:
            assert (await client.get(path)).status_code in {200, 503}
    assert answers == {}


async def test_key_without_scopes_is_403_everywhere(gateway: Gateway, owned: TenantRecords) -> None:
    async with gateway.client(POWERLESS_KEY) as client:
        answers = {
            one.name: (await client.request(one.method, one.url(owned))).status_code
            for one in guarded(gateway)
        }
    assert {name: code for name, code in answers.items() if code != 403} == {}


async def test_administration_is_403_to_tenants(gateway: Gateway, owned: TenantRecords) -> None:
    async with gateway.client(TENANT_KEY) as client:
        for one in served(gateway, ADMIN):
            answer = await client.request(one.method, one.url(owned), json={})
            assert (one.name, answer.status_code) == (one.name, 403)


@pytest.mark.parametrize("outsider", STRANGERS)
async def test_what_belongs_to_others_is_404_whatever_is_asked(
    gateway: Gateway, owned: TenantRecords, outsider: str
) -> None:
    wrong = {}
    async with gateway.client(STRANGERS[outsider]) as client:
        for one in served(gateway, ADDRESSED):
            answer = await client.request(one.method, one.url(owned), **ADDRESSED[one.name])
            if answer.status_code != 404 or leaks(answer, owned, one):
                wrong[one.name] = (answer.status_code, answer.text[:300])
    assert wrong == {}


def leaks(answer: httpx.Response, owned: TenantRecords, one: Operation) -> list[str]:
    """Return what a response reveals of the objects beyond what the request named."""
    asked = one.url(owned)
    return [trace for trace in owned.traces if trace in answer.text and trace not in asked]


async def test_owner_and_administrator_reach_it(gateway: Gateway, owned: TenantRecords) -> None:
    for key in (TENANT_KEY, ADMIN_KEY):
        async with gateway.client(key) as client:
            for one in served(gateway, ADDRESSED):
                if one.method in {"GET", "HEAD"}:
                    answer = await client.request(one.method, one.url(owned))
                    assert (one.name, answer.status_code) == (one.name, 200)


@pytest.mark.parametrize("outsider", STRANGERS)
async def test_lists_show_nothing_of_others(
    gateway: Gateway, owned: TenantRecords, outsider: str
) -> None:
    filters = {
        "origin_instance": owned.instance,
        "origin_tenant_id": owned.tenant,
        "workflow_id": str(owned.workflow_id),
        "prefix": f"generations/{owned.task_id}/",
        "search": owned.mark,
        "include_deleted": "true",
    }
    async with gateway.client(STRANGERS[outsider]) as client:
        for one in served(gateway, LISTS, PLATFORM):
            asked = {name: filters[name] for name in one.query_names & set(filters)}
            for query in ({}, asked, *({name: value} for name, value in asked.items())):
                answer = await client.request(one.method, one.url(owned), params=query)
                shown = [trace for trace in owned.traces if trace in answer.text]
                assert (one.name, query, answer.status_code, shown) == (one.name, query, 200, [])


async def test_lists_show_the_owner_its_own(gateway: Gateway, owned: TenantRecords) -> None:
    prefix = {"prefix": f"generations/{owned.task_id}/"}
    async with gateway.client(TENANT_KEY) as client:
        for one in served(gateway, LISTS):
            asked = prefix if "prefix" in one.query_names else {}
            answer = await client.request(one.method, one.url(owned), params=asked)
            is_shown = any(trace in answer.text for trace in owned.traces)
            assert (one.name, is_shown) == (one.name, True)


@pytest.mark.parametrize("outsider", STRANGERS)
async def test_statistics_do_not_move_with_others_work(gateway: Gateway, outsider: str) -> None:
    async with gateway.client(STRANGERS[outsider]) as client:
        for one in served(gateway, STATISTICS):
            for query in ({}, {"origin_instance": "shop"}):
                before = (await client.get(one.path, params=query)).json()
                await create_tenant_records(gateway.resources, "shop", "third")
                after = (await client.get(one.path, params=query)).json()
                assert (one.name, after) == (one.name, before)


@pytest.mark.parametrize("outsider", STRANGERS)
async def test_nothing_is_made_in_anothers_name(
    gateway: Gateway, owned: TenantRecords, outsider: str
) -> None:
    before = await gateway.row_counts()
    origin = {"origin_instance": owned.instance, "origin_tenant_id": owned.tenant}
    async with gateway.client(STRANGERS[outsider]) as client:
        for one in served(gateway, CREATES):
            body = CREATES[one.name]["json"] | origin
            answer = await client.request(one.method, one.path, json=body)
            assert (one.name, answer.status_code) == (one.name, 403), answer.text
            assert answer.json()["code"] == "foreign_origin"
    assert await gateway.row_counts() == before


@pytest.mark.parametrize("outsider", STRANGERS)
async def test_keys_that_sign_anothers_events_are_kept_from_strangers(
    gateway: Gateway, owned: TenantRecords, outsider: str
) -> None:
    before = await gateway.row_counts()
    owner = {"origin_instance": owned.instance, "origin_tenant_id": owned.tenant}
    async with gateway.client(STRANGERS[outsider]) as client:
        for one in served(gateway, OWN_SECRETS):
            answer = await client.request(one.method, one.path, params=owner)
            assert (one.name, answer.status_code) == (one.name, 403), answer.text
            assert answer.json()["code"] == "foreign_origin"
    assert await gateway.row_counts() == before


@pytest.mark.parametrize("outsider", STRANGERS)
async def test_pictures_of_others_are_not_overwritten(
    gateway: Gateway, owned: TenantRecords, outsider: str
) -> None:
    picture = {"file": ("a.png", b"\x89PNG\r\n\x1a\n theirs", "image/png")}
    async with gateway.client(STRANGERS[outsider]) as client:
        for one in served(gateway, OVERWRITES):
            answer = await client.post(one.url(owned), files=picture)
            # The path is refused before the response could reveal whether anything exists there.
            free = owned.image_path.replace(owned.mark, "nothing-there")
            elsewhere = await client.post(f"{IMAGES}/{free}", files=picture)
            assert answer.status_code == elsewhere.status_code
            assert not answer.is_success
    assert await gateway.resources.objects.get(owned.image_path) == PICTURE
