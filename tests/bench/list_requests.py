"""Requests for every list with every filter, order and search."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from shared.contracts.enums import ProviderType, TaskStatus, TaskType, WorkflowStatus
from shared.db.repositories.monitoring import TaskSort, WorkflowSort

ORIGINS: tuple[dict[str, Any], ...] = (
    {"origin_instance": "api-prod"},
    {"origin_instance": "api-staging"},
    {"origin_instance": "nobody"},
    {"origin_tenant_id": "tenant-0"},
    {"origin_tenant_id": "tenant-19"},
    {"origin_instance": "api-eu", "origin_tenant_id": "tenant-7"},
    {"origin_zone": "eu-west"},
)


@dataclass(frozen=True)
class ListRequest:
    """One GET request."""

    path: str
    query: dict[str, Any] = field(default_factory=dict[str, Any])
    is_of_tenant: bool = False
    """True: sent with a tenant's key."""

    @property
    def url(self) -> str:
        """Path and query."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    def __str__(self) -> str:
        return f"{self.url}{' as a tenant' if self.is_of_tenant else ''}"


def lists() -> Iterator[ListRequest]:
    """Yield a request for the first page of every list."""
    for path, statuses in (
        ("/api/v1/tasks/", TaskStatus),
        ("/api/v1/tasks/generation", TaskStatus),
        ("/api/v1/workflows/", WorkflowStatus),
    ):
        own: list[dict[str, Any]] = [{}, *ORIGINS, *({"status": status} for status in statuses)]
        if path == "/api/v1/tasks/":
            own += [{"task_type": task_type} for task_type in TaskType]
        for query in own:
            yield ListRequest(path, query)
        for query in ({}, {"status": "FAILED"}):
            yield ListRequest(path, query, is_of_tenant=True)
        yield ListRequest(path, {"include_deleted": "true"})
    own_filters = [{"task_type": task_type} for task_type in TaskType]
    own_filters += [{"provider_type": provider} for provider in ProviderType]
    yield from _monitored("tasks", TaskStatus, TaskSort, own_filters)
    names = ["lookbook", "c", "product shots 9", "none of them"]
    yield from _monitored(
        "workflows", WorkflowStatus, WorkflowSort, [{"search": name} for name in names]
    )


def _monitored(
    what: str, statuses: Any, sorts: Any, own_filters: list[dict[str, Any]]
) -> Iterator[ListRequest]:
    path = f"/api/v1/monitoring/{what}"
    now = datetime.now(UTC)
    after, before = (
        [{name: (now - span).isoformat()} for span in _SPANS]
        for name in ("created_after", "created_before")
    )
    between = [a | b for a, b in zip(after[3:], before, strict=False)]
    searches = [{"search": prefix} for prefix in ("a", "7f", "c0ffee", "0" * 32, "no id")]
    filters: list[dict[str, Any]] = [
        *ORIGINS,
        *({"status": status} for status in statuses),
        *own_filters,
        *after,
        *before,
        *between,
        *searches,
        {"status": "FAILED", "origin_tenant_id": "tenant-3", **after[3]},
        {"page_size": 500},
    ]
    for query in ({}, *filters):
        yield ListRequest(path, query)
    for sort in sorts:
        for order in ("asc", "desc"):
            sorting = {"sort_by": sort, "sort_order": order}
            for query in ({}, {"origin_tenant_id": "tenant-0"}, {"status": "FAILED"}, after[2]):
                yield ListRequest(path, {**sorting, **query})
            yield ListRequest(path, sorting, is_of_tenant=True)
    for query in ({}, {"status": "FAILED"}, after[3], searches[0]):
        yield ListRequest(path, query, is_of_tenant=True)


_SPANS = tuple(timedelta(hours=hours) for hours in (1, 24, 7 * 24, 30 * 24, 80 * 24))


def statistics() -> Iterator[ListRequest]:
    """Yield a request for every total."""
    for path in ("/api/v1/monitoring/stats", "/api/v1/monitoring/workflows/stats"):
        for query in ({}, {"origin_instance": "api-prod"}, {"origin_zone": "eu-west"}):
            yield ListRequest(path, query)
        yield ListRequest(path, is_of_tenant=True)
    yield ListRequest("/api/v1/monitoring/queues")
