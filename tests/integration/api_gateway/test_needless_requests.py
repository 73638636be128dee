"""Requests known to have no effect at creation are refused, or get a warning."""

import base64
from typing import Any

import httpx
import pytest

from tests.fixtures.gateway import Gateway

TASKS = "/api/v1/tasks/"
PNG = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
assert base64.b64decode(PNG.partition(",")[2])


def _task(task_type: str, **fields: Any) -> dict[str, Any]:
    return {"task_type": task_type, "origin_instance": "shop"} | fields


GENERATION = _task("GENERATION", prompt="a red dress")
REFINE = _task("REFINE", base_image_url=PNG)
ADJUSTER = _task("IMAGE_ADJUSTER", input_image=PNG)


@pytest.mark.parametrize(
    "blank", ["  ", "\n\t", "\u200b\u200b", "\ufeff", "\u2060 \u3164", "\u2800"]
)
@pytest.mark.parametrize(
    ("body", "field"),
    [
        (GENERATION, "prompt"),
        (_task("EDITING", base_image=PNG), "prompt"),
        (_task("VIDEO_GENERATION"), "prompt"),
        (_task("LLM_INTERACTION"), "prompt"),
        (_task("LLM_INTERACTION", prompt="a"), "system_prompt"),
        (REFINE | {"upscale_factor": 2}, "upscale_prompt"),
        (REFINE | {"upscale_factor": 2}, "face_detail_prompt"),
    ],
)
async def test_prompt_that_nobody_can_see_is_refused(
    api: httpx.AsyncClient, body: dict[str, Any], field: str, blank: str
) -> None:
    answer = await api.post(TASKS, json=body | {field: blank})

    assert answer.status_code == 422
    (fault,) = answer.json()["detail"]
    assert fault["loc"][-1] == field
    assert "invisible characters" in fault["msg"]


async def test_prompt_of_a_step_is_held_to_the_same(api: httpx.AsyncClient) -> None:
    step = {"id": "a", "task_type": "GENERATION", "config": {"prompt": "\u200b"}}

    answer = await api.post(
        "/api/v1/workflows/", json={"name": "a", "origin_instance": "shop", "steps": [step]}
    )

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "steps", 0, "config", "prompt"]


@pytest.mark.parametrize("prompt", ["", None])
async def test_prompt_that_may_be_left_out_may_be_empty(
    api: httpx.AsyncClient, prompt: str | None
) -> None:
    answer = await api.post(TASKS, json=REFINE | {"upscale_factor": 2, "upscale_prompt": prompt})

    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (ADJUSTER, "no target is given"),
        (ADJUSTER | {"mode": "pad", "tolerance": 0.5}, "no target is given"),
        (ADJUSTER | {"margin_top": 0}, "no target is given"),
        (ADJUSTER | {"aspect_ratio": 1}, None),
        (ADJUSTER | {"target_width": 8, "target_height": 8}, None),
        (ADJUSTER | {"margin_left": 0.1}, None),
        (ADJUSTER | {"reference_image": PNG}, None),
        (REFINE | {"upscale_factor": 1, "upscale_denoise": 0}, "it keeps its size"),
        (REFINE | {"upscale_enabled": False, "upscale_denoise": 0}, "it keeps its size"),
        (REFINE | {"upscale_enabled": False}, None),
        (REFINE | {"upscale_factor": 1, "upscale_denoise": 0.1}, None),
        (REFINE | {"upscale_factor": 2, "upscale_denoise": 0}, None),
    ],
)
async def test_work_that_changes_nothing_is_said_to(
    api: httpx.AsyncClient, body: dict[str, Any], said: str | None
) -> None:
    answer = await api.post(TASKS, json=body)

    assert answer.status_code == 201, answer.text
    warnings = answer.json()["warnings"] or []
    assert [said in warning for warning in warnings] == [True] * (said is not None)
    assert (await api.get(f"{TASKS}{answer.json()['id']}")).json()["warnings"] == (warnings or None)


