"""Trainings over REST: an accepted one is durable and started, a refused one leaves nothing."""

import base64
import uuid
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from api_gateway.events.schemas import TrainingStatusEvent
from shared.contracts.enums import TrainingStatus
from shared.db.models.tables import Event, StoredObject
from shared.db.models.trainings import Training
from shared.settings import TemporalSettings
from shared.temporal.client import connect
from tests.fixtures.gateway import TENANT_KEY, Gateway
from tests.integration.api_gateway.test_tasks import PNG

PATH = "/api/v1/training/"
URL = "https://images.example.com/1.jpg"
LORA: dict[str, Any] = {"trigger_word": "sh0e", "source_images": [URL]}
ENCODED = base64.b64encode(PNG).decode()


async def away() -> Any:
    return await connect(TemporalSettings(address="127.0.0.1:9"), identity="tests", is_lazy=True)


async def create(api: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await api.post(PATH, json=LORA | fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def events_of(gateway: Gateway, training: dict[str, Any]) -> list[Event]:
    async with gateway.resources.sessions() as session:
        rows = select(Event).where(Event.subject_id == uuid.UUID(training["id"]))
        return list(await session.scalars(rows.order_by(Event.seq)))


async def set_status(gateway: Gateway, training: dict[str, Any], status: TrainingStatus) -> None:
    async with gateway.resources.sessions.begin() as session:
        row = await session.get(Training, uuid.UUID(training["id"]))
        assert row is not None
        row.status = status


async def test_created_training_is_durable_and_started(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    entity = str(uuid.uuid4())
    training = await create(
        api,
        entity_type="SUBJECT",
        entity_id=entity,
        webhook_url="https://client.example.com/hook",
        preprocessing_transforms=[{"type": "resize", "size": 512}],
    )

    assert {name: training[name] for name in ("status", "progress", "total_steps", "rank")} == {
        "status": "PENDING",
        "progress": 0,
        "total_steps": 1000,
        "rank": 16,
    }
    assert (training["training_folder"], training["optimizer"]) == ("identities", "adamw8bit")
    assert (training["origin_instance"], training["priority"]) == ("unknown", 1)
    run_id = f"training-{training['id']}"
    assert training["celery_training_task_id"] == training["celery_chain_task_id"] == run_id
    assert (await api.get(PATH + training["id"])).json() == training
    [event] = await events_of(gateway, training)
    assert (event.event_type, event.seq, event.is_terminal) == ("training_status_update", 1, False)
    told = TrainingStatusEvent.model_validate(event.payload)
    assert (told.status, str(told.entity_id), told.total_steps) == ("PENDING", entity, 1000)
    handle = gateway.resources.temporal.get_workflow_handle(run_id)
    run = await handle.describe()
    assert run.search_attributes["Kind"] == ["training"]
    assert await run.static_summary() == "LORA · SUBJECT · sh0e"
    [started] = [e async for e in handle.fetch_history_events() if e.event_id == 1]
    options = started.workflow_execution_started_event_attributes.priority
    assert (options.priority_key, options.fairness_key) == (3, "unknown")
    await handle.terminate()


async def test_key_bound_to_an_instance_works_without_naming_it(gateway: Gateway) -> None:
    async with gateway.client(TENANT_KEY) as tenant:
        for stated in ({}, {"origin_instance": None}, {"origin_instance": "shop"}):
            training = await create(tenant, **stated)
            assert (training["origin_instance"], training["origin_tenant_id"]) == ("shop", "acme")
        for foreign in ({"origin_instance": "other"}, {"origin_tenant_id": "other"}):
            refused = await tenant.post(PATH, json=LORA | foreign)
            assert refused.status_code == 403
            assert next(iter(foreign)) in refused.json()["detail"]


async def test_pictures_become_objects_and_addresses_stay(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    data_url = f"data:image/png;base64,{ENCODED}"
    first = await create(api, source_images=[ENCODED, URL, data_url], origin_instance="shop")

    key, url, same_key = first["source_images"]
    assert (url, same_key) == (URL, key)
    assert key.startswith(f"trainings/{first['id']}/inputs/")
    assert (await api.get(f"/api/v1/storage/images/{key}")).content == PNG
    async with gateway.resources.sessions() as session:
        owner = await session.get(StoredObject, key)
    assert owner is not None
    assert (owner.origin_instance, owner.task_id) == ("shop", uuid.UUID(first["id"]))
    assert (await create(api, source_images=[key]))["source_images"] == [key]


async def test_tenant_cannot_train_on_another_tenants_picture(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    foreign = await create(api, source_images=[ENCODED], origin_tenant_id="other")
    async with gateway.client(TENANT_KEY) as tenant:
        answer = await tenant.post(PATH, json=LORA | {"source_images": foreign["source_images"]})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "source_images", 0]


REFUSED: list[tuple[dict[str, Any], list[Any]]] = [
    ({"source_images": [URL]}, ["body", "trigger_word"]),
    (LORA | {"trigger_word": "a\x00b"}, ["body"]),
    (LORA | {"steps": 0}, ["body", "steps"]),
    (LORA | {"source_images": []}, ["body", "source_images"]),
    (LORA | {"source_images": [ENCODED, "no/such/picture.png"]}, ["body", "source_images", 1]),
    (LORA | {"source_images": ["ftp://example.com/a.png"]}, ["body", "source_images", 0]),
    (
        LORA | {"source_images": [base64.b64encode(b"no picture").decode()]},
        ["body", "source_images", 0],
    ),
    (LORA | {"preprocessing_transforms": [{"type": "melt"}]}, ["body", "preprocessing_transforms"]),
    (LORA | {"webhook_url": "ftp://example.com"}, ["body", "webhook_url"]),
]


@pytest.mark.parametrize(("body", "place"), REFUSED)
async def test_refused_request_names_the_place_and_leaves_nothing(
    gateway: Gateway, api: httpx.AsyncClient, body: dict[str, Any], place: list[Any]
) -> None:
    before = await gateway.row_counts()
    objects = await gateway.resources.objects.list("trainings/")

    answer = await api.post(PATH, json=body)

    assert answer.status_code == 422, answer.text
    places = [fault["loc"] for fault in answer.json()["detail"]]
    assert any(found[: len(place)] == place for found in places), places
    assert await gateway.row_counts() == before
    assert await gateway.resources.objects.list("trainings/") == objects


async def test_texts_that_no_run_could_carry_are_413(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    before = await gateway.row_counts()
    answer = await api.post(PATH, json=LORA | {"sample_prompts": ["x" * 1_100_000]})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert await gateway.row_counts() == before


async def test_repeat_of_a_create_gets_the_first_answer(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    body = LORA | {"source_images": [ENCODED]}
    first = await api.post(PATH, json=body, headers=headers)
    before = await gateway.row_counts()
    objects = await gateway.resources.objects.list("trainings/")

    again = await api.post(PATH, json=body, headers=headers)
    other = await api.post(PATH, json=LORA, headers=headers)

    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert await gateway.row_counts() == before
    assert await gateway.resources.objects.list("trainings/") == objects


async def test_list_is_newest_first_and_in_pages(api: httpx.AsyncClient) -> None:
    created = [(await create(api))["id"] for _ in range(3)]

    page = (await api.get(PATH, params={"limit": 2})).json()
    behind = (await api.get(PATH, params={"limit": 1, "skip": 2})).json()

    assert [t["id"] for t in page + behind] == created[::-1]
    for wrong in ({"limit": 0}, {"skip": -1}, {"limit": 1001}):
        assert (await api.get(PATH, params=wrong)).status_code == 422


async def test_what_belongs_to_others_is_404_and_not_listed(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    foreign = await create(api, origin_instance="shop", origin_tenant_id="other")
    async with gateway.client(TENANT_KEY) as tenant:
        assert (await tenant.get(PATH + foreign["id"])).status_code == 404
        assert (await tenant.post(f"{PATH}{foreign['id']}/cancel")).status_code == 404
        listed = (await tenant.get(PATH, params={"limit": 1000})).json()
    assert {(t["origin_instance"], t["origin_tenant_id"]) for t in listed} <= {("shop", "acme")}
    assert (await api.get(PATH + foreign["id"])).json()["status"] == "PENDING"
    missing = await api.get(PATH + str(uuid.uuid4()))
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert (await api.get(PATH + "not-an-id")).status_code == 422
