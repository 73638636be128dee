"""Every operation declares its error responses."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from api_gateway.app import create_app
from api_gateway.resources import Resources


@pytest.fixture(scope="module")
def responses() -> dict[str, dict[str, Any]]:
    """The error responses by operation ID."""
    settings = SimpleNamespace(max_body_bytes=1)
    app = create_app(cast("Resources", SimpleNamespace(settings=settings)))
    return {
        operation["operationId"]: operation["responses"]
        for item in app.openapi()["paths"].values()
        for operation in item.values()
    }


@pytest.mark.parametrize(
    ("operation_id", "errors"),
    [
        ("list_tasks", {401, 403, 422, 429, 503}),
        ("get_task", {401, 403, 404, 422, 429, 503}),
        ("create_task", {400, 401, 403, 409, 413, 415, 422, 429, 503}),
        ("upload_lora", {400, 401, 403, 409, 413, 415, 422, 429, 503}),
        ("get_image", {401, 403, 404, 416, 422, 429, 503}),
        ("admin_delete_lora", {400, 401, 403, 404, 409, 413, 415, 422, 429, 503}),
        ("get_queue_stats", {401, 403, 429, 503}),
        ("health_check", {503}),
        ("livez", set[int]()),
    ],
)
def test_errors_follow_from_what_an_operation_takes(
    responses: dict[str, dict[str, Any]], operation_id: str, errors: set[int]
) -> None:
    assert {int(status) for status in responses[operation_id] if status >= "4"} == errors


def test_problems_are_problems_and_faults_are_faults(responses: dict[str, dict[str, Any]]) -> None:
    problem = {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}
    faults = {"schema": {"$ref": "#/components/schemas/HTTPValidationError"}}
    assert responses["get_task"]["404"]["content"] == {"application/problem+json": problem}
    assert responses["get_task"]["422"]["content"] == {"application/json": faults}
    # A key that was used for another request is the one problem of status 422.
    assert responses["create_task"]["422"]["content"] == {
        "application/json": faults,
        "application/problem+json": problem,
    }


def test_clients_are_told_when_to_come_again(responses: dict[str, dict[str, Any]]) -> None:
    assert responses["get_task"]["429"]["headers"]["Retry-After"]["required"]
    assert responses["get_task"]["503"]["headers"]["Retry-After"]["required"]
