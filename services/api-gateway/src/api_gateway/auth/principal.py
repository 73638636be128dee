"""The caller: which rows they may see, and what they may do."""

import hashlib
import json
from dataclasses import dataclass, field
from uuid import UUID

from shared.db.repositories.scope import Scope

COMPUTE, ADMIN = "compute", "admin"
SCOPES = frozenset({COMPUTE, ADMIN})
"""All scopes there are; `admin` implies `compute`."""

_LONGEST_OWNER = 255


@dataclass(frozen=True)
class Principal:
    """Who a valid credential stands for."""

    identity: str
    """Names the credential: `key:<id>` or `jwt:<issuer>:<subject>`."""
    scope: Scope
    scopes: frozenset[str] = field(default_factory=frozenset[str])
    key_id: UUID | None = None
    """The API key; none for a JWT."""
    requests_per_minute: int | None = None
    """Its own rate limit; none: the gateway's."""

    @property
    def is_admin(self) -> bool:
        """Whether admin routes and fields are open."""
        return ADMIN in self.scopes

    @property
    def owner(self) -> str:
        """Whose idempotency keys these are: the tenant's, else the credential's."""
        bound = self.scope
        if bound.origin_instance is None and bound.origin_tenant_id is None:
            name = self.identity
        else:
            # JSON: no spelling of one tenant's names may read as another's.
            name = f"tenant:{json.dumps([bound.origin_instance, bound.origin_tenant_id])}"
        if len(name) <= _LONGEST_OWNER:
            return name
        return f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"
