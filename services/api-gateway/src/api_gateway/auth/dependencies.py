"""Authentication: `Authorization: Bearer <API key>`."""

from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api_gateway.auth.principal import Principal
from api_gateway.dependencies import Res
from api_gateway.errors import Problem
from shared.db.repositories.keys import find_valid_key, hash_key
from shared.db.repositories.scope import Scope

_bearer = HTTPBearer(auto_error=False, description="API key")


async def authenticate(
    res: Res, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Principal:
    """The caller, or 401."""
    if credentials is None:
        raise _unauthorized("give an API key as `Authorization: Bearer <key>`")
    key_hash = hash_key(credentials.credentials)
    if known := res.key_cache.get(key_hash):
        return known
    async with res.sessions() as session:
        key = await find_valid_key(session, credentials.credentials)
    if key is None:
        raise _unauthorized("the API key is unknown, expired or revoked")
    scope = Scope(key.origin_instance, key.origin_tenant_id)
    principal = Principal(f"key:{key.id}", scope, frozenset(key.scopes))
    res.key_cache.put(key_hash, principal)
    return principal


async def compute(principal: Annotated[Principal, Depends(authenticate)]) -> Principal:
    """A caller who may run work; 403 otherwise."""
    if not principal.scopes & {"compute", "admin"}:
        raise Problem(403, "forbidden", "this API key lacks the scope `compute`")
    return principal


Caller = Annotated[Principal, Depends(compute)]


async def admin(principal: Annotated[Principal, Depends(authenticate)]) -> Principal:
    """A caller who may administer; 403 otherwise."""
    if not principal.is_admin:
        raise Problem(403, "forbidden", "this API key lacks the scope `admin`")
    return principal


Admin = Annotated[Principal, Depends(admin)]


def _unauthorized(detail: str) -> Problem:
    return Problem(401, "unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})
