"""Admission of a request: one credential, looked up or verified, within its rate limit."""

from datetime import UTC, datetime
from typing import Protocol

from fastapi import Request
from sqlalchemy.exc import SQLAlchemyError

from api_gateway.auth.access import Access
from api_gateway.auth.bearer import bearer_token, unauthorized
from api_gateway.auth.claims import TokenError
from api_gateway.auth.key_cache import KeyCache
from api_gateway.auth.principal import Principal
from api_gateway.auth.rate_limits import Quota, address_name
from api_gateway.errors import Problem
from api_gateway.settings import GatewaySettings
from shared.db.repositories.keys import KEY_START, find_valid_key, hash_key
from shared.db.repositories.scope import Scope
from shared.db.session import Sessions


class AdmissionStores(Protocol):
    """The parts of the gateway's resources that admission needs."""

    @property
    def settings(self) -> GatewaySettings: ...

    @property
    def sessions(self) -> Sessions: ...

    @property
    def key_cache(self) -> KeyCache: ...

    @property
    def access(self) -> Access: ...


async def admit(request: Request, res: AdmissionStores) -> Principal:
    """Return the caller; decided once per request.

    Raises:
        Problem: 401, or 429 if the caller, or failed authentications of its address, exceed their
            rate limit.
    """
    known: Principal | None = getattr(request.state, "principal", None)
    if known is not None:
        return known
    per_minute = res.access.settings.failures_per_minute
    if per_minute is None:
        principal = await _identify(request, res)
    else:
        principal = await _identify_unless_guessing(request, res, per_minute)
    _charge(request, res, principal)
    if principal.key_id is not None:
        res.access.last_use.note(res.sessions, principal.key_id)
    request.state.principal = principal
    return principal


async def _identify_unless_guessing(
    request: Request, res: AdmissionStores, per_minute: int
) -> Principal:
    """Return the caller, unless too many authentications from its address have failed."""
    address = address_name(request.client.host if request.client else "")
    _refuse_if_spent(res.access.failures.peek(address, per_minute), "failed authentications")
    try:
        return await _identify(request, res)
    except Problem as problem:
        if problem.status == 401:
            res.access.failures.spend(address, per_minute)
        raise


async def is_still_admitted(request: Request, res: AdmissionStores, principal: Principal) -> bool:
    """Return whether a long request's credential is still valid and unchanged.

    True if that is unknown, because the database or a token's issuer does not respond.
    """
    try:
        return await _identify(request, res) == principal
    except Problem as problem:
        return problem.status != 401
    except (SQLAlchemyError, OSError):
        return True


async def _identify(request: Request, res: AdmissionStores) -> Principal:
    credential = bearer_token(request.headers.getlist("authorization"))
    tokens = res.access.tokens
    is_token = credential.count(".") == 2 and not credential.startswith(KEY_START)
    if tokens is None or not is_token:
        return await _find_key(credential, res)
    try:
        return await tokens.verify(credential)
    except TokenError as error:
        raise unauthorized(str(error)) from error


async def _find_key(key: str, res: AdmissionStores) -> Principal:
    key_hash = hash_key(key)
    if known := res.key_cache.get(key_hash):
        return known
    async with res.sessions() as session:
        row = await find_valid_key(session, key)
    if row is None:
        raise unauthorized("the API key is unknown, expired or revoked")
    principal = Principal(
        identity=f"key:{row.id}",
        scope=Scope(row.origin_instance, row.origin_tenant_id),
        scopes=frozenset(row.scopes),
        key_id=row.id,
        requests_per_minute=row.requests_per_minute,
    )
    expires_at = row.expires_at
    valid_s = None if expires_at is None else (expires_at - datetime.now(UTC)).total_seconds()
    res.key_cache.put(key_hash, principal, valid_s=valid_s)
    return principal


def _charge(request: Request, res: AdmissionStores, principal: Principal) -> None:
    per_minute = principal.requests_per_minute or res.settings.requests_per_minute
    if per_minute is None:
        return
    quota = res.access.callers.spend(principal.identity, per_minute)
    request.state.quota = quota
    _refuse_if_spent(quota, "requests")


def _refuse_if_spent(quota: Quota, what: str) -> None:
    if quota.wait_ns:
        raise Problem(
            429,
            "rate_limited",
            f"more than {quota.per_minute} {what} a minute; "
            f"try again in {quota.retry_after_s} seconds",
            headers={"Retry-After": str(quota.retry_after_s)},
        )
