"""Deliveries, receivers and signing keys as they are answered."""

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
    """One call of a receiver."""

    at: datetime
    status_code: int | None = Field(description="What it answered; null where it did not")
    ms: int = Field(description="How long it took")
    error: str | None = Field(description="Why the event does not count as delivered")


class WebhookDeliveryPublic(Recorded):
    """One event on its way to one receiver."""

    id: UUID
    webhook_id: str = Field(
        description="The header `webhook-id`: the same at every attempt and replay"
    )
    subject_id: UUID = Field(description="The task, workflow or training that the event is about")
    subject_kind: SubjectKind
    seq: int = Field(description="The event's place among those of its subject, from 1")
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
    """A delivery with what is sent."""

    payload: JsonObject = Field(description="The event, as the receiver gets it")


class WebhookEndpointPublic(BaseModel):
    """A receiver that has failed at least once."""

    id: UUID
    url: str
    failing_since: datetime | None = Field(
        description="Its first failure since it last took an event; null: it takes them"
    )
    disabled_at: datetime | None = Field(
        description="Since when it is called no more; null: it is called"
    )
    disabled_reason: str | None
    origin_instance: str
    origin_tenant_id: str | None = None


class PreviousWebhookSecret(BaseModel):
    """A key that was replaced, and signs along for a while."""

    public_key: str
    created_at: datetime
    expires_at: datetime


class WebhookSecretPublic(BaseModel):
    """With what events are signed, and how receivers verify them."""

    secret: str = Field(
        description="Verifies signatures `v1` (HMAC-SHA256); known to the receiver alone",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    public_key: str = Field(
        description="Verifies signatures `v1a` (Ed25519)",
        examples=["whpk_sXaTfiEoTpHbqmq9wTnBSR7JGS+B5wyl6Z9T1W4u8mY="],
    )
    created_at: datetime
    previous: list[PreviousWebhookSecret] = Field(
        description="Keys that were replaced, and still sign along"
    )


class SecretOwner(BaseModel):
    """Whose keys; what the credential is bound to need not be said."""

    origin_instance: OriginInstance | None = Field(
        default=None, description="Needed where the credential is bound to no instance"
    )
    origin_tenant_id: OriginTenant | None = Field(
        default=None, description="None: of the instance's work that names no tenant"
    )


Overlap = Annotated[
    int | None,
    Query(
        ge=0,
        le=7 * 86_400,
        description="Seconds that replaced keys sign along; 0 where one has become known. "
        "Unset: as the platform is configured, a day by default",
    ),
]
