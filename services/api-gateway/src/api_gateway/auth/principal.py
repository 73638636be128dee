"""The caller: which rows they may see, and what they may do."""

from dataclasses import dataclass, field

from shared.db.repositories.scope import Scope


@dataclass(frozen=True)
class Principal:
    """Who a valid key stands for."""

    identity: str
    """Names the credential: `key:<id>` or `jwt:<issuer>:<subject>`."""
    scope: Scope
    scopes: frozenset[str] = field(default_factory=frozenset[str])

    @property
    def is_admin(self) -> bool:
        """Whether admin routes and fields are open."""
        return "admin" in self.scopes

    @property
    def owner(self) -> str:
        """Whose idempotency keys these are: the tenant's, else the credential's."""
        bound = self.scope
        if bound.origin_instance is None and bound.origin_tenant_id is None:
            return self.identity
        return f"tenant:{bound.origin_instance or '*'}/{bound.origin_tenant_id or '*'}"
