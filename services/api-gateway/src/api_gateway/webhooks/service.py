"""The delivery log, replays, receivers, and signing keys."""

from datetime import timedelta
from uuid import UUID

from api_gateway.auth.ownership import Origin, claim_origin
from api_gateway.auth.principal import Principal
from api_gateway.errors import Fault, InvalidRequestError, Problem, not_found
from api_gateway.paging import split
from api_gateway.resources import Resources
from api_gateway.webhooks.presentation import (
    present_delivery,
    present_delivery_detail,
    present_endpoint,
    present_secret,
)
from api_gateway.webhooks.schemas import (
    SecretOwner,
    WebhookDeliveryDetail,
    WebhookDeliveryPublic,
    WebhookEndpointPublic,
    WebhookSecretPublic,
)
from shared.contracts.deliveries import DeliveryStatus
from shared.contracts.owners import Owner
from shared.db.repositories.deliveries import (
    DeliveryFilters,
    find_delivery,
    list_deliveries,
    replay_delivery,
)
from shared.db.repositories.webhook_endpoints import (
    enable_endpoint,
    find_endpoint,
    list_endpoints,
)


async def page_of_deliveries(
    res: Resources, caller: Principal, filters: DeliveryFilters, *, skip: int, limit: int
) -> tuple[list[WebhookDeliveryPublic], bool]:
    """Return one page of the caller's deliveries, newest first, and whether there are more."""
    async with res.sessions() as session:
        found = await list_deliveries(session, caller.scope, filters, skip=skip, limit=limit + 1)
    page, has_more = split(found, limit)
    return [present_delivery(delivery) for delivery in page], has_more


async def get_delivery(
    res: Resources, caller: Principal, delivery_id: UUID
) -> WebhookDeliveryDetail:
    """Return a delivery that the caller may see.

    Raises:
        Problem: 404.
    """
    async with res.sessions() as session:
        delivery = await find_delivery(session, caller.scope, delivery_id)
    if delivery is None:
        raise not_found(f"delivery {delivery_id}")
    return present_delivery_detail(delivery)


async def replay(res: Resources, caller: Principal, delivery_id: UUID) -> WebhookDeliveryDetail:
    """Deliver an event once more, under the same ID.

    Raises:
        Problem: 404; 409, it is pending, or its receiver is disabled.
    """
    async with res.sessions.begin() as session:
        delivery = await find_delivery(session, caller.scope, delivery_id, is_locked=True)
        if delivery is None:
            raise not_found(f"delivery {delivery_id}")
        if delivery.status == DeliveryStatus.PENDING:
            message = f"delivery {delivery_id} is pending; wait until it has ended"
            raise Problem(409, "conflict", message)
        endpoint = await find_endpoint(session, delivery)
        if endpoint is not None and endpoint.disabled_at is not None:
            message = f"its receiver is disabled; enable the endpoint {endpoint.id} first"
            raise Problem(409, "endpoint_disabled", message)
        replay_delivery(session, delivery)
    return present_delivery_detail(delivery)


async def page_of_endpoints(
    res: Resources, caller: Principal, *, skip: int, limit: int
) -> tuple[list[WebhookEndpointPublic], bool]:
    """Return one page of the caller's receivers that have failed, and whether there are more."""
    async with res.sessions() as session:
        found = await list_endpoints(session, caller.scope, skip=skip, limit=limit + 1)
    page, has_more = split(found, limit)
    return [present_endpoint(endpoint) for endpoint in page], has_more


async def enable(res: Resources, caller: Principal, endpoint_id: UUID) -> WebhookEndpointPublic:
    """Call a receiver again; enabling again changes nothing.

    Raises:
        Problem: 404.
    """
    async with res.sessions.begin() as session:
        endpoint = await enable_endpoint(session, caller.scope, endpoint_id)
    if endpoint is None:
        raise not_found(f"endpoint {endpoint_id}")
    return present_endpoint(endpoint)


async def get_secret(res: Resources, caller: Principal, whose: SecretOwner) -> WebhookSecretPublic:
    """Return the keys that sign an owner's events; created if there are none.

    Raises:
        InvalidRequestError: no instance is given.
        Problem: 403, the credential is bound to another origin.
    """
    owner = _owner(caller, whose)
    async with res.sessions.begin() as session:
        return present_secret(await res.keyring.valid_keys(session, owner))


async def rotate_secret(
    res: Resources, caller: Principal, whose: SecretOwner, overlap_s: int | None
) -> WebhookSecretPublic:
    """Replace the keys; the old ones sign as well for the overlap.

    Raises:
        InvalidRequestError: no instance is given.
        Problem: 403, the credential is bound to another origin.
    """
    owner = _owner(caller, whose)
    overlap = res.webhooks.secret_overlap_s if overlap_s is None else overlap_s
    async with res.sessions.begin() as session:
        valid = await res.keyring.rotate(session, owner, timedelta(seconds=overlap))
        return present_secret(valid)


def _owner(caller: Principal, whose: SecretOwner) -> Owner:
    instance = whose.origin_instance or caller.scope.origin_instance
    if instance is None:
        message = "is needed: this credential is bound to no instance"
        raise InvalidRequestError([Fault(("query", "origin_instance"), message)])
    claimed = claim_origin(caller, Origin(instance, None, whose.origin_tenant_id or None, None))
    return Owner(origin_instance=claimed.origin_instance, origin_tenant_id=claimed.origin_tenant_id)