async def test_step_that_changes_nothing_is_said_on_workflow_step_and_task(
    api: httpx.AsyncClient,
) -> None:
    steps = [
        {"id": "idle", "task_type": "IMAGE_ADJUSTER", "config": {"input_image": PNG}},
        {
            "id": "mapped",
            "task_type": "IMAGE_ADJUSTER",
            "config": {"input_image": PNG},
            "input_mappings": [
                {
                    "from_step": "idle",
                    "from_field": "result_image_path",
                    "to_field": "reference_image",
                }
            ],
        },
    ]

    answer = await api.post(
        "/api/v1/workflows/?start=false",
        json={"name": "a", "origin_instance": "shop", "steps": steps},
    )

    workflow = answer.json()
    (warning,) = workflow["warnings"]
    assert warning.startswith("step idle: ")
    assert [len(step["warnings"] or []) for step in workflow["steps"]] == [1, 0]
    task = (await api.get(f"{TASKS}{workflow['steps'][0]['task_id']}")).json()
    assert task["warnings"] == workflow["steps"][0]["warnings"]


@pytest.mark.parametrize(
    ("body", "places"),
    [
        (REFINE | {"upscale_factor": 2, "provider_type": "fal_shootify_refiner"},
         ["provider_config.fal_app_id"]),
        (
            _task("LLM_INTERACTION", prompt="a", provider_type="ai_core"),
            ["provider_config.ai_provider", "provider_config.model"],
        ),
        (
            REFINE | {"upscale_factor": 2, "fallback_provider_type": "fal_shootify_refiner"},
            ["fallback_provider_config.fal_app_id"],
        ),
        (
            _task(
                "BACKGROUND_REMOVE",
                input_image_paths=[PNG],
                provider_config={"rembg_model": "u2net"},
            ),
            ["provider_config.rembg_model"],
        ),
    ],
)  # fmt: skip
async def test_provider_that_cannot_do_it_as_asked_is_refused_at_creation(
    api: httpx.AsyncClient, body: dict[str, Any], places: list[str]
) -> None:
    answer = await api.post(TASKS, json=body)

    assert answer.status_code == 422, answer.text
    faults = answer.json()["detail"]
    assert [".".join(fault["loc"][1:]) for fault in faults] == places
    assert all("give" in fault["msg"] or "name one that is" in fault["msg"] for fault in faults)
    step = {key: value for key, value in body.items() if key != "origin_instance"}
    if "provider_type" in step or "fallback_provider_type" in step:
        return
    own = {"id": "a", "task_type": step.pop("task_type"), "config": step}
    own["provider_config"] = step.pop("provider_config")
    workflow = {"name": "a", "origin_instance": "shop", "steps": [own]}
    refused = await api.post("/api/v1/workflows/", json=workflow)
    place = ["body", "steps", 0, *places[0].split(".")]
    assert [fault["loc"] for fault in refused.json()["detail"]] == [place]


async def test_provider_that_nobody_named_is_said_to_lack_something(
    api: httpx.AsyncClient,
) -> None:
    asked = await api.post(TASKS, json=_task("LLM_INTERACTION", prompt="a"))
    drawn = await api.post(TASKS, json=GENERATION | {"provider_type": "fal_standard"})

    assert [said.partition(" is missing")[0] for said in asked.json()["warnings"]] == [
        "provider_config.ai_provider",
        "provider_config.model",
    ]
    assert (drawn.status_code, drawn.json()["warnings"]) == (201, None)  # it has a default app


async def test_model_that_the_installation_has_may_be_named(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    body = _task(
        "BACKGROUND_REMOVE", input_image_paths=[PNG], provider_config={"rembg_model": "u2netp"}
    )
    model = gateway.resources.model.model_copy(update={"cutout_models": ("u2net",)})

    assert (await api.post(TASKS, json=body)).status_code == 201
    async with gateway.client(model=model) as other:
        refused = await other.post(TASKS, json=body)
    assert "(u2net)" in refused.json()["detail"][0]["msg"]
