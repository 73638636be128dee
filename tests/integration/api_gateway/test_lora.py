"""LoRA uploads, list and bin: what is admitted is kept once, what is refused leaves nothing."""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from sqlalchemy import delete, select

from api_gateway.settings import GatewaySettings
from shared.db.models.loras import Lora
from shared.db.models.tables import ApiKey
from shared.db.repositories.keys import hash_key
from shared.db.repositories.loras import find_lora
from shared.db.repositories.scope import Scope
from shared.settings import LoraSettings
from tests.fixtures.gateway import POWERLESS_KEY, TENANT_KEY, Gateway
from tests.fixtures.lora_files import entries, lora_bytes, pair

UPLOAD, ADMIN_UPLOAD = "/api/v1/lora/upload", "/api/v1/admin/lora/upload"
LIST, DELETE = "/api/v1/lora/", "/api/v1/admin/lora"
FINE = lora_bytes()
OTHER_KEY = "sk_test_other_" + "e" * 32
TENANT_ADMIN_KEY = "sk_test_tenant_admin_" + "f" * 32


@pytest.fixture(autouse=True)
async def _empty_store(gateway: Gateway) -> AsyncIterator[None]:
    yield
    async with gateway.resources.sessions.begin() as session:
        await session.execute(delete(Lora))
    for item in await gateway.resources.objects.list("loras/"):
        await gateway.resources.objects.delete(item.key)


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


async def upload(
    api: httpx.AsyncClient,
    content: bytes = FINE,
    *,
    name: str = "dress.safetensors",
    path: str = UPLOAD,
    key: str | None = None,
    **fields: str,
) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await api.post(path, files={"file": (name, content)}, data=fields, headers=headers)


async def state(gateway: Gateway) -> tuple[dict[str, int], list[str]]:
    """All rows and all objects."""
    objects = [item.key for item in await gateway.resources.objects.list("")]
    return await gateway.row_counts(), objects


async def rows(gateway: Gateway) -> list[Lora]:
    async with gateway.resources.sessions() as session:
        return list(await session.scalars(select(Lora).order_by(Lora.created_at)))


