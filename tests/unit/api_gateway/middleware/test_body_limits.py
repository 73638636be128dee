"""Bodies are limited by route, and JSON by its number of values, before they are parsed."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from api_gateway.app import public_api
from api_gateway.errors import add_error_handlers
from api_gateway.middleware.body_limits import MAX_JSON_VALUES, BodyLimit, public_limits
from api_gateway.settings import GatewaySettings

SETTINGS = GatewaySettings(max_body_bytes=2_000_000, max_json_bytes=1000)
_FORM, _JSON = "multipart/form-data", "application/json"


def operations_with_bodies() -> dict[str, Any]:
    return {
        f"{method.upper()} {path}": operation["requestBody"]["content"]
        for path, item in public_api().openapi()["paths"].items()
        for method, operation in item.items()
        if "requestBody" in operation
    }


def test_what_takes_pictures_takes_more() -> None:
    limit = public_limits(SETTINGS)

    limits = {name: limit(*name.split()) for name in operations_with_bodies()}

    pictures = {"tasks/", "workflows/", "training/", "evaluation/", "storage/images/{path}"}
    pictures.add("workflows/{workflow_id}/resume")
    assert {name for name, most in limits.items() if most == SETTINGS.max_body_bytes} == {
        f"POST /api/v1/{path}" for path in pictures
    }
    assert {name for name, most in limits.items() if most is None} == {
        "POST /api/v1/lora/upload",
        "POST /api/v1/admin/lora/upload",
    }
    assert {most for most in limits.values() if most} == {1000, 2_000_000}
    assert limit("POST", "/api/v1/tasks") == SETTINGS.max_body_bytes
    assert limit("POST", "/api/v1/tasks/7/cancel") == limit("GET", "/livez") == 1000


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.add_middleware(BodyLimit, limit_of=public_limits(SETTINGS))
    add_error_handlers(app)

    @app.post("/api/v1/tasks/")
    async def create(request: Request) -> int:
        return len(await request.body())

    @app.put("/api/v1/tasks/1")
    async def update(body: dict[str, Any]) -> int:
        return len(body)

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 100):
        yield body[start : start + 100]


@pytest.mark.parametrize("is_declared", [True, False])
async def test_body_past_the_limit_is_a_problem_that_names_it(
    client: httpx.AsyncClient, *, is_declared: bool
) -> None:
    body = json.dumps({"a": "x" * 2000}).encode()
    response = await client.put(
        "/api/v1/tasks/1",
        content=body if is_declared else in_pieces(body),
        headers={"content-type": _JSON},
    )

    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "too_large"
    assert "1000 bytes" in response.json()["detail"]


async def test_body_at_the_limit_is_read(client: httpx.AsyncClient) -> None:
    body = json.dumps({"a": "x" * 991}).encode()
    assert len(body) == 1000
    for content in (body, in_pieces(body)):
        headers = {"content-type": _JSON}
        response = await client.put("/api/v1/tasks/1", content=content, headers=headers)
        assert (response.status_code, response.json()) == (200, 1)


@pytest.mark.parametrize("value", [b"1,", b"[],", b"{},", b"[", b'{"a":'])
async def test_json_of_too_many_values_is_a_problem(
    client: httpx.AsyncClient, value: bytes
) -> None:
    body = b"[" + value * MAX_JSON_VALUES
    response = await client.post("/api/v1/tasks/", content=body, headers={"content-type": _JSON})

    assert (response.status_code, response.json()["code"]) == (413, "too_large")
    assert f"{MAX_JSON_VALUES} values" in response.json()["detail"]


async def test_commas_of_a_form_are_no_values(client: httpx.AsyncClient) -> None:
    body = b"," * (MAX_JSON_VALUES + 1)
    headers = {"content-type": f"{_FORM}; boundary=a"}
    response = await client.post("/api/v1/tasks/", content=body, headers=headers)
    assert response.json() == len(body)
