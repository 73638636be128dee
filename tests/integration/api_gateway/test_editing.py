"""EDITINGs by our own worker, from the request to the images; the engine changes nothing."""

import base64
import io
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from PIL import Image

from shared.settings import ModelSettings
from tests.fixtures.gateway import Gateway
from tests.fixtures.pictures import picture
from tests.fixtures.workers import all_workers
from tests.fixtures.workflow_runs import until


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def cutout() -> bytes:
    """Return an image that is blue on the left, and transparent over red on the right."""
    image = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 32, 64))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


EDITING: dict[str, Any] = {
    "task_type": "EDITING",
    "prompt": "in green",
    "base_image": encoded(cutout()),
    "provider_type": "local",
    "origin_instance": "shop",
}
REFERENCE = encoded(picture(colour="green"))


@pytest.fixture
async def working(gateway: Gateway) -> AsyncIterator[None]:
    async with all_workers(gateway):
        yield


async def ended(api: httpx.AsyncClient, path: str) -> dict[str, Any]:
    answers: list[dict[str, Any]] = []

    async def has_ended() -> bool:
        answers[:] = [(await api.get(path)).json()]
        return answers[0]["status"] in {"COMPLETED", "FAILED", "CANCELLED"}

    await until(has_ended)
    return answers[0]


async def edit(api: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await api.post("/api/v1/tasks/", json=EDITING | fields)
    assert answer.status_code == 201, answer.text
    return await ended(api, f"/api/v1/tasks/{answer.json()['id']}")


async def served(api: httpx.AsyncClient, path: str) -> Image.Image:
    answer = await api.get(f"/api/v1/storage/images/{path}")
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(answer.content))


@pytest.mark.usefixtures("working")
async def test_editing_is_done_by_our_own_worker(api: httpx.AsyncClient) -> None:
    task = await edit(
        api, reference_images=[REFERENCE, REFERENCE], width=48, config={"num_images": 2}
    )

    assert task["status"] == "COMPLETED", task
    assert (task["width"], task["height"], task["progress"]) == (48, 64, 100)
    assert task["reference_image_path"] == task["reference_images"][0]
    media = (await api.get(f"/api/v1/monitoring/tasks/{task['id']}/media")).json()
    assert f"editings/{task['id']}/a1/image_1.png" in str(media)
    for index in (0, 1):
        made = await served(api, f"editings/{task['id']}/a1/image_{index}.png")
        # The hidden red is gone: only visible pixels count.
        assert (made.mode, made.size) == ("RGB", (48, 64))
        assert all(
            abs(a - b) < 4 for a, b in zip(made.getpixel((40, 30)), (0, 0, 255), strict=True)
        )


@pytest.mark.usefixtures("working")
async def test_picture_that_is_gone_fails_the_editing_for_good(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    first = await edit(api)
    await gateway.resources.objects.delete(first["result_image_path"])
    task = await edit(api, base_image=first["result_image_path"])

    assert (task["status"], task["error_category"]) == ("FAILED", "VALIDATION")
    assert task["retry_count"] == 0


@pytest.mark.usefixtures("working")
async def test_editing_as_a_step_takes_what_earlier_steps_made(api: httpx.AsyncClient) -> None:
    local = {"provider_config": {"provider_type": "local"}}
    body = {
        "name": "edits",
        "origin_instance": "shop",
        "steps": [
            {"id": "base", "task_type": "GENERATION", "config": {"prompt": "a red dress"}},
            {
                "id": "shown",
                "task_type": "GENERATION",
                "config": {"prompt": "a green dress", "num_images": 3},
            },
            local
            | {
                "id": "edit",
                "task_type": "EDITING",
                "config": {"prompt": "in green", "num_images": 2, "width": 32},
                "input_mappings": [
                    {
                        "from_step": "base",
                        "from_field": "result_image_path",
                        "to_field": "base_image",
                    },
                    {
                        "from_step": "shown",
                        "from_field": "result_image_paths",
                        "to_field": "reference_images",
                    },
                ],
            },
        ],
    }
    answer = await api.post("/api/v1/workflows/", json=body)
    assert answer.status_code == 201, answer.text
    workflow = await ended(api, f"/api/v1/workflows/{answer.json()['id']}")

    assert workflow["status"] == "COMPLETED", workflow
    results = {step["step_id"]: step["result"] for step in workflow["steps"]}
    task_id = next(step["task_id"] for step in workflow["steps"] if step["step_id"] == "edit")
    task = (await api.get(f"/api/v1/tasks/{task_id}")).json()
    assert task["base_image_path"] == results["base"]["result_image_path"]
    assert task["reference_images"] == results["shown"]["result_image_paths"]
    assert len(results["edit"]["result_image_paths"]) == 2
    assert (task["width"], task["height"]) == (32, 64)


REFUSED: list[tuple[dict[str, Any], list[Any]]] = [
    ({"reference_images": [REFERENCE] * 4}, ["body", "reference_images"]),
    ({"width": 63}, ["body", "width"]),
    ({"height": 8192}, ["body", "height"]),
    ({"config": {"strength": 1.5}}, ["body", "config", "strength"]),
    ({"config": {"num_images": 9}}, ["body", "config", "num_images"]),
    ({"base_image": ""}, ["body", "EDITING", "base_image"]),
    (
        {"reference_images": [REFERENCE], "reference_image_url": ""},
        ["body", "EDITING", "reference_image_url"],
    ),
]


@pytest.mark.parametrize(("fields", "place"), REFUSED)
async def test_editing_that_the_model_cannot_do_is_refused_and_leaves_nothing(
    gateway: Gateway, api: httpx.AsyncClient, fields: dict[str, Any], place: list[Any]
) -> None:
    before = await gateway.row_counts()

    answer = await api.post("/api/v1/tasks/", json=EDITING | fields)

    assert answer.status_code == 422, answer.text
    assert [fault["loc"] for fault in answer.json()["detail"]] == [place]
    assert await gateway.row_counts() == before


async def test_without_an_editor_an_editing_takes_no_references(gateway: Gateway) -> None:
    async with gateway.client(model=ModelSettings(source="/models/flux")) as api:
        answer = await api.post("/api/v1/tasks/", json=EDITING | {"reference_images": [REFERENCE]})

    assert answer.status_code == 422
    [fault] = answer.json()["detail"]
    assert fault["loc"] == ["body", "reference_images"]
    assert "leave this field out" in fault["msg"]


@pytest.mark.parametrize("field", ["base_image_url", "reference_image_data"])
async def test_nothing_is_mapped_into_a_deprecated_field(
    api: httpx.AsyncClient, field: str
) -> None:
    mapping = {"from_step": "base", "from_field": "result_image_path", "to_field": field}
    body = {
        "name": "edits",
        "origin_instance": "shop",
        "steps": [
            {"id": "base", "task_type": "GENERATION", "config": {"prompt": "a red dress"}},
            {
                "id": "edit",
                "task_type": "EDITING",
                "config": {"prompt": "in green", "base_image": REFERENCE},
                "input_mappings": [mapping],
            },
        ],
    }
    answer = await api.post("/api/v1/workflows/", json=body)

    assert answer.status_code == 422
    [fault] = answer.json()["detail"]
    assert fault["loc"] == ["body", "steps", 1, "input_mappings", 0, "to_field"]
    assert "base_image, " in fault["msg"]
