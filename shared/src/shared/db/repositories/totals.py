"""Total numbers of tasks and workflows, from counters instead of counting rows.

Whole days come from the counters; rows are only counted for partial days at the ends of a range.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Table, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.models.counts import (
    TASK_COUNTS,
    TASK_COUNTS_BY_DAY,
    TASK_DELTAS,
    TASK_SUMS_BY_DAY,
    WORKFLOW_COUNTS,
    WORKFLOW_COUNTS_BY_DAY,
    WORKFLOW_DELTAS,
)
from shared.db.models.tables import Task, Workflow
from shared.db.repositories.scope import Scope


@dataclass(frozen=True)
class CountedTable:
    """A table and its counters."""

    rows: FromClause
    counts: Table
    by_day: Table
    sums_by_day: Table
    """Counters by day in fewer rows, without task type and provider."""
    deltas: Table


TASKS = CountedTable(Task.__table__, TASK_COUNTS, TASK_COUNTS_BY_DAY, TASK_SUMS_BY_DAY, TASK_DELTAS)
WORKFLOWS = CountedTable(
    Workflow.__table__,
    WORKFLOW_COUNTS,
    WORKFLOW_COUNTS_BY_DAY,
    WORKFLOW_COUNTS_BY_DAY,
    WORKFLOW_DELTAS,
)


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Filters of rows. A field that is none does not filter."""

    status: str | None = None
    task_type: str | None = None
    provider_type: str | None = None
    origin_instance: str | None = None
    origin_tenant_id: str | None = None
    origin_zone: str | None = None
    is_deleted: bool | None = None
    created_after: datetime | None = None
    """Inclusive."""
    created_before: datetime | None = None
    """Inclusive."""

    @property
    def needs_full_key(self) -> bool:
        """True if the counters by task type and provider are needed."""
        return self.task_type is not None or self.provider_type is not None

    def on(self, table: FromClause, scope: Scope) -> list[ColumnElement[bool]]:
        """Return the conditions on columns that rows and counters share, including the scope's."""
        conditions = [
            table.c[name] == value
            for of in (scope, self)
            for name, value in vars(of).items()
            if isinstance(value, str)
        ]
        if self.is_deleted is not None:
            conditions.append(table.c.is_deleted.is_(self.is_deleted))
        return conditions

    def on_rows(self, rows: FromClause, scope: Scope) -> list[ColumnElement[bool]]:
        """Return the conditions on rows, including those on their time of creation."""
        conditions = self.on(rows, scope)
        if self.created_after is not None:
            conditions.append(rows.c.created_at >= self.created_after)
        if self.created_before is not None:
            conditions.append(rows.c.created_at <= self.created_before)
        return conditions


async def total(session: AsyncSession, of: CountedTable, scope: Scope, filters: Filters) -> int:
    """Return the exact number of matching rows."""
    first, end = _whole_days(filters)
    rows = select(func.count()).select_from(of.rows)
    matching = filters.on_rows(of.rows, scope)
    if first and end and first >= end:
        return await session.scalar(rows.where(*matching)) or 0
    is_complement = await _has_most_days(session, of, first, end)
    amount = _folded(of, scope, filters, (first, end), is_complement=is_complement)
    amount += _sum(of.deltas, scope, filters, *_between(of.deltas, first, end))
    if first:
        before = rows.where(*matching, of.rows.c.created_at < _midnight(first))
        amount += before.scalar_subquery()
    if end:
        behind = rows.where(*matching, of.rows.c.created_at >= _midnight(end))
        amount += behind.scalar_subquery()
    return int(await session.scalar(select(amount)) or 0)


def _folded(
    of: CountedTable,
    scope: Scope,
    filters: Filters,
    days: tuple[date | None, date | None],
    *,
    is_complement: bool,
) -> ColumnElement[Any]:
    """Return the folded counters' sum of a range of days, or all days minus those outside it."""
    first, end = days
    by_day = of.by_day if filters.needs_full_key else of.sums_by_day
    if not is_complement:
        table = by_day if first or end else of.counts
        return _sum(table, scope, filters, *_between(table, first, end))
    amount = _sum(of.counts, scope, filters)
    if first:
        amount -= _sum(by_day, scope, filters, by_day.c.day < first)
    if end:
        amount -= _sum(by_day, scope, filters, by_day.c.day >= end)
    return amount


def _sum(
    table: Table, scope: Scope, filters: Filters, *days: ColumnElement[bool]
) -> ColumnElement[Any]:
    summed = select(func.coalesce(func.sum(table.c.n), 0))
    return summed.where(*filters.on(table, scope), *days).scalar_subquery()


def _between(table: Table, first: date | None, end: date | None) -> list[ColumnElement[bool]]:
    return [
        *([table.c.day >= first] if first else []),
        *([table.c.day < end] if end else []),
    ]


async def _has_most_days(
    session: AsyncSession, of: CountedTable, first: date | None, end: date | None
) -> bool:
    """Return true if a range has more than half of all days, so that the others are fewer."""
    if not first and not end:
        return False
    earliest = await session.scalar(select(func.min(of.sums_by_day.c.day)))
    if earliest is None:
        return False
    latest = datetime.now(UTC).date()
    num_inside = (min(end or latest, latest) - max(first or earliest, earliest)).days
    return num_inside > (latest - earliest).days / 2


async def totals_by(
    session: AsyncSession, of: CountedTable, scope: Scope, filters: Filters, names: tuple[str, ...]
) -> dict[str, dict[str, int]]:
    """Return the number of matching rows by value of each column, all in one snapshot."""
    counters = _of_all_days(of, scope, filters, (*names, "n"))
    columns = [counters.c[name] for name in names]
    found: dict[str, dict[str, int]] = {name: {} for name in names}
    grouped = select(*columns, func.sum(counters.c.n)).group_by(func.grouping_sets(*columns))
    for *values, amount in await session.execute(grouped):
        # In each grouping set exactly one column has a value.
        place = next(place for place, value in enumerate(values) if value is not None)
        if amount:
            found[names[place]][values[place]] = int(amount)
    return found


async def total_steps(session: AsyncSession, scope: Scope, filters: Filters) -> int:
    """Return the total number of steps of the matching workflows."""
    counters = _of_all_days(WORKFLOWS, scope, filters, ("steps",))
    return int(await session.scalar(select(func.sum(counters.c.steps))) or 0)


def _of_all_days(
    of: CountedTable, scope: Scope, filters: Filters, names: tuple[str, ...]
) -> FromClause:
    folded, unfolded = (
        select(*(table.c[name] for name in names)).where(*filters.on(table, scope))
        for table in (of.counts, of.deltas)
    )
    return folded.union_all(unfolded).subquery()


def _whole_days(filters: Filters) -> tuple[date | None, date | None]:
    """Return the range of days that are wholly within the filters: first day and exclusive end.

    Days are in UTC. None: the range is open at that end.
    """
    first = end = None
    if filters.created_after:
        after = filters.created_after.astimezone(UTC)
        first = after.date()
        if after.time() != time.min and first < date.max:
            first += timedelta(days=1)
    if filters.created_before:
        end = filters.created_before.astimezone(UTC).date()
    return first, end


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
