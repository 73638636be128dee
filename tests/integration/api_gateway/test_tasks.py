"""Tasks over REST: an accepted one is durable and started, a refused one leaves nothing."""

import base64
import uuid
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from shared.db.models.tables import Event, Task
from tests.fixtures.gateway import Gateway

GENERATION: dict[str, Any] = {
    "task_type": "GENERATION",
    "prompt": "a red dress",
    "origin_instance": "shop",
}
REFINE: dict[str, Any] = {
    "task_type": "REFINE",
    "origin_instance": "shop",
    "upscale_factor": 2,
}
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


async def test_created_task_is_durable_and_started(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    answer = await api.post("/api/v1/tasks/", json=GENERATION | {"priority": 2})

    assert answer.status_code == 201
    task = answer.json()
    assert (task["status"], task["width"], task["height"]) == ("PENDING", 64, 64)
    assert task["seed"] is not None
    assert task["provider_type"] == "local"
    assert task["celery_task_id"] == f"task-{task['id']}"
    assert (await api.get(f"/api/v1/tasks/{task['id']}")).json() == task
    async with gateway.resources.sessions() as session:
        events = list(
            await session.scalars(select(Event).where(Event.subject_id == uuid.UUID(task["id"])))
        )
    assert [(event.event_type, event.seq) for event in events] == [("task_created", 1)]
    handle = gateway.resources.temporal.get_workflow_handle(f"task-{task['id']}")
    run = await handle.describe()
    assert run.search_attributes["TaskType"] == ["GENERATION"]
    assert run.search_attributes["Provider"] == ["local"]
    assert await run.static_summary() == "GENERATION · local"
    await handle.terminate()


async def test_creates_are_answered_with_200_where_settings_say_so(gateway: Gateway) -> None:
    settings = gateway.resources.settings.model_copy(update={"answers_create_with_200": True})
    async with gateway.client(settings=settings) as client:
        assert (await client.post("/api/v1/tasks/", json=GENERATION)).status_code == 200


@pytest.mark.parametrize("source", ["base64", "data URL"])
async def test_picture_in_a_request_becomes_an_object_of_its_owner(
    gateway: Gateway, api: httpx.AsyncClient, source: str
) -> None:
    encoded = base64.b64encode(PNG).decode()
    value = encoded if source == "base64" else f"data:image/png;base64,{encoded}"

    answer = await api.post("/api/v1/tasks/", json=REFINE | {"base_image_url": value})

    assert answer.status_code == 201
    async with gateway.resources.sessions() as session:
        row = await session.get(Task, uuid.UUID(answer.json()["id"]))
    assert row is not None
    path = row.inputs["base_image_url"]
    assert path.startswith(f"refines/{row.id}/inputs/")
    served = await api.get(f"/api/v1/storage/images/{path}")
    assert served.content == PNG
    again = await api.post("/api/v1/tasks/", json=REFINE | {"base_image_url": path})
    assert again.status_code == 201


REFUSED: list[tuple[dict[str, Any], list[Any]]] = [
    (GENERATION | {"width": 65}, ["body", "width"]),
    (GENERATION | {"width": 63, "height": 64}, ["body", "width"]),
    (GENERATION | {"width": 64, "height": 8192}, ["body", "height"]),
    (
        GENERATION | {"reference_image_strength": 101},
        ["body", "GENERATION", "reference_image_strength"],
    ),
    (GENERATION | {"height": 4096}, ["body", "height"]),
    (GENERATION | {"width": 0}, ["body", "GENERATION", "width"]),
    (GENERATION | {"seed": -1}, ["body", "GENERATION", "seed"]),
    (GENERATION | {"prompt": ""}, ["body", "GENERATION", "prompt"]),
    (GENERATION | {"prompt": "a\x00b"}, ["body"]),
    (GENERATION | {"provider_type": "nobody"}, ["body", "GENERATION", "provider_type"]),
    (GENERATION | {"fallback_provider_type": "ai_core"}, ["body", "fallback_provider_type"]),
    (
        GENERATION | {"config": {"negative_prompt": "hats"}, "fallback_provider_type": "vertex"},
        ["body", "fallback_provider_type"],
    ),
    (
        GENERATION
        | {"provider_type": "fal_standard", "width": 1024, "fallback_provider_type": "local"},
        ["body", "width"],
    ),
    (
        GENERATION
        | {"provider_type": "fal_standard", "width": 1024, "config": {"negative_prompt": "hats"}},
        ["body", "config", "negative_prompt"],
    ),
    (
        GENERATION
        | {
            "provider_type": "fal_standard",
            "provider_config": {
                "fal_app_id": "acme/a",
                "additional_static_params": {"a": "x" * 65_536},
            },
        },
        ["body", "provider_config", "additional_static_params"],
    ),
    (
        GENERATION | {"provider_config": {"provider_type": "fal_standard", "fal_app_id": "flux"}},
        ["body", "provider_config", "fal_app_id"],
    ),
    (
        {
            "task_type": "VIDEO_GENERATION",
            "prompt": "a",
            "origin_instance": "a",
            "duration_seconds": 20,
        },
        ["body", "duration_seconds"],
    ),
    (GENERATION | {"provider_type": "freepik_magnific"}, ["body", "provider_type"]),
    (GENERATION | {"queue_name": "training"}, ["body", "queue_name"]),
    (
        GENERATION | {"active_provider_capabilities": ["IMAGE_TO_VIDEO"]},
        ["body", "active_provider_capabilities"],
    ),
    (GENERATION | {"subject_model_path": "a.safetensors"}, ["body", "subject_model_path"]),
    (GENERATION | {"style_lora_weight": 10.5}, ["body", "style_lora_weight"]),
    (
        GENERATION
        | {
            "provider_type": "fal_standard",
            "product_lora_weight": -11,
            "fallback_provider_type": "local",
        },
        ["body", "product_lora_weight"],
    ),
    (
        GENERATION | {"provider_type": "fal_standard", "style_model_path": "styles/no.safetensors"},
        ["body", "style_model_path"],
    ),
    (GENERATION | {"config": {"num_inference_steps": 0}}, ["body", "GENERATION", "config"]),
    (GENERATION | {"config": {"output_format": "gif"}}, ["body", "GENERATION", "config"]),
    (
        GENERATION | {"provider_type": "fal_standard", "config": {"output_format": "webp"}},
        ["body", "config", "output_format"],
    ),
    (
        GENERATION
        | {"fallback_provider_type": "fal_standard", "config": {"output_format": "jpeg"}},
        ["body", "config", "output_format"],
    ),
    (REFINE, ["body", "REFINE", "base_image_url"]),
    (REFINE | {"base_image_url": "no/such/picture.png"}, ["body", "base_image_url"]),
    (REFINE | {"base_image_url": "../etc/passwd"}, ["body", "base_image_url"]),
    (REFINE | {"base_image_url": "http://169.254.169.254/a.png"}, ["body", "base_image_url"]),
    (
        REFINE | {"base_image_url": base64.b64encode(b"no picture").decode()},
        ["body", "base_image_url"],
    ),
    (
        {
            "task_type": "FACE_ENHANCER",
            "origin_instance": "a",
            "input_image": base64.b64encode(PNG).decode(),
            "config": {"denoise": 2},
        },
        ["body", "FACE_ENHANCER", "config"],
    ),
    ({"task_type": "VIDEO_GENERATION", "origin_instance": "a"}, ["body"]),
    (
        {
            "task_type": "LLM_INTERACTION",
            "prompt": "a",
            "origin_instance": "a",
            "input_images": [base64.b64encode(PNG).decode(), "no/such/picture.png"],
        },
        ["body", "input_images", 1],
    ),
    ({"task_type": "NOTHING", "origin_instance": "a"}, ["body"]),
]


@pytest.mark.parametrize(("body", "place"), REFUSED)
async def test_refused_request_names_the_place_and_leaves_nothing(
    gateway: Gateway, api: httpx.AsyncClient, body: dict[str, Any], place: list[Any]
) -> None:
    before = await gateway.row_counts()
    objects = await gateway.resources.objects.list("")

    answer = await api.post("/api/v1/tasks/", json=body)

    assert answer.status_code == 422, answer.text
    places = [fault["loc"] for fault in answer.json()["detail"]]
    assert any(found[: len(place)] == place for found in places), places
    assert all(fault["msg"] for fault in answer.json()["detail"])
    assert await gateway.row_counts() == before
    assert len(await gateway.resources.objects.list("")) == len(objects)


async def test_texts_that_no_run_could_carry_are_413(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    before = await gateway.row_counts()
    long = GENERATION | {"prompt": "x" * 1_100_000}
    step = {"id": "a", "task_type": "GENERATION", "config": {"prompt": "x" * 1_100_000}}
    workflow = {"name": "a", "origin_instance": "shop", "steps": [step]}

    for path, body in (("tasks", long), ("workflows", workflow)):
        answer = await api.post(f"/api/v1/{path}/", json=body)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert await gateway.row_counts() == before


async def test_request_beyond_the_limit_is_413(gateway: Gateway) -> None:
    settings = gateway.resources.settings.model_copy(update={"max_body_bytes": 1000})
    async with gateway.client(settings=settings) as client:
        answer = await client.post("/api/v1/tasks/", json=GENERATION | {"prompt": "x" * 2000})
    assert answer.status_code == 413


async def test_every_fault_of_a_request_is_told_at_once(api: httpx.AsyncClient) -> None:
    answer = await api.post(
        "/api/v1/tasks/", json=GENERATION | {"width": 65, "height": 66, "queue_name": "x"}
    )

    places = {fault["loc"][-1] for fault in answer.json()["detail"]}
    assert places == {"width", "height", "queue_name"}


async def test_unknown_task_is_404_and_a_malformed_id_422(api: httpx.AsyncClient) -> None:
    missing = await api.get(f"/api/v1/tasks/{uuid.uuid4()}")
    assert missing.status_code == 404
    assert missing.headers["content-type"] == "application/problem+json"
    assert missing.json()["code"] == "not_found"
    assert (await api.get("/api/v1/tasks/not-an-id")).status_code == 422
