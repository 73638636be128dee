"""Pages of tasks and workflows for the dashboard, with filters, sorting and search."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, collate, false, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from shared.db.models.tables import Task, Workflow
from shared.db.repositories.scope import Scope
from shared.db.repositories.totals import TASKS, WORKFLOWS, CountedTable, Filters, total
from shared.db.session import plan_for_values

COUNTED_AT_MOST = 1000
"""Upper bound on the count of search results."""

_UUID_DIGITS = 32


class SortOrder(StrEnum):
    """Directions of sorting."""

    ASC = "asc"
    DESC = "desc"


class TaskSort(StrEnum):
    """Sort keys of a list of tasks."""

    CREATED_AT = "created_at"
    STARTED_AT = "started_at"
    COMPLETED_AT = "completed_at"
    DURATION_MS = "duration_ms"
    STATUS = "status"
    TASK_TYPE = "task_type"
    PROVIDER_TYPE = "provider_type"


class WorkflowSort(StrEnum):
    """Sort keys of a list of workflows."""

    CREATED_AT = "created_at"
    STARTED_AT = "started_at"
    COMPLETED_AT = "completed_at"
    DURATION_MS = "duration_ms"
    STATUS = "status"
    NAME = "name"


@dataclass(frozen=True)
class ListQuery:
    """The filters, search, order and page of a list."""

    filters: Filters
    search: str | None
    sort_by: TaskSort | WorkflowSort
    sort_order: SortOrder
    page: int
    page_size: int


_TASK_LINE = (
    Task.id,
    Task.task_type,
    Task.provider_type,
    Task.status,
    Task.progress,
    Task.origin_instance,
    Task.origin_zone,
    Task.origin_tenant_id,
    Task.created_at,
    Task.started_at,
    Task.completed_at,
    (Task.errors != func.jsonb_build_array()).label("has_error"),
)
_WORKFLOW_LINE = (
    Workflow.id,
    Workflow.name,
    Workflow.description,
    Workflow.status,
    Workflow.total_steps,
    Workflow.completed_steps,
    Workflow.current_step,
    Workflow.final_step_id,
    Workflow.origin_instance,
    Workflow.origin_zone,
    Workflow.origin_tenant_id,
    Workflow.created_at,
    Workflow.started_at,
    Workflow.completed_at,
    (Workflow.errors != func.jsonb_build_array()).label("has_error"),
)


_Columns = Sequence[ColumnElement[Any] | InstrumentedAttribute[Any]]


async def list_task_lines(
    session: AsyncSession, scope: Scope, listing: ListQuery
) -> tuple[Sequence[RowMapping], int]:
    """Return one page of tasks, and the number of matches. The search is by prefix of the id."""
    found = None if listing.search is None else _starts_id(Task.id, listing.search)
    matching = [*listing.filters.on_rows(TASKS.rows, scope), *([] if found is None else [found])]
    amount = await _amount(session, TASKS, scope, listing, matching)
    return await _page(session, TASKS, _TASK_LINE, listing, matching), amount


async def list_workflow_lines(
    session: AsyncSession, scope: Scope, listing: ListQuery
) -> tuple[Sequence[RowMapping], int]:
    """Return one page of workflows, and the number of matches.

    The search is by prefix of the id or the name; the name is compared ignoring case.
    """
    matching = listing.filters.on_rows(WORKFLOWS.rows, scope)
    if listing.search is not None:
        literally = re.sub(r"[\\%_]", r"\\\g<0>", listing.search)
        starts_name = _lower_name().like(func.lower(f"{literally}%"))
        matching.append(or_(starts_name, _starts_id(Workflow.id, listing.search)))
    amount = await _amount(session, WORKFLOWS, scope, listing, matching)
    return await _page(session, WORKFLOWS, _WORKFLOW_LINE, listing, matching), amount


async def _amount(
    session: AsyncSession,
    of: CountedTable,
    scope: Scope,
    listing: ListQuery,
    matching: list[ColumnElement[bool]],
) -> int:
    await plan_for_values(session)
    if listing.search is None:
        return await total(session, of, scope, listing.filters)
    some = (
        select(of.rows.c.id)
        .where(*matching)
        # The order does not matter, but an index has it. Without an order, Postgres may scan the
        # table, expecting to find enough rows before its end.
        .order_by(of.rows.c.created_at.desc(), of.rows.c.id.desc())
        .limit(COUNTED_AT_MOST)
        .subquery()
    )
    return await session.scalar(select(func.count()).select_from(some)) or 0


async def _page(
    session: AsyncSession,
    of: CountedTable,
    line: _Columns,
    listing: ListQuery,
    matching: list[ColumnElement[bool]],
) -> Sequence[RowMapping]:
    page = await session.execute(
        select(*line)
        .where(*matching)
        .order_by(*_order(of, listing))
        .offset((listing.page - 1) * listing.page_size)
        .limit(listing.page_size)
    )
    return page.mappings().all()


def _order(of: CountedTable, listing: ListQuery) -> list[ColumnElement[Any]]:
    """Return an order that an index has. Ascending is the reverse of descending, including ties.

    Rows without the value are last in descending order.
    """
    rows, by = of.rows.c, listing.sort_by
    is_descending = listing.sort_order is SortOrder.DESC

    def directed(key: ColumnElement[Any], *, falls: bool = is_descending) -> ColumnElement[Any]:
        return key.desc() if falls else key.asc()

    if by in _SPARSE:
        is_duration = by == TaskSort.DURATION_MS
        key = rows.completed_at - rows.started_at if is_duration else rows[by]
        first = key.desc().nulls_last() if is_descending else key.asc().nulls_first()
        return [first, directed(rows.id)]
    if by == WorkflowSort.NAME:
        return [directed(_lower_name()), directed(rows.id)]
    if by == TaskSort.CREATED_AT:
        return [directed(rows.created_at), directed(rows.id)]
    # The other indexes are ascending by value, and newest first within a value.
    ties = (directed(key, falls=not is_descending) for key in (rows.created_at, rows.id))
    return [directed(rows[by]), *ties]


_SPARSE = frozenset({"started_at", "completed_at", "duration_ms"})


def _lower_name() -> ColumnElement[str]:
    return collate(func.lower(Workflow.name), "C")


def _starts_id(column: InstrumentedAttribute[UUID], beginning: str) -> ColumnElement[bool]:
    """Return the condition that an id has a prefix; dashes may be omitted."""
    digits = beginning.strip().lower().replace("-", "")
    if not re.fullmatch(f"[0-9a-f]{{1,{_UUID_DIGITS}}}", digits):
        return false()
    least, greatest = (UUID(digits.ljust(_UUID_DIGITS, filler)) for filler in "0f")
    return column.between(least, greatest)
