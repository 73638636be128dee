"""Public schemas of deliveries, receivers and signing keys."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from api_gateway.recorded import Recorded
from api_gateway.request_fields import JsonObject, OriginInstance, OriginTenant
from shared.contracts.deliveries import DeliveryStatus, SubjectKind
from shared.contracts.enums import EventType


class DeliveryAttempt(BaseModel):
    """A call of a receiver."""

    at: datetime
    status_code: int | None = Field(description="Status of its response; null if there was none")
    ms: int = Field(description="Duration in milliseconds")
    error: str | None = Field(description="The reason why the event was not delivered")


class WebhookDeliveryPublic(Recorded):
    """The delivery of one event to one receiver."""

    id: UUID
    webhook_id: str = Field(
        description="The header `webhook-id`: the same at every attempt and replay"
    )
    subject_id: UUID = Field(description="The task, workflow or training that the event is about")
    subject_kind: SubjectKind
    seq: int = Field(description="Number of the event among those of its subject, from 1")
    event_type: EventType
    url: str
    status: DeliveryStatus
    attempts: list[DeliveryAttempt] = Field(description="The latest 50, the oldest first")
    next_attempt_at: datetime | None = None
    delivered_at: datetime | None = None
    created_at: datetime
    origin_instance: str
    origin_tenant_id: str | None = None


class WebhookDeliveryDetail(WebhookDeliveryPublic):
    """A delivery with its event."""

    payload: JsonObject = Field(description="The event as it is sent")


class WebhookEndpointPublic(BaseModel):
    """A receiver that has failed at least once."""

    id: UUID
    url: str
    failing_since: datetime | None = Field(
        description="Its first failure since the last successful delivery; null: it does not fail"
    )
    disabled_at: datetime | None = Field(description="When it was disabled; null: it is enabled")
    disabled_reason: str | None
    origin_instance: str
    origin_tenant_id: str | None = None


class PreviousWebhookSecret(BaseModel):
    """A replaced key that still signs for a while."""

    public_key: str
    created_at: datetime
    expires_at: datetime


class WebhookSecretPublic(BaseModel):
    """The keys that sign events, and by which receivers verify them."""

    secret: str = Field(
        description="Verifies signatures `v1` (HMAC-SHA256); known to the receiver only",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    public_key: str = Field(
        description="Verifies signatures `v1a` (Ed25519)",
        examples=["whpk_sXaTfiEoTpHbqmq9wTnBSR7JGS+B5wyl6Z9T1W4u8mY="],
    )
    created_at: datetime
    previous: list[PreviousWebhookSecret] = Field(
        description="Replaced keys that still sign events as well"
    )


class SecretOwner(BaseModel):
    """The owner of the keys; defaults to what the credential is bound to."""

    origin_instance: OriginInstance | None = Field(
        default=None, description="Required if the credential is bound to no instance"
    )
    origin_tenant_id: OriginTenant | None = Field(
        default=None, description="Left out: the owner of the instance's work without a tenant"
    )


Overlap = Annotated[
    int | None,
    Query(
        ge=0,
        le=7 * 86_400,
        description="Seconds that replaced keys sign as well; 0 if one has leaked. "
        "Unset: as configured, a day by default",
    ),
]
