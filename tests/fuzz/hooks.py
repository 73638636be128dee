"""Schemathesis hooks: existing objects, and requests that succeed.

Loaded by `schemathesis.toml`; the runner passes the platform's address in the environment.
"""

import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import schemathesis
from schemathesis import BaseSchema, Case, HookContext, Response

from tests.fuzz.report import leaked_internals
from tests.fuzz.seed_data import Request, SeedData, create_seed_data

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_/-]+")


@cache
def _seed_data() -> SeedData:
    headers = {"Authorization": f"Bearer {os.environ['SARTIQ_FUZZ_KEY']}"}
    with httpx.Client(
        base_url=os.environ["SARTIQ_FUZZ_URL"], headers=headers, timeout=60, trust_env=False
    ) as api:
        return create_seed_data(api)


@schemathesis.hook
def after_load_schema(context: HookContext, schema: BaseSchema) -> None:
    """Create the seed data before the first request."""
    _seed_data()


@schemathesis.hook
def before_add_examples(context: HookContext, examples: list[Case]) -> None:
    """Add the request that succeeds."""
    operation_id = _operation_id(context)
    request = _seed_data().requests.get(operation_id)
    if request is not None:
        examples.append(_case(context, request))


@schemathesis.hook
def map_path_parameters(
    context: HookContext, path_parameters: dict[str, Any] | None
) -> dict[str, Any] | None:
    """Replace most well-formed ids and plain paths by those of existing objects."""
    if path_parameters is None:
        return None
    return {
        name: _existing(context, name, value) if isinstance(value, str) else value
        for name, value in path_parameters.items()
    }


@schemathesis.hook
def filter_case(context: HookContext, case: Case) -> bool:
    """Skip cases in which the document is deliberately stricter than the API.

    Clients name fal's app in the request or in its provider's config. The document requires it in
    the config, the API in either.
    """
    body = case.body
    if not isinstance(body, dict):
        return True
    config = body.get("provider_config")
    names_app = isinstance(body.get("fal_app_id"), str)
    return not (names_app and isinstance(config, dict) and "fal_app_id" not in config)


@schemathesis.hook
def after_call(context: HookContext, case: Case, response: Response) -> None:
    """Write each response to the runner's file."""
    line = {
        "operation": f"{context.operation.method.upper()} {context.operation.path}",
        "is_own_method": case.method.lower() == case.operation.method.lower(),
        "method": case.method,
        "url": response.request.url,
        "status": response.status_code,
        "leaked_internals": leaked_internals(_text(response)),
    }
    with Path(os.environ["SARTIQ_FUZZ_ANSWERS"]).open("a") as file:
        file.write(json.dumps(line) + "\n")


def _text(response: Response) -> str:
    """Return the text of a response; empty for a picture."""
    is_picture = response.headers.get("content-type", [""])[0].startswith("image/")
    return "" if is_picture else response.content.decode(errors="replace")


def _case(context: HookContext, request: Request) -> Case:
    details: dict[str, Any] = {
        "path_parameters": request.path_parameters,
        "query": request.query,
        "media_type": request.media_type,
    }
    if request.body is not None:
        details["body"] = request.body
    return context.operation.Case(**details)


def _existing(context: HookContext, name: str, value: str) -> str:
    form = _PLAIN_PATH if name == "path" else _UUID
    known = _seed_data().path_values.get(f"{_resource(context)}.{name}")
    if not known or not form.fullmatch(value):
        return value
    # Chosen by the value, so that a run can be repeated from its seed.
    choice = sum(value.encode())
    return known[choice % len(known)] if choice % 4 else value


def _resource(context: HookContext) -> str:
    """Return the resource that an id of this operation names: `tasks`, `workflows`, …"""
    parts = context.operation.path.split("/")
    at = parts.index("v1") + 1
    return parts[at + 1] if parts[at] == "monitoring" else parts[at]


def _operation_id(context: HookContext) -> str:
    return context.operation.definition.raw["operationId"]
