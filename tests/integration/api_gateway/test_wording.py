"""Messages for unreadable bodies; paths with an extra or missing slash."""

import json
import re
import uuid
from typing import Any

import httpx
import pytest

from tests.fixtures.gateway import Gateway
from tests.fuzz.report import leaked_internals
from tests.integration.api_gateway.operation_tables import IMAGES, Operation, operations
from tests.integration.api_gateway.test_hostile_bodies import BODIES, json_operations, url
from tests.integration.api_gateway.test_service import DOCUMENT
from tests.integration.api_gateway.test_task_lifecycle import stop
from tests.integration.api_gateway.test_tasks import GENERATION

_JSON = {"content-type": "application/json"}
_OFF: dict[str, Any] = {"start": False}


def found() -> list[Operation]:
    return list(operations(json.loads(DOCUMENT.read_text())))


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", None])
async def test_body_that_does_not_say_it_is_json_is_415(
    api: httpx.AsyncClient, kind: str | None
) -> None:
    """The body is sent as curl sends it by default."""
    headers = {"content-type": kind} if kind else {}
    for operation in json_operations(found()):
        answer = await api.request(
            operation.method, url(operation), content=b'{"a": 1}', headers=headers
        )
        assert answer.status_code == 415, (operation.name, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert "Content-Type: application/json" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b'{"prompt": "\xff\xfe"}', 400, "is not text in UTF-8"),
        (b"1" * 10_000, 400, "too many digits"),
        (b"[" * 100_000 + b"]" * 100_000, 400, "nests too deeply"),
        (b'{"prompt": "x', 422, "is not valid JSON: Unterminated string"),
        (b"[]", 422, "must be an object"),
        (b'{"task_type": "SEWING"}', 422, "must be one of 'GENERATION', 'EDITING'"),
        (b'{"task_type": "REFINE", "config": 1}', 422, "must be an object"),
    ],
)
async def test_body_that_cannot_be_read_is_told_why(
    api: httpx.AsyncClient, body: bytes, status: int, words: str
) -> None:
    answer = await api.post("/api/v1/tasks/", content=body, headers=_JSON)
    assert answer.status_code == status
    assert words in answer.text
    assert leaked_internals(answer.text) is None
    assert "parsing the body" not in answer.text


@pytest.mark.parametrize("value", [1, "x", [], {}, None, True, -1.5])
async def test_wrong_value_is_never_answered_in_pythons_words(
    api: httpx.AsyncClient, value: object
) -> None:
    for path, body in BODIES.items():
        for name in body:
            method = "DELETE" if path.endswith("/lora") else "POST"
            answer = await api.request(method, path, json=body | {name: value}, params=_OFF)
            assert leaked_internals(answer.text) is None, answer.text
            assert "dictionary" not in answer.text, answer.text
            assert "Value error" not in answer.text, answer.text


async def test_both_spellings_of_a_path_are_served_and_share_a_key(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    first = await api.post("/api/v1/tasks", json=GENERATION, headers=headers)
    again = await api.post("/api/v1/tasks/", json=GENERATION, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    path = f"/api/v1/tasks/{first.json()['id']}"
    assert (await api.get(f"{path}/")).json() == (await api.get(path)).json()
    await stop(gateway, first.json())


async def test_no_path_is_redirected(api: httpx.AsyncClient) -> None:
    for operation in found():
        if operation.path.startswith(IMAGES) or "/events" in operation.path:
            continue
        path = re.sub(r"{\w+}", str(uuid.uuid4()), operation.path)
        other = path[:-1] if path.endswith("/") else f"{path}/"
        method = operation.method if operation.method in {"GET", "HEAD"} else "OPTIONS"
        spelt, misspelt = [await api.request(method, each) for each in (path, other)]
        assert misspelt.status_code == spelt.status_code, other
        assert not spelt.is_redirect
    assert (await api.get("/api/v1/nothing/")).status_code == 404


async def test_path_that_ends_with_a_slash_where_that_is_a_name_is_left_alone(
    api: httpx.AsyncClient,
) -> None:
    assert (await api.get("/api/v1/storage/images/uploads/")).status_code == 422
