"""Owner of new rows: the request's origin, within what the caller's credential is bound to."""

from dataclasses import dataclass
from typing import Protocol

from api_gateway.auth.principal import Principal
from api_gateway.errors import Problem


@dataclass(frozen=True)
class Origin:
    """The owner of a new row."""

    origin_instance: str
    origin_zone: str | None
    origin_tenant_id: str | None
    origin_reference: str | None


class HasOrigin(Protocol):
    """A create request."""

    origin_instance: str
    origin_zone: str | None
    origin_tenant_id: str | None
    origin_reference: str | None


def claim_origin(caller: Principal, body: HasOrigin | Origin) -> Origin:
    """Return the origin of a new row; a tenant that the credential is bound to is filled in.

    Raises:
        Problem: 403, the request names another origin than the credential is bound to.
    """
    bound = caller.scope
    tenant = body.origin_tenant_id or bound.origin_tenant_id
    if bound.origin_instance is not None and body.origin_instance != bound.origin_instance:
        raise _foreign("origin_instance", bound.origin_instance)
    if bound.origin_tenant_id is not None and tenant != bound.origin_tenant_id:
        raise _foreign("origin_tenant_id", bound.origin_tenant_id)
    return Origin(body.origin_instance, body.origin_zone, tenant, body.origin_reference)


def _foreign(field: str, bound: str) -> Problem:
    return Problem(403, "foreign_origin", f"this API key is bound to {field} {bound!r}")
