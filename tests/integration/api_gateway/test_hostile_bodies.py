"""Malformed and hostile bodies and queries are refused or read literally, never a 5xx."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.fixtures.gateway import Gateway
from tests.integration.api_gateway.operation_tables import Operation, operations

SURROGATE, NUL = '"\\ud800"', '"a\\u0000b"'
HUGE = "1" + "0" * 400
WRONG_JSON = {
    "deep lists": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "not UTF-8": b'{"prompt": "\xff\xfe"}',
    "cut off": b'{"prompt": "x',
    "a number too long to read": b"1" * 10_000,
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
}
"""Complete bodies."""
VALUES = [SURROGATE, NUL, HUGE, f"-{HUGE}", "1e999", "NaN", "-Infinity", "true", "[]", "{}"]
VALUES += ["[" * depth + "]" * depth for depth in (90, 400, 900)]
"""JSON values that are put in the place of each field, and inside the free ones."""
QUERIES = [
    "%00",
    "%ff",
    "%ED%A0%80",
    HUGE,
    f"-{HUGE}",
    "NaN",
    "9" * 19,
    "0x1",
    "1e3",
    "",
    "%F0%9F%98%80",
]
DATES = ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "+292277026596-12-04", "2026-02-30"]
_ID = str(uuid.uuid4())


@pytest.fixture(scope="module")
def found(gateway: Gateway) -> list[Operation]:
    return list(operations(gateway.openapi()))


def url(operation: Operation) -> str:
    return operation.path.format(task_id=_ID, workflow_id=_ID, path="uploads/none.png")


def json_operations(found: list[Operation]) -> Iterator[Operation]:
    for operation in found:
        if "application/json" in operation.details.get("requestBody", {}).get("content", {}):
            yield operation


@pytest.mark.parametrize("name", WRONG_JSON)
async def test_body_that_is_no_request_is_refused(
    api: httpx.AsyncClient, found: list[Operation], name: str
) -> None:
    for operation in json_operations(found):
        if name == "nothing" and not operation.details["requestBody"].get("required"):
            continue
        answer = await api.request(
            operation.method,
            url(operation),
            content=WRONG_JSON[name],
            headers={"content-type": "application/json"},
        )
        assert answer.status_code in {400, 422}, (operation.name, answer.text[:300])


BODIES: dict[str, dict[str, Any]] = {
    "/api/v1/tasks/": {
        "task_type": "GENERATION",
        "prompt": "x",
        "origin_instance": "x",
        "origin_reference": "x",
        "seed": 1,
        "width": 64,
        "priority": 1,
        "config": {"free": "x"},
        "provider_config": None,
        "webhook_url": None,
        "queue_name": None,
        "active_provider_capabilities": [],
        "reference_image_url": None,
    },
    "/api/v1/workflows/": {
        "name": "x",
        "description": "x",
        "origin_instance": "x",
        "config": {"free": "x"},
        "steps": [{"id": "a", "task_type": "GENERATION", "config": {"prompt": "x"}}],
    },
    "/api/v1/training/": {
        "trigger_word": "x",
        "source_images": ["https://images.example.com/a.png"],
        "rank": 16,
        "learning_rate": 0.1,
        "sample_prompts": ["x"],
        "preprocessing_transforms": [{"type": "resize", "free": "x"}],
        "entity_id": None,
    },
    "/api/v1/evaluation/": {
        "image_data": "x",
        "expected_framing": "full_body",
        "expected_view_angle": "front",
        "custom_instructions": "x",
    },
    "/api/v1/admin/lora": {"partial_path": "x"},
}
"""Bodies with fields of every kind, each of which is replaced in turn."""


def spoilt(body: Any, value: str) -> Iterator[str]:
    """Return the body as JSON once per leaf, with that leaf replaced."""
    mark = "the value to be replaced"
    for changed in _with_mark(body, mark):
        yield json.dumps(changed).replace(json.dumps(mark), value)


def _with_mark(value: Any, mark: str) -> Iterator[Any]:
    yield mark
    if isinstance(value, dict):
        for name in value:
            for changed in _with_mark(value[name], mark):
                yield value | {name: changed}
    elif isinstance(value, list):
        for index, item in enumerate(value):
            for changed in _with_mark(item, mark):
                yield [*value[:index], changed, *value[index + 1 :]]


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("value", VALUES, ids=lambda value: value[:9])
async def test_hostile_value_of_a_field_is_never_our_failure(
    api: httpx.AsyncClient, path: str, value: str
) -> None:
    method = "DELETE" if path.endswith("/lora") else "POST"
    for body in spoilt(BODIES[path], value):
        answer = await api.request(
            method, path, content=body, headers={"content-type": "application/json"}
        )
        assert answer.status_code < 500, (body, answer.text[:300])
        if answer.status_code == 201 and path != "/api/v1/training/":
            again = await api.get(f"{path}{answer.json()['id']}")
            assert again.status_code == 200, body


async def test_hostile_query_is_never_our_failure(
    api: httpx.AsyncClient, found: list[Operation]
) -> None:
    for operation in found:
        if operation.method != "GET":
            continue
        for name in operation.query_names:
            values = QUERIES + (DATES if name.startswith("created_") else [])
            for value in values:
                answer = await api.get(f"{url(operation)}?{name}={value}")
                assert answer.status_code < 500, (operation.name, name, value, answer.text[:300])


@pytest.mark.parametrize("value", [SURROGATE, NUL, HUGE, *(f'"{date}"' for date in DATES)])
async def test_hostile_change_is_never_our_failure(api: httpx.AsyncClient, value: str) -> None:
    task = {"task_type": "EXPERIMENTAL_FAL", "fal_app_id": "fal-ai/x", "origin_instance": "x"}
    generation = {"task_type": "GENERATION", "prompt": "x", "origin_instance": "x"}
    changed = {
        "errors": ["x"],
        "config": {"free": "x"},
        "executor_type": "x",
        "created_at": None,
        "retry_count": 0,
        "progress": 1,
        "service_requests": [{"free": "x"}],
        "billed": [{"provider": "vertex", "unit": "x", "amount": 1}],
        "fallback_provider_config": {"free": "x"},
        "origin_reference": "x",
        "fal_request_id": "x",
    }
    created = [
        (await api.post("/api/v1/tasks/", json=body)).json()["id"] for body in (task, generation)
    ]
    for path in (f"/api/v1/tasks/{created[0]}", f"/api/v1/tasks/generation/{created[1]}"):
        for body in spoilt(changed, value):
            answer = await api.put(path, content=body, headers={"content-type": "application/json"})
            assert answer.status_code < 500, (body, answer.text[:300])
            assert (await api.get(path)).status_code == 200, body


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
async def test_what_is_no_number_is_said(api: httpx.AsyncClient, number: str) -> None:
    body = (
        '{"task_type": "REFINE", "origin_instance": "x", "base_image_url": "x",'
        f' "upscale_factor": 2, "config": {{"x": [{number}]}}}}'
    )
    headers = {"content-type": "application/json"}
    answer = await api.post("/api/v1/tasks/", content=body, headers=headers)
    assert answer.status_code == 422
    assert "not a number that JSON can hold" in answer.text
