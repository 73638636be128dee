"""The one way in which tasks, workflows and trainings are created and started."""

import uuid
from typing import Any

import httpx
import pytest

from tests.fixtures.gateway import Gateway
from tests.integration.api_gateway.test_tasks import GENERATION
from tests.integration.api_gateway.test_training import away
from tests.integration.api_gateway.test_workflows import GENERATE, workflow

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "task": ("/api/v1/tasks/", GENERATION),
    "workflow": ("/api/v1/workflows/", workflow(GENERATE)),
    "training": (
        "/api/v1/training/",
        {"trigger_word": "sh0e", "source_images": ["https://images.example.com/1.jpg"]},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_created_while_temporal_is_away_waits_for_it(
    api: httpx.AsyncClient, gateway: Gateway, kind: str
) -> None:
    path, body = KINDS[kind]
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    async with gateway.client(temporal=await away()) as cut_off:
        created = await cut_off.post(path, json=body, headers=headers)
    assert created.status_code == 201

    again = await api.post(path, json=body, headers=headers)

    assert (again.status_code, again.json()) == (201, created.json())
    stands = (await api.get(f"{path}{created.json()['id']}")).json()
    assert stands["status"] == ("RUNNING" if kind == "workflow" else "PENDING")


@pytest.mark.parametrize("kind", KINDS)
async def test_repeat_gets_the_first_response_and_leaves_nothing(
    gateway: Gateway, api: httpx.AsyncClient, kind: str
) -> None:
    path, body = KINDS[kind]
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    first = await api.post(path, json=body, headers=headers)
    before = await gateway.row_counts()

    again = await api.post(path, json=body, headers=headers)

    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert await gateway.row_counts() == before
