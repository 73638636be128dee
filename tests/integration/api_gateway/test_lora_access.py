"""Access to uploads, lists and deletions of LoRAs, and the paths that may name them."""

import hashlib
from collections.abc import AsyncIterator

import httpx
import pytest

from shared.db.models.tables import ApiKey
from shared.db.repositories.keys import hash_key
from shared.db.repositories.loras import find_lora
from shared.db.repositories.scope import Scope
from shared.settings import LoraSettings
from tests.fixtures.gateway import POWERLESS_KEY, TENANT_KEY, Gateway
from tests.fixtures.lora_api import ADMIN_UPLOAD, DELETE, FINE, LIST, UPLOAD, clear, rows, upload

OTHER_KEY = "sk_test_other_" + "e" * 32
TENANT_ADMIN_KEY = "sk_test_tenant_admin_" + "f" * 32


@pytest.fixture(autouse=True)
async def _empty_store(gateway: Gateway) -> AsyncIterator[None]:
    await clear(gateway)
    yield
    await clear(gateway)


@pytest.fixture(scope="session")
async def tenants(gateway: Gateway) -> None:
    """Another tenant, and an administrator bound to the first."""
    rows = [(OTHER_KEY, ["compute"], "other"), (TENANT_ADMIN_KEY, ["compute", "admin"], "acme")]
    async with gateway.resources.sessions.begin() as session:
        for key, scopes, tenant in rows:
            session.add(
                ApiKey(
                    name=key[:20],
                    prefix=key[:14],
                    key_hash=hash_key(key),
                    scopes=scopes,
                    origin_instance="shop",
                    origin_tenant_id=tenant,
                )
            )


async def test_nobody_uploads_without_the_scope(gateway: Gateway) -> None:
    async def none() -> AsyncIterator[bytes]:
        raise AssertionError("the body is not asked for")
        yield b""

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    for key, path, status in [
        (None, UPLOAD, 401),
        (POWERLESS_KEY, UPLOAD, 403),
        (None, ADMIN_UPLOAD, 401),
        (TENANT_KEY, ADMIN_UPLOAD, 403),
        (TENANT_KEY, DELETE, 403),
        (None, LIST, 401),
    ]:
        method = {DELETE: "DELETE", LIST: "GET"}.get(path, "POST")
        async with gateway.client(key) as client:
            if method == "POST":
                answer = await client.post(path, content=none(), headers=headers)
            else:
                answer = await client.request(method, path, json={"partial_path": "faces/a"})
        assert answer.status_code == status, path
        assert answer.headers["content-type"] == "application/problem+json"


async def test_list_is_newest_first_in_pages_and_by_folder(api: httpx.AsyncClient) -> None:
    for name, folder in [("a", "styles"), ("b", "product"), ("c", "styles")]:
        await upload(api, name=f"{name}.safetensors", entity_type=folder)
    listed = (await api.get(LIST)).json()
    assert [lora["filename"] for lora in listed["loras"]] == [
        "c.safetensors",
        "b.safetensors",
        "a.safetensors",
    ]
    assert (listed["total"], listed["skip"], listed["limit"]) == (3, 0, 50)
    entry = listed["loras"][0]
    assert entry.pop("created_at")
    assert entry == {
        "partial_path": "styles/c.safetensors",
        "filename": "c.safetensors",
        "folder": "styles",
        "file_size": len(FINE),
        "sha256": hashlib.sha256(FINE).hexdigest(),
        "rank": 4,
        "base_model": "FLUX.1",
        "target_modules": ["attn.to_q"],
    }
    page = (await api.get(LIST, params={"folder": "styles", "skip": 1, "limit": 1})).json()
    assert [lora["filename"] for lora in page["loras"]] == ["a.safetensors"]
    assert page["total"] == 2
    assert (await api.get(LIST, params={"folder": "other"})).status_code == 422


async def test_deleted_lora_goes_to_the_bin_and_keeps_its_bytes(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    await upload(api, entity_type="identities")
    full = "/data/models/loras/identities/dress.safetensors"
    answer = await api.request("DELETE", DELETE, json={"partial_path": full})
    assert answer.status_code == 200
    body = answer.json()
    assert body.pop("timestamp").endswith("Z")
    assert body == {
        "deleted": True,
        "full_path": full,
        "bin_path": "/data/bin/models/loras/identities/dress.safetensors",
    }
    assert (await api.get(LIST)).json()["loras"] == []
    [row] = await rows(gateway)
    assert row.deleted_at is not None
    assert await gateway.resources.objects.head(f"loras/sha256/{row.sha256}")
    again = await api.request("DELETE", DELETE, json={"partial_path": full})
    assert again.status_code == 404


async def test_paths_are_answered_under_the_configured_root(gateway: Gateway) -> None:
    async with gateway.client(lora=LoraSettings(root="/loras/", bin_root="/bin")) as api:
        answer = await upload(api, entity_type="styles")
        assert answer.json()["file_path"] == "/loras/styles/dress.safetensors"
        path = {"partial_path": "/loras/styles/dress.safetensors"}
        deleted = (await api.request("DELETE", DELETE, json=path)).json()
        assert deleted["bin_path"] == "/bin/styles/dress.safetensors"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("styles/none.safetensors", 404),
        ("../styles/dress.safetensors", 422),
        ("styles/../styles/dress.safetensors", 422),
        ("styles/..%2fdress.safetensors", 422),
        ("styles\\dress.safetensors", 422),
        ("styles/dress.safetensors\0", 422),
        ("/etc/passwd", 422),
        ("", 422),
        ("styles/" + "d" * 300 + ".safetensors", 404),
        ("styles/DRESS.SAFETENSORS", 422),
    ],
)
async def test_path_that_names_no_lora_deletes_none(
    gateway: Gateway, api: httpx.AsyncClient, path: str, status: int
) -> None:
    await upload(api, entity_type="styles")
    answer = await api.request("DELETE", DELETE, json={"partial_path": path})
    assert answer.status_code == status, answer.text
    assert [row.deleted_at for row in await rows(gateway)] == [None]


@pytest.mark.usefixtures("tenants")
async def test_tenants_see_and_delete_their_own_alone(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    async with gateway.client(TENANT_KEY) as tenant, gateway.client(OTHER_KEY) as other:
        own = (await upload(tenant, entity_type="styles")).json()["partial_path"]
        foreign = (await upload(other, entity_type="styles")).json()["partial_path"]
        assert own != foreign
        for client, path in ((tenant, own), (other, foreign)):
            listed = (await client.get(LIST)).json()
            assert [lora["partial_path"] for lora in listed["loras"]] == [path]
            assert listed["total"] == 1
    assert (await api.get(LIST)).json()["total"] == 2
    async with gateway.client(TENANT_ADMIN_KEY) as tenant_admin:
        refused = await tenant_admin.request("DELETE", DELETE, json={"partial_path": foreign})
        assert refused.status_code == 404
        deleted = await tenant_admin.request("DELETE", DELETE, json={"partial_path": own})
        assert deleted.status_code == 200
    async with gateway.resources.sessions() as session:
        for scope, is_seen in ((Scope(), True), (Scope("shop", "other"), True),
                               (Scope("shop", "acme"), False)):  # fmt: skip
            for path in (foreign, f"/data/models/loras/{foreign}"):
                found = await find_lora(session, scope, path)
                assert (found is not None) == is_seen
        assert await find_lora(session, Scope(), own) is None
        assert await find_lora(session, Scope(), "../x") is None
