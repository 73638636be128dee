"""Counters: how many tasks and workflows there are, by everything that totals are filtered by.

The database keeps them itself (migrations 0006, 0009). Triggers append each change to `*_deltas`,
in the transaction that makes it; now and then one of them folds the deltas into `*_counts`, and the
same by day of creation into `*_by_day`. Appending waits for nobody, so counting cannot make
concurrent transactions queue up or deadlock. A total is the sum of what is folded and what is not,
in one snapshot, and therefore exact.
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
    """The day of creation, in UTC."""
    return Column("day", Date, nullable=False)


def _sum(name: str) -> Column[Any]:
    return Column(name, BigInteger, nullable=False)


def _sum_of_day(name: str) -> Column[Any]:
    """Half as wide: Postgres adds these up much faster, and there are many."""
    return Column(name, Integer, nullable=False)


def _index_of_days(name: str) -> Index:
    """For ranges of days.

    By the key's index, which has more columns, Postgres takes a range's rows to lie all over the
    table, and rather reads the table whole.
    """
    return Index(f"ix_{name}_day", "day")


def _counts(name: str, key: list[Column[Any]], *others: SchemaItem) -> Table:
    """Counters by a key; `others` are their sums, and indexes."""
    keys = [column.name for column in key]
    return Table(
        name,
        Base.metadata,
        *key,
        *others,
        Index(f"uq_{name}_key", *keys, unique=True, postgresql_nulls_not_distinct=True),
        # What has fallen to nothing is found by it, and removed.
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
"""The same, whatever the task type and provider: a sixth of the rows, or fewer."""

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
"""Workflows are counted together with their steps."""
