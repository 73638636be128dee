"""The headers about unknown fields in the OpenAPI document."""

from typing import Any

from api_gateway.ignored.report import HEADER, MAX_HEADER_BYTES, MAX_NAMES

Json = dict[str, Any]

_METHODS = frozenset({"get", "head", "post", "put", "patch", "delete"})
_PREFER: Json = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "`handling=strict` (RFC 7240): unknown fields and parameters are refused with "
    f"422. By default they are ignored, and listed in `{HEADER}`",
}
_IGNORED: Json = {
    "description": "Ignored fields and parameters, each with the nearest known name: "
    f"up to {MAX_NAMES} in {MAX_HEADER_BYTES} bytes, as a list of RFC 8941",
    "required": False,
    "schema": {"type": "string"},
}


def add_ignored_headers(document: Json) -> None:
    """Add the headers to every operation of an OpenAPI document."""
    for item in document["paths"].values():
        for method in _METHODS & item.keys():
            operation = item[method]
            operation.setdefault("parameters", []).append(_PREFER)
            for status, response in operation["responses"].items():
                if status in {"200", "201"}:
                    response.setdefault("headers", {})[HEADER] = _IGNORED
