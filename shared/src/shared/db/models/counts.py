"""Counters: how many tasks and workflows there are, by everything that totals are filtered by.

The database keeps them itself (migration 0003). Triggers append each change to `*_deltas`, in the
transaction that makes it; now and then one of them folds the deltas into `*_counts`. Appending
waits for nobody, so counting cannot make concurrent transactions queue up or deadlock. A total is
the sum over both tables in one snapshot, and therefore exact.
"""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Date, Index, String, Table, text

from shared.db.models.base import Base


def _key() -> list[Column[Any]]:
    return [
        Column("day", Date),
        Column("origin_instance", String(100), nullable=False),
        Column("origin_tenant_id", String(100)),
        Column("origin_zone", String(50)),
        Column("is_deleted", Boolean, nullable=False),
        Column("status", String(20), nullable=False),
    ]


def _task_key() -> list[Column[Any]]:
    return [
        *_key(),
        Column("task_type", String(40), nullable=False),
        Column("provider_type", String(50), nullable=False),
    ]


def _sum(name: str) -> Column[Any]:
    return Column(name, BigInteger, nullable=False)


def _indexes(table: str, key: list[Column[Any]]) -> tuple[Index, Index]:
    names = [column.name for column in key]
    return (
        Index(f"uq_{table}_key", *names, unique=True, postgresql_nulls_not_distinct=True),
        # What has fallen to nothing is found and removed by it.
        Index(f"ix_{table}_empty", "day", postgresql_where=text("n = 0")),
    )


TASK_COUNTS = Table(
    "task_counts", Base.metadata, *_task_key(), _sum("n"), *_indexes("task_counts", _task_key())
)
"""Tasks by day of creation in UTC; the rows without a day hold all days together."""

TASK_DELTAS = Table("task_deltas", Base.metadata, *_task_key(), _sum("n"))
"""What has changed since the last fold; here every row has its day."""

WORKFLOW_COUNTS = Table(
    "workflow_counts",
    Base.metadata,
    *_key(),
    _sum("n"),
    _sum("steps"),
    *_indexes("workflow_counts", _key()),
)
"""Workflows and their steps, likewise."""

WORKFLOW_DELTAS = Table("workflow_deltas", Base.metadata, *_key(), _sum("n"), _sum("steps"))
"""Likewise."""
