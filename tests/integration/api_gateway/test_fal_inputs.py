"""A task sends to fal only the caller's own stored images, and LoRAs by their digest."""

import uuid
from typing import Any

from shared.contracts.capabilities import LORA_OBJECTS
from shared.contracts.pictures import FAL_OBJECTS
from shared.db.models.tables import Task
from tests.fixtures.gateway import OTHER_TENANT_KEY, TENANT_KEY, Gateway
from tests.fixtures.lora_api import upload
from tests.fixtures.storage import save


async def _inputs(gateway: Gateway, parameters: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    body = {"fal_app_id": "acme/cutter", "fal_parameters": parameters, "origin_instance": "shop"}
    async with gateway.client(TENANT_KEY) as client:
        answer = await client.post("/api/v1/tasks/", json={"task_type": "EXPERIMENTAL_FAL"} | body)
    if answer.status_code != 201:
        return answer.status_code, answer.json()
    task = answer.json()
    assert task["fal_parameters"] == parameters
    return 201, await _row_inputs(gateway, task["id"])


async def _row_inputs(gateway: Gateway, task_id: str) -> dict[str, Any]:
    async with gateway.resources.sessions() as session:
        row = await session.get_one(Task, uuid.UUID(task_id))
    await gateway.resources.temporal.get_workflow_handle(f"task-{row.id}").terminate()
    return row.inputs


async def test_keys_of_the_caller_are_noted_and_those_of_others_are_not(gateway: Gateway) -> None:
    mine, theirs = f"shop/{uuid.uuid4()}.png", f"shop/{uuid.uuid4()}.png"
    for path, key in ((mine, TENANT_KEY), (theirs, OTHER_TENANT_KEY)):
        async with gateway.client(key) as client:
            assert (await save(client, path)).status_code == 201
    parameters = {"image_url": mine, "layers": [{"of": theirs}, mine], "prompt": "uploads/none.png"}
    _, inputs = await _inputs(gateway, parameters)
    assert inputs[FAL_OBJECTS] == [mine]
    assert inputs["fal_parameters"] == parameters


async def test_parameters_without_keys_note_nothing(gateway: Gateway) -> None:
    _, inputs = await _inputs(gateway, {"prompt": "a hat", "url": "https://example.com/a.png"})
    assert FAL_OBJECTS not in inputs


async def test_more_texts_than_can_be_looked_up_are_refused(gateway: Gateway) -> None:
    status, problem = await _inputs(gateway, {"words": [str(index) for index in range(1001)]})
    assert status == 422
    assert problem["detail"][0]["loc"] == ["body", "fal_parameters"]


async def test_loras_are_resolved_when_the_task_is_created(gateway: Gateway) -> None:
    async with gateway.client(TENANT_KEY) as client:
        name = f"{uuid.uuid4()}.safetensors"
        lora = (await upload(client, name=name, lora_type="product")).json()
        body = {
            "task_type": "GENERATION",
            "prompt": "a hat",
            "origin_instance": "shop",
            "product_model_path": lora["file_path"],
            "provider_config": {"provider_type": "fal_standard", "fal_app_id": "fal-ai/flux-lora"},
        }
        answer = await client.post("/api/v1/tasks/", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["product_model_path"] == lora["file_path"]
    inputs = await _row_inputs(gateway, answer.json()["id"])
    key = inputs[LORA_OBJECTS]["product_model_path"]
    assert key.startswith("loras/sha256/")
    assert await gateway.resources.objects.head(key) is not None
