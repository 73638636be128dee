"""Fields that create requests of all task types share."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from api_gateway.request_fields import (
    JsonObject,
    OriginInstance,
    OriginReference,
    OriginTenant,
    OriginZone,
    Priority,
    WebhookUrl,
)
from api_gateway.tasks.schemas.provider_choice import ProviderChoice
from shared.contracts.enums import ProviderType


class CreateTaskBase(ProviderChoice):
    """The fields of every create request; unknown ones are ignored."""

    replaced_fields: ClassVar[Mapping[str, str]] = {}
    """Deprecated fields, each with the field that replaced it and gets its value."""

    priority: Priority = 0
    config: JsonObject | None = Field(default=None, description="Flexible configuration storage")
    origin_instance: OriginInstance = Field(
        description="Identifier for the instance that created this task"
    )
    origin_zone: OriginZone | None = Field(
        default=None, description="Environment/zone identifier (e.g., 'eu', 'us')"
    )
    origin_tenant_id: OriginTenant | None = Field(
        default=None, description="Optional tenant/organization identifier"
    )
    origin_reference: OriginReference | None = Field(
        default=None,
        description="Optional field that can be used to map an id or a reference string from the "
        "origin (such as prediction id in the external backend)",
    )
    webhook_url: WebhookUrl | None = Field(default=None, description="Webhook URL")
    provider_type: ProviderType | None = Field(
        default=None, description="Provider type for task execution"
    )
    queue_name: str | None = Field(
        default=None,
        description="Optional queue override. If not specified, determined by provider_type",
    )

    @classmethod
    def matching_fields(cls, body: JsonObject) -> int | None:
        """Return how many of the given fields this type knows; none if it requires others."""
        given = {field for field, value in body.items() if value is not None}
        needed = {name for name, field in cls.model_fields.items() if field.is_required()}
        return len(given & cls.model_fields.keys()) if needed <= given else None
