"""Routes of webhooks: deliveries, receivers, and signing keys."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from api_gateway.auth.dependencies import Caller
from api_gateway.ignored.dependency import FIELD_CHECK
from api_gateway.paging import Pages
from api_gateway.resources import Res
from api_gateway.webhooks import service
from api_gateway.webhooks.schemas import (
    Overlap,
    SecretOwner,
    WebhookDeliveryDetail,
    WebhookDeliveryPublic,
    WebhookEndpointPublic,
    WebhookSecretPublic,
)
from shared.contracts.deliveries import DeliveryStatus
from shared.db.repositories.deliveries import DeliveryFilters

router = APIRouter(prefix="/api/v1/webhooks", tags=["Webhooks"], dependencies=[FIELD_CHECK])

Skip = Annotated[int, Query(ge=0, le=2**31)]
Limit = Annotated[int, Query(ge=1, le=1000)]


@router.get("/secret", summary="Get Webhook Secret", operation_id="get_webhook_secret")
async def get_webhook_secret(
    whose: Annotated[SecretOwner, Query()], res: Res, caller: Caller
) -> WebhookSecretPublic:
    """Get the keys that verify the signatures of an owner's events."""
    return await service.get_secret(res, caller, whose)


@router.post(
    "/secret/rotate", summary="Rotate Webhook Secret", operation_id="rotate_webhook_secret"
)
async def rotate_webhook_secret(
    whose: Annotated[SecretOwner, Query()], res: Res, caller: Caller, overlap_s: Overlap = None
) -> WebhookSecretPublic:
    """Replace the keys. Events are signed with the old ones as well until they expire."""
    return await service.rotate_secret(res, caller, whose, overlap_s)


@router.get(
    "/deliveries", summary="List Webhook Deliveries", operation_id="list_webhook_deliveries"
)
async def list_webhook_deliveries(  # noqa: PLR0913 — query parameters
    res: Res,
    caller: Caller,
    paging: Pages,
    *,
    subject_id: Annotated[
        UUID | None, Query(description="ID of a task, workflow or training")
    ] = None,
    status: DeliveryStatus | None = None,
    skip: Skip = 0,
    limit: Limit = 100,
) -> list[WebhookDeliveryPublic]:
    """List deliveries of the last 90 days, newest first."""
    filters = DeliveryFilters(subject_id=subject_id, status=status)
    page, has_more = await service.page_of_deliveries(res, caller, filters, skip=skip, limit=limit)
    paging.set(total=None, following={"skip": skip + limit} if has_more else None)
    return page


@router.get(
    "/deliveries/{delivery_id}",
    summary="Get Webhook Delivery",
    operation_id="get_webhook_delivery",
)
async def get_webhook_delivery(
    delivery_id: UUID, res: Res, caller: Caller
) -> WebhookDeliveryDetail:
    """Get one delivery with its attempts and its event."""
    return await service.get_delivery(res, caller, delivery_id)


@router.post(
    "/deliveries/{delivery_id}/replay",
    summary="Replay Webhook Delivery",
    operation_id="replay_webhook_delivery",
)
async def replay_webhook_delivery(
    delivery_id: UUID, res: Res, caller: Caller
) -> WebhookDeliveryDetail:
    """Deliver an event once more, under the same `webhook-id`, with the whole retry schedule."""
    return await service.replay(res, caller, delivery_id)


@router.get("/endpoints", summary="List Webhook Endpoints", operation_id="list_webhook_endpoints")
async def list_webhook_endpoints(
    res: Res, caller: Caller, paging: Pages, skip: Skip = 0, limit: Limit = 100
) -> list[WebhookEndpointPublic]:
    """List receivers that have failed at least once, and whether they are still called."""
    page, has_more = await service.page_of_endpoints(res, caller, skip=skip, limit=limit)
    paging.set(total=None, following={"skip": skip + limit} if has_more else None)
    return page


@router.post(
    "/endpoints/{endpoint_id}/enable",
    summary="Enable Webhook Endpoint",
    operation_id="enable_webhook_endpoint",
)
async def enable_webhook_endpoint(
    endpoint_id: UUID, res: Res, caller: Caller
) -> WebhookEndpointPublic:
    """Call a receiver again. Deliveries that were held back can be replayed."""
    return await service.enable(res, caller, endpoint_id)
