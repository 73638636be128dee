"""The choice of a provider and of its fallback, in tasks and in workflow steps."""

from typing import Self, cast

from pydantic import ConfigDict, Field, model_validator

from api_gateway.request_fields import (
    Capabilities,
    JsonObject,
    canonical_task_type,
    object_or_none,
)
from api_gateway.tasks.schemas.providers import ProviderConfig
from shared.contracts.enums import ProviderType
from shared.contracts.request_model import RequestModel, inconsistent
from shared.contracts.task_types.table import TASK_TYPES


class ProviderChoice(RequestModel):
    """The fields by which a request chooses its provider and its fallback."""

    model_config = ConfigDict(allow_inf_nan=False)

    provider_config: ProviderConfig | None = Field(
        default=None, description="Provider-specific configuration"
    )
    active_provider_capabilities: Capabilities | None = Field(
        default=None, description="List of active capabilities for this task"
    )
    fallback_provider_type: ProviderType | None = Field(
        default=None,
        description="Fallback provider activated when primary exhausts all retries "
        "(non-ValueError only).",
    )
    fallback_provider_config: ProviderConfig | None = Field(
        default=None,
        description="Provider-specific config for the fallback provider. Shape varies by "
        "provider type.",
    )
    fallback_provider_capabilities: Capabilities | None = Field(
        default=None,
        description="Capabilities for the fallback provider. Replaces "
        "active_provider_capabilities on fallback activation.",
    )

    @model_validator(mode="before")
    @classmethod
    def _name_the_configs(cls, data: object) -> object:
        body = object_or_none(data)
        return data if body is None else cls.with_named_configs(body)

    @classmethod
    def with_named_configs(cls, body: JsonObject) -> JsonObject:
        """Derive a config's `provider_type` from the field beside it, or the other way round."""
        has_type = "task_type" in cls.model_fields
        default = cls.model_fields["task_type"].default if has_type else None
        kind = canonical_task_type(body.get("task_type", default))
        row = TASK_TYPES.get(kind) if isinstance(kind, str) else None  # pyright: ignore[reportArgumentType] -- a StrEnum's key
        _name_config(body, "fallback_provider_type", "fallback_provider_config", default=None)
        if "provider_type" not in cls.model_fields:
            body.pop("provider_type", None)
        _name_config(body, "provider_type", "provider_config", default=row and row.default_provider)
        return body

    @model_validator(mode="after")
    def _configs_are_of_the_named_providers(self) -> Self:
        _require_same_provider(self, "fallback_provider_type", "fallback_provider_config")
        if "provider_type" in type(self).model_fields:
            _require_same_provider(self, "provider_type", "provider_config")
        return self


def _require_same_provider(choice: ProviderChoice, type_field: str, config_field: str) -> None:
    """Refuse a config that belongs to another provider than the one named beside it."""
    named: ProviderType | None = getattr(choice, type_field)
    config = getattr(choice, config_field)
    if named is not None and config is not None and config.provider_type != named:
        raise inconsistent(
            f"{config_field}.provider_type is {config.provider_type.value}, but {type_field} is "
            f"{named.value}; give the same provider in both",
            type_field,
            config_field,
        )


def _name_config(
    body: JsonObject, type_field: str, config_field: str, *, default: ProviderType | None
) -> None:
    config = body.get(config_field)
    if not isinstance(config, dict):
        return
    task_config = object_or_none(body.get("config")) or {}
    known = {"provider_type": body.get(type_field) or default}
    if config_field == "provider_config":
        # fal's app may be named in the config, in the request, or in a step's own config. A
        # fallback must name its own: the request's app is the one that has failed.
        known["fal_app_id"] = body.get("fal_app_id") or task_config.get("fal_app_id")
    given = {field: value for field, value in known.items() if value is not None}
    named: JsonObject = given | cast("JsonObject", config)
    body[config_field] = named
    if body.get(type_field) is None:
        body[type_field] = named.get("provider_type")
