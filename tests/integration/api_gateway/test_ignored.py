"""Misspelt fields and parameters are ignored and reported, or refused if strict."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.fixtures.gateway import TENANT_KEY, Gateway
from tests.fixtures.lora_api import FINE, clear
from tests.fixtures.rows import add, task_row, workflow_row

TASKS, WORKFLOWS, TRAININGS = "/api/v1/tasks/", "/api/v1/workflows/", "/api/v1/training/"
STRICT = {"Prefer": "respond-async, handling=strict"}
GENERATION = {"task_type": "GENERATION", "prompt": "a red dress", "origin_instance": "shop"}
STEP = {"id": "a", "task_type": "GENERATION", "config": {"prompt": "a red dress"}}
WORKFLOW = {"name": "one", "origin_instance": "shop", "steps": [STEP]}
TRAINING = {"trigger_word": "sh0e", "source_images": ["https://images.example.com/1.jpg"]}


@pytest.fixture
async def admin(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway.client() as client:
        yield client
    await clear(gateway)


def _wrong(url: str, body: dict[str, Any], place: str, name: str) -> Any:
    return pytest.param(url, body, place, name, id=f"{url} {place}")


CREATES = [
    _wrong(TASKS, GENERATION | {"lora_path": "a"}, "body.lora_path", "style_model_path"),
    _wrong(
        TASKS,
        GENERATION | {"num_inference_steps": 1},
        "body.num_inference_steps",
        "body.config.num_inference_steps",
    ),
    _wrong(
        TASKS,
        GENERATION | {"config": {"num_inference_step": 1}},
        "body.config.num_inference_step",
        "num_inference_steps",
    ),
    _wrong(
        f"{WORKFLOWS}?start=false",
        WORKFLOW | {"steps": [STEP | {"config": {"prompt": "a", "widht": 64}}]},
        "body.steps.0.config.widht",
        "width",
    ),
    _wrong(
        f"{WORKFLOWS}?start=false",
        WORKFLOW | {"orgin_zone": "eu"},
        "body.orgin_zone",
        "origin_zone",
    ),
    _wrong(f"{WORKFLOWS}?strat=false", WORKFLOW, "query.strat", "start"),
    _wrong(TRAININGS, TRAINING | {"learning_rat": 1}, "body.learning_rat", "learning_rate"),
]


@pytest.mark.parametrize(("url", "body", "place", "name"), CREATES)
async def test_what_a_create_ignores_is_said_in_its_header_and_on_its_record(
    admin: httpx.AsyncClient, url: str, body: dict[str, Any], place: str, name: str
) -> None:
    answer = await admin.post(url, json=body)

    assert answer.status_code == 201, answer.text
    assert answer.headers["Sartiq-Ignored"] == f'"{place}";nearest="{name}"'
    assert "Preference-Applied" not in answer.headers
    warning, *others = answer.json()["warnings"]
    # Trainings also say which model they are trained on here.
    assert all(other.startswith("base_model_path: ") for other in others)
    assert place in warning
    assert f"`{name}`" in warning
    read = await admin.get(f"{url.partition('?')[0]}{answer.json()['id']}")
    assert read.json()["warnings"] == [warning, *others]
    assert "Sartiq-Ignored" not in read.headers


@pytest.mark.parametrize(("url", "body", "place", "name"), CREATES)
async def test_strict_create_is_refused_and_leaves_nothing(
    gateway: Gateway,
    admin: httpx.AsyncClient,
    url: str,
    body: dict[str, Any],
    place: str,
    name: str,
) -> None:
    before = await gateway.row_counts()

    answer = await admin.post(url, json=body, headers=STRICT)

    assert answer.status_code == 422
    assert answer.headers["Preference-Applied"] == "handling=strict"
    (fault,) = answer.json()["detail"]
    assert ".".join(map(str, fault["loc"])) == place
    assert (fault["type"], f"`{name}`" in fault["msg"]) == ("unknown_field", True)
    assert await gateway.row_counts() == before


async def test_strict_request_without_a_mistake_is_served(admin: httpx.AsyncClient) -> None:
    for url, body in ((TASKS, GENERATION), (f"{WORKFLOWS}?start=false", WORKFLOW)):
        answer = await admin.post(url, json=body, headers=STRICT)

        assert answer.status_code == 201
        assert answer.headers["Preference-Applied"] == "handling=strict"
        assert answer.json()["warnings"] is None


@pytest.mark.parametrize(
    ("url", "place"),
    [(TASKS, "body.provider_config"), (f"{WORKFLOWS}?start=false", "body.steps.0.provider_config")],
)
async def test_an_id_that_the_provider_gives_is_ignored(
    admin: httpx.AsyncClient, url: str, place: str
) -> None:
    app = {"provider_type": "fal_standard", "fal_app_id": "acme/own"}
    given = {"provider_config": app | {"fal_request_id": "of-another"}}
    body = GENERATION | given if url == TASKS else WORKFLOW | {"steps": [STEP | given]}

    refused = await admin.post(url, json=body, headers=STRICT)
    answer = await admin.post(url, json=body)

    assert refused.status_code == 422
    (fault,) = refused.json()["detail"]
    assert ".".join(map(str, fault["loc"])) == f"{place}.fal_request_id"
    assert answer.status_code == 201
    assert answer.headers["Sartiq-Ignored"] == f'"{place}.fal_request_id"'
    assert f"{place}.fal_request_id was ignored" in answer.json()["warnings"][0]
    read = await admin.get(f"{url.partition('?')[0]}{answer.json()['id']}")
    assert "of-another" not in read.text


async def test_repeat_of_a_create_gets_its_warnings_again(admin: httpx.AsyncClient) -> None:
    key, body = {"Idempotency-Key": str(uuid.uuid4())}, GENERATION | {"widht": 64}

    first = await admin.post(TASKS, json=body, headers=key)
    again = await admin.post(TASKS, json=body, headers=key)

    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()
    assert again.headers["Sartiq-Ignored"] == first.headers["Sartiq-Ignored"]


async def test_refused_request_is_told_what_was_ignored(admin: httpx.AsyncClient) -> None:
    body = {"task_type": "GENERATION", "promt": "a", "origin_instance": "shop"}

    answer = await admin.post(TASKS, json=body)

    assert answer.status_code == 422
    assert answer.headers["Sartiq-Ignored"] == '"body.promt";nearest="prompt"'


async def test_header_is_bounded_whatever_a_stranger_sends(admin: httpx.AsyncClient) -> None:
    strange = {f"é\n\u2028{i}" + "x" * 500: 1 for i in range(500)}

    answer = await admin.post(TASKS, json=GENERATION | strange)

    header = answer.headers["Sartiq-Ignored"]
    assert (answer.status_code, len(header) <= 2048) == (201, True)
    assert header.isascii()
    assert len(answer.json()["warnings"]) <= 21
    assert answer.json()["warnings"][-1] == "480 more fields were ignored."


@pytest.mark.parametrize(
    "path",
    [
        TASKS,
        "/api/v1/tasks/generation",
        WORKFLOWS,
        TRAININGS,
        "/api/v1/lora/",
        "/api/v1/storage/images",
        "/api/v1/monitoring/tasks",
        "/api/v1/webhooks/deliveries",
        "/api/v1/evaluation/health",
        "/livez",
    ],
)
async def test_unknown_parameter_is_said_or_refused(admin: httpx.AsyncClient, path: str) -> None:
    asked = {"origin_reference": "r", "limti": "3"}

    lenient = await admin.get(path, params=asked)
    strict = await admin.get(path, params=asked, headers=STRICT)

    assert lenient.status_code == 200
    assert '"query.origin_reference"' in lenient.headers["Sartiq-Ignored"]
    assert strict.status_code == 422
    assert [fault["loc"] for fault in strict.json()["detail"]] == [
        ["query", "origin_reference"],
        ["query", "limti"],
    ]


async def test_change_of_a_task_says_what_it_cannot_change(
    gateway: Gateway, admin: httpx.AsyncClient
) -> None:
    task = task_row(warnings=["said before"], inputs={"prompt": "a"})
    await add(gateway.resources.sessions, task)
    url, change = f"{TASKS}{task.id}", {"priority": 2, "prompt": "b", "fal_app_id": "a/b"}

    strict = await admin.put(url, json=change, headers=STRICT)
    lenient = await admin.put(url, json=change)

    assert strict.status_code == 422
    assert lenient.status_code == 200
    record = lenient.json()
    assert (record["priority"], record["prompt"]) == (2, "a")
    assert lenient.headers["Sartiq-Ignored"] == '"body.prompt", "body.fal_app_id"'
    assert record["warnings"] == [
        "said before",
        "body.prompt was ignored: it cannot be changed here.",
        "body.fal_app_id was ignored: it cannot be changed here.",
    ]
    assert (await admin.get(url)).json()["warnings"] == ["said before"]


async def test_strict_change_of_what_another_type_has_changes_nothing(
    gateway: Gateway, admin: httpx.AsyncClient
) -> None:
    task = task_row(inputs={"prompt": "a"})
    await add(gateway.resources.sessions, task)
    url = f"{TASKS}{task.id}"

    answer = await admin.put(url, json={"priority": 2, "fal_app_id": "a/b"}, headers=STRICT)

    assert answer.status_code == 422
    assert [fault["loc"] for fault in answer.json()["detail"]] == [["body", "fal_app_id"]]
    assert (await admin.get(url)).json()["priority"] == 0


async def test_change_of_a_workflow_says_what_it_cannot_change(
    gateway: Gateway, admin: httpx.AsyncClient
) -> None:
    workflow = workflow_row("a")
    await add(gateway.resources.sessions, workflow)
    url, change = f"{WORKFLOWS}{workflow.id}", {"name": "two", "steps": [], "config": {}}

    strict = await admin.patch(url, json=change, headers=STRICT)
    lenient = await admin.patch(url, json=change)

    assert strict.status_code == 422
    assert (lenient.status_code, lenient.json()["name"]) == (200, "two")
    assert lenient.headers["Sartiq-Ignored"] == '"body.steps", "body.config"'
    assert len(lenient.json()["warnings"]) == 2


async def test_unknown_parts_of_forms_are_said(gateway: Gateway, admin: httpx.AsyncClient) -> None:
    file = {"file": ("a.safetensors", FINE)}
    fields = {"entity_typ": "styles"}

    strict = await admin.post("/api/v1/lora/upload", files=file, data=fields, headers=STRICT)
    lenient = await admin.post("/api/v1/lora/upload", files=file, data=fields)

    assert (strict.status_code, lenient.status_code) == (422, 201)
    assert lenient.headers["Sartiq-Ignored"] == '"body.entity_typ";nearest="entity_type"'


async def test_strangers_are_told_nothing(gateway: Gateway) -> None:
    async with gateway.client(None) as stranger, gateway.client(TENANT_KEY) as tenant:
        refused = await stranger.get(TASKS, params={"limti": "3"})
        missing = await tenant.get(f"{TASKS}{uuid.uuid4()}", params={"limti": "3"})

    assert (refused.status_code, "Sartiq-Ignored" in refused.headers) == (401, False)
    assert (missing.status_code, "Sartiq-Ignored" in missing.headers) == (404, True)
