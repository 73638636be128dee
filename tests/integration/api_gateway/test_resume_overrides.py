"""A resume with a new config for a failed step, checked as at creation."""

import base64
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from shared.db.repositories.scope import Scope
from shared.db.repositories.subjects import find_workflow
from tests.fakes.failing_steps import Provider
from tests.fakes.inference import Attempt
from tests.fixtures.gateway import OTHER_TENANT_KEY, TENANT_KEY, Gateway
from tests.fixtures.pictures import picture
from tests.fixtures.storage import IMAGES
from tests.integration.api_gateway.conftest import Staff
from tests.integration.api_gateway.test_workflow_lifecycle import create, reached, read, statuses
from tests.integration.api_gateway.test_workflow_resume import task_of
from tests.integration.api_gateway.test_workflows import GENERATE, REFINE

DRAW = GENERATE | {"id": "draw"}
FINISH = REFINE | {"id": "finish", "depends_on": ["broken"], "max_retries": 0}
FINISH["input_mappings"] = [REFINE["input_mappings"][0] | {"from_step": "broken"}]
BROKEN: dict[str, Any] = GENERATE | {"id": "broken", "depends_on": ["draw"], "max_retries": 0}
BROKEN["config"] = GENERATE["config"] | {"config": {"num_inference_steps": 3}}


@pytest.fixture
async def shop(staff: Staff) -> AsyncIterator[httpx.AsyncClient]:
    async with staff.client(TENANT_KEY) as client:
        yield client


@pytest.fixture
async def failed(shop: httpx.AsyncClient, provider: Provider) -> dict[str, Any]:
    """A workflow with a first image, a failed step after it, and one more waiting step."""
    created = await create(shop, DRAW, BROKEN, FINISH, start="false")
    provider.down_for = {task_of(created, "broken")}
    assert (await shop.post(f"/api/v1/workflows/{created['id']}/start")).status_code == 200
    found = await reached(shop, created, "FAILED", "COMPLETED")
    assert statuses(found) == {"draw": "COMPLETED", "broken": "FAILED", "finish": "PENDING"}
    provider.down_for = set()
    return found


async def resume(
    client: httpx.AsyncClient, workflow: dict[str, Any], query: str = "", **configs: Any
) -> httpx.Response:
    steps = {step_id: {"config": config} for step_id, config in configs.items()}
    path = f"/api/v1/workflows/{workflow['id']}/resume{query}"
    return await client.post(path, json={"steps": steps})


def step_of(workflow: dict[str, Any], step_id: str) -> dict[str, Any]:
    return next(step for step in workflow["steps"] if step["step_id"] == step_id)


def attempts_of(staff: Staff, workflow: dict[str, Any], step_id: str) -> list[Attempt]:
    task_id = task_of(workflow, step_id)
    return [one for one in staff.runs.inference.attempts if str(one.task_id) == task_id]


async def test_steps_that_run_again_run_with_what_is_sent_and_else_with_what_they_had(
    staff: Staff, shop: httpx.AsyncClient, failed: dict[str, Any]
) -> None:
    sent = {
        "broken": {"prompt": "a blue dress", "config": {"num_inference_steps": 7}},
        "finish": {"upscale_factor": 4},
    }
    plan = (await resume(shop, failed, "?dry_run=true", **sent)).json()
    size = {"width": 64, "height": 64}
    assert plan["run"] == [
        {"step_id": "broken", "reason": "failed", "config": sent["broken"] | size},
        {"step_id": "finish", "reason": "not_run_yet", "config": sent["finish"]},
    ]

    answer = await resume(shop, failed, **sent)
    assert answer.status_code == 200, answer.text
    done = await reached(shop, failed, "COMPLETED", "FAILED")

    assert done["status"] == "COMPLETED", done
    assert {s["step_id"]: s["config"] for s in done["steps"] if s["step_id"] in sent} == {
        line["step_id"]: line["config"] for line in plan["run"]
    }
    before, after = (attempts_of(staff, each, "broken")[0].inputs for each in (failed, done))
    assert (before.prompt, after.prompt) == ("a red dress", "a blue dress")
    assert after.config.num_inference_steps == 7
    assert after.seed == before.seed, "a seed that was drawn stays"
    [refined] = attempts_of(staff, done, "finish")
    assert refined.inputs.upscale_factor == 4
    assert task_of(done, "finish") == task_of(failed, "finish"), "nobody has begun it"
    task = (await shop.get(f"/api/v1/tasks/{task_of(done, 'broken')}")).json()
    assert (task["prompt"], task["seed"]) == ("a blue dress", before.seed)


