"""The query parameters of the monitoring routes."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from api_gateway.paging import Paging
from shared.contracts.enums import ProviderType, TaskStatus, TaskType, WorkflowStatus
from shared.db.repositories.monitoring import (
    COUNTED_AT_MOST,
    ListQuery,
    SortOrder,
    TaskSort,
    WorkflowSort,
)
from shared.db.repositories.totals import Filters

_MOST_A_PAGE = 500
_LAST_PAGE = 1_000_000


def _not_a_number(value: object) -> object:
    """A number would be read as seconds, or as milliseconds if it is large: nobody can tell."""
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[\d_.]+\s*", value):
        raise ValueError("must be a date and time, such as 2026-01-31T12:00:00Z, not a number")
    return value


def _in_utc(moment: datetime) -> datetime:
    """The same moment in UTC; a moment without a time zone is taken to be there already."""
    try:
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie between the years 1 and 9999 in UTC") from None


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain the character NUL")
    return text


Moment = Annotated[datetime, BeforeValidator(_not_a_number), AfterValidator(_in_utc)]
Word = Annotated[str, AfterValidator(_without_nul)]


class _OriginQuery(BaseModel):
    """Whose rows count."""

    origin_instance: Word | None = Field(default=None, description="Filter by origin instance")
    origin_zone: Word | None = Field(default=None, description="Filter by origin zone")


class StatsQuery(_OriginQuery):
    """What statistics are about: every row, cleaned up or not."""

    def filters(self) -> Filters:
        """The same in terms of the records."""
        return Filters(origin_instance=self.origin_instance, origin_zone=self.origin_zone)


class _PageQuery(_OriginQuery):
    """What both lists have in common."""

    origin_tenant_id: Word | None = Field(default=None, description="Filter by origin tenant ID")
    created_after: Moment | None = Field(
        default=None, description="Filter by creation at or after this datetime"
    )
    created_before: Moment | None = Field(
        default=None, description="Filter by creation at or before this datetime"
    )
    sort_order: SortOrder = Field(
        default=SortOrder.DESC,
        description="Sort order; rows without the value are last in descending order",
    )
    page: int = Field(default=1, ge=1, le=_LAST_PAGE, description="Page number (1-indexed)")
    page_size: int = Field(default=50, ge=1, le=_MOST_A_PAGE, description="Items per page")


class TaskQuery(_PageQuery):
    """Which tasks a list shows."""

    status: TaskStatus | None = Field(default=None, description="Filter by status")
    task_type: TaskType | None = Field(default=None, description="Filter by task type")
    provider_type: ProviderType | None = Field(default=None, description="Filter by provider type")
    search: Word | None = Field(
        default=None, max_length=100, description="Search by task ID prefix"
    )
    sort_by: TaskSort = Field(default=TaskSort.CREATED_AT, description="Sort field")

    def listing(self) -> ListQuery:
        """The same in terms of the records."""
        return _listing(self, self.search, self.sort_by)


class WorkflowQuery(_PageQuery):
    """Which workflows a list shows."""

    status: WorkflowStatus | None = Field(default=None, description="Filter by status")
    search: Word | None = Field(
        default=None, max_length=255, description="Search by workflow name or ID prefix"
    )
    sort_by: WorkflowSort = Field(default=WorkflowSort.CREATED_AT, description="Sort field")

    def listing(self) -> ListQuery:
        """The same in terms of the records."""
        return _listing(self, self.search, self.sort_by)


def set_headers(paging: Paging, query: TaskQuery | WorkflowQuery, amount: int) -> None:
    """Set the headers of a page; a search that found too much to be counted has no total."""
    is_exact = not query.search or amount < COUNTED_AT_MOST
    following = {"page": query.page + 1} if query.page * query.page_size < amount else None
    paging.set(total=amount if is_exact else None, following=following)


def _listing(query: _PageQuery, search: str | None, sort_by: TaskSort | WorkflowSort) -> ListQuery:
    filters = query.model_dump(exclude={"search", "sort_by", "sort_order", "page", "page_size"})
    return ListQuery(
        filters=Filters(**filters, is_deleted=False),
        search=search or None,
        sort_by=sort_by,
        sort_order=query.sort_order,
        page=query.page,
        page_size=query.page_size,
    )
