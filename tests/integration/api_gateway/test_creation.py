"""The one way in which tasks, workflows and trainings are created and started."""

import uuid
from typing import Any

import httpx
import pytest

from shared.settings import TemporalSettings
from shared.temporal.client import connect
from tests.fixtures.gateway import Gateway
from tests.integration.api_gateway.test_tasks import GENERATION
from tests.integration.api_gateway.test_workflows import GENERATE, workflow

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "task": ("/api/v1/tasks/", GENERATION),
    "workflow": ("/api/v1/workflows/", workflow(GENERATE)),
    "training": (
        "/api/v1/training/",
        {"trigger_word": "sh0e", "source_images": ["https://images.example.com/1.jpg"]},
    ),
}


@pytest.fixture
async def cut_off(gateway: Gateway) -> Any:
    """A client of a gateway that reaches no Temporal."""
    away = await connect(TemporalSettings(address="127.0.0.1:9"), identity="tests", is_lazy=True)
    async with gateway.client(temporal=away) as client:
        yield client


async def newest(api: httpx.AsyncClient, path: str, origin: str) -> dict[str, Any]:
    found = (await api.get(path)).json()
    items = found if isinstance(found, list) else found["workflows"]
    return next(item for item in items if item["origin_instance"] == origin)


@pytest.mark.parametrize("kind", KINDS)
async def test_what_cannot_be_started_is_failed_and_may_be_sent_again(
    api: httpx.AsyncClient, cut_off: httpx.AsyncClient, kind: str
) -> None:
    path, body = KINDS[kind]
    headers, origin = {"Idempotency-Key": uuid.uuid4().hex}, uuid.uuid4().hex
    answer = await cut_off.post(path, json=body | {"origin_instance": origin}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "dependency_down")
    assert answer.headers["retry-after"]
    failed = await newest(api, path, origin)
    assert (failed["status"], failed["completed_at"] is None) == ("FAILED", False)
    assert f"Temporal did not answer when the {kind} was to be started" in str(failed)

    again = await api.post(path, json=body | {"origin_instance": origin}, headers=headers)
    assert again.status_code == 201
    assert again.json()["id"] != failed["id"]


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
