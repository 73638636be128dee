"""The error responses of each operation in the OpenAPI document.

Most of them follow from the operation's inputs: a credential, an ID, a body. Only the others are
listed here.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from api_gateway.errors import PROBLEM_MEDIA_TYPE, ProblemDetails

Json = dict[str, Any]

_METHODS = frozenset({"get", "head", "post", "put", "patch", "delete"})
_PROBLEM: Json = {"$ref": f"#/components/schemas/{ProblemDetails.__name__}"}
_FAULTS: Json = {"$ref": "#/components/schemas/HTTPValidationError"}
_RETRY_AFTER: Json = {
    "description": "Seconds after which the request may succeed",
    "required": True,
    "schema": {"type": "integer", "minimum": 0},
}
_HEADERS: dict[int, Json] = {
    401: {
        "WWW-Authenticate": {
            "description": "`Bearer`, and why the credential was refused",
            "required": True,
            "schema": {"type": "string"},
        }
    },
    429: {"Retry-After": _RETRY_AFTER},
    503: {"Retry-After": _RETRY_AFTER},
}
_DESCRIPTIONS = {
    400: "The request is not well formed",
    401: "No valid credential",
    403: "The credential lacks a scope, or is bound to another origin",
    404: "It does not exist, or the caller may not see it",
    409: "Its current state does not allow this",
    413: "The body is too large",
    415: "The media type of the body is not supported here",
    416: "The image has no such range",
    422: "The request is invalid; gives each fault with its place and remedy",
    429: "Too many requests, or too much queued work",
    503: "A part of the platform does not respond",
}
_BESIDES: dict[str, set[int]] = {
    "get_image": {416},
    "admin_delete_lora": {404},
}
"""Statuses that do not follow from an operation's inputs, by operation ID."""
_STARTS = frozenset({"start_workflow", "resume_workflow"})
"""Operations that start runs and create nothing."""


def add_error_responses(document: Json) -> None:
    """Add the error responses to an OpenAPI document; those that a route declares stay."""
    document["components"]["schemas"][ProblemDetails.__name__] = ProblemDetails.model_json_schema()
    for item in document["paths"].values():
        for method in _METHODS & item.keys():
            operation = item[method]
            responses: Json = operation["responses"]
            for status in sorted(_statuses(method, operation)):
                if status == 422 or str(status) not in responses:
                    responses[str(status)] = _response(status, operation)


def _statuses(method: str, operation: Json) -> Iterator[int]:
    yield from _BESIDES.get(operation["operationId"], ())
    places = {parameter["in"] for parameter in operation.get("parameters", ())}
    if "security" in operation:
        yield from (401, 403, 429, 503)
    if "path" in places:
        yield 404
    if "security" in operation and method not in {"get", "head"}:
        yield 409
    if "requestBody" in operation:
        yield from (400, 413, 415)
    if places or "requestBody" in operation:
        yield 422


def _response(status: int, operation: Json) -> Json:
    content: Json = {PROBLEM_MEDIA_TYPE: {"schema": _PROBLEM}}
    if status == 422:
        faults: Json = {"application/json": {"schema": _FAULTS}}
        content = faults | content if _has_problems(operation) else faults
    response: Json = {
        "description": _DESCRIPTIONS.get(status, HTTPStatus(status).phrase),
        "content": content,
    }
    return response | ({"headers": _HEADERS[status]} if status in _HEADERS else {})


def _has_problems(operation: Json) -> bool:
    """Return whether a 422 may be a problem, such as a reused key, instead of a list of faults."""
    names = {parameter["name"].lower() for parameter in operation.get("parameters", ())}
    return "idempotency-key" in names or operation["operationId"] in _STARTS
