"""The caller: which rows they may see, and what they may do."""

from dataclasses import dataclass, field

from shared.db.repositories.scope import Scope


@dataclass(frozen=True)
class Principal:
    """Who a valid key stands for."""

    scope: Scope
    scopes: frozenset[str] = field(default_factory=frozenset[str])