async def test_null_takes_a_value_out(
    staff: Staff, shop: httpx.AsyncClient, failed: dict[str, Any]
) -> None:
    answer = await resume(shop, failed, broken={"width": None, "config": None})
    assert answer.status_code == 200, answer.text
    done = await reached(shop, failed, "COMPLETED", "FAILED")
    assert step_of(done, "broken")["config"] == {"prompt": "a red dress", "height": 64}
    assert attempts_of(staff, done, "broken")[0].inputs.config.num_inference_steps != 3


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
@pytest.mark.parametrize(
    ("step_id", "config", "place", "words"),
    [
        ("draw", {"prompt": "x"}, [], "has completed; steps that run again are broken, finish"),
        ("none", {"prompt": "x"}, [], "is no step of this workflow"),
        ("broken", {"prompt": None}, ["config", "prompt"], "required"),
        ("broken", {"width": 128}, ["config", "width"], "64"),
        ("broken", {"seed": "red"}, ["config", "seed"], "integer"),
        ("broken", {"config": []}, ["config", "config"], "must be an object"),
        ("broken", {"style_model_path": "a"}, ["config", "style_model_path"], "no LoRA"),
        ("broken", {"reference_image_url": "a"}, ["config", "reference_image_url"], ""),
        ("finish", {"base_image_url": "a"}, ["config", "base_image_url"], "from step 'broken'"),
        ("finish", {"upscale_factor": 99}, ["config", "upscale_factor"], "16"),
    ],
)
async def test_what_cannot_be_is_refused_by_name_and_nothing_changes(
    gateway: Gateway,
    api: httpx.AsyncClient,
    paused: dict[str, Any],
    query: str,
    step_id: str,
    config: dict[str, Any],
    place: list[str],
    words: str,
) -> None:
    rows = await gateway.row_counts()
    answer = await resume(api, paused, query, **{step_id: config})
    assert answer.status_code == 422, answer.text
    [fault] = answer.json()["detail"]
    assert fault["loc"] == ["body", "steps", step_id, *place]
    assert words in fault["msg"]
    assert await read(api, paused) == paused
    assert await gateway.row_counts() == rows


@pytest.fixture
async def paused(gateway: Gateway, api: httpx.AsyncClient) -> dict[str, Any]:
    """A workflow whose records show a completed first step; nothing runs."""
    created = await create(api, DRAW, BROKEN, FINISH, start="false")
    await as_paused(gateway, created)
    return await read(api, created)


async def as_paused(gateway: Gateway, workflow: dict[str, Any]) -> None:
    async with gateway.resources.sessions.begin() as session:
        found = await find_workflow(session, Scope(), uuid.UUID(workflow["id"]), lock=True)
        assert found is not None
        found.status, found.steps[0].status = "PAUSED", "COMPLETED"


async def test_picture_that_is_sent_along_is_kept_for_the_step(
    staff: Staff, gateway: Gateway, shop: httpx.AsyncClient, failed: dict[str, Any]
) -> None:
    sent = {"reference_image_data": base64.b64encode(picture()).decode()}
    rows = await gateway.row_counts()
    plan = (await resume(shop, failed, "?dry_run=true", broken=sent)).json()
    assert plan["run"][0]["config"]["reference_image_url"].startswith("sha256:")
    assert await gateway.row_counts() == rows

    answer = await resume(shop, failed, broken=sent)
    assert answer.status_code == 200, answer.text
    done = await reached(shop, failed, "COMPLETED", "FAILED")
    path = step_of(done, "broken")["config"]["reference_image_url"]
    assert path.startswith(f"generations/{task_of(done, 'broken')}/inputs/")
    assert attempts_of(staff, done, "broken")[0].inputs.reference_image_url == path
    assert (await shop.get(f"{IMAGES}/{path}")).content == picture()


async def test_same_picture_may_be_sent_along_again(
    gateway: Gateway, api: httpx.AsyncClient, paused: dict[str, Any]
) -> None:
    sent = {"reference_image_data": base64.b64encode(picture()).decode()}
    for _ in range(2):
        resumed = await resume(api, paused, broken=sent)
        assert resumed.status_code == 200, resumed.text
        path = step_of(resumed.json(), "broken")["config"]["reference_image_url"]
        assert (await api.get(f"{IMAGES}/{path}")).content == picture()
        run = resumed.json()["canvas_task_id"]
        await gateway.resources.temporal.get_workflow_handle(run).terminate()
        await as_paused(gateway, paused)


