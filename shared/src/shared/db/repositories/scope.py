"""Scope of an API key: the rows that a client may see."""

from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Row, Select

from shared.db.models.base import Origin
from shared.db.models.loras import Lora
from shared.db.models.tables import StoredObject
from shared.db.models.webhooks import TenantOwned

_RowsT = TypeVar("_RowsT", bound=Select[Any])


@dataclass(frozen=True)
class Scope:
    """The instance and tenant that an API key is bound to. None: not bound."""

    origin_instance: str | None = None
    origin_tenant_id: str | None = None

    def covers(self, row: Origin | StoredObject | Lora | Row[Any]) -> bool:
        """Return true if a row is within this scope."""
        return self.origin_instance in {None, row.origin_instance} and (
            self.origin_tenant_id in {None, row.origin_tenant_id}
        )

    def limit(
        self,
        rows: _RowsT,
        table: type[Origin] | type[StoredObject] | type[Lora] | type[TenantOwned],
    ) -> _RowsT:
        """Limit a statement to the rows within this scope."""
        if self.origin_instance is not None:
            rows = rows.where(table.origin_instance == self.origin_instance)
        if self.origin_tenant_id is not None:
            rows = rows.where(table.origin_tenant_id == self.origin_tenant_id)
        return rows
