"""What schemathesis is told of this API beside its document: what exists, and what succeeds.

Loaded by `schemathesis.toml`; the runner says in the environment where the platform is.
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

from tests.fuzz.estate import Estate, Request, found_estate
from tests.fuzz.verdict import unspeakable

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_/-]+")


@cache
def _estate() -> Estate:
    headers = {"Authorization": f"Bearer {os.environ['SARTIQ_FUZZ_KEY']}"}
    with httpx.Client(
        base_url=os.environ["SARTIQ_FUZZ_URL"], headers=headers, timeout=60, trust_env=False
    ) as api:
        return found_estate(api)


@schemathesis.hook
def after_load_schema(context: HookContext, schema: BaseSchema) -> None:
    """Founds what there is before the first request."""
    _estate()


@schemathesis.hook
def before_add_examples(context: HookContext, examples: list[Case]) -> None:
    """Adds the request that succeeds."""
    operation_id = _operation_id(context)
    request = _estate().requests.get(operation_id)
    if request is not None:
        examples.append(_case(context, request))


@schemathesis.hook
def map_path_parameters(
    context: HookContext, path_parameters: dict[str, Any] | None
) -> dict[str, Any] | None:
    """Lets most well-formed ids, and plain paths, stand for something that exists."""
    if path_parameters is None:
        return None
    return {
        name: _existing(context, name, value) if isinstance(value, str) else value
        for name, value in path_parameters.items()
    }


@schemathesis.hook
def filter_case(context: HookContext, case: Case) -> bool:
    """Leaves out what the document is stricter about than the API, on purpose.

    Clients name fal's app in the request or in its provider's config, where the document has it as
    required: the one stands for the other.
    """
    body = case.body
    if not isinstance(body, dict):
        return True
    config = body.get("provider_config")
    names_app = isinstance(body.get("fal_app_id"), str)
    return not (names_app and isinstance(config, dict) and "fal_app_id" not in config)


@schemathesis.hook
def after_call(context: HookContext, case: Case, response: Response) -> None:
    """Notes each answer for the runner."""
    line = {
        "operation": f"{context.operation.method.upper()} {context.operation.path}",
        "is_own_method": case.method.lower() == case.operation.method.lower(),
        "method": case.method,
        "url": response.request.url,
        "status": response.status_code,
        "unspeakable": unspeakable(_text(response)),
    }
    with Path(os.environ["SARTIQ_FUZZ_ANSWERS"]).open("a") as file:
        file.write(json.dumps(line) + "\n")


def _text(response: Response) -> str:
    """What a client reads; nothing of a picture."""
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
    known = _estate().path_values.get(f"{_resource(context)}.{name}")
    if not known or not form.fullmatch(value):
        return value
    # Decided by the value, so that a run can be repeated from its seed.
    choice = sum(value.encode())
    return known[choice % len(known)] if choice % 4 else value


def _resource(context: HookContext) -> str:
    """`tasks`, `workflows`, … : what an id of this operation names."""
    parts = context.operation.path.split("/")
    at = parts.index("v1") + 1
    return parts[at + 1] if parts[at] == "monitoring" else parts[at]


def _operation_id(context: HookContext) -> str:
    return context.operation.definition.raw["operationId"]
