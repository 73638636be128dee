"""A running training: cancellation, reports of workers, its end."""

import asyncio
import uuid
from typing import Any

import httpx
import pytest
from temporalio.api.enums.v1 import EventType as HistoryEvent

from api_gateway.events.schemas import PreprocessingStatusEvent, TrainingStatusEvent
from shared.contracts.enums import EventType, TrainingStatus
from shared.contracts.training import TrainModel
from shared.db.models.tables import StoredObject
from shared.temporal.heartbeat import Heartbeat
from tests.fakes.training import LORA
from tests.fixtures.gateway import OTHER_TENANT_KEY, TENANT_KEY, Gateway
from tests.fixtures.workflow_runs import until, until_event
from tests.integration.api_gateway.conftest import Staff
from tests.integration.api_gateway.test_training import (
    ENCODED,
    PATH,
    URL,
    away,
    create,
    events_of,
    set_status,
)

LORAS = "/api/v1/lora/?limit=1000"


async def test_pending_training_is_cancelled_at_once_and_only_once(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    training = await create(api)

    answers = [await api.post(f"{PATH}{training['id']}/cancel") for _ in range(2)]

    assert [(a.status_code, a.json()["status"]) for a in answers] == [(200, "CANCELLED")] * 2
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["completed_at"]
    events = await events_of(gateway, training)
    assert [(e.seq, e.payload["status"], e.is_terminal) for e in events] == [
        (1, "PENDING", False),
        (2, "CANCELLED", True),
    ]
    handle = gateway.resources.temporal.get_workflow_handle(f"training-{training['id']}")
    await until_event(handle, HistoryEvent.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED)


@pytest.mark.parametrize("status", [TrainingStatus.COMPLETED, TrainingStatus.FAILED])
async def test_ended_training_cannot_be_cancelled(
    gateway: Gateway, api: httpx.AsyncClient, status: TrainingStatus
) -> None:
    training = await create(api)
    await set_status(gateway, training, status)
    answer = await api.post(f"{PATH}{training['id']}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "already_ended")
    assert status in answer.json()["detail"]


async def test_cancel_while_temporal_is_away(gateway: Gateway, api: httpx.AsyncClient) -> None:
    pending, running = await create(api), await create(api)
    await set_status(gateway, running, TrainingStatus.TRAINING)
    async with gateway.client(temporal=await away()) as cut_off:
        answer = await cut_off.post(f"{PATH}{pending['id']}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")
        refused = await cut_off.post(f"{PATH}{running['id']}/cancel")
    assert (refused.status_code, refused.json()["code"]) == (503, "dependency_down")
    assert (await api.get(PATH + running["id"])).json()["status"] == "TRAINING"


async def test_training_whose_run_is_gone_is_cancelled_in_the_records(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    training = await create(api)
    await set_status(gateway, training, TrainingStatus.TRAINING)
    await gateway.resources.temporal.get_workflow_handle(f"training-{training['id']}").terminate()
    answer = await api.post(f"{PATH}{training['id']}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")


async def test_reports_of_workers_move_a_training_on(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    training = await create(api, steps=200)

    async def report(stage: str, **fields: Any) -> dict[str, Any]:
        told = {"training_id": training["id"], "stage": stage, "at": "2026-01-02T03:04:05Z"}
        async with gateway.internal_client() as worker:
            answer = await worker.post("/internal/progress", json={"trainings": [told | fields]})
        assert answer.status_code == 204
        return (await api.get(PATH + training["id"])).json()

    now = await report("PREPROCESSING", preprocessing_stage="downloading", total_files_count=4)
    assert (now["status"], now["preprocessing_stage"]) == ("PREPROCESSING", "downloading")
    assert now["started_at"] == now["preprocessing_started_at"] == "2026-01-02T03:04:05Z"
    now = await report("PREPROCESSING", processed_files_count=3)
    assert (now["processed_files_count"], now["total_files_count"]) == (3, 4)
    assert (await report("PREPROCESSING", processed_files_count=2)) == now
    now = await report("TRAINING", current_step=50, eta_seconds=90)
    assert (now["status"], now["current_step"], now["progress"]) == ("TRAINING", 50, 25)
    assert now["eta_seconds"] == 90
    assert await report("TRAINING", current_step=40) == now
    assert await report("PREPROCESSING", processed_files_count=4) == now
    events = await events_of(gateway, training)
    assert [(e.seq, e.event_type) for e in events] == [
        (1, EventType.TRAINING_STATUS_UPDATE),
        (2, EventType.PREPROCESSING_STATUS_UPDATE),
        (3, EventType.PREPROCESSING_STATUS_UPDATE),
        (4, EventType.TRAINING_STATUS_UPDATE),
    ]
    assert PreprocessingStatusEvent.model_validate(events[2].payload).progress == 75
    assert TrainingStatusEvent.model_validate(events[3].payload).current_step == 50
    await set_status(gateway, training, TrainingStatus.CANCELLED)
    assert (await report("TRAINING", current_step=60))["current_step"] == 50


async def ended(api: httpx.AsyncClient, training: dict[str, Any]) -> dict[str, Any]:
    async def has_ended() -> bool:
        found = (await api.get(PATH + training["id"])).json()
        return found["status"] in {"COMPLETED", "FAILED", "CANCELLED"}

    await until(has_ended)
    return (await api.get(PATH + training["id"])).json()


async def test_training_is_run_by_its_workers_and_recorded(staff: Staff) -> None:
    async with (
        staff.workflow_worker(),
        staff.runs.fetch_worker(),
        staff.runs.dataset_worker(),
        staff.runs.training_worker(),
        staff.client() as api,
    ):
        training = await create(api, steps=20, source_images=[ENCODED, URL], origin_instance="x")
        done = await ended(api, training)
    assert (done["status"], done["progress"], done["current_step"]) == ("COMPLETED", 100, 20)
    assert done["local_model_path"] == "product/sh0e.safetensors"
    assert done["processed_dataset_path"] == f"trainings/{training['id']}/dataset.tar"
    assert (done["processed_files_count"], done["preprocessing_stage"]) == (2, "completed")
    assert done["started_at"] == done["preprocessing_started_at"]
    [asked] = staff.runs.training.datasets
    assert asked.source_images == training["source_images"]
    events = await events_of(staff.gateway, training)
    assert [(e.seq, e.payload["status"], e.is_terminal) for e in events] == [
        (1, "PENDING", False),
        (2, "PREPROCESSING", False),
        (3, "COMPLETED", True),
    ]
    last = TrainingStatusEvent.model_validate(events[-1].payload)
    assert (last.progress, last.local_model_path) == (100, "product/sh0e.safetensors")
    async with staff.gateway.resources.sessions() as session:
        model = await session.get(StoredObject, f"trainings/{training['id']}/model.safetensors")
        fetched = await session.get(StoredObject, f"trainings/{training['id']}/inputs/1.jpg")
    for stored in (model, fetched):
        assert stored is not None
        assert (stored.origin_instance, str(stored.task_id)) == ("x", training["id"])
    assert done["logs"] == "trained\n"
    assert done["metrics"]["loss"] == 0.25
    assert done["warnings"][-1] == "trained on nothing"
    assert last.metadata is not None
    assert (last.metadata["loss"], last.metadata["device"]) == (0.25, "fake")


async def test_trained_lora_is_listed_for_its_tenant_alone(staff: Staff) -> None:
    staff.runs.training.lora = LORA.model_copy(update={"stem": f"sh0e{uuid.uuid4().hex[:8]}"})
    async with (
        staff.workflow_worker(),
        staff.runs.fetch_worker(),
        staff.runs.dataset_worker(),
        staff.runs.training_worker(),
        staff.client(TENANT_KEY) as api,
        staff.client(OTHER_TENANT_KEY) as other,
    ):
        training = await create(api, steps=20)
        done = await ended(api, training)
        path = done["local_model_path"]
        assert path == f"product/{staff.runs.training.lora.stem}.safetensors"
        generation = {
            "task_type": "GENERATION",
            "origin_instance": "shop",
            "prompt": "sh0e",
            "product_model_path": path,
            "width": 64,
            "height": 64,
        }
        answers = [await client.post("/api/v1/tasks/", json=generation) for client in (api, other)]
        mine, foreign = [
            {lora["partial_path"] for lora in (await client.get(LORAS)).json()["loras"]}
            for client in (api, other)
        ]
    assert path in mine
    assert path not in foreign
    assert [answer.status_code for answer in answers] == [201, 422]
    assert f"there is no LoRA {path!r}" in answers[1].text


async def test_training_is_cancelled_while_its_pictures_are_fetched(staff: Staff) -> None:
    is_running = asyncio.Event()

    async def act(_request: Any) -> dict[str, str]:
        is_running.set()
        async with Heartbeat():
            await asyncio.sleep(25)
        return {}

    staff.runs.fetcher.act = act
    async with staff.workflow_worker(), staff.runs.fetch_worker(), staff.client() as api:
        training = await create(api)
        await is_running.wait()
        answer = await api.post(f"{PATH}{training['id']}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")


async def test_running_training_is_cancelled_once_its_worker_has_stopped(staff: Staff) -> None:
    is_running = asyncio.Event()

    async def act(request: Any) -> None:
        if isinstance(request, TrainModel):
            is_running.set()
            async with Heartbeat():
                await asyncio.sleep(25)

    staff.runs.training.act = act
    async with (
        staff.workflow_worker(),
        staff.runs.fetch_worker(),
        staff.runs.dataset_worker(),
        staff.runs.training_worker(),
        staff.client() as api,
    ):
        training = await create(api)
        await is_running.wait()
        answer = await api.post(f"{PATH}{training['id']}/cancel")
        assert answer.status_code == 200
        assert (await ended(api, training))["status"] == "CANCELLED"
        again = await api.post(f"{PATH}{training['id']}/cancel")
    assert (again.status_code, again.json()["status"]) == (200, "CANCELLED")
