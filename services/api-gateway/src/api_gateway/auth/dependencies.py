"""What routes ask of their caller: `Caller` may run work, `Admin` may do everything."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from api_gateway.auth.admission import admit
from api_gateway.auth.principal import ADMIN, COMPUTE, Principal
from api_gateway.errors import Problem


class Guard(SecurityBase):
    """Admits callers who have one of some scopes; 401 for strangers, 403 for all others.

    It is the security scheme of the document and the dependency at once: each dependency that
    FastAPI resolves for a request costs about as much as the query of a short answer.

    Args:
        lowest: the scope that is enough.
        scopes: all that are.
    """

    def __init__(self, lowest: str, *scopes: str) -> None:
        self._lowest, self._scopes = lowest, frozenset((lowest, *scopes))
        # Read by FastAPI; equal for all guards, so that the document has one scheme.
        self.scheme_name = "HTTPBearer"
        self.model = HTTPBearer(
            bearerFormat="API key or JWT",
            description="An API key (`sk_…`), or a JSON Web Token of the configured issuer",
        )

    async def __call__(self, request: Request) -> Principal:
        """The caller.

        Raises:
            Problem: 401, 403, or 429.
        """
        principal = await admit(request, request.app.state.resources)
        if principal.scopes.isdisjoint(self._scopes):
            raise Problem(403, "forbidden", f"this credential lacks the scope `{self._lowest}`")
        return principal


Caller = Annotated[Principal, Depends(Guard(COMPUTE, ADMIN))]
Admin = Annotated[Principal, Depends(Guard(ADMIN))]