async def test_picture_inside_parameters_is_kept_for_the_step(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    app = {"id": "app", "task_type": "EXPERIMENTAL_FAL", "depends_on": ["draw"]}
    created = await create(api, DRAW, app | {"config": {"fal_app_id": "a/b"}}, start="false")
    await as_paused(gateway, created)
    url = f"data:image/png;base64,{base64.b64encode(picture()).decode()}"
    sent = {"fal_parameters": {"layers": [{"of": url}]}}
    plan = (await resume(api, created, "?dry_run=true", app=sent)).json()
    shown = plan["run"][0]["config"]["fal_parameters"]["layers"][0]["of"]
    assert shown.startswith("sha256:")

    resumed = await resume(api, created, app=sent)
    assert resumed.status_code == 200, resumed.text
    run = resumed.json()["canvas_task_id"]
    await gateway.resources.temporal.get_workflow_handle(run).terminate()
    kept = step_of(resumed.json(), "app")["config"]["fal_parameters"]
    path = kept["layers"][0]["of"]
    assert path.startswith(f"experimental_fal/{task_of(resumed.json(), 'app')}/inputs/")
    task = (await api.get(f"/api/v1/tasks/{task_of(resumed.json(), 'app')}")).json()
    assert task["fal_parameters"] == kept
    assert (await api.get(f"{IMAGES}/{path}")).content == picture()


@pytest.mark.parametrize("content", [b"", b"{}", b'{"steps": {}}'])
async def test_body_may_be_left_out(
    api: httpx.AsyncClient, paused: dict[str, Any], content: bytes
) -> None:
    """Generated clients send the JSON content type anyway."""
    path = f"/api/v1/workflows/{paused['id']}/resume?dry_run=true"
    answer = await api.post(path, content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert [tuple(line) for line in answer.json()["run"]] == [("step_id", "reason")] * 2


async def test_stranger_overrides_nothing(gateway: Gateway, paused: dict[str, Any]) -> None:
    async with gateway.client(OTHER_TENANT_KEY) as stranger:
        answer = await resume(stranger, paused, broken={"prompt": "theirs"})
    assert answer.status_code == 404


async def test_misspelt_field_is_said_or_refused(
    shop: httpx.AsyncClient, failed: dict[str, Any]
) -> None:
    sent = {"promt": "a blue dress", "config": {"num_inference_step": 7}}
    path = f"/api/v1/workflows/{failed['id']}/resume"
    body = {"steps": {"broken": {"config": sent}}}

    strict = await shop.post(path, json=body, headers={"Prefer": "handling=strict"})
    assert strict.status_code == 422
    place = ["body", "steps", "broken", "config"]
    assert [each["loc"] for each in strict.json()["detail"]] == [
        [*place, "promt"],
        [*place, "config", "num_inference_step"],
    ]
    for query in ("?dry_run=true", ""):
        said = await shop.post(path + query, json=body)
        assert said.status_code == 200, said.text
        assert '"body.steps.broken.config.promt";nearest="prompt"' in said.headers["sartiq-ignored"]
    await reached(shop, failed, "COMPLETED", "FAILED")


async def test_warnings_are_those_of_the_override(
    gateway: Gateway, shop: httpx.AsyncClient
) -> None:
    image = base64.b64encode(picture()).decode()
    idle = {"id": "a", "task_type": "IMAGE_ADJUSTER", "config": {"input_image": image}}
    created = await create(shop, DRAW, idle | {"depends_on": ["draw"]}, start="false")
    async with gateway.resources.sessions.begin() as session:
        row = await find_workflow(session, Scope("shop", "acme"), uuid.UUID(created["id"]))
        assert row is not None
        row.status = "PAUSED"
    assert step_of(created, "a")["warnings"]

    resumed = await resume(shop, created, a={"aspect_ratio": 2})
    assert resumed.status_code == 200, resumed.text

    assert not step_of(resumed.json(), "a")["warnings"]
    task = (await shop.get(f"/api/v1/tasks/{task_of(resumed.json(), 'a')}")).json()
    assert not task["warnings"]


async def test_step_that_was_recorded_under_other_rules_is_refused_by_name(
    gateway: Gateway, shop: httpx.AsyncClient, failed: dict[str, Any]
) -> None:
    async with gateway.resources.sessions.begin() as session:
        row = await find_workflow(session, Scope("shop", "acme"), uuid.UUID(failed["id"]))
        assert row is not None
        for step in row.steps:
            if step.step_id == "broken":
                step.provider_config = {"provider_type": "of old"}

    answer = await resume(shop, failed, broken={"prompt": "a blue dress"})

    assert answer.status_code == 422, answer.text
    [fault] = answer.json()["detail"]
    assert fault["loc"] == ["body", "steps", "broken"]
    assert "other rules" in fault["msg"]
