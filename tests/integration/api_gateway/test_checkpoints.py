"""A refinement's checkpoints are not readable, listable or nameable by clients."""

import base64

import httpx

from tests.fixtures.gateway import ADMIN_KEY, Gateway
from tests.fixtures.pictures import picture
from tests.fixtures.workers import all_workers
from tests.integration.api_gateway.test_provenance import TASKS, completed
from tests.integration.api_gateway.test_tasks import REFINE


async def test_checkpoints_are_not_to_be_had_through_the_api(
    gateway: Gateway, tenant: httpx.AsyncClient
) -> None:
    base = base64.b64encode(picture()).decode()
    async with all_workers(gateway):
        task = await completed(tenant, REFINE | {"base_image_url": base})
    folder = f"refines/{task['id']}/"
    kept = await gateway.resources.objects.list(f"{folder}tiles/")
    assert kept

    async with gateway.client(ADMIN_KEY) as admin:
        for client in (tenant, admin):
            listed = await client.get("/api/v1/storage/images", params={"prefix": folder})
            paths = [image["path"] for image in listed.json()["images"]]
            assert task["result_image_path"] in paths
            assert not any("/tiles/" in path for path in paths)
            read = await client.get(f"/api/v1/storage/images/{kept[0].key}")
            assert read.status_code == 404
    named = await tenant.post(TASKS, json=REFINE | {"base_image_url": kept[0].key})
    assert (named.status_code, named.json()["detail"][0]["loc"]) == (
        422,
        ["body", "base_image_url"],
    )
