"""A task sends to fal only the caller's own stored images, and LoRAs by their digest."""

import base64
import uuid
from typing import Any

import pytest

from shared.contracts.capabilities import LORA_OBJECTS
from shared.contracts.pictures import FAL_OBJECTS
from shared.db.models.tables import Task
from tests.fixtures.gateway import OTHER_TENANT_KEY, TENANT_KEY, Gateway
from tests.fixtures.lora_api import upload
from tests.fixtures.pictures import noise, picture
from tests.fixtures.storage import save


async def _inputs(gateway: Gateway, parameters: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    body = {"fal_app_id": "acme/cutter", "fal_parameters": parameters, "origin_instance": "shop"}
    async with gateway.client(TENANT_KEY) as client:
        answer = await client.post("/api/v1/tasks/", json={"task_type": "EXPERIMENTAL_FAL"} | body)
    if answer.status_code != 201:
        return answer.status_code, answer.json()
    task = answer.json()
    inputs = await _row_inputs(gateway, task["id"])
    assert task["fal_parameters"] == inputs["fal_parameters"]
    return 201, inputs


def _inline(content: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


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


async def test_pictures_at_any_depth_are_stored_and_replaced_by_their_paths(
    gateway: Gateway,
) -> None:
    large, small = noise(700), picture()
    prose = ["data: a hat, base64", "data:image/png;base64,...", "data:text/plain,hat"]
    parameters = {
        "image_url": _inline(large),
        "layers": [{"of": _inline(small)}, _inline(small)],
        "prompt": prose,
    }
    assert len(large) > 2**20, "more than a run may have"
    status, inputs = await _inputs(gateway, parameters)
    assert status == 201, inputs
    kept = inputs["fal_parameters"]
    paths = [kept["image_url"], kept["layers"][0]["of"]]
    assert kept == {"image_url": paths[0], "layers": [{"of": paths[1]}, paths[1]], "prompt": prose}
    assert inputs[FAL_OBJECTS] == sorted(paths)
    objects = gateway.resources.objects
    assert [await objects.get(path) for path in paths] == [large, small]
    assert {path.split("/")[0] for path in paths} == {"experimental_fal"}


@pytest.mark.parametrize(
    ("parameters", "place", "words"),
    [
        ({"layers": [{"of": _inline(b"GIF89a")}]}, ["layers", 0, "of"], "not a PNG, JPEG or WebP"),
        ({"audio": _inline(b"RIFF", "audio/wav")}, ["audio"], "its type must be image/*"),
        ({"images": [_inline(picture())] * 101}, [], "at most 100 are allowed"),
    ],
)
async def test_what_is_no_picture_is_named(
    gateway: Gateway, parameters: dict[str, Any], place: list[str | int], words: str
) -> None:
    status, problem = await _inputs(gateway, parameters)
    assert status == 422
    [fault] = problem["detail"]
    assert fault["loc"] == ["body", "fal_parameters", *place]
    assert words in fault["msg"]


async def test_a_text_that_is_too_long_is_refused_with_the_remedy(gateway: Gateway) -> None:
    status, problem = await _inputs(gateway, {"image": "A" * 2**20})
    assert status == 413
    assert "pictures as data URLs or paths of stored pictures" in str(problem)


async def test_pictures_are_refused_where_they_would_be_recorded(gateway: Gateway) -> None:
    static = {"layers": [_inline(picture())]}
    chosen = {
        "provider_type": "fal_standard",
        "fal_app_id": "a/b",
        "additional_static_params": static,
    }
    body = {
        "task_type": "EXPERIMENTAL_FAL",
        "fal_app_id": "acme/cutter",
        "origin_instance": "shop",
    }
    async with gateway.client(TENANT_KEY) as client:
        refused = await client.post("/api/v1/tasks/", json=body | {"provider_config": chosen})
        created = await client.post("/api/v1/tasks/", json=body)
        change = {"task_type": "EXPERIMENTAL_FAL", "fal_parameters": static}
        changed = await client.put(f"/api/v1/tasks/{created.json()['id']}", json=change)
    await _row_inputs(gateway, created.json()["id"])
    for answer, names in (
        (refused, ["provider_config", "additional_static_params", "layers", 0]),
        (changed, ["fal_parameters", "layers", 0]),
    ):
        assert answer.status_code == 422, answer.text
        assert answer.json()["detail"][0]["loc"] == ["body", *names]


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
