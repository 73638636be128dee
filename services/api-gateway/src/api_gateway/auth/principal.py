"""The caller: the rows that it may see, and its scopes."""

import hashlib
import json
from dataclasses import dataclass, field
from uuid import UUID

from shared.db.repositories.scope import Scope

COMPUTE, ADMIN = "compute", "admin"
SCOPES = frozenset({COMPUTE, ADMIN})
"""All scopes; `admin` implies `compute`."""

_LONGEST_OWNER = 255


@dataclass(frozen=True)
class Principal:
    """The owner of a valid credential."""

    identity: str
    """Identifies the credential: `key:<id>` or `jwt:<issuer>:<subject>`."""
    scope: Scope
    scopes: frozenset[str] = field(default_factory=frozenset[str])
    key_id: UUID | None = None
    """The API key; none for a JWT."""
    requests_per_minute: int | None = None
    """Rate limit of this credential; none: the gateway's."""

    @property
    def is_admin(self) -> bool:
        """True if admin routes and fields are allowed."""
        return ADMIN in self.scopes

    @property
    def owner(self) -> str:
        """The owner of its idempotency keys: the tenant, else the credential."""
        bound = self.scope
        if bound.origin_instance is None and bound.origin_tenant_id is None:
            name = self.identity
        else:
            # JSON: two tenants' names must never yield the same string.
            name = f"tenant:{json.dumps([bound.origin_instance, bound.origin_tenant_id])}"
        if len(name) <= _LONGEST_OWNER:
            return name
        return f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"
