"""Dependencies for the caller: `Caller` may run work, `Admin` may do everything."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from api_gateway.auth.admission import admit
from api_gateway.auth.principal import ADMIN, COMPUTE, Principal
from api_gateway.errors import Problem


class RequireScope(SecurityBase):
    """Dependency that admits callers with one of some scopes; 401 or 403 for all others.

    It is the security scheme of the document as well: each dependency that FastAPI resolves per
    request costs about as much as a short query.

    Args:
        lowest: the lowest scope that suffices.
        scopes: other scopes that suffice.
    """

    def __init__(self, lowest: str, *scopes: str) -> None:
        self._lowest, self._scopes = lowest, frozenset((lowest, *scopes))
        # Read by FastAPI; equal for all instances, so that the document has one scheme.
        self.scheme_name = "HTTPBearer"
        self.model = HTTPBearer(
            bearerFormat="API key or JWT",
            description="An API key (`sk_…`), or a JSON Web Token of the configured issuer",
        )

    async def __call__(self, request: Request) -> Principal:
        """Return the caller.

        Raises:
            Problem: 401, 403, or 429.
        """
        principal = await admit(request, request.app.state.resources)
        if principal.scopes.isdisjoint(self._scopes):
            raise Problem(403, "forbidden", f"this credential lacks the scope `{self._lowest}`")
        return principal


Caller = Annotated[Principal, Depends(RequireScope(COMPUTE, ADMIN))]
Admin = Annotated[Principal, Depends(RequireScope(ADMIN))]
