"""Field types that several request schemas share, with their bounds."""

import json
from collections.abc import Callable, Iterable
from typing import Annotated, Any, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from shared.contracts.enums import ProviderCapability, TaskType
from shared.contracts.error_text import describe_faults
from shared.contracts.fields import ImageSource, Prompt
from shared.contracts.service_requests import BilledUnits
from shared.contracts.untrusted import find_fault

JsonObject = dict[str, Any]

_INT32 = 2**31
_ALIASES = {"BACKGROUND_REMOVAL": TaskType.BACKGROUND_REMOVE}


def canonical_task_type(value: object) -> object:
    """Return the name used in responses for any accepted name of a task type."""
    return _ALIASES.get(value, value) if isinstance(value, str) else value


def object_or_none(value: object) -> JsonObject | None:
    """Return a shallow copy of a JSON object; none for any other value."""
    return dict(cast("JsonObject", value)) if isinstance(value, dict) else None


def refuse_unstorable(value: object) -> object:
    """Refuse bodies that Postgres or UTF-8 cannot represent, and bodies nested too deeply.

    JSON allows a NUL character and half of a surrogate pair, and parsers accept NaN.
    """
    fault = find_fault(value)
    if fault is not None:
        raise PydanticCustomError("unstorable", "{fault}", {"fault": fault})
    return value


def small_json(*, max_bytes: int, max_depth: int) -> Callable[[JsonObject], JsonObject]:
    """Return a validator of a free object's size as JSON and of its depth."""

    def check(value: JsonObject) -> JsonObject:
        size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
        if size > max_bytes:
            raise ValueError(f"has {size} bytes as JSON; at most {max_bytes} are kept")
        level: list[Any] = [value]
        for _ in range(max_depth + 1):
            level = [part for parent in level for part in _parts(parent)]
        if level:
            raise ValueError(f"is nested more than {max_depth} levels deep")
        return value

    return check


def _parts(value: object) -> Iterable[Any]:
    if isinstance(value, dict):
        return cast("JsonObject", value).values()
    return cast("list[Any]", value) if isinstance(value, list) else ()


def readable_as(schema: type[BaseModel]) -> Callable[[JsonObject], JsonObject]:
    """Return a validator of the known keys of a free `config`; other keys may have any value."""

    def check(config: JsonObject) -> JsonObject:
        try:
            schema.model_validate(config)
        except ValidationError as error:
            raise ValueError(describe_faults(error)) from None
        return config

    return check


def _known_capability(name: str) -> str:
    known = [capability.value for capability in ProviderCapability]
    if name not in known:
        raise ValueError(f"unknown capability {name!r}; known are {', '.join(known)}")
    return name


def _http_url(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if url and (scheme.lower() not in {"http", "https"} or not separator or not rest):
        raise ValueError("must be an http:// or https:// URL")
    return url


AcceptedTaskType = Annotated[TaskType, BeforeValidator(canonical_task_type)]
Capability = Annotated[
    str,
    AfterValidator(_known_capability),
    WithJsonSchema({"type": "string", "enum": [name.value for name in ProviderCapability]}),
]

OriginInstance = Annotated[str, StringConstraints(min_length=1, max_length=100)]
OriginZone = Annotated[str, StringConstraints(max_length=50)]
OriginTenant = Annotated[str, StringConstraints(max_length=100)]
OriginReference = Annotated[str, StringConstraints(max_length=512)]
WebhookUrl = Annotated[
    str,
    StringConstraints(max_length=512),
    AfterValidator(_http_url),
    Field(json_schema_extra={"pattern": "^([hH][tT][tT][pP][sS]?://.+)?$"}),
]
"""URL of a webhook; an empty string means none."""

# Every list has a maximum length far above what work needs: each wrong item is a fault of its
# own, and validation blocks the event loop.
TrainingSources = Annotated[list[ImageSource], Field(max_length=2000)]
SamplePrompts = Annotated[list[Prompt], Field(max_length=100)]
Capabilities = Annotated[list[Capability], Field(max_length=50)]
ErrorTexts = Annotated[list[str], Field(max_length=100)]
ServiceRequests = Annotated[list[JsonObject], Field(max_length=200)]
BilledList = Annotated[list[BilledUnits], Field(max_length=100)]

Priority = Annotated[int, Field(ge=-_INT32, lt=_INT32)]
