"""Rows of deliveries, receivers and keys in their public schemas."""

from collections.abc import Sequence
from typing import Any

from api_gateway.recorded import from_record
from api_gateway.webhooks.schemas import (
    PreviousWebhookSecret,
    WebhookDeliveryDetail,
    WebhookDeliveryPublic,
    WebhookEndpointPublic,
    WebhookSecretPublic,
)
from shared.db.models.webhooks import WebhookDelivery, WebhookEndpoint
from shared.webhooks.keyring import DatedKeys


def present_delivery(delivery: WebhookDelivery) -> WebhookDeliveryPublic:
    """Return a delivery in the schema of the list."""
    return from_record(WebhookDeliveryPublic, _fields(delivery))


def present_delivery_detail(delivery: WebhookDelivery) -> WebhookDeliveryDetail:
    """Return a delivery with its event, which was read with it."""
    return from_record(
        WebhookDeliveryDetail, _fields(delivery) | {"payload": delivery.event.payload}
    )


def _fields(delivery: WebhookDelivery) -> dict[str, Any]:
    return {name: getattr(delivery, name) for name in WebhookDeliveryPublic.model_fields}


def present_endpoint(endpoint: WebhookEndpoint) -> WebhookEndpointPublic:
    """Return a receiver in its public schema."""
    return WebhookEndpointPublic.model_validate(endpoint, from_attributes=True)


def present_secret(valid: Sequence[DatedKeys]) -> WebhookSecretPublic:
    """Return the current keys, and the previous ones that still sign."""
    current, *replaced = valid
    return WebhookSecretPublic(
        secret=current.keys.shared_secret,
        public_key=current.keys.public_key,
        created_at=current.created_at,
        previous=[
            PreviousWebhookSecret(
                public_key=each.keys.public_key,
                created_at=each.created_at,
                expires_at=each.expires_at,
            )
            for each in replaced
            if each.expires_at is not None
        ],
    )
