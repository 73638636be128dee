"""Unauthorized requests are refused, and tenants do not see each other's objects."""

import httpx
import pytest
from sqlalchemy import update

from shared.db.models.tables import ApiKey
from shared.db.repositories.keys import hash_key
from tests.fixtures.gateway import TENANT_KEY, Gateway
from tests.integration.api_gateway.test_tasks import GENERATION

STEP = {"id": "a", "task_type": "GENERATION", "config": {"prompt": "a red dress"}}
WORKFLOW = {"name": "one", "origin_instance": "shop", "steps": [STEP]}


@pytest.mark.parametrize("column", ["revoked_at", "expires_at"])
async def test_revoked_or_expired_key_is_401(gateway: Gateway, column: str) -> None:
    from datetime import UTC, datetime  # noqa: PLC0415 — used here alone

    async def set_to(moment: datetime | None) -> None:
        async with gateway.resources.sessions.begin() as session:
            await session.execute(
                update(ApiKey)
                .where(ApiKey.key_hash == hash_key(TENANT_KEY))
                .values({column: moment})
            )

    async with gateway.client(TENANT_KEY) as client:
        assert (await client.get("/api/v1/workflows/")).status_code == 200
        await set_to(datetime(2020, 1, 1, tzinfo=UTC))
        try:
            assert (await client.get("/api/v1/workflows/")).status_code == 401
        finally:
            await set_to(None)


async def test_what_belongs_to_others_is_404(gateway: Gateway, api: httpx.AsyncClient) -> None:
    foreign = {"origin_instance": "shop", "origin_tenant_id": "other"}
    task = (await api.post("/api/v1/tasks/", json=GENERATION | foreign)).json()
    workflow = (await api.post("/api/v1/workflows/?start=false", json=WORKFLOW | foreign)).json()
    async with gateway.client(TENANT_KEY) as tenant:
        assert (await tenant.get(f"/api/v1/tasks/{task['id']}")).status_code == 404
        assert (await tenant.get(f"/api/v1/workflows/{workflow['id']}")).status_code == 404
        listed = (await tenant.get("/api/v1/workflows/?origin_tenant_id=other")).json()
        assert listed["workflows"] == []
    assert (await api.get(f"/api/v1/tasks/{task['id']}")).status_code == 200


async def test_bound_key_creates_for_its_own_tenant_alone(gateway: Gateway) -> None:
    async with gateway.client(TENANT_KEY) as tenant:
        own = await tenant.post("/api/v1/tasks/", json=GENERATION)
        assert own.json()["origin_tenant_id"] == "acme"
        for foreign in ({"origin_instance": "other"}, {"origin_tenant_id": "other"}):
            refused = await tenant.post("/api/v1/tasks/", json=GENERATION | foreign)
            assert refused.status_code == 403
            assert next(iter(foreign)) in refused.json()["detail"]


async def test_tenant_cannot_refine_another_tenants_picture(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    import base64  # noqa: PLC0415 — used here alone

    from tests.integration.api_gateway.test_tasks import PNG, REFINE  # noqa: PLC0415

    other = REFINE | {
        "origin_tenant_id": "other",
        "base_image_url": base64.b64encode(PNG).decode(),
    }
    created = (await api.post("/api/v1/tasks/", json=other)).json()
    listed = await gateway.resources.objects.list(f"refines/{created['id']}/inputs/")
    async with gateway.client(TENANT_KEY) as tenant:
        path = listed[0].key
        assert (await tenant.get(f"/api/v1/storage/images/{path}")).status_code == 404
        refused = await tenant.post("/api/v1/tasks/", json=REFINE | {"base_image_url": path})
    assert refused.status_code == 422


@pytest.mark.parametrize(
    "path",
    [
        "../secrets",
        "..%2f..%2fetc%2fpasswd",
        "%252e%252e/x",
        "/etc/passwd",
        "a%00b",
        "....//x",
        "%c0%ae%c0%ae/x",
        "a" * 3000,
    ],
)
async def test_path_that_names_no_owned_object_is_not_served(
    api: httpx.AsyncClient, path: str
) -> None:
    answer = await api.get(f"/api/v1/storage/images/{path}")
    assert answer.status_code in {404, 422}