def faults(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {".".join(map(str, fault["loc"])): fault["msg"] for fault in answer.json()["detail"]}


async def test_upload_is_answered_as_the_reference_does(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    answer = await upload(api, entity_type="identities")
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert body.pop("upload_timestamp").endswith("Z")
    assert body == {
        "file_path": "/data/models/loras/identities/dress.safetensors",
        "partial_path": "identities/dress.safetensors",
        "filename": "dress.safetensors",
        "file_size": len(FINE),
    }
    [row] = await rows(gateway)
    assert (row.rank, row.base_model, row.target_modules) == (4, "FLUX.1", ["attn.to_q"])
    assert row.sha256 == hashlib.sha256(FINE).hexdigest()
    assert await gateway.resources.objects.get(f"loras/sha256/{row.sha256}") == FINE


async def test_administrators_upload_says_the_folder_and_takes_faces(
    api: httpx.AsyncClient,
) -> None:
    answer = await upload(api, path=ADMIN_UPLOAD, entity_type="faces")
    assert answer.status_code == 201, answer.text
    assert answer.json()["entity_type"] == "faces"
    assert answer.json()["partial_path"] == "faces/dress.safetensors"


async def test_folder_is_optional(api: httpx.AsyncClient) -> None:
    for fields in ({}, {"entity_type": ""}):
        answer = await upload(api, **fields)
        assert answer.json()["partial_path"].startswith("no_type_provided/dress")


async def test_equal_names_are_versioned_whatever_their_capitals(api: httpx.AsyncClient) -> None:
    names = ["dress.safetensors", "dress.safetensors", "DRESS.safetensors", "dress_v2.safetensors"]
    answers = [await upload(api, name=name, entity_type="product") for name in names]
    assert [answer.json()["partial_path"] for answer in answers] == [
        "product/dress.safetensors",
        "product/dress_v2.safetensors",
        "product/DRESS_v3.safetensors",
        "product/dress_v2_v2.safetensors",
    ]
    elsewhere = await upload(api, entity_type="styles")
    assert elsewhere.json()["partial_path"] == "styles/dress.safetensors"


async def test_uploads_that_race_for_a_name_get_one_each(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    answers = await asyncio.gather(*(upload(api) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["partial_path"] for answer in answers}) == 8
    assert len(await gateway.resources.objects.list("loras/")) == 1


async def test_equal_name_is_409_where_it_may_not_be_versioned(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    assert (await upload(api, use_safe_filename="false")).status_code == 201
    before = await state(gateway)
    other = lora_bytes(pair(rank=8))
    answer = await upload(api, other, name="Dress.safetensors", use_safe_filename="false")
    assert answer.status_code == 409
    assert answer.json()["code"] == "duplicate_filename"
    assert await state(gateway) == before


async def test_name_is_free_again_once_its_file_is_in_the_bin(api: httpx.AsyncClient) -> None:
    for _ in range(2):
        answer = await upload(api, use_safe_filename="false")
        path = answer.json()["partial_path"]
        assert path == "no_type_provided/dress.safetensors"
        deleted = await api.request("DELETE", DELETE, json={"partial_path": path})
        assert deleted.status_code == 200


BROKEN = [
    ("file", {"content": b""}, "shorter than 8"),
    ("file", {"content": FINE[:-1]}, "ends before"),
    ("file", {"content": FINE + b"x"}, "1 bytes behind"),
    ("file", {"content": lora_bytes(fill=0xFF)}, "NaN"),
    ("file", {"content": lora_bytes({"w": ("F32", [2])})}, "belongs to no LoRA"),
    ("file", {"name": "dress.zip"}, ".safetensors, .ckpt, .pt, .pth, .bin"),
    ("file", {"name": "../dress.safetensors"}, "plain file name"),
    ("file", {"name": "..%2fdress.safetensors"}, "plain file name"),
    ("file", {"name": "/etc/dress.safetensors"}, "plain file name"),
    ("file", {"name": "a\\dress.safetensors"}, "plain file name"),
    ("file", {"name": "nul.safetensors"}, "plain file name"),
    ("file", {"name": "dress.safetensors."}, "plain file name"),
    ("file", {"name": "d" * 300 + ".safetensors"}, "longer than 200"),
    ("entity_type", {"entity_type": "faces"}, "clothes, identities, product, styles"),
    ("entity_type", {"entity_type": "../x"}, "must be one of"),
    ("entity_type", {"entity_type": "no_type_provided"}, "must be one of"),
    ("use_safe_filename", {"use_safe_filename": "perhaps"}, "boolean"),
    ("entity_type", {"entity_type": "x" * 5000}, "longer than 4096"),
]


@pytest.mark.parametrize(("field", "changes", "message"), BROKEN)
async def test_refused_upload_names_the_field_and_leaves_nothing(
    gateway: Gateway, api: httpx.AsyncClient, field: str, changes: dict[str, Any], message: str
) -> None:
    before = await state(gateway)
    found = faults(await upload(api, **changes))
    assert message in found[f"body.{field}"]
    assert await state(gateway) == before


def form(*parts: bytes) -> bytes:
    return b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"


MULTIPART = "multipart/form-data; boundary=b"
FILE = b'Content-Disposition: form-data; name="file"; filename="a.safetensors"\r\n\r\n' + FINE
FIELD = b'Content-Disposition: form-data; name="entity_type"\r\n\r\nproduct'


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (form(FILE, FIELD), MULTIPART, 201),
        (form(FIELD, FILE), MULTIPART, 201),
        (form(FILE, FIELD.replace(b"entity_type", b"more")), MULTIPART, 201),
        (b"", MULTIPART, 422),
        (form(FIELD), MULTIPART, 422),
        (form(FILE, FILE), MULTIPART, 422),
        (form(FILE, FIELD, FIELD), MULTIPART, 422),
        (form(FILE, *[FIELD.replace(b"entity_type", b"a%d" % n) for n in range(99)]),
         MULTIPART, 422),
        (form(FILE.replace(b'; filename="a.safetensors"', b"")),
         MULTIPART, 422),
        (form(FILE.replace(b"a.safe", b"\xff.safe")), MULTIPART, 422),
        (form(FILE, FIELD.replace(b"product", b"\xff")), MULTIPART, 422),
        (form(FILE)[:-6], MULTIPART, 422),
        (form(FILE)[:100], MULTIPART, 422),
        (form(FILE), "multipart/form-data; boundary=" + "c" * 300, 422),
        (form(FILE), "multipart/form-data", 422),
        (b"{}", "application/json", 415),
        (FINE, "application/octet-stream", 415),
        (FINE, "", 415),
    ],
)  # fmt: skip
async def test_form_is_read_as_it_is_or_refused_whole(
    gateway: Gateway, api: httpx.AsyncClient, body: bytes, content_type: str, status: int
) -> None:
    before = await state(gateway)
    headers = {"Content-Type": content_type} if content_type else {}
    answer = await api.post(UPLOAD, content=body, headers=headers)
    assert answer.status_code == status, answer.text
    if status != 201:
        assert await state(gateway) == before


@pytest.mark.parametrize("path", [UPLOAD, ADMIN_UPLOAD])
async def test_file_past_the_limit_is_413(gateway: Gateway, path: str) -> None:
    before = await state(gateway)
    async with gateway.client(lora=LoraSettings(max_bytes=len(FINE) - 1)) as api:
        answer = await upload(api, path=path)
    assert answer.status_code == 413
    assert f"{len(FINE) - 1} bytes" in answer.json()["detail"]
    assert await state(gateway) == before


async def test_other_routes_keep_their_limit(gateway: Gateway) -> None:
    async with gateway.client(settings=GatewaySettings(max_body_bytes=1000)) as api:
        assert (await upload(api)).status_code == 201
        deletion = {"partial_path": "x" * 2000}
        assert (await api.request("DELETE", DELETE, json=deletion)).status_code == 413


async def test_form_past_what_the_route_takes_is_413_at_once(api: httpx.AsyncClient) -> None:
    async def none() -> AsyncIterator[bytes]:
        raise AssertionError("the body is not asked for")
        yield b""

    headers = {"Content-Type": MULTIPART, "Content-Length": str(2**30)}
    assert (await api.post(UPLOAD, content=none(), headers=headers)).status_code == 413


async def test_nobody_uploads_without_the_scope(gateway: Gateway) -> None:
    async def none() -> AsyncIterator[bytes]:
        raise AssertionError("the body is not asked for")
        yield b""

    headers = {"Content-Type": MULTIPART}
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


async def test_repeat_with_the_same_key_gets_the_first_answer(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    key = str(uuid.uuid4())
    first = await upload(api, key=key, entity_type="styles")
    again = await upload(api, key=key, entity_type="styles")
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    before = await state(gateway)
    for changes in (
        {"content": lora_bytes(pair(rank=8))},
        {"name": "other.safetensors"},
        {"entity_type": "product"},
        {"use_safe_filename": "false"},
    ):
        fields: dict[str, Any] = {"entity_type": "styles"} | changes
        refused = await upload(api, key=key, **fields)
        assert refused.status_code == 422
        assert refused.json()["code"] == "idempotency_key_reused"
    assert await state(gateway) == before


async def test_racing_repeats_make_one_lora(gateway: Gateway, api: httpx.AsyncClient) -> None:
    key = str(uuid.uuid4())
    answers = await asyncio.gather(*(upload(api, key=key) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {201}
    assert all(answer.json() == answers[0].json() for answer in answers)
    assert len(await rows(gateway)) == 1


async def test_refused_upload_leaves_its_key_free(api: httpx.AsyncClient) -> None:
    key = str(uuid.uuid4())
    assert (await upload(api, b"broken", key=key)).status_code == 422
    assert (await upload(api, key=key)).status_code == 201


async def test_memory_stays_flat_under_a_large_upload(
    gateway: Gateway, api: httpx.AsyncClient, tmp_path: Path
) -> None:
    """192 MiB of zeros, sparse on the disk, through the whole path."""
    rank, width = 1024, 48 * 1024
    header, size = entries(
        {"blocks.0.a.lora_A.weight": ("F16", [rank, width]),
         "blocks.0.a.lora_B.weight": ("F16", [width, rank])}
    )  # fmt: skip
    import json  # noqa: PLC0415 — used here alone

    text = json.dumps(header).encode()
    path = tmp_path / "large.safetensors"
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + size)
    await upload(api)  # what is imported and pooled once
    process, most = psutil.Process(), 0
    before = process.memory_info().rss

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, process.memory_info().rss)
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    with path.open("rb") as file:
        answer = await api.post(UPLOAD, files={"file": file}, timeout=120)
    watching.cancel()
    assert answer.status_code == 201, answer.text
    assert answer.json()["file_size"] == path.stat().st_size
    assert most - before <= 64 * 1024 * 1024
