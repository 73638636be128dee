"""What routes ask of their caller: `Caller` may run work, `Admin` may do everything."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api_gateway.auth.admission import admit
from api_gateway.auth.principal import ADMIN, COMPUTE, Principal
from api_gateway.dependencies import Res
from api_gateway.errors import Problem

# For the document alone: the header is read in `admit`, which is stricter.
_bearer = HTTPBearer(
    auto_error=False,
    bearerFormat="API key or JWT",
    description="An API key (`sk_…`), or a JSON Web Token of the configured issuer",
)


async def authenticate(
    request: Request,
    res: Res,
    _scheme: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Principal:
    """The caller, or 401."""
    return await admit(request, res)


async def compute(principal: Annotated[Principal, Depends(authenticate)]) -> Principal:
    """A caller who may run work; 403 otherwise."""
    if not principal.scopes & {COMPUTE, ADMIN}:
        raise _lacks(COMPUTE)
    return principal


async def admin(principal: Annotated[Principal, Depends(authenticate)]) -> Principal:
    """An administrator; 403 otherwise."""
    if not principal.is_admin:
        raise _lacks(ADMIN)
    return principal


Caller = Annotated[Principal, Depends(compute)]
Admin = Annotated[Principal, Depends(admin)]


def _lacks(scope: str) -> Problem:
    return Problem(403, "forbidden", f"this credential lacks the scope `{scope}`")
