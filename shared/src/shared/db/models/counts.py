"""Counters of tasks and workflows, by the columns that totals are filtered by.

Triggers in the database maintain them (migrations 0006, 0009). Each change appends to `*_deltas` in
its own transaction; occasionally a trigger folds the deltas into `*_counts`, and by day of creation
into `*_by_day`. Appending takes no locks, so counting cannot block or deadlock concurrent
transactions. A total is the sum of counts and deltas in one snapshot, and is exact.
"""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Date, Index, Integer, String, Table, text
from sqlalchemy.schema import SchemaItem

from shared.db.models.base import Base


def _key() -> list[Column[Any]]:
    return [
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


def _day() -> Column[Any]:
    """Return the column of the day of creation, in UTC."""
    return Column("day", Date, nullable=False)


def _sum(name: str) -> Column[Any]:
    return Column(name, BigInteger, nullable=False)


def _sum_of_day(name: str) -> Column[Any]:
    """Return a 32-bit column: Postgres sums it much faster, and there are many rows."""
    return Column(name, Integer, nullable=False)


def _index_of_days(name: str) -> Index:
    """Return the index for ranges of days.

    With only the wider index of the key, Postgres assumes that a range's rows are scattered over
    the table, and prefers a sequential scan.
    """
    return Index(f"ix_{name}_day", "day")


def _counts(name: str, key: list[Column[Any]], *others: SchemaItem) -> Table:
    """Return a table of counters with a unique key; `others` are its sums and further indexes."""
    keys = [column.name for column in key]
    return Table(
        name,
        Base.metadata,
        *key,
        *others,
        Index(f"uq_{name}_key", *keys, unique=True, postgresql_nulls_not_distinct=True),
        # Finds the counters that fell to 0, to remove them.
        Index(f"ix_{name}_empty", "origin_instance", postgresql_where=text("n = 0")),
    )


TASK_COUNTS = _counts("task_counts", _task_key(), _sum("n"))
TASK_COUNTS_BY_DAY = _counts(
    "task_counts_by_day",
    [_day(), *_task_key()],
    _sum_of_day("n"),
    _index_of_days("task_counts_by_day"),
)
TASK_DELTAS = Table("task_deltas", Base.metadata, _day(), *_task_key(), _sum_of_day("n"))

TASK_SUMS_BY_DAY = _counts(
    "task_sums_by_day",
    [_day(), *_key()],
    _sum_of_day("n"),
    _index_of_days("task_sums_by_day"),
)
"""The same without task type and provider: at most a sixth of the rows."""

WORKFLOW_COUNTS = _counts("workflow_counts", _key(), _sum("n"), _sum("steps"))
WORKFLOW_COUNTS_BY_DAY = _counts(
    "workflow_counts_by_day",
    [_day(), *_key()],
    _sum_of_day("n"),
    _sum_of_day("steps"),
    _index_of_days("workflow_counts_by_day"),
)
WORKFLOW_DELTAS = Table(
    "workflow_deltas", Base.metadata, _day(), *_key(), _sum_of_day("n"), _sum_of_day("steps")
)
"""Counters of workflows also count their steps."""
